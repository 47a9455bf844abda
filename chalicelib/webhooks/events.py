"""The events that workspaces receive, and which changes of a row cause them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from chalicelib.domain.answers import Answer, Answers, answer_of
from chalicelib.domain.attendance import Attendance
from chalicelib.domain.booking import Booking
from chalicelib.domain.connection import Connection, Reason
from chalicelib.domain.invitation import Party, Role, calendar_file_path, is_emailed, parties
from chalicelib.domain.invitation_plan import has_event_for
from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.domain.meeting_report import MeetingReport, ReportKind
from chalicelib.domain.reminder import ReminderProgress
from chalicelib.domain.settlement import Settlement, current_attendance


class EventType(StrEnum):
    """What happened; a closed list, part of the API."""

    MEETING_READY = "meeting.ready"
    MEETING_WAITING = "meeting.waiting"
    MEETING_FAILED = "meeting.failed"
    MEETING_REMOVED = "meeting.removed"
    CONNECTION_CREATED = "connection.created"
    CONNECTION_CONFIRMED = "connection.confirmed"
    CONNECTION_BROKEN = "connection.broken"
    CONNECTION_REMOVED = "connection.removed"
    INVITATION_BOUNCED = "invitation.bounced"
    INVITATION_ANSWERED = "invitation.answered"
    BOOKING_REMINDER = "booking.reminder"
    MEETING_STARTED = "meeting.started"
    MEETING_ENDED = "meeting.ended"
    MEETING_JOINED = "meeting.joined"
    MEETING_RECORDING_READY = "meeting.recording_ready"
    BOOKING_NO_SHOW = "booking.no_show"


TEST_EVENT = "endpoint.test"
ONLY_IF_NAMED = frozenset({EventType.MEETING_JOINED})
"""Events for endpoints that name them only: there may be many."""
_REPORTS = {
    ReportKind.STARTED: EventType.MEETING_STARTED,
    ReportKind.ENDED: EventType.MEETING_ENDED,
    ReportKind.JOINED: EventType.MEETING_JOINED,
    ReportKind.RECORDING_READY: EventType.MEETING_RECORDING_READY,
}


class Event(Struct, frozen=True):
    """Something that happened."""

    workspace_id: str
    event_id: str
    """The same each time the event is detected or delivered."""
    type: str
    at: datetime
    data: dict[str, Any]
    filed_at: datetime | None = None
    """The time in the names of its deliveries if it is not `at`. It must be the same on every replay of a stream."""

    def body(self) -> bytes:
        """Return the payload as it is signed and sent."""
        payload = {"type": self.type, "timestamp": _timestamp(self.at), "data": self.data}
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def event_id(*cause: str) -> str:
    """Derive an event's id from what caused it, so that the same cause always gives the same id."""
    return "evt_" + hashlib.sha256("\0".join(cause).encode()).hexdigest()[:32]


def meeting_change(before: Settlement | None, after: Settlement) -> EventType | None:
    """Return the event that a settler's write causes, or None.

    A retry that fails for the same reason causes none.
    """
    old, new = before.meeting if before else Meeting(), after.meeting
    match new.state:
        case MeetingState.READY:
            return None if _link(old) == _link(new) else EventType.MEETING_READY
        case MeetingState.WAITING:
            waited = old.state is MeetingState.WAITING and old.reason == new.reason
            return None if waited else EventType.MEETING_WAITING
        case MeetingState.FAILED:
            failed = old.state is MeetingState.FAILED and old.reason == new.reason
            is_same = failed and before is not None and before.revision == after.revision
            return None if is_same else EventType.MEETING_FAILED
        case MeetingState.REMOVED:
            return None if old.state is MeetingState.REMOVED else EventType.MEETING_REMOVED
        case MeetingState.NONE:
            return EventType.MEETING_REMOVED if old.join_url else None
    return None


def meeting_event(event_type: EventType, event_id: str, booking: Booking, meeting: Meeting, at: datetime) -> Event:
    """Create the event of a meeting."""
    return Event(booking.workspace_id, event_id, event_type, at, _booking_data(booking, meeting))


def begun_reminders(before: Settlement | None, after: Settlement) -> list[ReminderProgress]:
    """Return the reminders that came due with a settler's write, in time to be sent."""
    earlier = {(progress.minutes_before, progress.starts_at) for progress in before.reminders} if before else set()
    new = (progress for progress in after.reminders if (progress.minutes_before, progress.starts_at) not in earlier)
    return [progress for progress in new if not progress.is_dropped]


def reminder_event(booking: Booking, meeting: Meeting, progress: ReminderProgress, at: datetime) -> Event | None:
    """Create the event of a reminder; None if the booking was cancelled, moved or changed its reminders meanwhile.

    Its cause is the reminder and the start, so that a reminder has one event for each start, even if it is due again
    after a backup was restored.
    """
    is_current = progress.starts_at == booking.appointment.starts_at and not booking.is_cancelled
    reminders = {reminder.minutes_before: reminder for reminder in booking.reminders}
    reminder = reminders.get(progress.minutes_before)
    if reminder is None or not is_current:
        return None
    cause = (booking.workspace_id, booking.booking_id, EventType.BOOKING_REMINDER, progress.starts_at.isoformat())
    data = {
        **_booking_data(booking, meeting),
        "reminder": {"minutes_before": reminder.minutes_before, "to": reminder.to.value},
    }
    identity = event_id(*cause, str(reminder.minutes_before))
    return Event(booking.workspace_id, identity, EventType.BOOKING_REMINDER, at, data)


def _booking_data(booking: Booking, meeting: Meeting) -> dict[str, Any]:
    """Return what events say about a booking. `metadata` is the caller's, for finding it in the caller's system.

    `calendar_files` lists the participants whom the caller emails.
    """
    return {
        **_appointment(booking),
        "meeting": {
            "state": meeting.state.value,
            "reason": meeting.reason,
            "detail": meeting.detail,
            "provider": meeting.provider,
            "join_url": meeting.join_url,
            "passcode": meeting.passcode,
        },
        "calendar_files": [
            {
                "email": party.email,
                "role": party.role.value,
                "calendar_file_path": calendar_file_path(booking.booking_id, party.email),
            }
            for party in parties(booking)
            if not is_emailed(booking, party.role) and not has_event_for(party.email, meeting)
        ],
    }


def report_event(booking: Booking, provider: str, report: MeetingReport, present: int | None) -> Event | None:
    """Create the event of a provider's report; None if it causes none. `present`: people in the meeting by then."""
    event_type = _REPORTS.get(report.kind)
    data = _appointment(booking) | {"provider": provider}
    match event_type:
        case None:
            return None
        case EventType.MEETING_JOINED:
            data |= {"role": Role.HOST if report.is_host else Role.GUEST, "present": present}
        case EventType.MEETING_RECORDING_READY:
            if report.share_url is None:
                return None
            data |= {"share_url": report.share_url}
    identity = event_id(booking.workspace_id, booking.booking_id, event_type, provider, report.meeting_id, report.name)
    return Event(booking.workspace_id, identity, event_type, report.at, data)


def no_show_event(event_id: str, booking: Booking, meeting: Meeting, at: datetime) -> Event:
    """Create the event of a booking to which no one came."""
    data = _appointment(booking) | {"provider": meeting.provider}
    return Event(booking.workspace_id, event_id, EventType.BOOKING_NO_SHOW, at, data)


def is_new_no_show(booking: Booking, before: Settlement | None, after: Settlement) -> bool:
    """Return whether a settler's write decided that no one came."""
    was = current_attendance(booking, before) if before else Attendance.UNKNOWN
    return was is not Attendance.NONE and current_attendance(booking, after) is Attendance.NONE


def _appointment(booking: Booking) -> dict[str, Any]:
    appointment = booking.appointment
    return {
        "booking_id": booking.booking_id,
        "revision": booking.revision,
        "calendar_id": appointment.calendar_id,
        "user_id": booking.host.user_id,
        "starts_at": _timestamp(appointment.starts_at),
        "ends_at": _timestamp(appointment.ends_at),
        "metadata": appointment.metadata,
    }


def answer_changes(booking: Booking, before: Answers, after: Answers) -> list[tuple[Party, Answer]]:
    """Return the people whose answer a write changed, with their answers. A repeated answer is no change."""
    changes = []
    for party in parties(booking):
        old, new = answer_of(before, party.email), answer_of(after, party.email)
        if new is not None and (old is None or old.answered_at != new.answered_at):
            changes.append((party, new))
    return changes


def answer_event(event_id: str, booking: Booking, party: Party, answer: Answer) -> Event:
    """Create the event of an answer."""
    invitation = {
        "email": party.email,
        "role": party.role.value,
        "answer": answer.choice.value,
        "answered_at": _timestamp(answer.answered_at),
        "answer_outdated": answer.is_outdated(booking),
    }
    data = {**_appointment(booking), "invitation": invitation}
    return Event(booking.workspace_id, event_id, EventType.INVITATION_ANSWERED, answer.answered_at, data)


def connection_changes(
    before: Connection | None, after: Connection | None
) -> list[tuple[EventType, Connection, str | None]]:
    """Return the events that a write to a connection's row causes, in order, each with the connection and a reason.

    A connection counts as removed when it ends, even if its row is kept to show why.
    """
    old = before if before and not before.ended_reason else None
    new = after if after and not after.ended_reason else None
    if old and new and old.grant_id == new.grant_id:
        confirmed = new.confirmed and not old.confirmed
        return [(EventType.CONNECTION_CONFIRMED, new, None)] if confirmed else []
    changes: list[tuple[EventType, Connection, str | None]] = []
    if old:
        ended = after.ended_reason if after else None
        reason = "replaced" if new else ended or Reason.DISCONNECTED
        removed = after if after and ended == Reason.DEAUTHORIZED else old
        changes.append((EventType.CONNECTION_REMOVED, removed, reason))
    if new:
        changes.append((EventType.CONNECTION_CREATED, new, None if new.confirmed else Reason.NOT_CONFIRMED))
    return changes


def connection_event(
    event_type: EventType, event_id: str, connection: Connection, reason: str | None, at: datetime
) -> Event:
    """Create the event of a connection. It does not name an account that was deauthorized."""
    account = connection.account
    data = {
        "user_id": connection.user_id,
        "provider": connection.provider,
        "account": {"id": account.id, "email": account.label} if account.id else None,
        "connected_at": _timestamp(connection.connected_at),
        "reason": reason,
    }
    return Event(connection.workspace_id, event_id, event_type, at, data)


def _link(meeting: Meeting) -> tuple[object, ...] | None:
    """Return what a guest needs to join, and the reason why it can no longer be updated, if any."""
    if meeting.state is not MeetingState.READY:
        return None
    return meeting.join_url, meeting.passcode, meeting.reason


def _timestamp(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
