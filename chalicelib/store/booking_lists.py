"""Lists of bookings: which index answers a query, and pages of bounded cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from pynamodb.expressions.condition import Condition

from chalicelib.domain.invitation import address_key
from chalicelib.domain.meeting import MeetingState
from chalicelib.store.booking_records import Record, host_key, record_of, start_key, trouble_key
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import BookingItem

FILTERED_ROWS = 1000
"""How many rows of the index one query reads if DynamoDB filters them."""
_MAX_QUERIES = 10
"""How many queries a page makes at most; then it ends with a cursor."""
_MAX_READ = 1000
"""How many bookings a page reads at most to filter them; then it ends with a cursor."""
_BATCH = 100
"""The most rows that one BatchGetItem reads."""
Row = tuple[str, str]
"""Start key and booking id."""


class BookingQuery(Struct, frozen=True):
    """Which bookings to list."""

    workspace_id: str
    starts_from: datetime | None = None
    """The earliest start, inclusive."""
    starts_before: datetime | None = None
    """The latest start, exclusive."""
    calendar_id: str | None = None
    user_id: str | None = None
    """The host."""
    status: str | None = None
    meeting_states: frozenset[MeetingState] = frozenset()
    """States of the meeting as callers see it; empty: any."""
    reason: str | None = None
    """Why the meeting is in its state."""
    guest_email: str | None = None
    """The address of the first guest."""
    guest_key: str | None = None
    """The key of `guest_email` in the index: see `domain.guest_key`."""

    def matches(self, record: Record) -> bool:
        """Return whether the booking, as it is now, is one of the list. Its start is not compared."""
        booking, meeting = record.booking, record.current_meeting
        guests = booking.appointment.guests
        return (
            self.calendar_id in (None, booking.appointment.calendar_id)
            and self.user_id in (None, booking.host.user_id)
            and self.status in (None, booking.status.value)
            and (not self.meeting_states or meeting.state in self.meeting_states)
            and self.reason in (None, meeting.reason)
            and (
                self.guest_email is None
                or bool(guests and address_key(guests[0].email) == address_key(self.guest_email))
            )
        )

    @property
    def is_filtered_after_reading(self) -> bool:
        """Whether rows of the index do not show which bookings are of the list."""
        return bool(self.meeting_states or self.reason or self.guest_email)


class _Partition:
    """Rows of one partition of an index in order of start, which are read query by query."""

    def __init__(self, responses: Iterator[dict[str, Any]]) -> None:
        self._responses = responses
        self.read_until = ""
        """The start key up to which all rows have been read."""
        self.is_read = False
        """Whether the partition has been read to its end."""

    def read(self) -> list[Row]:
        """Make one query."""
        with translated_errors():
            response = next(self._responses)
        rest = response.get("LastEvaluatedKey")
        self.is_read = not rest
        self.read_until = rest["start_key"]["S"] if rest else ""
        return [(row["start_key"]["S"], row["booking_id"]["S"]) for row in response["Items"]]


class _Page:
    """A page while it is filled from rows of an index."""

    def __init__(self, query: BookingQuery, limit: int, after: str | None) -> None:
        self._query = query
        self._limit = limit
        self._read = 0
        self.records: list[Record] = []
        self.last_key = after
        """The start key up to which the page is complete."""
        self.is_full = False
        """Whether rows were left for the next page."""

    def add(self, rows: Sequence[Row]) -> None:
        """Add the bookings of the next rows, as far as they fit."""
        size = _BATCH if self._query.is_filtered_after_reading else self._limit
        while rows and not self.is_full:
            self._add_batch(rows[:size])
            rows = rows[size:]

    def _add_batch(self, rows: Sequence[Row]) -> None:
        if len(self.records) == self._limit or self._read >= _MAX_READ:
            self.is_full = True
            return
        self._read += len(rows)
        records = _read_rows(self._query.workspace_id, [booking_id for _, booking_id in rows])
        for key, booking_id in rows:
            if len(self.records) == self._limit:
                self.is_full = True
                return
            self.last_key = key
            record = records.get(booking_id)
            if record is not None and self._query.matches(record):
                self.records.append(record)


def read_page(
    query: BookingQuery, *, limit: int, after: str | None, filtered_rows: int = FILTERED_ROWS
) -> tuple[list[Record], str | None]:
    """Return at most `limit` bookings in order of start, after the start key `after`, and the next start key.

    A page of a filtered list can be shorter than `limit`, even empty, and still have a next key. Raises
    `IndexUnavailable`.
    """
    unread, pending, page = list(_partitions(query, after, limit + 1, filtered_rows)), [], _Page(query, limit, after)
    for _ in range(_MAX_QUERIES):
        if not unread:
            return page.records, None
        pending += min(unread, key=lambda partition: partition.read_until).read()
        unread = [partition for partition in unread if not partition.is_read]
        complete_until = min((partition.read_until for partition in unread), default=None)
        ready = [row for row in pending if complete_until is None or row[0] <= complete_until]
        pending = [row for row in pending if complete_until is not None and row[0] > complete_until]
        page.add(sorted(ready))
        if page.is_full:
            return page.records, page.last_key
        page.last_key = complete_until or page.last_key
    return page.records, page.last_key if unread else None


def read_around(query: BookingQuery, booking_id: str, *, limit: int) -> list[Record]:
    """Return the first bookings of a query without this one, in one query of the index.

    The rows are read only if there are others.
    """
    ((index, (key,), filters), (low, high)) = _choose_index(query), _bounds(query, None)
    with translated_errors():
        pages = index.query(key, BookingItem.start_key.between(low, high), filters, page_size=limit + 1).page_iter
        ids = [row["booking_id"]["S"] for row in next(pages)["Items"]]
    others = [other for other in ids if other != booking_id][:limit]
    rows = _read_rows(query.workspace_id, others) if others else {}
    return [rows[other] for other in others if other in rows]


def count_troubled(query: BookingQuery) -> int:
    """Count the index's rows of a query with states of `TROUBLE_STATES`, whatever its other filters."""
    low, high = _bounds(query, None)
    keys = [trouble_key(query.workspace_id, state) for state in sorted(query.meeting_states)]
    with translated_errors():
        return sum(BookingItem.by_trouble.count(key, BookingItem.start_key.between(low, high)) for key in keys)


def _partitions(query: BookingQuery, after: str | None, limit: int, filtered_rows: int) -> Iterator[_Partition]:
    """Return the partitions with the query's bookings."""
    low, high = _bounds(query, after)
    if low > high:
        return
    index, keys, filters = _choose_index(query)
    # DynamoDB filters after applying its limit, so such a query reads more rows.
    size = filtered_rows if filters is not None else _BATCH if query.is_filtered_after_reading else limit
    for key in keys:
        with translated_errors():
            pages = index.query(key, BookingItem.start_key.between(low, high), filters, page_size=size).page_iter
        yield _Partition(pages)


def _choose_index(query: BookingQuery) -> tuple[Any, list[str], Condition | None]:
    """Return the index with the fewest rows besides the query's, its keys, and what DynamoDB can filter there."""
    if query.guest_key is not None:
        return BookingItem.by_guest, [query.guest_key], None
    keys = [trouble_key(query.workspace_id, state) for state in sorted(query.meeting_states)]
    if keys and None not in keys:
        return BookingItem.by_trouble, [key for key in keys if key], None
    if query.user_id is not None:
        return BookingItem.by_host, [host_key(query.workspace_id, query.user_id)], _filters(query)
    return BookingItem.by_start, [query.workspace_id], _filters(query)


def _bounds(query: BookingQuery, after: str | None) -> tuple[str, str]:
    # A cursor from another list may be before this list's start.
    low = max(f"{after}\x00" if after else " ", start_key(query.starts_from, "") if query.starts_from else " ")
    return low, start_key(query.starts_before, "") if query.starts_before else "~"


def _filters(query: BookingQuery) -> Condition | None:
    condition: Condition | None = None
    for attribute, value in ((BookingItem.calendar_id, query.calendar_id), (BookingItem.status, query.status)):
        if value is not None:
            condition = (attribute == value) if condition is None else condition & (attribute == value)
    return condition


def _read_rows(workspace_id: str, booking_ids: Iterable[str]) -> dict[str, Record]:
    keys = [(workspace_id, booking_id) for booking_id in booking_ids]
    with translated_errors():
        return {item.booking_id: record_of(item) for item in BookingItem.batch_get(keys, consistent_read=True)}
