"""Doing again: bookings settled once more, and workspaces told what they may not have heard."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.domain.connection import Reason
from chalicelib.domain.meeting import MeetingState
from chalicelib.store.bookings import BookingQuery, Record
from chalicelib.webhooks.events import Event, EventType, connection_event, event_id, meeting_event
from chalicelib.webhooks.model import Endpoint
from chalicelib.wiring import Services
from infra.operate.rows import Tables

_PAGE = 100
_EVENTS = {
    MeetingState.READY: EventType.MEETING_READY,
    MeetingState.WAITING: EventType.MEETING_WAITING,
    MeetingState.FAILED: EventType.MEETING_FAILED,
    MeetingState.REMOVED: EventType.MEETING_REMOVED,
}


@dataclass(frozen=True)
class Range:
    """Bookings of a workspace that start within [`starts_from`, `starts_before`)."""

    workspace_id: str
    starts_from: datetime | None = None
    starts_before: datetime | None = None

    def records(self, services: Services) -> Iterator[Record]:
        after: str | None = None
        query = BookingQuery(self.workspace_id, self.starts_from, self.starts_before)
        while True:
            records, after = services.booking_store.page(query, limit=_PAGE, after=after)
            yield from records
            if after is None:
                return


def workspaces(tables: Tables) -> list[str]:
    """The ids of all."""
    return sorted(row.key["workspace_id"] for row in tables.rows("workspaces") if "#" not in row.key["workspace_id"])


def replay(services: Services, ranges: Iterable[Range], states: frozenset[str], *, really: bool) -> Counter[str]:
    """Have bookings whose meeting is in one of `states` settled once more; how many, by state.

    A booking whose meeting and mails are as they should be costs a look and changes nothing.
    """
    found: Counter[str] = Counter()
    for one in ranges:
        for record in one.records(services):
            state = record.settlement.meeting.state.value
            if state not in states:
                continue
            found[state] += 1
            if really:
                services.bookings.retry(one.workspace_id, record.booking.booking_id)
    return found


def announce_again(services: Services, ranges: Iterable[Range], *, really: bool) -> Counter[str]:
    """Owe to endpoints what they were not told of the present state of bookings and connections; how much of each.

    An endpoint was told if its log of deliveries has it; the log is kept for 14 days. What is gone from the tables,
    such as a connection that was removed, nobody can tell any more. Running it again owes nothing twice.
    """
    owed: Counter[str] = Counter()
    for one in ranges:
        events = [*_of_connections(services, one.workspace_id), *_of_bookings(services, one)]
        for endpoint in services.endpoint_store.list_by_workspace(one.workspace_id):
            told = _last_told(services, endpoint)
            for subject, event in events:
                if endpoint.wants(event.type) and told.get(subject) != _told(event.type, event.data):
                    owed[event.type] += 1
                    if really:
                        services.delivery_store.enqueue(event, endpoint, services.clock())
    return owed


def _of_bookings(services: Services, one: Range) -> Iterator[tuple[str, Event]]:
    for record in one.records(services):
        booking, meeting = record.booking, record.settlement.meeting
        happened = _EVENTS.get(meeting.state)
        if happened is not None:
            name = event_id("again", booking.workspace_id, booking.booking_id, str(booking.revision), happened)
            yield booking.booking_id, meeting_event(happened, name, booking, meeting, booking.updated_at)


def _of_connections(services: Services, workspace_id: str) -> Iterator[tuple[str, Event]]:
    for connection in services.connection_store.list_by_workspace(workspace_id):
        if not connection.ended_reason:
            at, reason = connection.connected_at, None if connection.confirmed else Reason.NOT_CONFIRMED
            name = event_id("again", workspace_id, connection.user_id, connection.grant_id, at.isoformat())
            event = connection_event(EventType.CONNECTION_CREATED, name, connection, reason, at)
            yield f"user {connection.user_id}", event


def _last_told(services: Services, endpoint: Endpoint) -> dict[str, tuple[Any, ...]]:
    """The newest event of each booking and each user that is in the endpoint's log."""
    told: dict[str, tuple[Any, ...]] = {}
    after: str | None = None
    while True:
        deliveries, after = services.delivery_store.page(
            endpoint.workspace_id, endpoint.endpoint_id, limit=_PAGE, after=after
        )
        for delivery in deliveries:
            data = json.loads(delivery.body)["data"]
            if delivery.type.startswith("meeting."):
                told.setdefault(data["booking_id"], _told(delivery.type, data))
            elif delivery.type.startswith("connection."):
                told.setdefault(f"user {data['user_id']}", _told(delivery.type, data))
        if after is None:
            return told


def _told(event_type: str, data: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two events say the same."""
    if event_type.startswith("connection."):
        is_there = event_type in (EventType.CONNECTION_CREATED, EventType.CONNECTION_CONFIRMED)
        kind = EventType.CONNECTION_CREATED if is_there else event_type
        return kind, data["provider"], data["account"], data["connected_at"]
    meeting = data["meeting"]
    return event_type, meeting["state"], meeting["reason"], meeting["join_url"]
