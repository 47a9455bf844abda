"""Enqueue webhook events from the streams of bookings and connections, and have those that are due delivered.

The function `send_webhooks` delivers them, woken by a queue. In a process without the queue's setting they are
delivered here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from chalicelib.domain.answers import answer_key
from chalicelib.domain.booking import Booking
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import StoreError
from chalicelib.handlers.webhook_queue import WORKERS
from chalicelib.observability import count, log
from chalicelib.store import streams
from chalicelib.store.streams import BookingChange, ConnectionChange
from chalicelib.store.tables import DUE_PARTITIONS
from chalicelib.webhooks.delivery import ATTEMPT_SECONDS, WebhookDeliveries
from chalicelib.webhooks.events import (
    Event,
    EventType,
    answer_changes,
    answer_event,
    begun_reminders,
    connection_changes,
    connection_event,
    event_id,
    is_new_no_show,
    meeting_change,
    meeting_event,
    no_show_event,
    reminder_event,
)
from chalicelib.webhooks.model import DeliveryKey

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_DUE_PER_PARTITION = 100
_WOKEN_PER_PARTITION = 1000
"""A message costs little, so that the many due webhooks of one workspace do not hide those of others."""
_STREAM_SECONDS = 15.0
"""How long a stream waits for receivers. The schedule delivers the rest."""
C = TypeVar("C")
_METRICS = {
    EventType.MEETING_READY: "MeetingsReady",
    EventType.MEETING_WAITING: "MeetingsWaiting",
    EventType.MEETING_FAILED: "MeetingsFailed",
    EventType.MEETING_REMOVED: "MeetingsRemoved",
    EventType.INVITATION_ANSWERED: "Answers",
    EventType.CONNECTION_CREATED: "ConnectionsCreated",
    EventType.CONNECTION_REMOVED: "ConnectionsRemoved",
}


def announce_bookings(event: dict[str, Any], context: Any, services: Services) -> None:
    """Enqueue the events in a batch of the bookings stream, and count links. Raises `StoreError`: see `_announce`."""
    changes = list(streams.booking_changes(event, with_documents=True))
    _announce(changes, _booking_events, Deadline.of(context), services)
    services.daily_counting.count(changes)  # Last: a batch that is delivered again would be counted twice.


def announce_connections(event: dict[str, Any], context: Any, services: Services) -> None:
    """Enqueue the events in a batch of the connections stream. Raises `StoreError`: see `_announce`."""
    _announce(streams.connection_changes(event), _connection_events, Deadline.of(context), services)


def deliver_due(context: Any, services: Services) -> dict[str, int]:
    """Have delivered what is due: retries, and deliveries whose message was lost."""
    now, store = services.clock(), services.delivery_store
    limit = _DUE_PER_PARTITION if services.webhook_queue is None else _WOKEN_PER_PARTITION
    keys = [key for partition in DUE_PARTITIONS for key in store.due(partition, now, limit)]
    _deliver(sorted(keys, key=lambda key: key.name), Deadline.of(context), services)
    return {"deliveries": len(keys)}


def _announce(
    changes: Iterable[C], events_of: Callable[[C], list[Event]], deadline: Deadline, services: Services
) -> None:
    """Enqueue all events of the batch, then have them delivered.

    A database outage is raised instead of being reported as `batchItemFailures`: the event source mapping that a plain
    `chalice deploy` creates would take that for success, and nothing else would detect the event. Lambda then delivers
    the whole batch again, which enqueues only what is missing.
    """
    # The keys' names have only the second.
    events = sorted((event for change in changes for event in events_of(change)), key=lambda event: event.at)
    if not events:
        return
    # In parallel: an event takes a write for each endpoint, and a workspace may have ten.
    enqueue = log.with_request_id(services.outbox.enqueue)
    with services.workers(min(WORKERS, len(events))) as pool:
        pending = [key for keys in pool.map(enqueue, events) for key in keys]
    _deliver(pending, deadline.within(_STREAM_SECONDS + ATTEMPT_SECONDS), services)


def _booking_events(change: BookingChange) -> list[Event]:
    return [*_meeting_events(change), *_answer_events(change)]


def _answer_events(change: BookingChange) -> list[Event]:
    if not change.has_new_answers or change.after is None:
        return []
    booking, events = change.after.booking, []
    before = change.before.answers if change.before else {}
    for party, answer in answer_changes(booking, before, change.after.answers):
        count(_METRICS[EventType.INVITATION_ANSWERED])
        cause = (booking.workspace_id, booking.booking_id, EventType.INVITATION_ANSWERED, answer_key(party.email))
        identity = event_id(*cause, change.sequence_number)
        events.append(replace(answer_event(identity, booking, party, answer), filed_at=change.written_at))
    return events


def _meeting_events(change: BookingChange) -> list[Event]:
    if change.after is not None and change.before is None:
        count("Bookings")
    if not change.has_new_settlement or change.after is None or change.after.settlement is None:
        return []
    before = change.before.settlement if change.before else None
    booking, after = change.after.booking, change.after.settlement
    _count_emails(before, after, booking)
    at, meeting = after.written_at or change.written_at, after.meeting
    events = [reminder_event(booking, meeting, progress, at) for progress in begun_reminders(before, after)]
    if event_type := meeting_change(before, after):
        _count_meeting(event_type, before, booking, at)
        identity = event_id(booking.workspace_id, booking.booking_id, event_type, change.sequence_number)
        events.append(meeting_event(event_type, identity, booking, meeting, at))
    if is_new_no_show(booking, before, after):
        identity = event_id(booking.workspace_id, booking.booking_id, EventType.BOOKING_NO_SHOW, change.sequence_number)
        events.append(no_show_event(identity, booking, meeting, at))
    return [replace(event, filed_at=change.written_at) for event in events if event is not None]


def _count_meeting(event_type: EventType, before: Settlement | None, booking: Booking, at: datetime) -> None:
    count(_METRICS[event_type])
    is_first_link = event_type is EventType.MEETING_READY and (before is None or not before.meeting.join_url)
    if is_first_link and booking.revision == 1:
        count("TimeToLink", (at - booking.created_at).total_seconds() * 1000, "Milliseconds")


def _count_emails(before: Settlement | None, after: Settlement, booking: Booking) -> None:
    """Report how long the first invitation of each recipient took, without recipients who were added later."""
    emailed = {invitation.email for invitation in before.invitations if invitation.sent_at} if before else set()
    for invitation in after.invitations:
        if invitation.sent_at and invitation.sequence == 0 and invitation.email not in emailed:
            duration = invitation.sent_at - booking.created_at
            count("TimeToMail", duration.total_seconds() * 1000, "Milliseconds")


def _connection_events(change: ConnectionChange) -> list[Event]:
    events = []
    for number, (event_type, connection, reason) in enumerate(connection_changes(change.before, change.after)):
        if event_type in _METRICS:
            count(_METRICS[event_type])
        identity = event_id(connection.workspace_id, connection.user_id, event_type, change.sequence_number)
        at = change.written_at + timedelta(milliseconds=number)  # Two events of one write keep their order.
        events.append(connection_event(event_type, identity, connection, reason, at))
    return events


def _deliver(keys: Iterable[DeliveryKey], deadline: Deadline, services: Services) -> None:
    """Wake the function that delivers. Without a queue, attempt the deliveries here, in order for each endpoint.

    After a failure the schedule finds them again.
    """
    if services.webhook_queue is not None:
        services.webhook_queue.send(key.wake_up for key in keys)
        return
    by_endpoint = sorted(keys, key=_endpoint_of)  # A stable sort: it keeps the order within an endpoint.
    groups = [list(group) for _, group in groupby(by_endpoint, key=_endpoint_of)]
    if not groups:
        return
    # Accessed before the threads start, so that the object is created once.
    deliver = log.with_request_id(partial(_deliver_to_endpoint, services.webhook_deliveries, deadline))
    with services.workers(min(WORKERS, len(groups))) as pool:
        for _ in pool.map(deliver, groups):
            pass


def _deliver_to_endpoint(deliveries: WebhookDeliveries, deadline: Deadline, keys: list[DeliveryKey]) -> None:
    workspace_id = keys[0].workspace_id
    try:
        deliveries.deliver(keys, deadline)
    except StoreError as error:
        log.failure("webhook delivery interrupted by the database", error, workspace_id=workspace_id)
    except Exception as error:  # A bug must not delay other workspaces' events.
        log.failure("webhook delivery crashed", error, workspace_id=workspace_id)


def _endpoint_of(key: DeliveryKey) -> tuple[str, str]:
    return key.workspace_id, key.endpoint_id
