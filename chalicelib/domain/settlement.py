"""What settling has made of a booking so far: the observed state beside `booking`'s desired one."""

from __future__ import annotations

from dataclasses import dataclass, field

from chalicelib.domain.invitation import Invitation
from chalicelib.domain.meeting import Meeting


@dataclass(frozen=True, slots=True)
class Settlement:
    """`revision` is the one that `meeting` was last judged for: an older one means that its state is out of date.

    `sequence` is the last iTIP number that was used, `uid` the calendar entry's name for the booking's whole life.
    """

    revision: int = 0
    meeting: Meeting = field(default_factory=Meeting)
    invitations: tuple[Invitation, ...] = ()
    sequence: int = -1
    uid: str | None = None
