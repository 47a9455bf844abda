"""What a workspace is told by webhook, and which changes of a row are worth telling."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from chalicelib.domain.booking import Booking
from chalicelib.domain.connection import Connection, Reason
from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.domain.settlement import Settlement


class EventType(StrEnum):
    MEETING_READY = "meeting.ready"
    MEETING_WAITING = "meeting.waiting"
    MEETING_FAILED = "meeting.failed"
    MEETING_REMOVED = "meeting.removed"
    CONNECTION_CREATED = "connection.created"
    CONNECTION_CONFIRMED = "connection.confirmed"
    CONNECTION_BROKEN = "connection.broken"
    CONNECTION_REMOVED = "connection.removed"
    INVITATION_BOUNCED = "invitation.bounced"


TEST_EVENT = "endpoint.test"


class Event(Struct, frozen=True):
    """Something that happened at `at`. `event_id` is the same however often the event is noticed or delivered.

    `filed_at` begins the names of its deliveries, where that is another time: it must be the same on every replay of a
    stream, whatever `at` comes from.
    """

    workspace_id: str
    event_id: str
    type: str
    at: datetime
    data: dict[str, Any]
    filed_at: datetime | None = None

    def body(self) -> bytes:
        """The payload, as it is signed and sent."""
        value = {"type": self.type, "timestamp": _moment(self.at), "data": self.data}
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def event_id(*cause: str) -> str:
    """The id of the one event that `cause` brings about."""
    return "evt_" + hashlib.sha256("\0".join(cause).encode()).hexdigest()[:32]


def meeting_change(before: Settlement | None, after: Settlement) -> EventType | None:
    """The event of a settler's write, if it made a difference to the caller.

    A retry that fails for the same reason is no news.
    """
    old, new = before.meeting if before else Meeting(), after.meeting
    match new.state:
        case MeetingState.READY:
            return None if _link(old) == _link(new) else EventType.MEETING_READY
        case MeetingState.WAITING:
            waited = old.state is MeetingState.WAITING and old.reason == new.reason
            return None if waited else EventType.MEETING_WAITING
        case MeetingState.FAILED:
            known = old.state is MeetingState.FAILED and old.reason == new.reason
            same = known and before is not None and before.revision == after.revision
            return None if same else EventType.MEETING_FAILED
        case MeetingState.REMOVED:
            return None if old.state is MeetingState.REMOVED else EventType.MEETING_REMOVED
        case MeetingState.NONE:
            return EventType.MEETING_REMOVED if old.join_url else None
    return None


def meeting_event(event_type: EventType, event_id: str, booking: Booking, meeting: Meeting, at: datetime) -> Event:
    """What became of a booking's meeting. `metadata` is the caller's own, to find the booking by."""
    appointment = booking.appointment
    data = {
        "booking_id": booking.booking_id,
        "revision": booking.revision,
        "calendar_id": appointment.calendar_id,
        "user_id": booking.host.user_id,
        "starts_at": _moment(appointment.starts_at),
        "ends_at": _moment(appointment.ends_at),
        "metadata": appointment.metadata,
        "meeting": {
            "state": meeting.state.value,
            "reason": meeting.reason,
            "detail": meeting.detail,
            "provider": meeting.provider,
            "join_url": meeting.join_url,
            "passcode": meeting.passcode,
        },
    }
    return Event(booking.workspace_id, event_id, event_type, at, data)


def connection_changes(
    before: Connection | None, after: Connection | None
) -> list[tuple[EventType, Connection, str | None]]:
    """What a write to a connection's row means: the events in order, each with the connection and a reason.

    A row that only lives on to tell why it ended was removed when it ended.
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
        forgotten = after if after and ended == Reason.DEAUTHORIZED else old
        changes.append((EventType.CONNECTION_REMOVED, forgotten, reason))
    if new:
        changes.append((EventType.CONNECTION_CREATED, new, None if new.confirmed else Reason.NOT_CONFIRMED))
    return changes


def connection_event(
    event_type: EventType, event_id: str, connection: Connection, reason: str | None, at: datetime
) -> Event:
    """What became of a user's connection; a deauthorized account is not named any more."""
    account = connection.account
    data = {
        "user_id": connection.user_id,
        "provider": connection.provider,
        "account": {"id": account.id, "email": account.label} if account.id else None,
        "connected_at": _moment(connection.connected_at),
        "reason": reason,
    }
    return Event(connection.workspace_id, event_id, event_type, at, data)


def _link(meeting: Meeting) -> tuple[object, ...] | None:
    """What a guest needs to join, and whether it can still be kept up to date."""
    if meeting.state is not MeetingState.READY:
        return None
    return meeting.join_url, meeting.passcode, meeting.reason


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
