"""What callers see of bookings, calendars and connections."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
from chalicelib.domain.connection import ConnectionState, ConnectionStatus
from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingState
from chalicelib.store.bookings import Record
from chalicelib.usecases.preflight import Step

_DETAIL_NAME = {LocationType.PHONE: "phone", LocationType.IN_PERSON: "address", LocationType.CUSTOM_LINK: "url"}


def booking(record: Record) -> dict[str, Any]:
    """A booking as DESIGN's example shows it."""
    wanted, settlement = record.booking, record.settlement
    appointment = wanted.appointment
    return {
        "id": wanted.booking_id,
        "revision": wanted.revision,
        "status": wanted.status.value,
        "calendar_id": appointment.calendar_id,
        "host": _host(wanted.host),
        "location": location(wanted.location),
        "starts_at": moment(appointment.starts_at),
        "ends_at": moment(appointment.ends_at),
        "time_zone": appointment.time_zone,
        "title": appointment.title,
        "description": appointment.description,
        "guests": [{"name": g.name, "email": g.email, "time_zone": g.time_zone} for g in appointment.guests],
        "metadata": appointment.metadata,
        "version": wanted.version,
        "meeting": _meeting(current_meeting(record)),
        "invitations": [
            {
                "email": i.email,
                "role": i.role.value,
                "sequence": i.sequence,
                "state": i.state.value,
                "sent_at": moment(i.sent_at),
            }
            for i in settlement.invitations
        ],
        "created_at": moment(wanted.created_at),
        "updated_at": moment(wanted.updated_at),
    }


def current_meeting(record: Record) -> Meeting:
    """The meeting as it stands for the newest revision: `pending` until settling has judged that one."""
    from dataclasses import replace

    wanted, meeting = record.booking, record.settlement.meeting
    if record.settlement.revision >= wanted.revision:
        return meeting
    if not meeting.exists and not meeting.intent_at and not wanted.is_cancelled:
        if wanted.location.type is not LocationType.VIDEO:
            return Meeting(state=MeetingState.NONE, reason=MeetingReason.LOCATION_NOT_VIDEO)
        if wanted.eligibility is None:
            return Meeting(state=MeetingState.NONE, reason=MeetingReason.NOT_CONNECTED)
    return replace(meeting, state=MeetingState.PENDING, reason=None, detail=None, next_attempt_at=None)


def calendar(known: Calendar) -> dict[str, Any]:
    return {
        "id": known.calendar_id,
        "name": known.name,
        "host": _host(known.host),
        "location": location(known.location),
        "created_at": moment(known.created_at),
        "updated_at": moment(known.updated_at),
    }


def location(known: Location) -> dict[str, Any]:
    """As callers put it."""
    name = _DETAIL_NAME.get(known.type)
    return {"type": known.type.value} | ({name: known.detail} if name else {})


def locations(status: ConnectionStatus) -> list[dict[str, Any]]:
    """Every location type, and whether the host's connection lets it be chosen."""
    connected = status.state is ConnectionState.CONNECTED
    provider = status.connection.provider if status.connection else None
    reason = None if connected else unavailable_reason(status)
    video = {"type": "video", "available": connected, "reason": reason, "provider": provider}
    others = [kind for kind in LocationType if kind is not LocationType.VIDEO]
    return [video, *({"type": k.value, "available": True, "reason": None, "provider": None} for k in others)]


def unavailable_reason(status: ConnectionStatus) -> str:
    """Why video cannot be chosen: never connected and deauthorized both mean that nobody is connected now."""
    return status.reason or MeetingReason.NOT_CONNECTED


def connection(user_id: str, status: ConnectionStatus) -> dict[str, Any]:
    known = status.connection
    return {
        "user_id": user_id,
        "state": status.state.value,
        "reason": status.reason if status.state is not ConnectionState.CONNECTED else None,
        "provider": known.provider if known else None,
        "account": {"id": known.account.id, "email": known.account.email} if known else None,
        "connected_at": moment(known.connected_at) if known else None,
        "last_meeting_at": moment(known.last_meeting_at) if known else None,
    }


def step(known: Step) -> dict[str, Any]:
    return {"step": known.name, "ok": known.ok, "detail": known.detail}


def moment(value: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds" if value.microsecond else "seconds")[:-6] + "Z"


def _host(known: Host) -> dict[str, Any]:
    return {"user_id": known.user_id, "name": known.name, "email": known.email, "time_zone": known.time_zone}


def _meeting(meeting: Meeting) -> dict[str, Any]:
    return {
        "state": meeting.state.value,
        "reason": meeting.reason,
        "detail": meeting.detail,
        "provider": meeting.provider,
        "join_url": meeting.join_url,
        "passcode": meeting.passcode,
        "dial_in": [{"number": d.number, "country": d.country, "city": d.city} for d in meeting.dial_in],
        "attempts": meeting.attempts,
        "next_attempt_at": moment(meeting.next_attempt_at),
    }
