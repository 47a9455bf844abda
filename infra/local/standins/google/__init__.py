"""A stand-in for Google that keeps its published rules: sign-in, Calendar events, Meet spaces. Never shipped."""

from __future__ import annotations

from flask import Flask

from infra.local.standins.google import calendar, meet
from infra.local.standins.google.errors import Refusal
from infra.local.standins.google.world import Conference, Door, Google, Mail, OpenPolicy

__all__ = ["ORIGINS", "Conference", "Door", "Google", "Mail", "OpenPolicy", "create_app"]

ORIGINS = (
    "https://accounts.google.com",
    "https://oauth2.googleapis.com",
    "https://openidconnect.googleapis.com",
    "https://www.googleapis.com",
    "https://meet.googleapis.com",
)
"""The origins of one app. Their paths do not overlap."""


def create_app(google: Google) -> Flask:
    """Give a stand-in its HTTP face, and /_admin for scripts."""
    from infra.local.standins.faults import install_faults

    app = Flask(__name__)
    google.identity.install(app)
    app.register_blueprint(calendar.routes(google))
    app.register_blueprint(meet.routes(google))
    app.add_url_rule("/v1/userinfo", "userinfo", lambda: _userinfo(google))
    app.register_error_handler(Refusal, lambda no: (no.body, no.status))
    install_faults(app, google.faults)
    return app


def _userinfo(google: Google) -> tuple[dict[str, object], int]:
    token = google.identity.bearer()
    if token is None or "openid" not in token.scopes:
        return {"error": "invalid_request", "error_description": "Invalid Credentials"}, 401
    person = token.person
    claims: dict[str, object] = {"sub": person.id, "picture": "https://lh3.googleusercontent.com/a/stand-in"}
    if "email" in token.scopes:
        claims |= {"email": person.email, "email_verified": True}
    return claims, 200
