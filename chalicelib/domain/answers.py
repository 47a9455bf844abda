"""Answers: whether the people of a booking will come. They are no change of the booking: its revision stays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import NEEDS_ACTION, InvitationState, Party, Role, address_key, parties


class Choice(StrEnum):
    """What a person answers. A closed list, part of the API."""

    ACCEPTED = "accepted"
    TENTATIVE = "tentative"
    DECLINED = "declined"


class AnswerSource(StrEnum):
    """How an answer came. A closed list, part of the API."""

    LINK = "link"
    """By the page behind the links in the email."""
    EMAIL = "email"
    """By the buttons of a calendar or mail program, which sends an email (iMIP REPLY)."""


class Answer(Struct, frozen=True):
    """The newest answer of one person."""

    choice: Choice
    answered_at: datetime
    """Since when this is the answer. Repeating it does not change this time."""
    stamped_at: datetime
    """When the person gave it: of two answers, the one with the later time counts."""
    sequence: int
    """The SEQUENCE of the invitation that was answered."""
    starts_at: datetime | None
    """The start that the person answered to; None: unknown."""
    source: AnswerSource
    email: str | None = None
    """The address that answered, if it is not one of the booking's: a guest's other address."""

    def is_outdated(self, booking: Booking) -> bool:
        """Return whether the booking was moved to another time since."""
        return self.starts_at != booking.appointment.starts_at


MAX_OTHER_ADDRESSES = 5
"""How many addresses that are not the booking's may answer it. Their answers are shown, and count for no one."""


class DeclineNotice(Struct, frozen=True):
    """The email that reports a guest's decline to the host."""

    key: str
    """The guest's `answer_key`."""
    answered_at: datetime
    """Identifies the answer: a guest who comes after all, and then declines again, causes another email."""
    state: InvitationState


Answers = Mapping[str, Answer]
"""The newest answers by `answer_key`."""


def answer_key(email: str) -> str:
    """Return the key of a person's answer."""
    return hashlib.sha256(address_key(email).encode()).hexdigest()[:32]


def supersede(current: Answer | None, answer: Answer) -> Answer | None:
    """Return the answer to store in place of `current`; None if `answer` is not newer.

    Answers may arrive late, repeatedly and out of order. In any order, the same answer remains.
    """
    if current is None:
        return answer
    if _order(answer) <= _order(current):
        return None
    is_same = (answer.choice, answer.starts_at) == (current.choice, current.starts_at)
    return replace(answer, answered_at=current.answered_at) if is_same else answer


def _order(answer: Answer) -> tuple[datetime, int, Choice, AnswerSource, str]:
    # An email's time has only the second. The other fields decide between two answers of one second.
    starts_at = answer.starts_at.isoformat() if answer.starts_at else ""
    return answer.stamped_at, answer.sequence, answer.choice, answer.source, starts_at


def answer_of(answers: Answers, email: str) -> Answer | None:
    """Return the answer of the person with this address."""
    return answers.get(answer_key(email))


def other_answers(booking: Booking, answers: Answers) -> list[Answer]:
    """Return the answers from addresses that the booking does not have, oldest first."""
    keys = {answer_key(party.email) for party in parties(booking)}
    others = [answer for key, answer in answers.items() if answer.email is not None and key not in keys]
    return sorted(others, key=lambda answer: (answer.answered_at, answer.email))


def partstat_of(booking: Booking, answers: Answers, email: str) -> str:
    """Return what the calendar entry of this person says about their answer.

    A change of the time asks again (RFC 6638, 3.2.8); any other update must not undo the answer in the calendar.
    """
    answer = answer_of(answers, email)
    return NEEDS_ACTION if answer is None or answer.is_outdated(booking) else answer.choice.value.upper()


def has_declined(booking: Booking, answers: Answers, email: str) -> bool:
    """Return whether this person does not come. An answer to an earlier time of the booking does not count."""
    answer = answer_of(answers, email)
    return answer is not None and answer.choice is Choice.DECLINED and not answer.is_outdated(booking)


def declining_guests(booking: Booking, answers: Answers) -> list[Party]:
    """Return the guests who do not come."""
    return [
        party for party in parties(booking) if party.role is Role.GUEST and has_declined(booking, answers, party.email)
    ]


def every_guest_declined(booking: Booking, answers: Answers) -> bool:
    """Return whether the booking has guests, and none of them comes."""
    guests = [party for party in parties(booking) if party.role is Role.GUEST]
    return bool(guests) and len(declining_guests(booking, answers)) == len(guests)
