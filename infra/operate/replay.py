"""Settle bookings again, and send events that endpoints may have missed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.domain.connection import Reason
from chalicelib.domain.meeting import MeetingState
from chalicelib.store.booking_lists import BookingQuery
from chalicelib.store.booking_records import Record
from chalicelib.webhooks.delivery_lists import DeliveryQuery, read_page
from chalicelib.webhooks.events import Event, EventType, connection_event, event_id, meeting_event
from chalicelib.webhooks.model import Endpoint
from chalicelib.wiring import Services
from infra.operate.rows import Tables
from infra.progress import Progress

_PAGE_SIZE = 100
_EVENTS = {
    MeetingState.READY: EventType.MEETING_READY,
    MeetingState.WAITING: EventType.MEETING_WAITING,
    MeetingState.FAILED: EventType.MEETING_FAILED,
    MeetingState.REMOVED: EventType.MEETING_REMOVED,
}


@dataclass(frozen=True)
class Range:
    """Bookings of a workspace, by their start."""

    workspace_id: str
    starts_from: datetime | None = None
    """None: no lower limit."""
    starts_before: datetime | None = None
    """Exclusive; None: no upper limit."""

    def query(self, states: frozenset[MeetingState] = frozenset()) -> BookingQuery:
        return BookingQuery(self.workspace_id, self.starts_from, self.starts_before, meeting_states=states)

    def records(self, services: Services, states: frozenset[MeetingState] = frozenset()) -> Iterator[Record]:
        """Read the bookings; with `states`, those whose meeting is in one of them."""
        after: str | None = None
        query = self.query(states)
        while True:
            records, after = services.booking_store.page(query, limit=_PAGE_SIZE, after=after)
            yield from records
            if after is None:
                return


def list_workspaces(tables: Tables) -> list[str]:
    """Return the ids of all workspaces."""
    return sorted(row.key["workspace_id"] for row in tables.rows("workspaces") if "#" not in row.key["workspace_id"])


def replay(
    services: Services,
    ranges: Iterable[Range],
    states: frozenset[MeetingState],
    *,
    apply: bool,
    expected_bookings: int | None = None,
) -> Counter[str]:
    """Settle bookings again whose meeting is in one of `states`. Return how many those are, by state.

    A booking with the right meeting and emails is only checked and does not change. `expected_bookings` is about how
    many bookings will be read, for the progress.
    """
    with Progress("bookings read", expected_bookings, qualifier="about") as progress:
        matches = [
            (record.booking.workspace_id, record.booking.booking_id, record.settlement.meeting.state.value)
            for bookings in ranges
            for record in progress.track(bookings.records(services, states))
        ]
    if apply:
        with Progress("bookings enqueued", len(matches)) as progress:
            for workspace_id, booking_id, _ in progress.track(matches):
                services.bookings.retry(workspace_id, booking_id)
    return Counter(state for *_, state in matches)


def announce_again(
    services: Services, ranges: Iterable[Range], *, apply: bool, expected_bookings: int | None = None
) -> Counter[str]:
    """Enqueue events about the current state of bookings and connections that endpoints have not received.

    Returns their number by type. An endpoint has received an event if its delivery log contains it; the log covers 14
    days. Deleted rows, such as removed connections, cause no events. Running this again enqueues nothing twice.
    """
    with Progress("bookings and connections read", expected_bookings, qualifier="about") as progress:
        missing = [
            (event, endpoint)
            for bookings in ranges
            for event, endpoint in _missing_events(services, bookings, progress)
        ]
    if apply:
        with Progress("events enqueued", len(missing)) as progress:
            for event, endpoint in progress.track(missing):
                services.delivery_store.enqueue(event, endpoint, services.clock())
    return Counter(event.type for event, _ in missing)


def _missing_events(services: Services, bookings: Range, progress: Progress) -> Iterator[tuple[Event, Endpoint]]:
    workspace_id = bookings.workspace_id
    events = list(progress.track((*_connection_events(services, workspace_id), *_booking_events(services, bookings))))
    for endpoint in services.endpoint_store.list_by_workspace(workspace_id):
        delivered = _last_delivered(endpoint)
        for subject, event in events:
            if endpoint.wants(event.type) and delivered.get(subject) != _fingerprint(event.type, event.data):
                yield event, endpoint


def _booking_events(services: Services, bookings: Range) -> Iterator[tuple[str, Event]]:
    for record in bookings.records(services):
        booking, meeting = record.booking, record.settlement.meeting
        event_type = _EVENTS.get(meeting.state)
        if event_type is not None:
            name = event_id("again", booking.workspace_id, booking.booking_id, str(booking.revision), event_type)
            yield booking.booking_id, meeting_event(event_type, name, booking, meeting, booking.updated_at)


def _connection_events(services: Services, workspace_id: str) -> Iterator[tuple[str, Event]]:
    for connection in services.connection_store.list_by_workspace(workspace_id):
        if not connection.ended_reason:
            at, reason = connection.connected_at, None if connection.confirmed else Reason.NOT_CONFIRMED
            name = event_id("again", workspace_id, connection.user_id, connection.grant_id, at.isoformat())
            event = connection_event(EventType.CONNECTION_CREATED, name, connection, reason, at)
            yield f"user {connection.user_id}", event


def _last_delivered(endpoint: Endpoint) -> dict[str, tuple[Any, ...]]:
    """Return the fingerprint of the newest event about each booking and each user in the endpoint's delivery log."""
    newest: dict[str, tuple[Any, ...]] = {}
    after: str | None = None
    while True:
        query = DeliveryQuery(endpoint.workspace_id, endpoint.endpoint_id)
        deliveries, after = read_page(query, limit=_PAGE_SIZE, after=after)
        for delivery in deliveries:
            data = json.loads(delivery.body)["data"]
            if delivery.type.startswith("meeting."):
                newest.setdefault(data["booking_id"], _fingerprint(delivery.type, data))
            elif delivery.type.startswith("connection."):
                newest.setdefault(f"user {data['user_id']}", _fingerprint(delivery.type, data))
        if after is None:
            return newest


def _fingerprint(event_type: str, data: dict[str, Any]) -> tuple[Any, ...]:
    """Return what is equal for two events that report the same state."""
    if event_type.startswith("connection."):
        is_connected = event_type in (EventType.CONNECTION_CREATED, EventType.CONNECTION_CONFIRMED)
        kind = EventType.CONNECTION_CREATED if is_connected else event_type
        return kind, data["provider"], data["account"], data["connected_at"]
    meeting = data["meeting"]
    return event_type, meeting["state"], meeting["reason"], meeting["join_url"]
