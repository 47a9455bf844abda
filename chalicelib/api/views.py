"""What callers see of bookings, calendars and connections."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.structs import replace

from chalicelib.api import answers
from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
from chalicelib.domain.connection import ConnectionState, ConnectionStatus
from chalicelib.domain.guest_experience import GuestExperience
from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingState
from chalicelib.store.bookings import Record

if TYPE_CHECKING:
    from chalicelib.providers.base import Provider
    from chalicelib.usecases.bookings import UpcomingMeeting
    from chalicelib.usecases.connection_check import Report


def booking(record: Record) -> answers.Booking:
    """A booking with its meeting and invitations."""
    wanted, appointment = record.booking, record.booking.appointment
    return answers.Booking(
        id=wanted.booking_id,
        revision=wanted.revision,
        status=wanted.status,
        calendar_id=appointment.calendar_id,
        host=_host(wanted.host),
        location=location(wanted.location),
        starts_at=moment(appointment.starts_at),
        ends_at=moment(appointment.ends_at),
        time_zone=appointment.time_zone,
        title=appointment.title,
        description=appointment.description,
        guests=[answers.Guest(g.name, g.email, g.time_zone, g.language) for g in appointment.guests],
        guests_see_each_other=wanted.guests_see_each_other,
        links=answers.Links(appointment.links.reschedule, appointment.links.cancel),
        metadata=appointment.metadata,
        version=wanted.version,
        meeting=_meeting(current_meeting(record)),
        invitations=[
            answers.Invitation(i.email, i.role, i.sequence, i.state, i.reason, _moment_or_none(i.sent_at))
            for i in record.settlement.invitations
        ],
        created_at=moment(wanted.created_at),
        updated_at=moment(wanted.updated_at),
    )


def disconnect_preview(meetings: list[UpcomingMeeting]) -> answers.DisconnectPreview:
    """The meetings that could no longer be changed after disconnecting."""
    return answers.DisconnectPreview(
        [answers.UpcomingMeeting(m.booking_id, moment(m.starts_at), m.join_url) for m in meetings]
    )


def current_meeting(record: Record) -> Meeting:
    """The meeting as it stands for the newest revision: `pending` until settling has judged that one."""
    wanted, meeting = record.booking, record.settlement.meeting
    if record.settlement.revision >= wanted.revision:
        return meeting
    if not meeting.exists and not meeting.intent_at and not wanted.is_cancelled:
        if wanted.location.type is not LocationType.VIDEO:
            return Meeting(state=MeetingState.NONE, reason=MeetingReason.LOCATION_NOT_VIDEO)
        if wanted.eligibility is None:
            return Meeting(state=MeetingState.NONE, reason=MeetingReason.NOT_CONNECTED)
    return replace(meeting, state=MeetingState.PENDING, reason=None, detail=None, next_attempt_at=None)


def calendar(known: Calendar) -> answers.Calendar:
    return answers.Calendar(
        id=known.calendar_id,
        name=known.name,
        host=_host(known.host),
        location=location(known.location),
        guests_see_each_other=known.guests_see_each_other,
        created_at=moment(known.created_at),
        updated_at=moment(known.updated_at),
    )


def location(known: Location) -> answers.Location:
    """As callers put it."""
    return answers.Location(
        known.type,
        phone=known.detail if known.type is LocationType.PHONE else UNSET,
        address=known.detail if known.type is LocationType.IN_PERSON else UNSET,
        url=known.detail if known.type is LocationType.CUSTOM_LINK else UNSET,
    )


def locations(status: ConnectionStatus) -> answers.Locations:
    """Every location type, and whether the host's connection lets it be chosen."""
    connected = status.state is ConnectionState.CONNECTED
    provider = status.connection.provider if status.connection else None
    reason = None if connected else unavailable_reason(status)
    others = [kind for kind in LocationType if kind is not LocationType.VIDEO]
    return answers.Locations(
        [
            answers.AvailableLocation(LocationType.VIDEO, connected, reason, provider),
            *(answers.AvailableLocation(kind, True, None, None) for kind in others),
        ]
    )


def unavailable_reason(status: ConnectionStatus) -> str:
    """Why video cannot be chosen: never connected and deauthorized both mean that nobody is connected now."""
    return status.reason or MeetingReason.NOT_CONNECTED


def connection(user_id: str, status: ConnectionStatus) -> answers.Connection:
    known = status.connection
    return answers.Connection(
        user_id=user_id,
        state=status.state,
        reason=status.reason if status.state is not ConnectionState.CONNECTED else None,
        provider=known.provider if known else None,
        account=answers.Account(known.account.id, known.account.label) if known else None,
        connected_at=moment(known.connected_at) if known else None,
        last_meeting_at=_moment_or_none(known.last_meeting_at) if known else None,
    )


def check(report: Report) -> answers.Check:
    steps = [answers.CheckStep(step.name, step.ok, step.detail) for step in report.steps]
    experience = report.guest_experience
    return answers.Check(report.is_ok, steps, None if experience is None else _guest_experience(experience))


def _guest_experience(experience: GuestExperience) -> answers.GuestExperience:
    return answers.GuestExperience(
        experience.admission,
        experience.moderator,
        experience.time_limit_minutes,
        list(experience.notes),
        experience.is_observed,
    )


def provider(known: Provider, *, configured: bool) -> answers.Provider:
    return answers.Provider(known.name, known.display_name, known.needs, known.limits, configured)


def moment(value: datetime) -> str:
    """RFC 3339 in UTC."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds" if value.microsecond else "seconds")[:-6] + "Z"


def _moment_or_none(value: datetime | None) -> str | None:
    return None if value is None else moment(value)


def _host(known: Host) -> answers.Host:
    return answers.Host(known.user_id, known.name, known.email, known.time_zone, known.language)


def _meeting(meeting: Meeting) -> answers.Meeting:
    return answers.Meeting(
        state=meeting.state,
        reason=meeting.reason,
        detail=meeting.detail,
        provider=meeting.provider,
        join_url=meeting.join_url,
        passcode=meeting.passcode,
        dial_in=[answers.DialIn(d.number, d.country, d.city) for d in meeting.dial_in],
        attempts=meeting.attempts,
        next_attempt_at=_moment_or_none(meeting.next_attempt_at),
    )
