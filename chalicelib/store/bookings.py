"""Bookings: conditional writes by callers, leases and fenced writes by settlers, the index of due work."""

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

from chalicelib.domain import give_up
from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Trouble, in_trouble
from chalicelib.domain.meeting import MeetingState
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import LostRace, StoreUnavailable
from chalicelib.store.tables import DUE_SHARDS, BookingItem, due_shard, from_milliseconds, milliseconds, translated

LEASE = timedelta(seconds=90)
"""Longer than any pause between two writes of one settler. Correctness does not hang on it: writes are fenced."""

RETENTION = timedelta(days=365)
"""How long a booking is kept after its end, unless the deployment says otherwise."""

_WAITING = "waiting#"
"""Begins the partitions of the index of due work in which bookings are parked whose meeting waits: they are counted."""
_MOST_COUNTED = 10_000
"""In each of these partitions: more are reported as so many, which bounds the cost of a count."""

FILTERED_ROWS = 1000
"""How many rows of the index one query of a filtered list reads."""

_MOST_QUERIES = 2
"""How many queries a filtered page makes at most; then it ends with a cursor."""

_UNENDING = datetime.max.replace(tzinfo=UTC)


class Record(Struct, frozen=True):
    """A booking as stored: what is wanted and what was reached.

    `settled_revision` is the newest revision that meeting and invitations match.
    """

    booking: Booking
    settlement: Settlement
    settled_revision: int = 0

    @property
    def is_settled(self) -> bool:
        return self.settled_revision >= self.booking.revision


class Lease(Struct, frozen=True):
    """A settler's hold on a booking. Writes under an older `fence` are refused.

    `silent_runs` and `crashed_runs` are the unfinished runs before this one (see `domain.runs`). A booking that
    `is_settled` is held to be looked at.
    """

    booking: Booking
    settlement: Settlement
    fence: int
    held_until: datetime = _UNENDING
    silent_runs: int = 0
    crashed_runs: int = 0
    is_settled: bool = False

    def require(self, now: datetime, seconds: float) -> None:
        """Before something that cannot be undone and takes `seconds`: raises `LostRace` if the hold may end meanwhile.

        That happens to a process that stood still since its last write: another may be doing the same by now.
        """
        if self.held_until - now < timedelta(seconds=seconds):
            raise LostRace("the hold ends")


class Query(Struct, frozen=True):
    """Which bookings to list: by start, in [`starts_from`, `starts_before`), optionally of one host."""

    workspace_id: str
    starts_from: datetime | None = None
    starts_before: datetime | None = None
    calendar_id: str | None = None
    user_id: str | None = None
    status: str | None = None


class BookingStore:
    """The bookings table. A row with nothing left to do ends `retention` after its booking; None keeps it for ever."""

    def __init__(self, retention: timedelta | None = RETENTION, *, filtered_rows: int = FILTERED_ROWS) -> None:
        self._retention = retention
        self._filtered_rows = filtered_rows

    def get(self, workspace_id: str, booking_id: str) -> Record | None:
        """The booking, read consistently."""
        with translated():
            try:
                item = BookingItem.get(workspace_id, booking_id, consistent_read=True)
            except BookingItem.DoesNotExist:
                return None
        return record_of(item)

    def progress(self, workspace_id: str, booking_id: str) -> tuple[float | None, ...]:
        """Numbers that change whenever a caller or settler writes; read without the documents."""
        with translated():
            try:
                item = BookingItem.get(
                    workspace_id,
                    booking_id,
                    consistent_read=True,
                    attributes_to_get=["revision", "settled_revision", "fence", "lease_until"],
                )
            except BookingItem.DoesNotExist:
                return ()
        return item.revision, item.settled_revision, item.fence, item.lease_until

    def create(self, booking: Booking, now: datetime) -> None:
        """Store a new booking, due at once. Raises `LostRace` if the id is taken."""
        attributes: dict[str, Any] = _desired(booking, now)
        item = BookingItem(booking.workspace_id, booking.booking_id, **attributes)
        with translated():
            item.save(condition=BookingItem.booking_id.does_not_exist())

    def replace(self, booking: Booking, *, over_revision: int, now: datetime) -> None:
        """Store a caller's change, due at once. Raises `LostRace` if `over_revision` is not the newest any more."""
        actions: list[Action] = [
            getattr(BookingItem, name).set(value) for name, value in _desired(booking, now).items()
        ]
        actions.append(BookingItem.expires_at.remove())
        condition = BookingItem.revision == over_revision
        with translated():
            BookingItem(booking.workspace_id, booking.booking_id).update(actions, condition=condition)

    def wake(self, workspace_id: str, booking_id: str, now: datetime) -> None:
        """Make a parked booking due now. A booking that is settled stays so."""
        actions: list[Action] = [BookingItem.due_at.set(milliseconds(now))]
        with suppress(LostRace), translated():
            BookingItem(workspace_id, booking_id).update(actions, condition=BookingItem.due_shard.exists())

    def note_trouble(self, workspace_id: str, booking_id: str, message_id: str, trouble: Trouble) -> None:
        """Record what became of a mail; an unknown booking stays unknown. Nobody who settles is disturbed."""
        actions: list[Action] = [BookingItem.mail_troubles.add({f"{trouble.value} {message_id}"})]
        with suppress(LostRace), translated():
            BookingItem(workspace_id, booking_id).update(actions, condition=BookingItem.booking_id.exists())

    def lease(self, workspace_id: str, booking_id: str, now: datetime) -> Lease | None:
        """Take hold of a booking that needs settling or looking at; None if it does not, or somebody else holds it."""
        wanting = (BookingItem.revision > BookingItem.settled_revision) | (BookingItem.due_at <= milliseconds(now))
        free = BookingItem.lease_until.does_not_exist() | (BookingItem.lease_until < milliseconds(now))
        item = BookingItem(workspace_id, booking_id)
        begun = BookingItem.silent_runs.set((BookingItem.silent_runs | 0) + 1)
        actions: list[Action] = [BookingItem.fence.set(BookingItem.fence + 1), begun, *_hold(item, now)]
        try:
            with translated():
                item.update(actions, condition=wanting & free)
            if _pause(item):
                with suppress(StoreUnavailable), translated():  # If this fails it is only tried again sooner.
                    item.update(_hold(item, now), condition=BookingItem.fence == item.fence)
        except LostRace:
            return None
        return _claim(item)

    def save(self, lease: Lease, settlement: Settlement, now: datetime) -> Lease:
        """Record progress and renew the lease; the answer holds the newest desired state.

        Raises `LostRace` if another settler took over.
        """
        item = _item(lease)
        item.silent_runs = lease.silent_runs + 1
        actions: list[Action] = [BookingItem.observed.set(_encode(settlement, now)), *_hold(item, now)]
        with translated():
            item.update(actions, condition=BookingItem.fence == lease.fence)
        return _claim(item)

    def settle(
        self, lease: Lease, settlement: Settlement, now: datetime, *, look_at: datetime | None = None
    ) -> Lease | None:
        """Record that the claimed revision is reached and let go; nothing is due before `look_at`.

        If the booking changed meanwhile, what was reached is recorded and the claim is kept, renewed: go on with it.
        Raises `LostRace` if another settler took over.
        """
        actions: list[Action] = [BookingItem.settled_revision.set(lease.booking.revision)]
        if look_at is None:
            actions += [BookingItem.due_shard.remove(), BookingItem.due_at.remove(), *self._expiry(lease.booking, now)]
        else:
            shard = due_shard(lease.booking.workspace_id, lease.booking.booking_id)
            actions += [BookingItem.due_at.set(milliseconds(look_at)), BookingItem.due_shard.set(shard)]
        return self._let_go(lease, settlement, actions, now)

    def park(self, lease: Lease, settlement: Settlement, until: datetime, now: datetime) -> Lease | None:
        """Record what was reached and let go until `until`. Otherwise as `settle`."""
        shard = due_shard(lease.booking.workspace_id, lease.booking.booking_id)
        if settlement.meeting.state is MeetingState.WAITING:
            shard = _WAITING + shard
        actions: list[Action] = [BookingItem.due_at.set(milliseconds(until)), BookingItem.due_shard.set(shard)]
        return self._let_go(lease, settlement, actions, now)

    def note_end(self, lease: Lease, *, crashed: bool = False) -> None:
        """Record that a run ended early, because something was out or, if it `crashed`, by an error of our own.

        The hold is kept until its time is over. Raises `LostRace` if another settler took over.
        """
        actions: list[Action] = [BookingItem.silent_runs.remove()]
        if crashed:
            actions.append(BookingItem.crashed_runs.set((BookingItem.crashed_runs | 0) + 1))
        with translated():
            _item(lease).update(actions, condition=BookingItem.fence == lease.fence)

    def due(self, shard: int, now: datetime, limit: int) -> list[tuple[str, str]]:
        """Keys of bookings in one of `DUE_SHARDS` shards whose time has come.

        At most `limit` of those whose meeting waits and `limit` of the others, each longest overdue first.
        """
        is_due = BookingItem.due_at <= milliseconds(now)
        with translated():
            return [
                (item.workspace_id, item.booking_id)
                for partition in (str(shard), f"{_WAITING}{shard}")
                for item in BookingItem.due.query(partition, is_due, limit=limit)
            ]

    def count_waiting(self) -> int:
        """Count the bookings that are parked with a meeting that waits, in all workspaces together."""
        with translated():
            return sum(BookingItem.due.count(f"{_WAITING}{shard}", limit=_MOST_COUNTED) for shard in all_shards())

    def page(self, query: Query, *, limit: int, after: str | None) -> tuple[list[Record], str | None]:
        """At most `limit` bookings in order of start, after the start key `after`; with the next such key, if any.

        With a filter the page can be shorter, even empty, and have a next key all the same.
        """
        keys: list[tuple[str, str]] = []
        place: str | None = None
        for number, rows in enumerate(self._pages(query, after, limit + 1), 1):
            for row in rows["Items"]:
                if len(keys) == limit:
                    return self._read(keys), place
                keys.append((query.workspace_id, row["booking_id"]["S"]))
                place = row["start_key"]["S"]
            rest = rows.get("LastEvaluatedKey")
            if rest and number == _MOST_QUERIES:
                return self._read(keys), rest["start_key"]["S"]
        return self._read(keys), None

    def upcoming(self, workspace_id: str, user_id: str, now: datetime) -> Iterator[Record]:
        """Every confirmed booking of a host that is not over."""
        # A booking that runs now started earlier; nothing longer than a day is worth looking for.
        query = Query(workspace_id, starts_from=now - timedelta(days=1), user_id=user_id, status="confirmed")
        after: str | None = None
        while True:
            records, after = self.page(query, limit=100, after=after)
            yield from (record for record in records if record.booking.appointment.ends_at > now)
            if after is None:
                return

    def _pages(self, query: Query, after: str | None, wanted: int) -> Iterator[dict[str, Any]]:
        """DynamoDB's responses. It applies a filter after its limit, so a filtered query reads more rows at once."""
        # A cursor of another list may lie before this one's start.
        low = max(f"{after}\x00" if after else " ", _start_key(query.starts_from, "") if query.starts_from else " ")
        high = _start_key(query.starts_before, "") if query.starts_before else "~"
        if low > high:
            return
        matches: Condition | None = None
        for attribute, value in ((BookingItem.calendar_id, query.calendar_id), (BookingItem.status, query.status)):
            if value is not None:
                matches = (attribute == value) if matches is None else matches & (attribute == value)
        index, key = BookingItem.by_start, query.workspace_id
        if query.user_id is not None:
            index, key = BookingItem.by_host, host_key(query.workspace_id, query.user_id)  # type: ignore[assignment]
        with translated():
            size = wanted if matches is None else self._filtered_rows
            yield from index.query(key, BookingItem.start_key.between(low, high), matches, page_size=size).page_iter

    def _read(self, keys: list[tuple[str, str]]) -> list[Record]:
        if not keys:
            return []
        with translated():
            items = {item.booking_id: item for item in BookingItem.batch_get(keys, consistent_read=True)}
        return [record_of(items[booking_id]) for _, booking_id in keys if booking_id in items]

    def _expiry(self, booking: Booking, now: datetime) -> list[Action]:
        if self._retention is None:
            return []
        ends_at = max(booking.appointment.ends_at, now) + self._retention
        return [BookingItem.expires_at.set(int(ends_at.timestamp()))]

    def _let_go(self, lease: Lease, settlement: Settlement, actions: list[Action], now: datetime) -> Lease | None:
        item = _item(lease)
        ended = [getattr(BookingItem, name).remove() for name in ("lease_until", "silent_runs", "crashed_runs")]
        actions = [BookingItem.observed.set(_encode(settlement, now)), *ended, *actions]
        mine = BookingItem.fence == lease.fence
        try:
            with translated():
                item.update(actions, condition=mine & (BookingItem.revision == lease.booking.revision))
        except LostRace:
            return self.save(lease, settlement, now)
        return None


def all_shards() -> range:
    return range(DUE_SHARDS)


def host_key(workspace_id: str, user_id: str) -> str:
    return f"{workspace_id}#{user_id}"


def place_of(booking: Booking) -> str:
    """Return the start key that continues a list after this booking."""
    return _start_key(booking.appointment.starts_at, booking.booking_id)


def _start_key(starts_at: datetime, booking_id: str) -> str:
    return f"{starts_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}#{booking_id}"


def _desired(booking: Booking, now: datetime) -> dict[str, str | int]:
    appointment = booking.appointment
    return {
        "revision": booking.revision,
        "status": booking.status.value,
        "calendar_id": appointment.calendar_id,
        "start_key": _start_key(appointment.starts_at, booking.booking_id),
        "host_key": host_key(booking.workspace_id, booking.host.user_id),
        "desired": msgspec.json.encode(booking).decode(),
        "due_shard": due_shard(booking.workspace_id, booking.booking_id),
        "due_at": milliseconds(now),
    }


def _hold(item: BookingItem, now: datetime) -> list[Action]:
    # Due again when the lease ends: if this settler dies, the schedule finds the booking. One that waits is counted
    # meanwhile, so it stays in its partition.
    until, due_at = milliseconds(now + LEASE), milliseconds(now + LEASE + _pause(item))
    shard = due_shard(item.workspace_id, item.booking_id)
    due: list[Action] = [BookingItem.due_at.set(due_at), BookingItem.due_shard.set(BookingItem.due_shard | shard)]
    return [BookingItem.lease_until.set(until), *due, BookingItem.expires_at.remove()]


def _pause(item: BookingItem) -> timedelta:
    silent_before = int(item.silent_runs or 1) - 1
    return give_up.pause(silent_before, f"{item.workspace_id}\0{item.booking_id}")


def _item(lease: Lease) -> BookingItem:
    return BookingItem(lease.booking.workspace_id, lease.booking.booking_id)


def _encode(settlement: Settlement, now: datetime) -> str:
    """`settlement` as it is stored, with the time of the write: later than that of the write before, on any clock."""
    written_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    if settlement.written_at is not None:
        written_at = max(written_at, settlement.written_at + timedelta(milliseconds=1))
    return msgspec.json.encode(replace(settlement, written_at=written_at)).decode()


def record_of(item: BookingItem) -> Record:
    settlement = msgspec.json.decode(item.observed, type=Settlement) if item.observed else Settlement()
    if item.mail_troubles:
        invitations = in_trouble(settlement.invitations, _troubles(item.mail_troubles))
        settlement = replace(settlement, invitations=invitations)
    return Record(msgspec.json.decode(item.desired, type=Booking), settlement, int(item.settled_revision))


def _troubles(notes: set[str]) -> dict[str, Trouble]:
    """By message id, the gravest of each."""
    known: dict[str, Trouble] = {}
    for trouble in reversed(Trouble):
        known |= {note.partition(" ")[2]: trouble for note in notes if note.startswith(f"{trouble.value} ")}
    return known


def _claim(item: BookingItem) -> Lease:
    record = record_of(item)
    return Lease(
        record.booking,
        record.settlement,
        fence=int(item.fence),
        held_until=from_milliseconds(item.lease_until or 0),
        silent_runs=int(item.silent_runs or 1) - 1,
        crashed_runs=int(item.crashed_runs or 0),
        is_settled=record.is_settled,
    )
