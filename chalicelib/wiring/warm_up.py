"""Prepare a Lambda process before its first event.

Lambda gives a process a whole core until `app` is imported, and then the share that its memory size buys: 29 % with
512 MB. What every first event needs takes a third of the time here (docs/performance.md, "Cold starts"). Nothing is
sent, so that an outage cannot keep a process from starting.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from chalicelib.store.tables import WorkspaceItem

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_MODULES = {
    "app.on_booking": "booking_stream",
    "app.on_schedule": "booking_stream",
    "app.on_mail_event": "mail_events",
    "app.on_reply": "received_replies",
    "app.announce_bookings": "webhook_streams",
    "app.announce_connections": "webhook_streams",
    "app.deliver_webhooks": "webhook_streams",
    "app.send_emails": "email_queue",
    "app.send_webhooks": "webhook_queue",
}
"""The modules in `chalicelib.handlers` that the functions in `app` import."""
_SERVICES: dict[str, tuple[str, ...]] = {
    "app.app": ("bookings", "key_uses", "rate_limit"),
    "app.on_booking": ("settling", "booking_share"),
    "app.on_schedule": ("email_queue",),
    "app.on_mail_event": ("bounces",),
    "app.on_reply": ("reply_answers",),
    "app.announce_bookings": ("outbox",),
    "app.announce_connections": ("outbox",),
    "app.send_emails": ("email_settling",),
    "app.send_webhooks": ("webhook_deliveries",),
}
"""The parts that every event of a handler uses, by their names in `Services`."""


def prepare(services: Services, handler: str) -> None:
    """Import and create what every event of this handler uses, and the client of the tables."""
    WorkspaceItem.shared_connection()
    if handler in _MODULES:
        import_module(f"chalicelib.handlers.{_MODULES[handler]}")
    for name in _SERVICES.get(handler, ()):
        getattr(services, name)
