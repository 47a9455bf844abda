"""The inbox: every mail that the stand-in SES accepted, for people and for scripts."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from infra.local.console.mail_view import read
from infra.local.console.mailbox import Mail, Mailbox

_SHOWN = 200
_REFRESH_SECONDS = 2
_VIEWS = ("html", "text", "source")

# The reader's own mail program runs no scripts and loads pictures; links leave the frame.
_MAIL_POLICY = (
    "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; "
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: https:"
)
_MAIL_HEAD = '<base target="_blank"><meta name="viewport" content="width=device-width">'


def create_inbox(mailbox: Mailbox) -> Blueprint:
    """The inbox's pages and `GET /inbox.json`."""
    inbox = Blueprint("inbox", __name__)

    def wanted(mail_id: str) -> Mail:
        return mailbox.find(mail_id) or abort(404, "There is no such mail. The inbox lives in memory only.")

    def listing() -> dict[str, Any]:
        to = request.args.get("to") or None
        mails = mailbox.mails(to)[::-1]
        return {"mails": mails[:_SHOWN], "hidden": max(0, len(mails) - _SHOWN), "to": to}

    @inbox.get("/inbox.json")
    def list_mails() -> Response:
        return jsonify([_as_json(mail) for mail in mailbox.mails(request.args.get("to") or None)])

    @inbox.get("/inbox")
    def show_inbox() -> str:
        return render_template("inbox.html", recipients=mailbox.recipients(), **listing())

    @inbox.get("/inbox/live")
    def live_inbox() -> dict[str, Any]:
        page = render_template("_mails.html", **listing())
        # A recipient who is new needs a place in the filter: the page is loaded again.
        return {"html": page, "again_in_seconds": _REFRESH_SECONDS, "page": str(len(mailbox.recipients()))}

    @inbox.post("/inbox/clear")
    def clear_inbox() -> BaseResponse:
        mailbox.clear()
        return redirect(url_for("inbox.show_inbox"), 303)

    @inbox.get("/inbox/<mail_id>")
    def show_mail(mail_id: str) -> str:
        mail = wanted(mail_id)
        parts = read(mail)
        present = [view for view in _VIEWS if view == "source" or getattr(parts, view) is not None]
        view = request.args.get("view", "")
        return render_template(
            "mail.html", mail=mail, parts=parts, views=present, view=view if view in present else present[0]
        )

    @inbox.get("/inbox/<mail_id>/html")
    def show_html(mail_id: str) -> Response:
        html = read(wanted(mail_id)).html
        return as_paper(html) if html is not None else abort(404)

    @inbox.get("/inbox/<mail_id>/invite.ics")
    def download_invite(mail_id: str) -> Response:
        mail = wanted(mail_id)
        calendar = read(mail).calendar
        if calendar is None:
            abort(404, "This mail carries no calendar event.")
        content_type = f"text/calendar; charset=utf-8; method={mail.calendar_method or 'PUBLISH'}"
        return _download(calendar, "invite.ics", content_type)

    @inbox.get("/inbox/<mail_id>/mail.eml")
    def download_mail(mail_id: str) -> Response:
        return _download(wanted(mail_id).delivered, "mail.eml", "message/rfc822")

    return inbox


def as_paper(html: str) -> Response:
    """A mail's HTML as a mail program shows it, to be put into a frame."""
    answer = Response(_with_head(html), content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = _MAIL_POLICY
    return answer


def _as_json(mail: Mail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "to": list(mail.to),
        "subject": mail.subject,
        "sent_at": mail.sent_at.isoformat().replace("+00:00", "Z"),
        "raw": mail.raw,
        "tags": dict(mail.tags),
    }


def _with_head(html: str) -> Markup:
    """The mail's own HTML, its links opening outside the frame; the doctype stays first."""
    lowered = html.lower()
    start = lowered.find("<head>") + len("<head>") if "<head>" in lowered else 0
    return Markup(html[:start] + _MAIL_HEAD + html[start:])  # noqa: S704  -- shown sandboxed, without scripts


def _download(body: bytes, name: str, content_type: str) -> Response:
    return Response(
        body, headers={"Content-Type": content_type, "Content-Disposition": f'attachment; filename="{name}"'}
    )
