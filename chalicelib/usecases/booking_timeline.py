"""What happened to one booking: its history, the provider's events about its meeting, and its webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from chalicelib.decoding import decode_json
from chalicelib.domain.history import with_history
from chalicelib.domain.history_entry import HistoryEntry
from chalicelib.domain.meeting_report import MeetingReport
from chalicelib.store.booking_records import Record
from chalicelib.store.provider_events import ProviderEventStore
from chalicelib.webhooks.delivery_lists import DeliveryQuery, read_page
from chalicelib.webhooks.model import Delivery
from chalicelib.webhooks.store import EndpointStore

_BEFORE, _AFTER = timedelta(seconds=5), timedelta(seconds=65)
"""An event is enqueued within this time around its cause."""
_MAX_QUERIES = 20
_MAX_DELIVERIES = 100
"""How many deliveries of an endpoint one query reads."""
_MAX_REPORTS = 500
"""How many events of a meeting are read: more than one of 200 people has."""


class Timeline(Struct, frozen=True):
    """What happened to one booking, each part in the order in which it is stored."""

    history: tuple[HistoryEntry, ...]
    reports: list[MeetingReport]
    deliveries: list[Delivery]


class _About(Struct):
    booking_id: str | None = None


class _Body(Struct):
    """The part of a webhook's body that names its booking."""

    data: _About


class BookingTimeline:
    """Reads what happened to bookings. It reads a bounded number of rows."""

    def __init__(self, events: ProviderEventStore, endpoints: EndpointStore, clock: Callable[[], datetime]) -> None:
        self._events = events
        self._endpoints = endpoints
        self._clock = clock

    def read(self, record: Record) -> Timeline:
        """Return what happened to the booking, also what settling has not recorded yet."""
        booking, meeting = record.booking, record.settlement.meeting
        history = with_history(record.settlement, booking, record.answers, self._clock()).history
        reports: list[MeetingReport] = []
        if meeting.provider and meeting.id:
            stored = self._events.list_by_meeting(meeting.provider, meeting.id, _MAX_REPORTS)
            reports = sorted(stored, key=lambda report: report.at)
        moments = [entry.at for entry in history] + [report.at for report in reports]
        return Timeline(history, reports, list(self._deliveries(record, moments)))

    def _deliveries(self, record: Record, moments: Iterable[datetime]) -> Iterator[Delivery]:
        """Yield the booking's webhooks, newest first, by looking around the times at which something happened."""
        workspace_id, booking_id = record.booking.workspace_id, record.booking.booking_id
        endpoints = self._endpoints.list_by_workspace(workspace_id)
        windows = [(endpoint, window) for window in reversed(_windows(moments)) for endpoint in endpoints]
        for endpoint, (since, until) in windows[:_MAX_QUERIES]:
            query = DeliveryQuery(workspace_id, endpoint.endpoint_id, since=since, until=until)
            for delivery in read_page(query, limit=_MAX_DELIVERIES, after=None)[0]:
                if _booking_of(delivery) == booking_id:
                    yield delivery


def _windows(moments: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """Return the times around the moments, without overlaps."""
    windows: list[tuple[datetime, datetime]] = []
    for moment in sorted(moments):
        since, until = moment - _BEFORE, moment + _AFTER
        if windows and since <= windows[-1][1]:
            since = windows.pop()[0]
        windows.append((since, until))
    return windows


def _booking_of(delivery: Delivery) -> str | None:
    try:
        return decode_json(delivery.body, _Body).data.booking_id
    except msgspec.MsgspecError:
        return None  # An event about something else.
