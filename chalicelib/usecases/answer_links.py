"""Answer links: `/a/<ticket>` in an email, by which its recipient says whether they come.

A link is for one person and one booking, ends with the booking, and says nothing about anyone else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.answers import (
    Answer,
    AnswerSource,
    Choice,
    answer_key,
    answer_of,
    every_guest_declined,
)
from chalicelib.domain.booking import Booking
from chalicelib.domain.calendar import OnDecline
from chalicelib.domain.invitation import Party, Role, address_key
from chalicelib.errors import NotFound
from chalicelib.store.booking_records import Record
from chalicelib.store.bookings import BookingStore
from chalicelib.store.deployment_secrets import LinkKey
from chalicelib.usecases.answer_limit import AnswerLimit
from chalicelib.usecases.answers import Answers, GivenAnswer
from chalicelib.usecases.bookings import Bookings
from chalicelib.usecases.tickets import Ticket, guest_part, host_part, read_ticket, write_ticket

_KIND = b"answer"


class Ending(StrEnum):
    """Why a booking can no longer be answered."""

    CANCELLED = "cancelled"
    OVER = "over"


class AnswerPage(Struct, frozen=True):
    """What the page shows."""

    booking: Booking
    recipient: Party
    answer: Answer | None
    """The recipient's current answer."""
    ending: Ending | None = None
    """None: the recipient can answer."""


class AnswerOutcome(StrEnum):
    """What became of an answer that was sent from the page."""

    RECORDED = "recorded"
    CANCELLED = "cancelled"
    """Recorded, and the booking was cancelled, because no guest comes."""
    NEEDS_CONFIRMATION = "needs_confirmation"
    """Not recorded: it would cancel the booking, and the guest has not confirmed that."""
    MOVED = "moved"
    """Not recorded: the booking was moved to another time since the page was shown."""
    ENDED = "ended"
    """Not recorded: the booking was cancelled or is over."""


class AnswerTickets:
    """Write and read the tickets of answer links. The arguments are those of `JoinTickets`."""

    def __init__(self, keys: Callable[[], Sequence[LinkKey]], public_base_url: str | None = None) -> None:
        self._keys = keys
        self._public_base_url = public_base_url

    def link(self, booking: Booking, to: Party) -> str | None:
        """Return the link to mail to `to`; None if this deployment does not know its own address."""
        base_url = self._public_base_url or booking.base_url
        if base_url is None:
            return None
        recipient = host_part(to.user_id or booking.host.user_id) if to.role is Role.HOST else guest_part(to.email)
        return f"{base_url}/a/{write_ticket(self._keys()[0], booking, recipient, kind=_KIND)}"

    def read(self, ticket: str) -> Ticket | None:
        """Return what the ticket contains; None if this deployment did not make it, or its key was retired."""
        return read_ticket(self._keys(), ticket, kind=_KIND)


class AnswerLinks:
    """Shows a booking to the recipient of a ticket, and records the answer."""

    def __init__(
        self,
        tickets: AnswerTickets,
        bookings: BookingStore,
        answers: Answers,
        changes: Bookings,
        limit: AnswerLimit,
        clock: Callable[[], datetime],
    ) -> None:
        self._tickets = tickets
        self._bookings = bookings
        self._answers = answers
        self._changes = changes
        self._limit = limit
        self._clock = clock

    def open(self, ticket: str) -> AnswerPage:
        """Return what the page shows. It changes nothing: programs that check links in emails open them too.

        Raises `NotFound` for an unknown ticket, `Forbidden` for a recipient who is not invited any more.
        """
        return self._read(ticket)[1]

    def answer(self, ticket: str, choice: Choice, *, shown_start: datetime, is_confirmed: bool) -> AnswerOutcome:
        """Record an answer to the booking with the start that the page showed.

        `is_confirmed`: the guest knows that the booking will be cancelled. Raises as `open`, and `TooManyRequests`.
        """
        record, page = self._read(ticket)
        booking, recipient = page.booking, page.recipient
        if page.ending is not None:
            return AnswerOutcome.ENDED
        if booking.appointment.starts_at != shown_start:
            return AnswerOutcome.MOVED
        given = GivenAnswer(
            recipient.email,
            choice,
            AnswerSource.LINK,
            stamped_at=self._clock(),
            starts_at=shown_start,
            sequence=_sequence(record, recipient),
        )
        cancels = booking.on_decline is OnDecline.CANCEL and _leaves_no_guest(record, given)
        if cancels and not is_confirmed:
            return AnswerOutcome.NEEDS_CONFIRMATION
        self._limit.count(booking, recipient.email)
        stored = self._answers.record(booking.workspace_id, booking.booking_id, given)
        if cancels and every_guest_declined(stored.booking, stored.answers):
            self._changes.cancel(booking.workspace_id, booking.booking_id)
            return AnswerOutcome.CANCELLED
        return AnswerOutcome.RECORDED

    def _read(self, ticket: str) -> tuple[Record, AnswerPage]:
        contents = self._tickets.read(ticket)
        record = self._bookings.get(contents.workspace_id, contents.booking_id) if contents else None
        recipient = contents.recipient(record.booking) if contents and record else None
        if record is None or recipient is None:
            raise NotFound("There is no booking behind this ticket.")
        booking, ending = record.booking, None
        if booking.is_cancelled:
            ending = Ending.CANCELLED
        elif booking.appointment.ends_at <= self._clock():
            ending = Ending.OVER
        return record, AnswerPage(booking, recipient, answer_of(record.answers, recipient.email), ending)


def _leaves_no_guest(record: Record, given: GivenAnswer) -> bool:
    """Return whether no guest comes with this answer."""
    if given.choice is not Choice.DECLINED:
        return False
    answer = given.answer(answered_at=given.stamped_at)
    return every_guest_declined(record.booking, {**record.answers, answer_key(given.email): answer})


def _sequence(record: Record, recipient: Party) -> int:
    """Return the SEQUENCE of the last invitation to the recipient."""
    key = address_key(recipient.email)
    return next((i.sequence for i in record.settlement.invitations if address_key(i.email) == key), 0)
