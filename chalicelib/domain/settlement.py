"""What settling has made of a booking so far: the observed state beside `booking`'s desired one."""

from __future__ import annotations

from dataclasses import dataclass, field

from chalicelib.domain.invitation import Invitation
from chalicelib.domain.meeting import Meeting


@dataclass(frozen=True, slots=True)
class Settlement:
    """`settled_revision` is the newest revision that meeting and invitations match; `sequence` the last iTIP number.

    `revision` is the one that `meeting` was last judged for: an older one means that its state is out of date.
    """

    settled_revision: int = 0
    revision: int = 0
    meeting: Meeting = field(default_factory=Meeting)
    invitations: tuple[Invitation, ...] = ()
    sequence: int = -1
    uid: str | None = None
