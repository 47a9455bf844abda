"""The bookings table as callers and handlers use it. Settlers write through `booking_leases`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pynamodb.expressions.update import Action

from chalicelib.domain.answers import Answer
from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Trouble
from chalicelib.errors import LostRace
from chalicelib.store.booking_lists import FILTERED_ROWS, BookingQuery, read_around, read_page
from chalicelib.store.booking_records import Record, encode_answers, host_key, record_of, start_key_of
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import DUE_PARTITIONS, WAITING_PARTITIONS, BookingItem, choose_partition

_MAX_COUNTED = 10_000
"""Per partition. A larger number is reported as this one, which limits the cost of a count."""
_MOST_AROUND = 100
_LONGEST_APPOINTMENT = timedelta(days=1)
"""How far back `upcoming` looks for appointments that have started and are not over."""


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

    def put_answer(self, record: Record, key: str, answer: Answer, *, wakes_at: datetime | None = None) -> None:
        """Store a person's answer to the booking that was read as `record`; with `wakes_at` the booking is then due.

        Raises `LostRace` if the booking changed, or someone answered, since it was read.
        """
        booking, answers = record.booking, encode_answers({**record.answers, key: answer})
        is_same = (
            BookingItem.answers == encode_answers(record.answers)
            if record.answers
            else BookingItem.answers.does_not_exist()
        )
        actions: list[Action] = [BookingItem.answers.set(answers)]
        if wakes_at is not None:
            actions += _wake(booking, wakes_at)
        with translated_errors():
            BookingItem(booking.workspace_id, booking.booking_id).update(
                actions, condition=(BookingItem.revision == booking.revision) & is_same
            )

    def request_look(self, booking: Booking, now: datetime) -> None:
        """Have the booking's meeting looked at now, also if the booking is settled. Ignore a booking that is gone."""
        actions: list[Action] = [BookingItem.look_requested_at.set(now), *_wake(booking, now)]
        self._update_existing(booking, actions)

    def add_sighting(self, booking: Booking, note: str, due_at: datetime) -> None:
        """Note who is in the meeting. The booking is due at `due_at`, or earlier if it was. Ignore one that is gone."""
        actions: list[Action] = [BookingItem.sightings.add({note}), *_wake(booking, BookingItem.due_at | due_at)]
        self._update_existing(booking, actions)

    def _update_existing(self, booking: Booking, actions: list[Action]) -> None:
        with suppress(LostRace), translated_errors():
            item = BookingItem(booking.workspace_id, booking.booking_id)
            item.update(actions, condition=BookingItem.booking_id.exists())

    def due(self, partition: str, now: datetime, limit: int) -> list[tuple[str, str]]:
        """Return at most `limit` (workspace, booking) ids that are due in a partition, longest overdue first.

        Bookings with a waiting meeting are in `WAITING_PARTITIONS`, the others in `DUE_PARTITIONS`.
        """
        return [(item.workspace_id, item.booking_id) for item in BookingItem.due.find(partition, now, limit)]

    def count_waiting(self) -> int:
        """Count the deferred bookings with a waiting meeting, in all workspaces together."""
        with translated_errors():
            counts = [BookingItem.due.count(partition, limit=_MAX_COUNTED) for partition in WAITING_PARTITIONS]
        return sum(counts)

    def page(self, query: BookingQuery, *, limit: int, after: str | None) -> tuple[list[Record], str | None]:
        """Return a page of a list: see `booking_lists.read_page`."""
        return read_page(query, limit=limit, after=after, filtered_rows=self._filtered_rows)

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

    def around(self, booking: Booking) -> list[Booking]:
        """Return the host's other confirmed bookings that may overlap with this one, at most `_MOST_AROUND`.

        The index may be behind: two bookings of the same moment may miss each other.
        """
        appointment = booking.appointment
        query = BookingQuery(
            booking.workspace_id,
            starts_from=appointment.starts_at - _LONGEST_APPOINTMENT,
            starts_before=appointment.ends_at,
            user_id=booking.host.user_id,
            status="confirmed",
        )
        return [record.booking for record in read_around(query, booking.booking_id, limit=_MOST_AROUND)]


def _wake(booking: Booking, at: Any) -> list[Action]:
    """Return what makes a booking due `at` a time, settled or not, without a new revision.

    A settler that holds the lease notices it by `wakes`. A waiting booking stays in its partition.
    """
    shard = choose_partition(DUE_PARTITIONS, booking.workspace_id, booking.booking_id)
    return [
        BookingItem.wakes.set((BookingItem.wakes | 0) + 1),
        BookingItem.due_at.set(at),
        BookingItem.due_shard.set(BookingItem.due_shard | shard),
        BookingItem.expires_at.remove(),
    ]


def _desired(booking: Booking, now: datetime) -> dict[str, Any]:
    appointment = booking.appointment
    return {
        "revision": booking.revision,
        "status": booking.status.value,
        "calendar_id": appointment.calendar_id,
        "start_key": start_key_of(booking),
        "host_key": host_key(booking.workspace_id, booking.host.user_id),
        "desired": msgspec.json.encode(booking).decode(),
        "due_shard": choose_partition(DUE_PARTITIONS, booking.workspace_id, booking.booking_id),
        "due_at": now,
    }
