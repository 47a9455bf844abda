"""The bookings table as callers and handlers use it. Settlers write through `booking_leases`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Trouble, with_troubles
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import LostRace
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import DUE_SHARDS, WAITING_PREFIX, BookingItem, due_shard

_MAX_COUNTED = 10_000
"""Per partition. A larger number is reported as this one, which limits the cost of a count."""
FILTERED_ROWS = 1000
"""How many rows of the index one query of a filtered list reads."""
_MAX_QUERIES = 2
"""How many queries a filtered page makes at most; then it ends with a cursor."""
_LONGEST_APPOINTMENT = timedelta(days=1)
"""How far back `upcoming` looks for appointments that have started and are not over."""


class Record(Struct, frozen=True):
    """A booking as stored: its desired and its observed state."""

    booking: Booking
    settlement: Settlement
    settled_revision: int = 0
    """The newest revision that meeting and invitations match."""

    @property
    def is_settled(self) -> bool:
        return self.settled_revision >= self.booking.revision


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


class BookingStore:
    """The bookings table."""

    def __init__(self, *, filtered_rows: int = FILTERED_ROWS) -> None:
        self._filtered_rows = filtered_rows

    def get(self, workspace_id: str, booking_id: str) -> Record | None:
        """Read a booking consistently."""
        item = BookingItem.find(workspace_id, booking_id)
        return record_of(item) if item else None

    def read_progress(self, workspace_id: str, booking_id: str) -> tuple[object, ...]:
        """Return values that change whenever a caller or settler writes, without reading the documents."""
        attributes = ["revision", "settled_revision", "fence", "lease_until"]
        item = BookingItem.find(workspace_id, booking_id, attributes=attributes)
        return (item.revision, item.settled_revision, item.fence, item.lease_until) if item else ()

    def create(self, booking: Booking, now: datetime) -> None:
        """Store a new booking, due now. Raises `LostRace` if the id is taken."""
        attributes: dict[str, Any] = _desired(booking, now)
        item = BookingItem(booking.workspace_id, booking.booking_id, **attributes)
        with translated_errors():
            item.save(condition=BookingItem.booking_id.does_not_exist())

    def replace(self, booking: Booking, *, over_revision: int, now: datetime) -> None:
        """Store a caller's change, due now. Raises `LostRace` if `over_revision` is no longer the newest."""
        actions: list[Action] = [
            getattr(BookingItem, name).set(value) for name, value in _desired(booking, now).items()
        ]
        actions.append(BookingItem.expires_at.remove())
        condition = BookingItem.revision == over_revision
        with translated_errors():
            BookingItem(booking.workspace_id, booking.booking_id).update(actions, condition=condition)

    def make_due(self, workspace_id: str, booking_id: str, now: datetime) -> None:
        """Make a deferred booking due now. A settled booking without a next verification is left alone."""
        actions: list[Action] = [BookingItem.due_at.set(now)]
        with suppress(LostRace), translated_errors():
            BookingItem(workspace_id, booking_id).update(actions, condition=BookingItem.due_shard.exists())

    def add_mail_trouble(self, workspace_id: str, booking_id: str, message_id: str, trouble: Trouble) -> None:
        """Record what happened to an email, without interfering with a settler. Ignore an unknown booking."""
        actions: list[Action] = [BookingItem.mail_troubles.add({f"{trouble.value} {message_id}"})]
        with suppress(LostRace), translated_errors():
            BookingItem(workspace_id, booking_id).update(actions, condition=BookingItem.booking_id.exists())

    def due(self, shard: int, now: datetime, limit: int) -> list[tuple[str, str]]:
        """Return (workspace, booking) ids that are due in one of `DUE_SHARDS`.

        At most `limit` of those with a waiting meeting and `limit` of the others, each longest overdue first.
        """
        partitions = (str(shard), f"{WAITING_PREFIX}{shard}")
        items = [item for partition in partitions for item in BookingItem.due.find(partition, now, limit)]
        return [(item.workspace_id, item.booking_id) for item in items]

    def count_waiting(self) -> int:
        """Count the deferred bookings with a waiting meeting, in all workspaces together."""
        with translated_errors():
            counts = [BookingItem.due.count(f"{WAITING_PREFIX}{shard}", limit=_MAX_COUNTED) for shard in DUE_SHARDS]
        return sum(counts)

    def page(self, query: BookingQuery, *, limit: int, after: str | None) -> tuple[list[Record], str | None]:
        """Return at most `limit` bookings in order of start, after the start key `after`, and the next start key.

        A page of a filtered list can be shorter than `limit`, even empty, and still have a next key.
        """
        keys: list[tuple[str, str]] = []
        last_key: str | None = None
        for number, response in enumerate(self._query_pages(query, after, limit + 1), 1):
            for row in response["Items"]:
                if len(keys) == limit:
                    return self._read(keys), last_key
                keys.append((query.workspace_id, row["booking_id"]["S"]))
                last_key = row["start_key"]["S"]
            rest = response.get("LastEvaluatedKey")
            if rest and number == _MAX_QUERIES:
                return self._read(keys), rest["start_key"]["S"]
        return self._read(keys), None

    def upcoming(self, workspace_id: str, user_id: str, now: datetime) -> Iterator[Record]:
        """Return the confirmed bookings of a host that are not over."""
        earliest = now - _LONGEST_APPOINTMENT
        query = BookingQuery(workspace_id, starts_from=earliest, user_id=user_id, status="confirmed")
        after: str | None = None
        while True:
            records, after = self.page(query, limit=100, after=after)
            yield from (record for record in records if record.booking.appointment.ends_at > now)
            if after is None:
                return

    def _query_pages(self, query: BookingQuery, after: str | None, limit: int) -> Iterator[dict[str, Any]]:
        """Return DynamoDB's responses. It filters after applying its limit, so a filtered query reads more rows."""
        # A cursor from another list may be before this list's start.
        low = max(f"{after}\x00" if after else " ", _start_key(query.starts_from, "") if query.starts_from else " ")
        high = _start_key(query.starts_before, "") if query.starts_before else "~"
        if low > high:
            return
        filters = _filters(query)
        index, key = BookingItem.by_start, query.workspace_id
        if query.user_id is not None:
            index, key = BookingItem.by_host, host_key(query.workspace_id, query.user_id)  # type: ignore[assignment]
        with translated_errors():
            size = limit if filters is None else self._filtered_rows
            yield from index.query(key, BookingItem.start_key.between(low, high), filters, page_size=size).page_iter

    def _read(self, keys: list[tuple[str, str]]) -> list[Record]:
        if not keys:
            return []
        with translated_errors():
            items = {item.booking_id: item for item in BookingItem.batch_get(keys, consistent_read=True)}
        return [record_of(items[booking_id]) for _, booking_id in keys if booking_id in items]


def host_key(workspace_id: str, user_id: str) -> str:
    """Return the key of a host's bookings in the index."""
    return f"{workspace_id}#{user_id}"


def start_key_of(booking: Booking) -> str:
    """Return the start key that continues a list after this booking."""
    return _start_key(booking.appointment.starts_at, booking.booking_id)


def record_of(item: BookingItem) -> Record:
    """Decode a row, with the mail troubles merged into its invitations."""
    settlement = msgspec.json.decode(item.observed, type=Settlement) if item.observed else Settlement()
    if item.mail_troubles:
        invitations = with_troubles(settlement.invitations, _worst_troubles(item.mail_troubles))
        settlement = replace(settlement, invitations=invitations)
    return Record(msgspec.json.decode(item.desired, type=Booking), settlement, int(item.settled_revision))


def _worst_troubles(notes: set[str]) -> dict[str, Trouble]:
    """Return the most severe trouble by message id."""
    troubles: dict[str, Trouble] = {}
    for trouble in reversed(Trouble):
        troubles |= {note.partition(" ")[2]: trouble for note in notes if note.startswith(f"{trouble.value} ")}
    return troubles


def _filters(query: BookingQuery) -> Condition | None:
    condition: Condition | None = None
    for attribute, value in ((BookingItem.calendar_id, query.calendar_id), (BookingItem.status, query.status)):
        if value is not None:
            condition = (attribute == value) if condition is None else condition & (attribute == value)
    return condition


def _start_key(starts_at: datetime, booking_id: str) -> str:
    return f"{starts_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}#{booking_id}"


def _desired(booking: Booking, now: datetime) -> dict[str, Any]:
    appointment = booking.appointment
    return {
        "revision": booking.revision,
        "status": booking.status.value,
        "calendar_id": appointment.calendar_id,
        "start_key": start_key_of(booking),
        "host_key": host_key(booking.workspace_id, booking.host.user_id),
        "desired": msgspec.json.encode(booking).decode(),
        "due_shard": due_shard(booking.workspace_id, booking.booking_id),
        "due_at": now,
    }
