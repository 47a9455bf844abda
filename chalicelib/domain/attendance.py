"""Who came to a meeting, decided a while after the booking's end from what the provider reported."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.booking import Booking
from chalicelib.domain.meeting_report import MeetingReport, ReportKind

DECIDED_AFTER = timedelta(minutes=15)
"""How long after the booking's end its attendance is decided: late events have arrived by then."""
EARLIEST = timedelta(hours=1)
"""People who are in the meeting earlier than this before the start do not count: the host may test the link."""
REPORTING_PERIOD = timedelta(days=30)
"""Without an event of a grant in this time, silence does not mean that no one came."""

LATEST_ABSENCE = timedelta(days=1)
"""A booking that is decided later than this, such as one of an earlier release, is no no-show without events."""


class Attendance(StrEnum):
    """Who came to a meeting; a closed list, part of the API."""

    BOTH = "both"
    HOST_ONLY = "host_only"
    GUESTS_ONLY = "guests_only"
    NONE = "none"
    UNKNOWN = "unknown"


class Sighting(StrEnum):
    """What the provider reported of a meeting."""

    STARTED = "started"
    HOST = "host"
    GUEST = "guest"


class Decision(Struct, frozen=True):
    """A booking's attendance, for the appointment that ended at `ends_at`."""

    attendance: Attendance
    ends_at: datetime


def decided_at(booking: Booking) -> datetime:
    """Return when the attendance is decided."""
    return booking.appointment.ends_at + DECIDED_AFTER


def sighting_note(booking: Booking, report: MeetingReport) -> str | None:
    """Return what to note on the booking about a report; None if it does not show who came to this appointment.

    The note names the start, so that a booking that moves starts again without notes.
    """
    appointment = booking.appointment
    if not appointment.starts_at - EARLIEST <= report.at <= decided_at(booking):
        return None
    match report.kind:
        case ReportKind.JOINED:
            sighting = Sighting.HOST if report.is_host else Sighting.GUEST
        case ReportKind.STARTED | ReportKind.ENDED | ReportKind.LEFT:
            sighting = Sighting.STARTED
        case _:
            return None
    return f"{sighting.value} {_name(appointment.starts_at)}"


def read_sightings(booking: Booking, notes: Collection[str]) -> frozenset[Sighting]:
    """Return what the notes say about the booking's present appointment."""
    start = _name(booking.appointment.starts_at)
    return frozenset(sighting for sighting in Sighting if f"{sighting.value} {start}" in notes)


def decide(sightings: Collection[Sighting], *, is_reporting: bool) -> Attendance:
    """Return the attendance. `is_reporting`: the provider reported a meeting of the same account lately.

    A meeting that was started without a word about its participants says nothing about who came.
    """
    host, guest = Sighting.HOST in sightings, Sighting.GUEST in sightings
    if host and guest:
        return Attendance.BOTH
    if host or guest:
        return Attendance.HOST_ONLY if host else Attendance.GUESTS_ONLY
    return Attendance.NONE if is_reporting and not sightings else Attendance.UNKNOWN


def is_final(decision: Decision | None, booking: Booking, sightings: Collection[Sighting]) -> bool:
    """Return whether the attendance was decided, and no event that arrived since shows that more people came."""
    if decision is None or decision.ends_at != booking.appointment.ends_at:
        return False
    return decision.attendance == decide(sightings, is_reporting=decision.attendance is Attendance.NONE)


def is_reporting(reported_at: datetime | None, now: datetime) -> bool:
    """Return whether an account whose last event arrived at `reported_at` delivers events."""
    return reported_at is not None and now - reported_at <= REPORTING_PERIOD


def _name(starts_at: datetime) -> str:
    return starts_at.astimezone(UTC).isoformat()
