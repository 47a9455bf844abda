"""A workspace's webhook endpoint, and the delivery of one event to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.redacted import Redacted
from chalicelib.domain.webhook_signing import SigningSecret
from chalicelib.webhooks.events import ONLY_IF_NAMED

MAX_ENDPOINTS = 10
"""Per workspace."""
SECRET_OVERLAP = timedelta(days=1)
"""How long the previous secret still signs after a rotation."""
LOG_LIFE = timedelta(days=14)
"""How long a delivery is kept."""

MAX_ATTEMPT_LOG = 10
"""Attempts of which a delivery keeps the result."""


class DeliveryState(StrEnum):
    """Whether an event arrived; a closed list, part of the API."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Endpoint(Struct, frozen=True):
    """Where a workspace receives events."""

    workspace_id: str
    endpoint_id: str
    url: str
    events: tuple[str, ...]
    """The types of events to send. Empty: all except `ONLY_IF_NAMED`."""
    secrets: tuple[SigningSecret, ...]
    """The last one is the newest."""
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    version: int = 0
    failures: int = 0
    """Failed attempts in a row, of any event."""
    paused_until: datetime | None = None
    """Set after failures or slow responses, so that an endpoint that is down or slow does not delay the others."""
    slow_answers: int = 0
    """Successful responses in a row that took more than five seconds."""

    def wants(self, event_type: str) -> bool:
        is_wanted = event_type in self.events or (not self.events and event_type not in ONLY_IF_NAMED)
        return self.disabled_at is None and is_wanted


class DeliveryKey(Struct, frozen=True):
    """Identifies a delivery."""

    workspace_id: str
    endpoint_id: str
    name: str
    """Begins with `Delivery.created_at`, so that names sort in the order of the log."""

    @property
    def wake_up(self) -> tuple[str, ...]:
        """The message that wakes the function which delivers it."""
        return self.workspace_id, self.endpoint_id, self.name


class Attempt(Struct, frozen=True):
    """One attempt of a delivery."""

    at: datetime
    duration_ms: int
    status: int | None = None
    """The HTTP status; None if there was no response."""
    error: str | None = None
    """Why it failed; None if it succeeded."""


class Delivery(Redacted, frozen=True):
    """One event for one endpoint."""

    key: DeliveryKey
    event_id: str
    type: str
    body: bytes
    created_at: datetime
    """The event's time. It is the same on every replay of a stream, and sorts the log."""
    queued_at: datetime
    """When the event was enqueued. The time to give up counts from it."""
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    """Attempts since the event was enqueued or sent again."""
    status: int | None = None
    """The HTTP status of the last response; None if there was none."""
    error: str | None = None
    """Why the last attempt failed."""
    last_attempt_at: datetime | None = None
    attempt_log: tuple[Attempt, ...] = ()
    """The last attempts, at most `MAX_ATTEMPT_LOG`, oldest first. It is kept when the delivery is sent again."""
    next_attempt_at: datetime | None = None

    def log_attempt(self, attempt: Attempt) -> tuple[Attempt, ...]:
        """Return the log with one more attempt."""
        return (*self.attempt_log, attempt)[-MAX_ATTEMPT_LOG:]
