"""A stand-in for Zoom that keeps Zoom's published rules, for tests and the local stack. Never shipped."""

from __future__ import annotations

from flask import Flask, Response

from infra.local.standins.faults import install_faults
from infra.local.standins.zoom import admin, api, oauth, pages
from infra.local.standins.zoom.accounts import APP_SCOPES, Account
from infra.local.standins.zoom.current import EXTENSION, current_zoom
from infra.local.standins.zoom.errors import ApiError, OAuthError
from infra.local.standins.zoom.meetings import Meeting
from infra.local.standins.zoom.webhooks import Delivery
from infra.local.standins.zoom.world import Zoom

__all__ = ["APP_SCOPES", "Account", "Delivery", "Meeting", "Zoom", "create_app"]


def create_app(zoom: Zoom) -> Flask:
    """Give a stand-in its HTTP face: OAuth pages and endpoints, /v2, /apps, and /_admin for scripts."""
    app = Flask(__name__)
    app.extensions[EXTENSION] = zoom
    app.jinja_env.globals["zoom"] = zoom
    for blueprint in (oauth.blueprint, api.blueprint, pages.blueprint, admin.blueprint):
        app.register_blueprint(blueprint)
    app.register_error_handler(ApiError, _answer_api_error)
    app.register_error_handler(OAuthError, _answer_oauth_error)
    app.after_request(_finish)
    install_faults(app, zoom.faults)
    return app


def _answer_api_error(error: ApiError) -> tuple[dict[str, object], int, dict[str, str]]:
    return error.body, error.status, dict(error.headers)


def _answer_oauth_error(error: OAuthError) -> tuple[dict[str, str], int]:
    return error.body, error.status


def _finish(answer: Response) -> Response:
    zoom = current_zoom()
    with zoom.lock:
        answer.headers["x-zm-trackingid"] = f"v=2.0;clid=standin;rid=WEB_{zoom.mint.hexadecimal(32)}"
    # Pages need no more than their own style sheet; no form-action, which would stop the redirect back to the app.
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer
