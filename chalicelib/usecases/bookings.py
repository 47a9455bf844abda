"""Accept what callers say about bookings: validate against the workspace, write one item conditionally, answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from chalicelib.domain.booking import (
    Appointment,
    Booking,
    ask_again,
    book,
    cancel,
    change,
    content_digest,
    give_up_meeting,
)
from chalicelib.domain.calendar import Calendar, LocationType
from chalicelib.domain.connection import Connection
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import Conflict, FieldError, InvalidInput, LostRace, NotFound
from chalicelib.store.booking_reads import BookingReads
from chalicelib.store.bookings import BookingStore, Record
from chalicelib.store.calendars import CalendarStore
from chalicelib.store.connections import ConnectionStore

_TRIES = 5


class Accepted(Struct, frozen=True):
    """A booking after a caller's request, and whether the request created it."""

    record: Record
    created: bool = False


class Bookings:
    """Every method is idempotent: the same request twice leaves one booking at one revision.

    `sight` holds what was read already; whatever it lacks is read here, and everything after a lost race.
    """

    def __init__(
        self,
        bookings: BookingStore,
        calendars: CalendarStore,
        connections: ConnectionStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._bookings = bookings
        self._calendars = calendars
        self._connections = connections
        self._clock = clock

    def put(
        self,
        workspace_id: str,
        booking_id: str,
        appointment: Appointment,
        *,
        version: int | None = None,
        sight: BookingReads | None = None,
    ) -> Accepted:
        """Create or change a booking.

        Raises `InvalidInput` for an unknown calendar, `Conflict` for a cancelled booking or a reused version.
        """

        def write(record: Record | None, sight: BookingReads | None) -> Booking:
            if record is not None and record.booking.appointment.calendar_id == appointment.calendar_id:
                return change(record.booking, appointment, None, None, version=version, now=self._clock())
            calendar = self._calendar(workspace_id, appointment.calendar_id, sight)
            connection = self._connection(calendar, sight)
            if record is None:
                key = (workspace_id, booking_id)
                return book(key, appointment, calendar, connection, version=version, now=self._clock())
            return change(record.booking, appointment, calendar, connection, version=version, now=self._clock())

        return self._write(workspace_id, booking_id, write, sight)

    def post(
        self,
        workspace_id: str,
        booking_id: str,
        appointment: Appointment,
        *,
        version: int | None = None,
        sight: BookingReads | None = None,
    ) -> Accepted:
        """Create a booking under an id that the request names (see `id_for`).

        The same request again answers with the booking as it is now. Raises `Conflict` if the id stands for another.
        """
        known = sight.record if sight else self._bookings.get(workspace_id, booking_id)
        if known is None:
            calendar = self._calendar(workspace_id, appointment.calendar_id, sight)
            key, now = (workspace_id, booking_id), self._clock()
            wanted = book(key, appointment, calendar, self._connection(calendar, sight), version=version, now=now)
            try:
                self._bookings.create(wanted, now)
            except LostRace:
                known = self._bookings.get(workspace_id, booking_id)
            else:
                return Accepted(Record(wanted, Settlement()), created=True)
        if known is None or known.booking.first_content != content_digest(appointment):
            raise Conflict(
                "This Idempotency-Key was used for another booking. Use a new key for a new booking.",
                reason="idempotency_key_reused",
            )
        return Accepted(known)

    def cancel(self, workspace_id: str, booking_id: str, *, version: int | None = None) -> Accepted:
        """Cancel, again and again if you like. Raises `NotFound`."""
        return self._existing(
            workspace_id, booking_id, lambda booking: cancel(booking, version=version, now=self._clock())
        )

    def put_cancelled(
        self, workspace_id: str, booking_id: str, appointment: Appointment, *, version: int | None
    ) -> Accepted:
        """Cancel a booking; one that is not known yet is stored as cancelled, so that its late creation is late.

        Raises `InvalidInput` for an unknown booking on an unknown calendar.
        """

        def write(record: Record | None, sight: BookingReads | None) -> Booking:
            now = self._clock()
            if record is not None:
                return cancel(record.booking, version=version, now=now)
            calendar = self._calendar(workspace_id, appointment.calendar_id, sight)
            key, connection = (workspace_id, booking_id), self._connection(calendar, sight)
            return cancel(book(key, appointment, calendar, connection, version=version, now=now), now=now)

        return self._write(workspace_id, booking_id, write)

    def retry(self, workspace_id: str, booking_id: str) -> Accepted:
        """Settle once more. Raises `NotFound`."""
        return self._existing(workspace_id, booking_id, lambda booking: ask_again(booking, now=self._clock()))

    def give_up_meeting(self, workspace_id: str, booking_id: str) -> Accepted:
        """Have the booking's meeting removed while it stays booked. Raises `NotFound`."""
        return self._existing(workspace_id, booking_id, lambda booking: give_up_meeting(booking, now=self._clock()))

    def _existing(self, workspace_id: str, booking_id: str, act: Callable[[Booking], Booking]) -> Accepted:
        def write(record: Record | None, _: BookingReads | None) -> Booking:
            if record is None:
                raise NotFound("There is no booking with this id in your workspace.")
            return act(record.booking)

        return self._write(workspace_id, booking_id, write)

    def _write(
        self,
        workspace_id: str,
        booking_id: str,
        write: Callable[[Record | None, BookingReads | None], Booking],
        sight: BookingReads | None = None,
    ) -> Accepted:
        """Read, decide, write under the condition that nothing changed between; again if something did."""
        for _ in range(_TRIES):
            record = sight.record if sight else self._bookings.get(workspace_id, booking_id)
            wanted = write(record, sight)
            if record is not None and wanted is record.booking:
                return Accepted(record)
            try:
                if record is None:
                    self._bookings.create(wanted, self._clock())
                    return Accepted(Record(wanted, Settlement()), created=True)
                self._bookings.replace(wanted, over_revision=record.booking.revision, now=self._clock())
                return Accepted(Record(wanted, record.settlement, record.settled_revision))
            except LostRace:
                sight = None
        raise LostRace("the booking changes too fast")

    def _calendar(self, workspace_id: str, calendar_id: str, sight: BookingReads | None) -> Calendar:
        calendar = sight.calendar if sight else self._calendars.get(workspace_id, calendar_id)
        if calendar is None:
            detail = "There is no calendar with this id in your workspace. Create it with PUT /v1/calendars/{id}."
            raise InvalidInput(
                "Unknown calendar.", reason="unknown_calendar", errors=[FieldError("/calendar_id", detail)]
            )
        return calendar

    def _connection(self, calendar: Calendar, sight: BookingReads | None) -> Connection | None:
        if calendar.location.type is not LocationType.VIDEO:
            return None
        if sight is not None and sight.seen_user == calendar.host.user_id:
            return sight.connection
        return self._connections.get(calendar.workspace_id, calendar.host.user_id)


def id_for(workspace_id: str, idempotency_key: str) -> str:
    """The booking id that an Idempotency-Key stands for: a repeated POST finds the booking without any record of it."""
    known_by = f"{workspace_id}\0{idempotency_key}".encode("utf-8", "surrogatepass")
    return "b-" + hashlib.sha256(known_by).hexdigest()[:32]
