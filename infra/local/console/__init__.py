"""The local console, never shipped: start page, example booking page, inbox, and the SES that fills the inbox."""

from __future__ import annotations

import httpx
from flask import Flask, Response, render_template
from werkzeug.exceptions import HTTPException

from infra.local.console import texts
from infra.local.console.api import Api, ApiProblem
from infra.local.console.booking_page import create_booking_page
from infra.local.console.demo import Demo
from infra.local.console.home import create_home
from infra.local.console.inbox import create_inbox
from infra.local.console.mailbox import Mail, Mailbox
from infra.local.console.previews import create_previews
from infra.local.console.ses import create_ses
from infra.local.standins.base import Clock, utc_now
from infra.local.standins.faults import Faults, install_faults

__all__ = ["Demo", "Mail", "Mailbox", "create_console"]

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-src 'self'; base-uri 'none'; frame-ancestors 'self'"
)


def create_console(
    demo: Demo,
    mailbox: Mailbox,
    *,
    faults: Faults | None = None,
    transport: httpx.BaseTransport | None = None,
    clock: Clock = utc_now,
) -> Flask:
    """The console as a WSGI app. `transport` carries the calls to the product's API.

    `faults` strike any path, SES's among them; scripts add to them at `POST /_admin/faults`.
    """
    console = Flask(__name__)
    console.json.sort_keys = False  # type: ignore[attr-defined]
    console.jinja_env.trim_blocks = True
    console.jinja_env.lstrip_blocks = True
    console.jinja_env.globals.update(words=texts)
    console.jinja_env.tests["web_address"] = _is_web_address

    api = Api(demo, transport)
    console.register_blueprint(create_home(demo, mailbox, api))
    console.register_blueprint(create_booking_page(demo, api, clock))
    console.register_blueprint(create_inbox(mailbox))
    console.register_blueprint(create_previews())
    console.register_blueprint(create_ses(mailbox, demo.verified_senders))
    console.register_error_handler(ApiProblem, _show_problem)
    console.register_error_handler(HTTPException, _show_http_error)
    console.after_request(_protect)
    install_faults(console, faults or Faults())
    return console


def _is_web_address(text: str | None) -> bool:
    # Anything else, such as javascript:, must not become a link.
    return (text or "").startswith(("https://", "http://"))


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
