"""A stand-in for Zoom that follows Zoom's published rules, for tests and the local stack. Never shipped."""

from __future__ import annotations

from flask import Flask, Response

from infra.local.standins.faults import install_faults
from infra.local.standins.zoom import admin, api, pages
from infra.local.standins.zoom.accounts import APP_SCOPES, Account
from infra.local.standins.zoom.current import EXTENSION, current_zoom
from infra.local.standins.zoom.errors import ApiError
from infra.local.standins.zoom.meetings import Meeting
from infra.local.standins.zoom.webhooks import Delivery
from infra.local.standins.zoom.world import Zoom

__all__ = ["APP_SCOPES", "Account", "Delivery", "Meeting", "Zoom", "create_app"]


def create_app(zoom: Zoom) -> Flask:
    """Create the WSGI app: OAuth pages and endpoints, the API below /v2, /apps, and /_admin for scripts."""
    app = Flask(__name__)
    app.extensions[EXTENSION] = zoom
    app.jinja_env.globals["zoom"] = zoom
    for blueprint in (api.blueprint, pages.blueprint, admin.blueprint):
        app.register_blueprint(blueprint)
    app.register_error_handler(ApiError, lambda error: (error.body, error.status, dict(error.headers)))
    app.after_request(_add_tracking_id)
    app.after_request(_send_events)
    zoom.identity.install(app)
    install_faults(app, zoom.faults)
    return app


def _send_events(response: Response) -> Response:
    """Send the events of this request before its response: Zoom's events may arrive first, too."""
    current_zoom().send_pending()
    return response


def _add_tracking_id(response: Response) -> Response:
    zoom = current_zoom()
    with zoom.lock:
        response.headers["x-zm-trackingid"] = f"v=2.0;clid=standin;rid=WEB_{zoom.mint.hexadecimal(32)}"
    return response
