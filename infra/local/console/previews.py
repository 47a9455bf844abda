"""Every kind of mail, rendered as it would be sent."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

from flask import Blueprint, Response, abort, render_template, request

from infra.local.console.inbox import as_paper


def create_previews() -> Blueprint:
    """`GET /mails?case=…`: a list of cases and one of them, and `GET /mails/html?case=…`."""
    previews = Blueprint("previews", __name__)

    def parts() -> tuple[str, dict[str, str], list[str]]:
        from infra.local.console.mail_cases import mails

        cases = mails()
        case = request.args.get("case") or next(iter(cases))
        if case not in cases:
            abort(404, "There is no such kind of mail.")
        message = message_from_bytes(cases[case].raw, policy=policy.default)
        return case, {kind: _text(message, kind) for kind in ("plain", "html")}, list(cases)

    @previews.get("/mails")
    def show_previews() -> str:
        case, texts, cases = parts()
        return render_template("mails.html", case=case, cases=cases, text=texts["plain"])

    @previews.get("/mails/html")
    def show_html() -> Response:
        return as_paper(parts()[1]["html"])

    return previews


def _text(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""
