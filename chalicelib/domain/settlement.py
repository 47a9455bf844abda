"""What settling has made of a booking so far: the observed state beside `booking`'s desired one."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct, field

from chalicelib.domain.invitation import Invitation, InvitationState
from chalicelib.domain.meeting import Meeting


class Settlement(Struct, frozen=True):
    """`revision` is the one that `meeting` was last judged for: an older one means that its state is out of date.

    `sequence` is the last iTIP number that was used. `uid` is the calendar entry's name and `sender` the address that
    organizes it, both for the booking's whole life: calendars take an update only from the same organizer.
    `leftovers` are meetings of former hosts that are still to be removed. `notice` is how far telling the host has
    come that the meeting failed for good. `written_at` is when a settler wrote this, in milliseconds of its clock; it
    only grows, so that two writes within a second can be told apart.
    """

    revision: int = 0
    meeting: Meeting = field(default_factory=Meeting)
    invitations: tuple[Invitation, ...] = ()
    sequence: int = -1
    uid: str | None = None
    sender: str | None = None
    notice: InvitationState | None = None
    leftovers: tuple[Meeting, ...] = ()
    written_at: datetime | None = None
