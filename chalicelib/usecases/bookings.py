"""Create, change, cancel and retry bookings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.answers import answer_key
from chalicelib.domain.booking import Appointment, Booking, content_digest
from chalicelib.domain.booking_changes import as_booked, book, cancel, change, give_up_meeting, resend_to, settle_again
from chalicelib.domain.calendar import Calendar, LocationType, hosted_by
from chalicelib.domain.connection import Connection
from chalicelib.domain.emails import UNDECIDED
from chalicelib.domain.invitation import address_key, parties
from chalicelib.domain.meeting import MeetingState
from chalicelib.domain.reminder import Reminder, choose_reminders
from chalicelib.domain.row_size import fits_in_row
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import Conflict, FieldError, InvalidInput, LostRace, NotFound, RowTooLarge, TooLarge
from chalicelib.store.booking_reads import BookingReader, BookingReads
from chalicelib.store.booking_records import Record
from chalicelib.store.bookings import BookingStore

_TRIES = 5


class Accepted(Struct, frozen=True):
    """A booking after a request."""

    record: Record
    created: bool = False
    """Whether the request created the booking."""


class Bookings:
    """Bookings of all workspaces. Every method is idempotent: a repeated request leaves the booking at its revision.

    Methods raise `LostRace` if the booking changes on every try.
    """

    def __init__(self, bookings: BookingStore, reader: BookingReader, clock: Callable[[], datetime]) -> None:
        self._bookings = bookings
        self._reader = reader
        self._clock = clock

    def put(
        self,
        workspace_id: str,
        booking_id: str,
        appointment: Appointment,
        *,
        version: int | None = None,
        reads: BookingReads | None = None,
        base_url: str | None = None,
    ) -> Accepted:
        """Create or change a booking. `reads` can have prefetched rows. `base_url` is this deployment's address.

        Raises `InvalidInput` for an unknown calendar, `Conflict` for a cancelled booking or a reused version,
        `TooLarge` if the row has no room.
        """
        reads = reads or self._reader.open(workspace_id, booking_id)

        def update(record: Record | None) -> Booking:
            if record is not None:
                return self._change(record.booking, appointment, reads, version)
            return self._new_booking(workspace_id, booking_id, appointment, reads, version=version, base_url=base_url)

        return self._update(reads, update)

    def post(
        self,
        workspace_id: str,
        booking_id: str,
        appointment: Appointment,
        *,
        version: int | None = None,
        reads: BookingReads | None = None,
        base_url: str | None = None,
    ) -> Accepted:
        """Create a booking under an id from the Idempotency-Key (see `ids.booking_id_for`).

        A repeated request returns the booking as it is now. Raises `InvalidInput` for an unknown calendar, `Conflict`
        if the key was used for another booking.
        """
        reads = reads or self._reader.open(workspace_id, booking_id)
        if reads.booking() is None:
            new = self._new_booking(workspace_id, booking_id, appointment, reads, version=version, base_url=base_url)
            try:
                self._create(new)
            except LostRace:
                reads.forget()
            else:
                return Accepted(Record(new, Settlement()), created=True)
        record = reads.booking()
        if record is None or record.booking.first_content != content_digest(appointment):
            detail = "This Idempotency-Key was used for another booking. Use a new key for a new booking."
            raise Conflict(detail, reason="idempotency_key_reused")
        return Accepted(record)

    def cancel(self, workspace_id: str, booking_id: str, *, version: int | None = None) -> Accepted:
        """Cancel a booking. Raises `NotFound`."""
        return self._update_existing(
            workspace_id, booking_id, lambda booking: cancel(booking, version=version, now=self._clock())
        )

    def put_cancelled(
        self, workspace_id: str, booking_id: str, appointment: Appointment, *, version: int | None
    ) -> Accepted:
        """Cancel a booking, or create it as cancelled: its creation then arrives late and changes nothing.

        Raises `InvalidInput` for an unknown booking on an unknown calendar.
        """
        reads = self._reader.open(workspace_id, booking_id)

        def update(record: Record | None) -> Booking:
            if record is not None:
                return cancel(record.booking, version=version, now=self._clock())
            booking = self._new_booking(workspace_id, booking_id, appointment, reads, version=version)
            return cancel(booking, now=self._clock())

        return self._update(reads, update)

    def retry(self, workspace_id: str, booking_id: str) -> Accepted:
        """Settle a booking again. Raises `NotFound`."""
        return self._update_existing(workspace_id, booking_id, lambda booking: settle_again(booking, now=self._clock()))

    def resend_invitation(self, workspace_id: str, booking_id: str, email: str) -> Accepted:
        """Send the last invitation of one recipient once more. Raises `NotFound`, and `Conflict` if there is none."""

        def update(booking: Booking) -> Booking:
            is_party = any(address_key(party.email) == address_key(email) for party in parties(booking))
            if not is_party or booking.is_cancelled or booking.appointment.ends_at <= self._clock():
                raise Conflict("This person has no invitation that can be sent again.", reason="no_invitation")
            return resend_to(booking, answer_key(email), now=self._clock())

        return self._update_existing(workspace_id, booking_id, update)

    def give_up_meetings(self, workspace_id: str, user_id: str) -> None:
        """Have the meetings of the host's upcoming bookings removed; the bookings stay."""
        for record in self._upcoming(workspace_id, user_id):
            if record.settlement.meeting.exists or record.booking.eligibility:
                self._update_existing(
                    workspace_id,
                    record.booking.booking_id,
                    lambda booking: give_up_meeting(booking, now=self._clock()),
                )

    def wake_waiting(self, workspace_id: str, user_id: str) -> None:
        """Settle the host's bookings that wait for a connection now rather than at their next poll."""
        for record in self._upcoming(workspace_id, user_id):
            if not record.is_settled:
                self._bookings.make_due(workspace_id, record.booking.booking_id, self._clock())

    def list_with_meetings(self, workspace_id: str, user_id: str) -> list[Record]:
        """Return the host's upcoming bookings whose meeting exists and has a link."""
        records = self._upcoming(workspace_id, user_id)
        return [r for r in records if r.settlement.meeting.exists and r.settlement.meeting.join_url]

    def list_waiting(self, workspace_id: str, user_id: str) -> list[Record]:
        """Return the host's upcoming bookings whose meeting waits, such as for an account to be reconnected."""
        records = self._upcoming(workspace_id, user_id)
        return [record for record in records if record.current_meeting.state is MeetingState.WAITING]

    def has_meetings_of_grant(self, workspace_id: str, user_id: str, grant_id: str) -> bool:
        """Return whether an upcoming booking of the host has a meeting that was created with the grant."""
        meetings = (record.settlement.meeting for record in self._upcoming(workspace_id, user_id))
        return any(meeting.grant_id == grant_id and not meeting.is_fallback for meeting in meetings)

    def _upcoming(self, workspace_id: str, user_id: str) -> Iterator[Record]:
        return self._bookings.upcoming(workspace_id, user_id, self._clock())

    def _update_existing(
        self, workspace_id: str, booking_id: str, update_booking: Callable[[Booking], Booking]
    ) -> Accepted:
        def update(record: Record | None) -> Booking:
            if record is None:
                raise NotFound("There is no booking with this id in your workspace.")
            return update_booking(record.booking)

        return self._update(self._reader.open(workspace_id, booking_id), update)

    def _update(self, reads: BookingReads, update: Callable[[Record | None], Booking]) -> Accepted:
        """Read, decide, and write on the condition that the booking has not changed. Start again if it has."""
        for _ in range(_TRIES):
            record = reads.booking()
            booking = update(record)
            if record is not None and booking is record.booking:
                return Accepted(record)
            try:
                if record is None:
                    self._create(booking)
                    return Accepted(Record(booking, Settlement()), created=True)
                self._replace(booking, record)
                return Accepted(replace(record, booking=booking))
            except LostRace:
                reads.forget()
        raise LostRace("the booking changes too fast")

    def _create(self, booking: Booking) -> None:
        if not fits_in_row(booking, Settlement()):
            raise _too_large()
        try:
            self._bookings.create(booking, self._clock())
        except RowTooLarge as error:
            raise _too_large() from error

    def _replace(self, booking: Booking, record: Record) -> None:
        if booking.appointment != record.booking.appointment and not fits_in_row(booking, record.settlement):
            raise _too_large()
        try:
            self._bookings.replace(booking, over_revision=record.booking.revision, now=self._clock())
        except RowTooLarge as error:
            raise _too_large() from error

    def _change(self, booking: Booking, appointment: Appointment, reads: BookingReads, version: int | None) -> Booking:
        """Return the booking with the new content. Its calendar is read only if the calendar or the host is another."""
        now = self._clock()
        if _keeps_calendar_and_host(booking, appointment):
            return change(booking, appointment, None, None, version=version, now=now)
        calendar = _require_calendar(reads, appointment)
        if booking.appointment.calendar_id == appointment.calendar_id:
            calendar = as_booked(calendar, booking)
        connection, reminders = _host_connection(reads, calendar), _reminders(reads, calendar)
        return change(booking, appointment, calendar, connection, reminders=reminders, version=version, now=now)

    def _new_booking(
        self,
        workspace_id: str,
        booking_id: str,
        appointment: Appointment,
        reads: BookingReads,
        *,
        version: int | None,
        base_url: str | None = None,
    ) -> Booking:
        calendar = _require_calendar(reads, appointment)
        connection, workspace = _host_connection(reads, calendar), reads.workspace()
        return book(
            (workspace_id, booking_id),
            appointment,
            calendar,
            connection,
            reminders=_reminders(reads, calendar),
            version=version,
            now=self._clock(),
            workspace_emails=workspace.emails if workspace else UNDECIDED,
            base_url=base_url,
            language=workspace.language if workspace else None,
        )


def _too_large() -> TooLarge:
    detail = (
        "The booking would become too large to be stored. Shorten its texts or metadata, or invite fewer guests. "
        "Former guests count until their cancellation is sent: then try again."
    )
    return TooLarge(detail, reason="booking_too_large")


def _keeps_calendar_and_host(booking: Booking, appointment: Appointment) -> bool:
    is_same_calendar = booking.appointment.calendar_id == appointment.calendar_id
    return is_same_calendar and appointment.host_id in (None, booking.host.user_id)


def _require_calendar(reads: BookingReads, appointment: Appointment) -> Calendar:
    """Return the appointment's calendar, with the host that the appointment names as its host."""
    calendar, host_id = reads.calendar(appointment.calendar_id), appointment.host_id
    if calendar is None:
        detail = "There is no calendar with this id in your workspace. Create it with PUT /v1/calendars/{id}."
        raise InvalidInput("Unknown calendar.", reason="unknown_calendar", errors=[FieldError("/calendar_id", detail)])
    hosted = calendar if host_id is None else hosted_by(calendar, host_id)
    if hosted is None:
        detail = "The calendar has no host with this user_id. Add it to `hosts` of the calendar."
        raise InvalidInput("Unknown host.", reason="unknown_host", errors=[FieldError("/host_id", detail)])
    return hosted


def _reminders(reads: BookingReads, calendar: Calendar) -> tuple[Reminder, ...]:
    """Return the reminders of a booking on the calendar. The workspace is read only if the calendar has none."""
    if calendar.reminders is not None:
        return calendar.reminders
    workspace = reads.workspace()
    return choose_reminders(workspace.reminders if workspace else None)


def _host_connection(reads: BookingReads, calendar: Calendar) -> Connection | None:
    """Return the connection that gives the booking its meeting; None if the calendar has no video."""
    if calendar.location.type is not LocationType.VIDEO:
        return None
    return reads.connection(calendar.host.user_id)
