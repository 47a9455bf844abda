"""Keep a booking's row below DynamoDB's limit of 400 kB: what it forgets, and how large it can become."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import (
    Announcement,
    EntryOwner,
    Invitation,
    InvitationState,
    Method,
    Party,
    Trouble,
    address_key,
    parties,
)
from chalicelib.domain.invitation_plan import announce, needs_cancellation
from chalicelib.domain.meeting import Meeting
from chalicelib.domain.reminder import ReminderProgress
from chalicelib.domain.reminder_plan import recipient_key
from chalicelib.domain.settlement import Settlement

MAX_DOCUMENT_BYTES = 350_000
"""The two documents of a row. The rest of the 400 kB is for the meeting's link, leftovers, bounces, answers and the
history."""
_LONGEST_MESSAGE_ID = "0" * 100
_LONGEST_SEQUENCE = 10**6
_LONGEST_LINK = "0" * 500
_LONGEST_DELAY = 10**11
_MAX_ANNOUNCEMENTS = 4
"""Usually there are two. More are needed while some recipients' emails are delayed."""
_LONGEST_TIME = datetime(2000, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


def without_former(booking: Booking, invitations: tuple[Invitation, ...]) -> tuple[Invitation, ...]:
    """Return the invitations without those of former recipients whose cancellation was delivered.

    A cancelled booking keeps all of them: it cannot change any more, so its row does not grow.
    """
    if booking.is_cancelled:
        return invitations
    addresses = {address_key(party.email) for party in parties(booking)}
    return tuple(i for i in invitations if address_key(i.email) in addresses or needs_cancellation(i))


def without_texts(settlement: Settlement) -> Settlement:
    """Return the settlement without its history, and without texts that only emails to former recipients repeat."""
    invitations = tuple(replace(i, title=None, starts_at=None, ends_at=None) for i in settlement.invitations)
    return replace(settlement, invitations=invitations, announcements=(), history=())


def with_announcement(settlement: Settlement, announcement: Announcement) -> Settlement:
    """Return the settlement with what new emails say, and without what no email follows any more."""
    needed = {number for i in settlement.invitations for number in (i.sequence, i.follows)}
    others = [a for a in settlement.announcements if a.sequence in needed and a.sequence != announcement.sequence]
    return replace(settlement, announcements=(*others, announcement)[-_MAX_ANNOUNCEMENTS:])


def fits_in_row(booking: Booking, settlement: Settlement) -> bool:
    """Return whether the row has room for the booking and for everything that settling it will record."""
    former = _former(booking, settlement.invitations)
    invitations = (*(_longest_invitation(booking, party) for party in parties(booking)), *former)
    announcements = (_longest_announcement(booking),) * _MAX_ANNOUNCEMENTS
    settlement = replace(
        settlement,
        invitations=invitations,
        announcements=announcements,
        reminders=_longest_reminders(booking),
        history=(),
        link_ms=_LONGEST_DELAY,
        failure_ms=_LONGEST_DELAY,
    )
    documents = (booking, settlement)
    return sum(len(msgspec.json.encode(document)) for document in documents) <= MAX_DOCUMENT_BYTES


def _former(booking: Booking, invitations: tuple[Invitation, ...]) -> list[Invitation]:
    addresses = {address_key(party.email) for party in parties(booking)}
    return [i for i in without_former(booking, invitations) if address_key(i.email) not in addresses]


def _longest_reminders(booking: Booking) -> tuple[ReminderProgress, ...]:
    """Return the progress of all reminders at once, although one after the other comes due."""
    marks, starts_at = {recipient_key(party.email): False for party in parties(booking)}, booking.appointment.starts_at
    return tuple(ReminderProgress(reminder.minutes_before, starts_at, marks) for reminder in booking.reminders)


def _longest_announcement(booking: Booking) -> Announcement:
    announcement = announce(booking, Meeting(join_url=_LONGEST_LINK), _LONGEST_SEQUENCE)
    return replace(announcement, starts_at=_LONGEST_TIME, ends_at=_LONGEST_TIME)


def _longest_invitation(booking: Booking, party: Party) -> Invitation:
    appointment = booking.appointment
    return Invitation(
        email=party.email,
        name=party.name,
        role=party.role,
        time_zone=party.time_zone,
        method=Method.REQUEST,
        sequence=_LONGEST_SEQUENCE,
        content="0" * 16,
        state=InvitationState.COMPLAINED,
        sent_at=_LONGEST_TIME,
        message_id=_LONGEST_MESSAGE_ID,
        language=party.language,
        reason=Trouble.HARD_BOUNCE,
        title=appointment.title,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        follows=_LONGEST_SEQUENCE,
        left_at_revision=_LONGEST_SEQUENCE,
        entry_owner=EntryOwner.PROVIDER,
        resent_revision=_LONGEST_SEQUENCE,
    )
