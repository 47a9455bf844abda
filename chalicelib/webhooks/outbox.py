"""Owe events to the endpoints that want them: one durable row for each, which is delivered and retried from there.

Where events come from was chosen so that none is lost and nobody has to remember to tell:

- Meetings and connections are read off the streams of their tables. What was written is told, whichever path wrote
  it; a crash between a write and the telling cannot happen, since the write is the telling. A record is delivered
  again until it succeeded, and names its event, so that telling twice owes nothing twice.
- A broken grant has no such stream, as its row holds tokens. The schedule looks at it until its owners are told
  (`usecases.grants`); the same look owes the event first. Its name comes from when the grant broke.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from chalicelib.domain.connection import Connection, Grant, Reason
from chalicelib.webhooks.events import Event, EventType, connection_event, event_id
from chalicelib.webhooks.model import DeliveryKey
from chalicelib.webhooks.store import DeliveryStore, EndpointStore


class Outbox:
    """Every method may be called again with the same: it then owes nothing more. All raise `StoreError` only."""

    def __init__(self, endpoints: EndpointStore, deliveries: DeliveryStore, clock: Callable[[], datetime]) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._clock = clock

    def announce(self, event: Event) -> list[DeliveryKey]:
        """The deliveries that the event newly calls for."""
        owed = [
            self._deliveries.owe(event, endpoint, self._clock())
            for endpoint in self._endpoints.all(event.workspace_id)
            if endpoint.wants(event.type)
        ]
        return [key for key in owed if key is not None]

    def connections_broken(self, grant: Grant, users: Iterable[Connection]) -> None:
        """The grant does not work any more, and so none of its users' connections do."""
        at = grant.broken_at or self._clock()
        for user in users:
            if user.ended_reason:
                continue
            name = event_id("connection.broken", user.workspace_id, user.user_id, grant.id, at.isoformat())
            reason = grant.broken_reason or Reason.RECONNECT_NEEDED
            self.announce(connection_event(EventType.CONNECTION_BROKEN, name, user, reason, at))

    def invitation_bounced(
        self, workspace_id: str, booking_id: str, *, email: str, role: str, state: str, message_id: str, at: datetime
    ) -> None:
        """A mail did not arrive. `state` is the invitation's new one, `message_id` the mail that it was about."""
        name = event_id("invitation.bounced", workspace_id, booking_id, message_id, email, state)
        data = {"booking_id": booking_id, "invitation": {"email": email, "role": role, "state": state}}
        self.announce(Event(workspace_id, name, EventType.INVITATION_BOUNCED, at, data))
