"""What the webhook functions in `app` do: owe events that the streams tell of, deliver what is due."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.connection import Connection
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import StoreError
from chalicelib.observability import count, log
from chalicelib.store.bookings import all_shards
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
_RESERVE_SECONDS = 15.0
"""What one try may take, and the writes after it."""
_STREAM_PATIENCE_SECONDS = 15.0
"""How long a stream waits for receivers: what is slow, or too much, is the schedule's then."""
Read = Callable[[dict[str, Any]], list[Event]]
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
    _announce(event, context, services, _meeting_events)


def announce_connections(event: dict[str, Any], context: Any, services: Services) -> None:
    """The same for the connections stream."""
    _announce(event, context, services, _connection_events)


def deliver_due(context: Any, services: Services) -> dict[str, int]:
    """Deliver what is due: retries, and whatever was owed and not tried yet."""
    keys = [
        key for shard in all_shards() for key in services.delivery_store.due(shard, services.clock(), _DUE_PER_SHARD)
    ]
    _deliver(sorted(keys, key=lambda key: key.name), context, services)
    return {"deliveries": len(keys)}


def _announce(batch: dict[str, Any], context: Any, services: Services, read: Read) -> None:
    """Owe every event of the batch; only then try to deliver, which may fail.

    An outage of the database is raised, and not answered as `batchItemFailures`: the mapping that a plain
    `chalice deploy` makes would take that for success, and nothing else would find the event again. The whole batch
    comes again then; what it owed already it does not owe twice.
    """
    owed: list[tuple[datetime, DeliveryKey]] = []
    for record in batch.get("Records", []):
        for event in _read(record, read):
            owed += [(event.at, key) for key in services.outbox.announce(event)]
    owed.sort(key=lambda pair: pair[0])  # Names hold the second only.
    _deliver([key for _, key in owed], context, services, _STREAM_PATIENCE_SECONDS)


def _read(record: dict[str, Any], read: Read) -> list[Event]:
    try:
        return read(record["dynamodb"])
    except (
        msgspec.MsgspecError,
        ValueError,
        KeyError,
        TypeError,
    ) as error:  # A row that no code of ours wrote must not block its shard.
        log.failure("a stream record could not be read", error)
        return []


def _meeting_events(change: dict[str, Any]) -> list[Event]:
    new, old = change.get("NewImage"), change.get("OldImage", {})
    if new is not None and not old:
        count("Bookings")
    if new is None or "observed" not in new or new["observed"] == old.get("observed"):
        return []
    after = msgspec.json.decode(new["observed"]["S"], type=Settlement)
    before = msgspec.json.decode(old["observed"]["S"], type=Settlement) if "observed" in old else None
    booking = msgspec.json.decode(new["desired"]["S"], type=Booking)
    _count_mails(before, after, booking)
    happened = meeting_change(before, after)
    if happened is None:
        return []
    filed_at = _moment(change)
    at = after.written_at or filed_at
    _count(happened, before, booking, at)
    name = event_id(booking.workspace_id, booking.booking_id, happened, change["SequenceNumber"])
    return [replace(meeting_event(happened, name, booking, after.meeting, at), filed_at=filed_at)]


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


def _connection_events(change: dict[str, Any]) -> list[Event]:
    before, after = _connection(change.get("OldImage")), _connection(change.get("NewImage"))
    events = []
    for number, (happened, connection, reason) in enumerate(connection_changes(before, after)):
        if happened in _METRICS:
            count(_METRICS[happened])
        name = event_id(connection.workspace_id, connection.user_id, happened, change["SequenceNumber"])
        at = _moment(change) + timedelta(milliseconds=number)  # One write, two events: their order can be told.
        events.append(connection_event(happened, name, connection, reason, at))
    return events


def _connection(image: dict[str, Any] | None) -> Connection | None:
    return msgspec.json.decode(image["document"]["S"], type=Connection) if image else None


def _moment(change: dict[str, Any]) -> datetime:
    """When the row was written, in whole seconds: the same however often the record is delivered."""
    return datetime.fromtimestamp(float(change["ApproximateCreationDateTime"]), UTC)


def _deliver(
    keys: Iterable[DeliveryKey], context: Any, services: Services, patience_seconds: float = float("inf")
) -> None:
    """Try deliveries, each endpoint's in order. What fails for want of the database is due again by itself."""
    ordered = sorted(
        keys, key=lambda key: (key.workspace_id, key.endpoint_id)
    )  # It keeps the order of each endpoint's.
    groups = [list(group) for _, group in groupby(ordered, key=lambda key: (key.workspace_id, key.endpoint_id))]
    if not groups:
        return
    deliver = services.webhook_deliveries.deliver  # Made before the threads start, once.

    def remaining_seconds() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    ends = max(_RESERVE_SECONDS, remaining_seconds() - patience_seconds)

    def has_time() -> bool:
        return remaining_seconds() > ends

    def one(group: list[DeliveryKey]) -> None:
        try:
            deliver(group, has_time)
        except StoreError as error:
            log.failure("a webhook could not be delivered", error, workspace_id=group[0].workspace_id)
        except Exception as error:  # A bug must not hold up other workspaces' events.
            log.failure("delivering crashed", error, workspace_id=group[0].workspace_id)

    with services.workers(min(_WORKERS, len(groups))) as pool:
        for _ in pool.map(log.carried(one), groups):
            pass
