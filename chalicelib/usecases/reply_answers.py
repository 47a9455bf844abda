"""Record what calendars answer by email, and forward the times that they propose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chalicelib.domain.answers import MAX_OTHER_ADDRESSES, AnswerSource, Choice, answer_key, other_answers
from chalicelib.domain.invitation import Invitation, Party, Role, parties
from chalicelib.errors import TooManyRequests
from chalicelib.mail.addresses import is_same_mailbox
from chalicelib.mail.replies import CalendarReply, DropReason, UnusableReply
from chalicelib.store.booking_records import Record
from chalicelib.store.bookings import BookingStore
from chalicelib.store.references import ReferenceStore, uid_key
from chalicelib.usecases.answer_limit import AnswerLimit
from chalicelib.usecases.answers import Answers, GivenAnswer
from chalicelib.usecases.proposal_notices import ProposalNotices


class ReplyAnswers:
    """Accepts authentic replies in any order, and repeated replies."""

    def __init__(
        self,
        references: ReferenceStore,
        bookings: BookingStore,
        answers: Answers,
        limit: AnswerLimit,
        proposals: ProposalNotices,
        clock: Callable[[], datetime],
    ) -> None:
        self._references = references
        self._bookings = bookings
        self._answers = answers
        self._limit = limit
        self._proposals = proposals
        self._clock = clock

    def receive(self, reply: CalendarReply, received_at: datetime) -> None:
        """Record an answer, or forward a proposal to the host. `received_at` is when SES received the email.

        Raises `UnusableReply` if nothing is recorded; `StoreUnavailable`, `LostRace` or `MailUnavailable` if it must be
        received again.
        """
        record = self._find(reply.uid)
        booking = record.booking
        if booking.is_cancelled or booking.appointment.ends_at <= self._clock():
            raise UnusableReply(DropReason.ENDED)
        party = next((person for person in parties(booking) if is_same_mailbox(person.email, reply.email)), None)
        if party is None:
            _require_acceptable(record, reply)
        try:
            self._limit.count(booking, party.email if party else reply.email)
        except TooManyRequests as error:
            raise UnusableReply(DropReason.TOO_MANY) from error
        if reply.choice is not None:
            given = _given_answer(record, party, reply, reply.choice, received_at)
            self._answers.record(booking.workspace_id, booking.booking_id, given)
        elif party is not None and party.role is Role.GUEST and reply.starts_at is not None:
            self._proposals.forward(booking, party, reply.starts_at)
        else:
            raise UnusableReply(DropReason.NOT_INVITED)

    def _find(self, uid: str) -> Record:
        key = self._references.find(uid_key(uid))
        record = self._bookings.get(*key) if key else None
        if record is None or record.settlement.uid != uid:
            raise UnusableReply(DropReason.UNKNOWN_UID)
        return record


def _require_acceptable(record: Record, reply: CalendarReply) -> None:
    """Raise `UnusableReply` for a former guest, and for one of too many addresses that the booking does not have."""
    if _invitation_to(record, reply.email) is not None or reply.is_counter:
        raise UnusableReply(DropReason.NOT_INVITED)
    others = other_answers(record.booking, record.answers)
    if answer_key(reply.email) not in record.answers and len(others) >= MAX_OTHER_ADDRESSES:
        raise UnusableReply(DropReason.TOO_MANY)


def _given_answer(
    record: Record, party: Party | None, reply: CalendarReply, choice: Choice, received_at: datetime
) -> GivenAnswer:
    # A program whose clock is ahead must not keep later answers from counting, also if its email arrives twice.
    stamped_at = min(reply.stamped_at or received_at, received_at)
    email = party.email if party else reply.email
    invitation = _invitation_to(record, email)
    is_last = invitation is not None and invitation.sequence == reply.sequence
    starts_at = invitation.starts_at if invitation is not None and is_last else None
    return GivenAnswer(
        email,
        choice,
        AnswerSource.EMAIL,
        stamped_at,
        starts_at or reply.starts_at,
        reply.sequence,
        is_other_address=party is None,
    )


def _invitation_to(record: Record, email: str) -> Invitation | None:
    invitations = record.settlement.invitations
    return next((invitation for invitation in invitations if is_same_mailbox(invitation.email, email)), None)
