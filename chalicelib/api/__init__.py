"""The HTTP API and the browser's pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Chalice

from chalicelib.api import bookings, calendars, connections, http, meta, pages, webhooks

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def register(app: Chalice, services: Callable[[], Services]) -> None:
    """Put every route on `app`."""
    http.install(app)
    for module in (bookings, calendars, connections, meta, webhooks, pages):
        app.register_blueprint(module.routes(services))
