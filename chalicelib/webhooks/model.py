"""A workspace's address for webhooks, and one event owed to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.redacted import Redacted
from chalicelib.domain.webhook_signing import SigningSecret

MOST_ENDPOINTS = 10
SECRET_OVERLAP = timedelta(days=1)
"""How long the former secret still signs after a rotation."""
LOG_LIFE = timedelta(days=14)


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Endpoint(Struct, frozen=True):
    """Where events go. No `events` means all. `failures` counts failed tries in a row, whatever the event.

    `paused_until` keeps an address that is down from holding up everything else.
    """

    workspace_id: str
    endpoint_id: str
    url: str
    events: tuple[str, ...]
    secrets: tuple[SigningSecret, ...]
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    version: int = 0
    failures: int = 0
    paused_until: datetime | None = None

    def wants(self, event_type: str) -> bool:
        return self.disabled_at is None and (not self.events or event_type in self.events)


class DeliveryKey(Struct, frozen=True):
    """`name` begins with `Delivery.created_at`, so that names sort as the log reads."""

    workspace_id: str
    endpoint_id: str
    name: str


class Delivery(Redacted, frozen=True):
    """One event owed to one endpoint. `status` is the last answer's, `error` says why there was none or a bad one.

    `created_at` is the event's time, the same on every replay of a stream: the log is sorted by it. `queued_at` is when
    the event was queued, from which the tries are counted.
    """

    key: DeliveryKey
    event_id: str
    type: str
    body: bytes
    created_at: datetime
    queued_at: datetime
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    status: int | None = None
    error: str | None = None
    last_attempt_at: datetime | None = None
    next_attempt_at: datetime | None = None
