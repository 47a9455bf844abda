"""What the webhook functions in `app` do: owe events that the streams tell of, deliver what is due."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import StoreError
from chalicelib.observability import count, log
from chalicelib.store import streams
from chalicelib.store.bookings import all_shards
from chalicelib.store.streams import BookingChange, ConnectionChange
from chalicelib.webhooks.delivery import TRY_SECONDS
from chalicelib.webhooks.events import (
    Event,
    EventType,
    connection_changes,
    connection_event,
    event_id,
    meeting_change,
    meeting_event,
)
from chalicelib.webhooks.model import DeliveryKey

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_WORKERS = 25
"""Endpoints delivered to side by side: a slow one must not hold the others."""
_DUE_PER_SHARD = 100
_STREAM_PATIENCE_SECONDS = 15.0
"""How long a stream waits for receivers: what is slow, or too much, is the schedule's then."""
C = TypeVar("C")
_METRICS = {
    EventType.MEETING_READY: "MeetingsReady",
    EventType.MEETING_WAITING: "MeetingsWaiting",
    EventType.MEETING_FAILED: "MeetingsFailed",
    EventType.MEETING_REMOVED: "MeetingsRemoved",
    EventType.CONNECTION_CREATED: "ConnectionsCreated",
    EventType.CONNECTION_REMOVED: "ConnectionsRemoved",
}


def announce_bookings(event: dict[str, Any], context: Any, services: Services) -> None:
    """Owe, then deliver, the events in a batch of the bookings stream. Raises `StoreError`: see `_announce`."""
    _announce(streams.booking_changes(event), _meeting_events, Deadline.of(context), services)


def announce_connections(event: dict[str, Any], context: Any, services: Services) -> None:
    """The same for the connections stream."""
    _announce(streams.connection_changes(event), _connection_events, Deadline.of(context), services)


def deliver_due(context: Any, services: Services) -> dict[str, int]:
    """Deliver what is due: retries, and whatever was owed and not tried yet."""
    keys = [
        key for shard in all_shards() for key in services.delivery_store.due(shard, services.clock(), _DUE_PER_SHARD)
    ]
    _deliver(sorted(keys, key=lambda key: key.name), Deadline.of(context), services)
    return {"deliveries": len(keys)}


def _announce(
    changes: Iterable[C], events_of: Callable[[C], list[Event]], deadline: Deadline, services: Services
) -> None:
    """Owe every event of the batch; only then try to deliver, which may fail.

    An outage of the database is raised, and not answered as `batchItemFailures`: the mapping that a plain
    `chalice deploy` makes would take that for success, and nothing else would find the event again. The whole batch
    comes again then; what it owed already it does not owe twice.
    """
    owed: list[tuple[datetime, DeliveryKey]] = []
    for change in changes:
        for event in events_of(change):
            owed += [(event.at, key) for key in services.outbox.announce(event)]
    owed.sort(key=lambda pair: pair[0])  # Names hold the second only.
    _deliver([key for _, key in owed], deadline.within(_STREAM_PATIENCE_SECONDS + TRY_SECONDS), services)


def _meeting_events(change: BookingChange) -> list[Event]:
    if change.after is not None and change.before is None:
        count("Bookings")
    before = change.before.settlement if change.before else None
    if change.after is None or change.after.settlement is None or change.after.settlement == before:
        return []
    booking, after = change.after.booking, change.after.settlement
    _count_mails(before, after, booking)
    happened = meeting_change(before, after)
    if happened is None:
        return []
    at = after.written_at or change.written_at
    _count(happened, before, booking, at)
    name = event_id(booking.workspace_id, booking.booking_id, happened, change.sequence_number)
    return [replace(meeting_event(happened, name, booking, after.meeting, at), filed_at=change.written_at)]


def _count(happened: EventType, before: Settlement | None, booking: Booking, at: datetime) -> None:
    count(_METRICS[happened])
    is_first_link = happened is EventType.MEETING_READY and (before is None or not before.meeting.join_url)
    if is_first_link and booking.revision == 1:
        count("TimeToLink", (at - booking.created_at).total_seconds() * 1000, "Milliseconds")


def _count_mails(before: Settlement | None, after: Settlement, booking: Booking) -> None:
    """How long the first invitation of each recipient took; that of a recipient who came later is none of it."""
    known = {invitation.email for invitation in before.invitations if invitation.sent_at} if before else set()
    for invitation in after.invitations:
        if invitation.sent_at and invitation.sequence == 0 and invitation.email not in known:
            took = invitation.sent_at - booking.created_at
            count("TimeToMail", took.total_seconds() * 1000, "Milliseconds")


def _connection_events(change: ConnectionChange) -> list[Event]:
    events = []
    for number, (happened, connection, reason) in enumerate(connection_changes(change.before, change.after)):
        if happened in _METRICS:
            count(_METRICS[happened])
        name = event_id(connection.workspace_id, connection.user_id, happened, change.sequence_number)
        at = change.written_at + timedelta(milliseconds=number)  # One write, two events: their order can be told.
        events.append(connection_event(happened, name, connection, reason, at))
    return events


def _deliver(keys: Iterable[DeliveryKey], deadline: Deadline, services: Services) -> None:
    """Try deliveries, each endpoint's in order. What fails for want of the database is due again by itself."""
    ordered = sorted(
        keys, key=lambda key: (key.workspace_id, key.endpoint_id)
    )  # It keeps the order of each endpoint's.
    groups = [list(group) for _, group in groupby(ordered, key=lambda key: (key.workspace_id, key.endpoint_id))]
    if not groups:
        return
    deliver = services.webhook_deliveries.deliver  # Made before the threads start, once.

    def one(group: list[DeliveryKey]) -> None:
        try:
            deliver(group, deadline)
        except StoreError as error:
            log.failure("a webhook could not be delivered", error, workspace_id=group[0].workspace_id)
        except Exception as error:  # A bug must not hold up other workspaces' events.
            log.failure("delivering crashed", error, workspace_id=group[0].workspace_id)

    with services.workers(min(_WORKERS, len(groups))) as pool:
        for _ in pool.map(log.with_request_id(one), groups):
            pass
