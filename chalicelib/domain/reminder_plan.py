"""Which reminders are due, and to whom: pure functions of the desired and the observed state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.answers import Answers, has_declined
from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import (
    Invitation,
    InvitationState,
    Method,
    Party,
    Role,
    address_key,
    is_emailed,
    parties,
)
from chalicelib.domain.reminder import Addressees, Reminder, ReminderProgress
from chalicelib.domain.settlement import Settlement

SPREAD = timedelta(minutes=5)
"""Reminders are due at some moment of this time before their minute: many bookings start at the same full hour."""
LATEST = timedelta(minutes=10)
"""A reminder that is later than this is dropped."""
_ROLES = {
    Addressees.GUESTS: frozenset({Role.GUEST}),
    Addressees.HOST: frozenset({Role.HOST}),
    Addressees.ALL: frozenset(Role),
}
_KEY_LENGTH = 10


class DueReminder(Struct, frozen=True):
    """A reminder whose time has come, and that is not done."""

    reminder: Reminder
    is_late: bool
    """Whether it is too late to send what was not sent yet."""
    progress: ReminderProgress
    recipients: tuple[Party, ...]
    """Who has not got it yet."""


def next_due_at(booking: Booking, settlement: Settlement, now: datetime) -> datetime | None:
    """Return when the next reminder is due, after `now`; None if there is none."""
    done = {progress.minutes_before for progress in _current(booking, settlement) if progress.is_done}
    times = (due_at for reminder, due_at in _schedule(booking) if reminder.minutes_before not in done)
    return min((due_at for due_at in times if due_at > now), default=None)


def due_reminders(booking: Booking, settlement: Settlement, answers: Answers, now: datetime) -> list[DueReminder]:
    """Return the reminders that are due, the earliest first."""
    begun = {progress.minutes_before: progress for progress in _current(booking, settlement)}
    starts_at = booking.appointment.starts_at
    due = []
    for reminder, due_at in sorted(_schedule(booking), key=lambda entry: entry[1]):
        current = begun.get(reminder.minutes_before) or ReminderProgress(reminder.minutes_before, starts_at)
        if due_at > now or current.is_done:
            continue
        is_late = now > due_at + LATEST or now >= starts_at
        invited = _recipients(booking, settlement, reminder, due_at, current)
        recipients = tuple(party for party in invited if not has_declined(booking, answers, party.email))
        due.append(DueReminder(reminder, is_late, current, recipients))
    return due


def with_progress(booking: Booking, settlement: Settlement, progress: ReminderProgress) -> Settlement:
    """Return the settlement with the progress of one reminder. That of an earlier start is dropped."""
    others = (other for other in _current(booking, settlement) if other.minutes_before != progress.minutes_before)
    return replace(settlement, reminders=(*others, progress))


def recipient_key(email: str) -> str:
    """Return the key of an address among a reminder's marks."""
    return hashlib.sha256(address_key(email).encode()).hexdigest()[:_KEY_LENGTH]


def _current(booking: Booking, settlement: Settlement) -> Iterator[ReminderProgress]:
    return (progress for progress in settlement.reminders if progress.starts_at == booking.appointment.starts_at)


def _schedule(booking: Booking) -> Iterator[tuple[Reminder, datetime]]:
    """Yield each reminder that the booking was made in time for, and when it is due."""
    if booking.is_cancelled:
        return
    appointment = booking.appointment
    known_since = booking.reminders_set_at or booking.created_at
    for reminder in booking.reminders:
        due_at = appointment.starts_at - timedelta(minutes=reminder.minutes_before) - _spread(booking)
        if due_at >= known_since:
            yield reminder, due_at


def _spread(booking: Booking) -> timedelta:
    """Return the same share of `SPREAD` each time for one booking."""
    digest = hashlib.sha256(f"{booking.workspace_id}\0{booking.booking_id}".encode()).digest()
    return SPREAD * (int.from_bytes(digest[:4]) / 2**32)


def _recipients(
    booking: Booking, settlement: Settlement, reminder: Reminder, due_at: datetime, progress: ReminderProgress
) -> Iterator[Party]:
    last_by_address = {address_key(invitation.email): invitation for invitation in settlement.invitations}
    for party in parties(booking):
        if party.role not in _ROLES[reminder.to] or progress.marks.get(recipient_key(party.email)):
            continue
        invitation = last_by_address.get(address_key(party.email))
        if invitation is not None and _may_be_reminded(booking, invitation, due_at):
            yield party


def _may_be_reminded(booking: Booking, invitation: Invitation, due_at: datetime) -> bool:
    """Return whether a recipient has an invitation to the present start that arrived before the reminder was due.

    Suppressed addresses are left out when the email is sent.
    """
    was_emailed = invitation.method is Method.REQUEST and invitation.state is InvitationState.SENT
    is_switched_off = invitation.is_left_to_caller or not is_emailed(booking, invitation.role)
    was_in_time = invitation.sent_at is not None and invitation.sent_at <= due_at
    is_current = invitation.starts_at == booking.appointment.starts_at
    return was_emailed and is_current and was_in_time and not is_switched_off
