"""Leases on bookings, under which settlers record what they observed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace
from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.update import Action

from chalicelib.domain.answers import Answers
from chalicelib.domain.booking import Booking
from chalicelib.domain.history import with_history
from chalicelib.domain.meeting import MeetingState
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import LostRace, StoreUnavailable
from chalicelib.store.booking_records import record_of, trouble_key
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import DUE_PARTITIONS, WAITING_PARTITIONS, BookingItem, choose_partition

LEASE = timedelta(seconds=90)
"""Longer than any pause between two writes of one settler. A shorter one would be safe too: writes are fenced."""
RETENTION = timedelta(days=365)
"""How long a booking is kept after its end, unless the deployment sets another time."""
_UNENDING = datetime.max.replace(tzinfo=UTC)


class Lease(Struct, frozen=True):
    """A settler's lease on a booking."""

    booking: Booking
    settlement: Settlement
    fence: int
    """Rises with every lease of the booking. A write under an older fence is refused."""
    held_until: datetime = _UNENDING
    killed_runs: int = 0
    """Runs in a row before this one that were killed: their end was never recorded (see `domain.give_up`)."""
    crashed_runs: int = 0
    """Runs before this one that an internal error ended."""
    settled_revision: int = 0
    """The newest revision that was settled before."""
    is_settled: bool = False
    """Whether the booking was leased although it is settled: a verification or a reminder is due."""
    mail_notes: frozenset[str] = frozenset()
    """The row's `mail_troubles`."""
    answers: Answers = field(default_factory=dict)
    """Who comes and who does not, by `answer_key`."""
    wakes: int = 0
    """The row's `wakes`."""
    look_requested_at: datetime | None = None
    """The row's `look_requested_at`."""
    sightings: frozenset[str] = frozenset()
    """The row's `sightings`."""

    def require(self, now: datetime, seconds: float) -> None:
        """Raise `LostRace` if the lease may end within `seconds`. Call it before work that cannot be undone.

        A process that was frozen since its last write may find that another settler is doing the same work by now.
        """
        if self.held_until - now < timedelta(seconds=seconds):
            raise LostRace("the lease ends too soon")


class BookingLeases:
    """The settlers' writes. Each is refused with `LostRace` after another settler took the lease over."""

    def __init__(
        self,
        retention: timedelta | None = RETENTION,
        retry_delay: Callable[[int, str], timedelta] = lambda killed_runs, name: timedelta(0),
        guest_key: Callable[[Booking], str | None] = lambda booking: None,
    ) -> None:
        """Rows with nothing left to do are deleted `retention` after the booking's end; None keeps them forever.

        `retry_delay` says how long after the end of its lease a booking is due again if this run is killed, from the
        number of runs that were killed before it and the booking's name. `guest_key` returns a booking's key in the
        index `by_guest`.
        """
        self._retention = retention
        self._retry_delay = retry_delay
        self._guest_key = guest_key

    def acquire(self, workspace_id: str, booking_id: str, now: datetime) -> Lease | None:
        """Lease a booking that needs settling or is due; None if it needs neither, or another settler has it."""
        needs_work = (BookingItem.revision > BookingItem.settled_revision) | (BookingItem.due_at <= now)
        is_free = BookingItem.lease_until.does_not_exist() | (BookingItem.lease_until < now)
        item = BookingItem(workspace_id, booking_id)
        count_run = BookingItem.killed_runs.set((BookingItem.killed_runs | 0) + 1)
        actions: list[Action] = [BookingItem.fence.set(BookingItem.fence + 1), count_run, *self._hold(item, now)]
        try:
            with translated_errors():
                item.update(actions, condition=needs_work & is_free)
            if self._delay(item):  # The update has returned how many runs were killed.
                with suppress(StoreUnavailable), translated_errors():  # If it fails, the retry comes sooner.
                    item.update(self._hold(item, now), condition=BookingItem.fence == item.fence)
        except LostRace:
            return None
        return _lease_of(item)

    def save(self, lease: Lease, settlement: Settlement, now: datetime) -> Lease:
        """Record progress and renew the lease. Return it with the newest desired state."""
        item = _item(lease)
        item.killed_runs = lease.killed_runs + 1
        actions: list[Action] = [*_observed(lease, settlement, now), *self._hold(item, now)]
        with translated_errors():
            item.update(actions, condition=BookingItem.fence == lease.fence)
        return _lease_of(item)

    def finish(
        self, lease: Lease, settlement: Settlement, now: datetime, *, due_at: datetime | None = None
    ) -> Lease | None:
        """Record that the leased revision is settled, and release the lease; the booking is due again at `due_at`.

        If the booking changed in the meantime, or was woken since the lease had `wakes`, record what was observed and
        return the renewed lease: continue with it.
        """
        actions: list[Action] = [BookingItem.settled_revision.set(lease.booking.revision)]
        if due_at is None:
            actions += [BookingItem.due_shard.remove(), BookingItem.due_at.remove(), *self._expire(lease.booking, now)]
        else:
            actions += [BookingItem.due_at.set(due_at), BookingItem.due_shard.set(_partition(lease.booking))]
        return self._release(lease, settlement, actions, now)

    def defer(self, lease: Lease, settlement: Settlement, until: datetime, now: datetime) -> Lease | None:
        """Record what was observed and release the lease; the booking is due at `until`. Otherwise like `finish`."""
        is_waiting = settlement.meeting.state is MeetingState.WAITING
        partition = _partition(lease.booking, WAITING_PARTITIONS if is_waiting else DUE_PARTITIONS)
        actions: list[Action] = [BookingItem.due_at.set(until), BookingItem.due_shard.set(partition)]
        return self._release(lease, settlement, actions, now)

    def record_early_end(self, lease: Lease, *, crashed: bool = False) -> None:
        """Record that the run ended early: by an internal error if it `crashed`, else by an outage.

        The lease is kept until its time is over.
        """
        actions: list[Action] = [BookingItem.killed_runs.remove()]
        if crashed:
            actions.append(BookingItem.crashed_runs.set((BookingItem.crashed_runs | 0) + 1))
        with translated_errors():
            _item(lease).update(actions, condition=BookingItem.fence == lease.fence)

    def _release(self, lease: Lease, settlement: Settlement, actions: list[Action], now: datetime) -> Lease | None:
        item = _item(lease)
        ended = [getattr(BookingItem, name).remove() for name in ("lease_until", "killed_runs", "crashed_runs")]
        found_by = _set_or_remove(BookingItem.guest_key, self._guest_key(lease.booking))
        actions = [*_observed(lease, settlement, now), found_by, *ended, *_drop_notes(lease, settlement), *actions]
        is_unwoken = BookingItem.wakes == lease.wakes if lease.wakes else BookingItem.wakes.does_not_exist()
        is_current = (BookingItem.fence == lease.fence) & (BookingItem.revision == lease.booking.revision) & is_unwoken
        try:
            with translated_errors():
                item.update(actions, condition=is_current)
        except LostRace:
            return self.save(lease, settlement, now)
        return None

    def _hold(self, item: BookingItem, now: datetime) -> list[Action]:
        # Due again when the lease ends: if this settler is killed, the schedule finds the booking. A booking with a
        # waiting meeting stays in its partition, where it is counted.
        until = now + LEASE
        partition = choose_partition(DUE_PARTITIONS, item.workspace_id, item.booking_id)
        return [
            BookingItem.lease_until.set(until),
            BookingItem.due_at.set(until + self._delay(item)),
            BookingItem.due_shard.set(BookingItem.due_shard | partition),
            BookingItem.expires_at.remove(),
        ]

    def _delay(self, item: BookingItem) -> timedelta:
        return self._retry_delay(int(item.killed_runs or 1) - 1, f"{item.workspace_id}\0{item.booking_id}")

    def _expire(self, booking: Booking, now: datetime) -> list[Action]:
        if self._retention is None:
            return []
        return [BookingItem.expires_at.set(max(booking.appointment.ends_at, now) + self._retention)]


def _partition(booking: Booking, partitions: Sequence[str] = DUE_PARTITIONS) -> str:
    return choose_partition(partitions, booking.workspace_id, booking.booking_id)


def _item(lease: Lease) -> BookingItem:
    return BookingItem(lease.booking.workspace_id, lease.booking.booking_id)


def _lease_of(item: BookingItem) -> Lease:
    record = record_of(item)
    return Lease(
        record.booking,
        record.settlement,
        fence=int(item.fence),
        held_until=item.lease_until,
        killed_runs=int(item.killed_runs or 1) - 1,
        crashed_runs=int(item.crashed_runs or 0),
        settled_revision=record.settled_revision,
        is_settled=record.is_settled,
        mail_notes=frozenset(item.mail_troubles or ()),
        answers=record.answers,
        wakes=int(item.wakes or 0),
        look_requested_at=item.look_requested_at,
        sightings=frozenset(item.sightings or ()),
    )


def _observed(lease: Lease, settlement: Settlement, now: datetime) -> list[Action]:
    settlement = with_history(settlement, lease.booking, lease.answers, now)
    key = trouble_key(lease.booking.workspace_id, settlement.meeting.state)
    return [BookingItem.observed.set(_encode(settlement, now)), _set_or_remove(BookingItem.trouble_key, key)]


def _drop_notes(lease: Lease, settlement: Settlement) -> list[Action]:
    """Drop the notes about emails that newer ones replaced, so that the row does not grow."""
    message_ids = {invitation.message_id for invitation in settlement.invitations}
    notes = {note for note in lease.mail_notes if note.partition(" ")[2] not in message_ids}
    return [BookingItem.mail_troubles.delete(notes)] if notes else []


def _set_or_remove(attribute: UnicodeAttribute, value: str | None) -> Action:
    return attribute.remove() if value is None else attribute.set(value)


def _encode(settlement: Settlement, now: datetime) -> str:
    """Encode a settlement with the time of this write, which is later than that of the write before on any clock."""
    written_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    if settlement.written_at is not None:
        written_at = max(written_at, settlement.written_at + timedelta(milliseconds=1))
    return msgspec.json.encode(replace(settlement, written_at=written_at)).decode()
