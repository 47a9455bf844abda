"""Enqueue events for the endpoints that want them: one stored delivery for each.

No event is lost between a change and its announcement:

- Events of meetings and connections are read from the streams of their tables, so the write of a row is the
  announcement, whichever code wrote it. A record is delivered again until it succeeds. It determines the event's id,
  so that a repeated record enqueues nothing new.
- A broken grant has no stream, because its row contains tokens. The schedule processes the grant until its users are
  notified (`usecases.grant_upkeep`) and enqueues the event before. The time when the grant broke determines the event's
  id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from chalicelib.domain.connection import Connection, Grant, Reason
from chalicelib.webhooks.events import Event, EventType, connection_event, event_id
from chalicelib.webhooks.model import DeliveryKey
from chalicelib.webhooks.store import DeliveryStore, EndpointStore


class Outbox:
    """Enqueues events. All methods are idempotent and raise only `StoreError`."""

    def __init__(self, endpoints: EndpointStore, deliveries: DeliveryStore, clock: Callable[[], datetime]) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._clock = clock

    def enqueue(self, event: Event) -> list[DeliveryKey]:
        """Enqueue an event for every endpoint that wants it. Return the new deliveries."""
        keys = [
            self._deliveries.enqueue(event, endpoint, self._clock())
            for endpoint in self._endpoints.list_by_workspace(event.workspace_id)
            if endpoint.wants(event.type)
        ]
        return [key for key in keys if key is not None]

    def enqueue_connections_broken(self, grant: Grant, connections: Iterable[Connection]) -> None:
        """Enqueue `connection.broken` for each connection that uses a broken grant."""
        at = grant.broken_at or self._clock()
        reason = grant.broken_reason or Reason.RECONNECT_NEEDED
        for connection in connections:
            if connection.ended_reason:
                continue
            cause = ("connection.broken", connection.workspace_id, connection.user_id, grant.id, at.isoformat())
            event_type = EventType.CONNECTION_BROKEN
            self.enqueue(connection_event(event_type, event_id(*cause), connection, reason, at))

    def enqueue_invitation_bounced(
        self, workspace_id: str, booking_id: str, *, email: str, role: str, state: str, message_id: str, at: datetime
    ) -> None:
        """Enqueue `invitation.bounced`. `state` is the invitation's new state, `message_id` identifies the email."""
        identity = event_id("invitation.bounced", workspace_id, booking_id, message_id, email, state)
        data = {"booking_id": booking_id, "invitation": {"email": email, "role": role, "state": state}}
        self.enqueue(Event(workspace_id, identity, EventType.INVITATION_BOUNCED, at, data))
