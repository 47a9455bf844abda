"""Record the answers of guests and hosts, whichever way they come."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.answers import Answer, AnswerSource, Choice, answer_key, supersede
from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Role, address_key, is_emailed, parties
from chalicelib.errors import LostRace, NotFound
from chalicelib.observability import log
from chalicelib.store.booking_records import Record
from chalicelib.store.bookings import BookingStore

_TRIES = 10
"""Many guests may answer at the same moment, and each write must have seen the others."""


class GivenAnswer(Struct, frozen=True):
    """An answer as it arrives."""

    email: str
    """Whose answer it is: an address of the booking, unless `is_other_address`."""
    choice: Choice
    source: AnswerSource
    stamped_at: datetime
    """When the person gave it, by their own program's clock."""
    starts_at: datetime | None
    """The start that the person answered to; None: unknown."""
    sequence: int
    """The SEQUENCE of the invitation that the person answered."""
    is_other_address: bool = False
    """Whether the booking does not have the address: a guest may answer with another one of theirs."""

    def answer(self, *, answered_at: datetime) -> Answer:
        """Return it as it is stored."""
        other = self.email if self.is_other_address else None
        return Answer(self.choice, answered_at, self.stamped_at, self.sequence, self.starts_at, self.source, other)


class Answers:
    """Answers to the bookings of all workspaces. They may arrive late, repeatedly and out of order."""

    def __init__(self, bookings: BookingStore, clock: Callable[[], datetime]) -> None:
        self._bookings = bookings
        self._clock = clock

    def record(self, workspace_id: str, booking_id: str, given: GivenAnswer) -> Record:
        """Store an answer, unless a newer one is stored. Return the booking as it then is.

        The booking's revision stays, and no guest is emailed. If a guest declines, the booking becomes due, so that
        settling notifies the host. Raises `NotFound`, or `LostRace` if others keep answering at the same moment.
        """
        for _ in range(_TRIES):
            with suppress(LostRace):
                return self._record(workspace_id, booking_id, given)
        raise LostRace("the booking's answers change too fast")

    def _record(self, workspace_id: str, booking_id: str, given: GivenAnswer) -> Record:
        record, key, now = self._bookings.get(workspace_id, booking_id), answer_key(given.email), self._clock()
        if record is None:
            raise NotFound("There is no booking with this id in your workspace.")
        current = record.answers.get(key)
        timely = replace(given, stamped_at=_stamp(given, current, now))
        answer = supersede(current, timely.answer(answered_at=now))
        if answer is None:
            return record
        is_news = answer.choice is Choice.DECLINED and answer.answered_at == now
        wakes = is_news and _concerns_host(record.booking, given.email)
        self._bookings.put_answer(record, key, answer, wakes_at=now if wakes else None)
        log.info("answer recorded", workspace_id=workspace_id, booking_id=booking_id, choice=answer.choice.value)
        return replace(record, answers={**record.answers, key: answer})


def _stamp(given: GivenAnswer, current: Answer | None, now: datetime) -> datetime:
    """Return when the answer was given, as far as it can be relied on."""
    if given.source is AnswerSource.LINK and current is not None:
        return max(now, current.stamped_at + timedelta(milliseconds=1))  # The page showed the current answer.
    # A program whose clock is ahead must not keep later answers from counting.
    return min(given.stamped_at, now)


def _concerns_host(booking: Booking, email: str) -> bool:
    """Return whether the host gets an email if this person declines."""
    if booking.is_cancelled or not is_emailed(booking, Role.HOST):
        return False
    key = address_key(email)
    return any(party.role is Role.GUEST and address_key(party.email) == key for party in parties(booking))
