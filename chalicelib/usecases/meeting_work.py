"""What one run of settling has achieved for a meeting so far."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.deadline import Deadline
from chalicelib.domain.meeting import Meeting
from chalicelib.store.booking_leases import Lease


class MeetingWork(Struct):
    """The lease as it changes from step to step, so that a failed step loses nothing that was stored before it."""

    lease: Lease
    deadline: Deadline
    is_current: bool = False
    """Whether the meeting is as close to the booking as it can be now."""
    is_look_requested: bool = False
    """Whether the provider reported a change of the meeting."""
    has_new_tag: bool = False
    """Whether a taken tag was already replaced by a new one."""

    @property
    def meeting(self) -> Meeting:
        return self.lease.settlement.meeting

    def set_meeting(self, meeting: Meeting) -> None:
        """Record a change of the meeting; further steps may follow."""
        self.update(meeting=meeting)

    def mark_current(self, meeting: Meeting) -> None:
        """Record the meeting as current for the booking's revision."""
        self.update(meeting=meeting, revision=self.lease.booking.revision)
        self.is_current = True

    def update(self, **changes: Any) -> None:
        """Change fields of the settlement."""
        self.lease = replace(self.lease, settlement=replace(self.lease.settlement, **changes))
