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
    members,
    routing,
    service,
    webhook_endpoints,
    webhook_secrets,
)
from chalicelib.api.pages import (
    answer,
    connect_link,
    disconnecting,
    join,
    oauth_redirects,
    settings_page,
    sign_in_page,
    workspace_audit,
    workspace_bookings,
    workspace_brand,
    workspace_calendars,
    workspace_keys,
    workspace_members,
    workspace_overview,
    workspace_people,
    workspace_webhooks,
)

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_API = (bookings, calendars, connections, members, webhook_endpoints, inbound_webhooks, webhook_secrets)
_PAGES = (connect_link, settings_page, disconnecting, oauth_redirects, join, answer)
_WORKSPACE_PAGES = (
    sign_in_page,
    workspace_bookings,
    workspace_overview,
    workspace_people,
    workspace_webhooks,
    workspace_calendars,
    workspace_brand,
    workspace_members,
    workspace_keys,
    workspace_audit,
)


def register(app: Chalice, services: Callable[[], Services]) -> None:
    """Add every route to `app`. `services` is called at each request."""
    routing.install(app)
    for module in (*_API, *_PAGES, *_WORKSPACE_PAGES, service):
        module.routes.register(app, services)
    service.pages.register(app, services)
    cors.install(app, services)
