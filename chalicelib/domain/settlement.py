"""The observed state of a booking: what settling has achieved so far. `booking` is the desired state."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.answers import DeclineNotice
from chalicelib.domain.attendance import Attendance, Decision
from chalicelib.domain.booking import Booking
from chalicelib.domain.calendar import LocationType
from chalicelib.domain.history_entry import HistoryEntry
from chalicelib.domain.host_load import HostLoad
from chalicelib.domain.invitation import Announcement, Invitation, InvitationState
from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingState
from chalicelib.domain.reminder import ReminderProgress


class Settlement(Struct, frozen=True, omit_defaults=True):
    """What settling has achieved for a booking so far."""

    revision: int = 0
    """The booking revision that `meeting` reflects. If the booking's is newer, `meeting` is out of date."""
    meeting: Meeting = field(default_factory=Meeting)
    invitations: tuple[Invitation, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    """What the emails of `invitations` said, and those before them: see `Invite.before`."""
    sequence: int = -1
    """The last iTIP SEQUENCE number that was used."""
    uid: str | None = None
    """The UID of the calendar entry, for the booking's whole life."""
    sender: str | None = None
    """The organizer's address, for the booking's whole life: calendars accept updates only from the same organizer."""
    notice: InvitationState | None = None
    """The state of the email that reports a failed meeting to the host."""
    declines: tuple[DeclineNotice, ...] = ()
    """The emails that report declines to the host, at most one for each guest."""
    leftovers: tuple[Meeting, ...] = ()
    """Meetings of former hosts that still have to be deleted."""
    emails_wait_until: datetime | None = None
    """When emails are tried again that wait because the workspace's allowance is used up."""
    reply_key: str | None = None
    """Digest of the UID and the end for which a reference for the answers of calendars is stored."""
    host_load: HostLoad | None = None
    """What was noted when this revision was settled."""
    looked_at: datetime | None = None
    """The row's `look_requested_at` that was served last."""
    attendance: Decision | None = None
    written_at: datetime | None = None
    """When a settler wrote this, in milliseconds of its clock. It only increases, so that two writes within a second
    can be ordered."""
    link_ms: int | None = None
    """Milliseconds from the booking's creation to its first link. None, too, if that was before this was recorded.
    Shorter than a time: a larger row costs more with every write."""
    failure_ms: int | None = None
    """Milliseconds from the booking's creation until its meeting first failed."""
    reminders: tuple[ReminderProgress, ...] = ()
    """The reminders that came due for the present start, and those of an earlier start until one comes due."""
    history: tuple[HistoryEntry, ...] = ()
    """What happened, oldest first: see `domain.history`."""

    def next_attempt_at(self, now: datetime) -> datetime | None:
        """Return when to continue with the meeting and the leftovers; None if nothing is left to do."""
        meetings = (meeting for meeting in (self.meeting, *self.leftovers) if meeting.is_under_way)
        return min((meeting.next_attempt_at or now for meeting in meetings), default=None)


def current_meeting(booking: Booking, settlement: Settlement) -> Meeting:
    """Return the meeting of the booking's newest revision: `pending` until that revision is settled."""
    meeting = settlement.meeting
    if settlement.revision >= booking.revision:
        return meeting
    if not meeting.exists and not meeting.intent_at and not booking.is_cancelled:
        if booking.location.type is not LocationType.VIDEO:
            return Meeting(state=MeetingState.NONE, reason=MeetingReason.LOCATION_NOT_VIDEO)
        if booking.eligibility is None:
            return Meeting(state=MeetingState.NONE, reason=MeetingReason.NOT_CONNECTED)
    return replace(meeting, state=MeetingState.PENDING, reason=None, detail=None, next_attempt_at=None)


def current_attendance(booking: Booking, settlement: Settlement) -> Attendance:
    """Return who came to the booking's present appointment: `unknown` until it is decided."""
    decision = settlement.attendance
    is_current = decision is not None and decision.ends_at == booking.appointment.ends_at
    return decision.attendance if decision is not None and is_current else Attendance.UNKNOWN
