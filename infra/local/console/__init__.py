"""The local console, never shipped: start page, example booking page, inbox, and the SES that fills the inbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx
from flask import Flask, Response, render_template
from markupsafe import Markup, escape
from werkzeug.exceptions import HTTPException

from infra.local.breakage import Breakage
from infra.local.console import texts
from infra.local.console.activity import create_activity
from infra.local.console.api import Api, ApiProblem
from infra.local.console.booking_page import create_booking_page
from infra.local.console.break_page import create_break_page
from infra.local.console.demo import Demo
from infra.local.console.home import create_home
from infra.local.console.inbox import create_inbox
from infra.local.console.mailbox import Mail, Mailbox
from infra.local.console.previews import create_previews
from infra.local.console.received import Receiver, create_received
from infra.local.console.ses import create_ses
from infra.local.mail_reports import MailReports
from infra.local.request_log import RequestLog
from infra.local.standins.base import Clock, utc_now
from infra.local.standins.faults import Faults, install_faults

__all__ = ["Demo", "Mail", "Mailbox", "Receiver", "StackParts", "create_console"]

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-src 'self'; base-uri 'none'; frame-ancestors 'self'"
)


@dataclass(frozen=True)
class StackParts:
    """Parts of the stack that the console shows and breaks."""

    breakage: Breakage
    request_log: RequestLog
    receiver: Receiver
    mail_reports: MailReports
    receive_mail: Callable[[bytes, str], None] = lambda raw, sender: None
    """Receives an email of this sender as SES does."""


def create_console(
    demo: Demo,
    mailbox: Mailbox,
    *,
    faults: Faults | None = None,
    transport: httpx.BaseTransport | None = None,
    clock: Clock = utc_now,
    parts: StackParts | None = None,
) -> Flask:
    """The console as a WSGI app. `transport` carries the calls to the product's API.

    `faults` strike any path, SES's among them; scripts add to them at `POST /_admin/faults`. `parts` are those of the
    stack that the console shows and breaks.
    """
    parts = parts or StackParts(Breakage(()), RequestLog(clock), Receiver(clock), MailReports(lambda _: None))
    console = _create_app()
    api = Api(demo, transport)
    console.register_blueprint(create_home(demo, mailbox, api))
    console.register_blueprint(create_booking_page(demo, api, clock))
    console.register_blueprint(create_break_page(parts.breakage))
    console.register_blueprint(create_activity(api, parts.request_log, clock))
    console.register_blueprint(create_received(parts.receiver))
    console.register_blueprint(create_inbox(mailbox, parts.mail_reports, parts.receive_mail, clock))
    console.register_blueprint(create_previews())
    console.register_blueprint(create_ses(mailbox, demo.verified_senders))
    console.register_error_handler(ApiProblem, _show_problem)
    console.register_error_handler(HTTPException, _show_http_error)
    console.after_request(_protect)
    install_faults(console, faults or Faults())
    return console


def _create_app() -> Flask:
    """Return an app without pages, with what the templates need."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(words=texts)
    app.jinja_env.tests["web_address"] = _is_web_address
    app.jinja_env.filters["code"] = _mark_code
    return app


def _is_web_address(text: str | None) -> bool:
    # Anything else, such as javascript:, must not become a link.
    return (text or "").startswith(("https://", "http://"))


def _mark_code(text: str) -> Markup:
    """Show what is between backquotes as code."""
    parts = [
        Markup("<code>{}</code>").format(part) if odd % 2 else escape(part) for odd, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts)


def _show_problem(problem: ApiProblem) -> tuple[str, int]:
    return render_template("problem.html", problem=problem), problem.status


def _show_http_error(error: HTTPException) -> tuple[str, int]:
    status = error.code or 500
    return _show_problem(ApiProblem(status, error.name, error.description or ""))


def _protect(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Cache-Control", "no-store")
    return response
