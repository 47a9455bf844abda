"""The HTTP API and the browser's pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Chalice

from chalicelib.api import (
    bookings,
    calendars,
    connections,
    cors,
    inbound_webhooks,
    routing,
    service,
    webhook_endpoints,
    webhook_secrets,
)
from chalicelib.api.describe import description_of
from chalicelib.api.pages import connect_link, join, keys, oauth_redirects, settings_page

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def register(app: Chalice, services: Callable[[], Services]) -> None:
    """Put every route on `app`."""
    routing.install(app)
    for module in (bookings, calendars, connections, webhook_endpoints, inbound_webhooks, webhook_secrets):
        app.register_blueprint(module.routes(services))
    for page in (connect_link, settings_page, oauth_redirects, keys, join):
        app.register_blueprint(page.routes(services))
    app.register_blueprint(service.routes(services, app))
    cors.install(app, services)
    _accept_any_kind_of_no_body(app)


def _accept_any_kind_of_no_body(app: Chalice) -> None:
    """HTTP clients send their usual Content-Type also where there is no body; Chalice would answer 415."""
    for methods in app.routes.values():
        for entry in methods.values():
            description = description_of(entry.view_function)
            if description is not None and description.request is None and description.auth == "key":
                entry.content_types = []
