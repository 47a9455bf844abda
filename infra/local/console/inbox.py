"""The inbox: every mail that the stand-in SES accepted, for people and for scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from infra.local.calendar_replies import ANSWERS, PROGRAMS, Answer
from infra.local.console.live import live_part
from infra.local.console.mail_view import read
from infra.local.console.mailbox import Mail, Mailbox
from infra.local.mail_reports import MailReports, ReportedAs
from infra.local.standins.base import Clock

_SHOWN = 200
_VIEWS = ("html", "text", "source")

# The reader's own mail program runs no scripts and loads pictures; links leave the frame.
_MAIL_POLICY = (
    "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; "
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: https:"
)
_MAIL_HEAD = '<base target="_blank"><meta name="viewport" content="width=device-width">'


def create_inbox(
    mailbox: Mailbox, reports: MailReports, receive: Callable[[bytes, str], None], clock: Clock
) -> Blueprint:
    """The inbox's pages and `GET /inbox.json`."""
    inbox, pages = Blueprint("inbox", __name__), _InboxPages(mailbox, reports, receive, clock)
    inbox.get("/inbox.json")(pages.list_mails)
    inbox.get("/inbox")(pages.show_inbox)
    inbox.get("/inbox/live")(pages.live_inbox)
    inbox.post("/inbox/clear")(pages.clear_inbox)
    inbox.get("/inbox/<mail_id>")(pages.show_mail)
    inbox.post("/inbox/<mail_id>/report")(pages.report)
    inbox.post("/inbox/<mail_id>/answer")(pages.answer)
    inbox.get("/inbox/<mail_id>/html")(pages.show_html)
    inbox.get("/inbox/<mail_id>/invite.ics")(pages.download_invite)
    inbox.get("/inbox/<mail_id>/mail.eml")(pages.download_mail)
    return inbox


class _InboxPages:
    def __init__(
        self, mailbox: Mailbox, reports: MailReports, receive: Callable[[bytes, str], None], clock: Clock
    ) -> None:
        self._mailbox = mailbox
        self._reports = reports
        self._receive = receive
        self._clock = clock

    def list_mails(self) -> Response:
        return jsonify(
            [_as_json(mail) for mail in self._mailbox.mails(request.args.get("to") or None, request.args.get("q"))]
        )

    def report(self, mail_id: str) -> BaseResponse:
        try:
            kind = ReportedAs(request.form.get("as", ""))
        except ValueError:
            abort(422, f"as must be one of {', '.join(ReportedAs)}.")
        self._reports.report(self._mail(mail_id), kind)
        return redirect(url_for("inbox.show_mail", mail_id=mail_id, reported=kind), 303)

    def answer(self, mail_id: str) -> BaseResponse:
        """Answer an invitation as the recipient's calendar does."""
        mail = self._mail(mail_id)
        event, partstat = read(mail).event, request.form.get("answer", "")
        program = PROGRAMS.get(request.form.get("program", ""))
        if event is None or partstat not in ANSWERS or program is None:
            abort(422, f"answer must be one of {', '.join(ANSWERS)}, program one of {', '.join(PROGRAMS)}.")
        answer = Answer(event, mail.to[0], partstat, self._clock())
        self._receive(program.write(answer), answer.email)
        return redirect(url_for("inbox.show_mail", mail_id=mail_id, answered=partstat), 303)

    def show_inbox(self) -> str:
        return render_template("inbox.html", recipients=self._mailbox.recipients(), **self._listing())

    def live_inbox(self) -> dict[str, Any]:
        page = render_template("_mails.html", **self._listing())
        # A recipient who is new needs a place in the filter: the page is loaded again.
        return live_part(page, page=str(len(self._mailbox.recipients())))

    def clear_inbox(self) -> BaseResponse:
        self._mailbox.clear()
        return redirect(url_for("inbox.show_inbox"), 303)

    def show_mail(self, mail_id: str) -> str:
        mail = self._mail(mail_id)
        parts = read(mail)
        present = [view for view in _VIEWS if view == "source" or getattr(parts, view) is not None]
        view = request.args.get("view", "")
        view = view if view in present else present[0]
        answering = {"answers": ANSWERS, "programs": PROGRAMS}
        return render_template("mail.html", mail=mail, parts=parts, views=present, view=view, **answering)

    def show_html(self, mail_id: str) -> Response:
        html = read(self._mail(mail_id)).html
        return as_paper(html) if html is not None else abort(404)

    def download_invite(self, mail_id: str) -> Response:
        mail = self._mail(mail_id)
        calendar = read(mail).calendar
        if calendar is None:
            abort(404, "This mail carries no calendar event.")
        content_type = f"text/calendar; charset=utf-8; method={mail.calendar_method or 'PUBLISH'}"
        return _download(calendar, "invite.ics", content_type)

    def download_mail(self, mail_id: str) -> Response:
        return _download(self._mail(mail_id).delivered, "mail.eml", "message/rfc822")

    def _mail(self, mail_id: str) -> Mail:
        return self._mailbox.find(mail_id) or abort(404, "There is no such mail. The inbox lives in memory only.")

    def _listing(self) -> dict[str, Any]:
        to, text = request.args.get("to") or None, request.args.get("q") or None
        mails = self._mailbox.mails(to, text)[::-1]
        return {"mails": mails[:_SHOWN], "hidden": max(0, len(mails) - _SHOWN), "to": to, "text": text}


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
