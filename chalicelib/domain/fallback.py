"""Plan B of a booking: the calendar's own link, when the provider does not create the meeting in time."""

from __future__ import annotations

from datetime import datetime, timedelta

from chalicelib.domain.booking import Booking
from chalicelib.domain.meeting import Meeting, MeetingState

_IN_TROUBLE = (MeetingState.WAITING, MeetingState.FAILED)


def fallback_at(booking: Booking, meeting: Meeting) -> datetime | None:
    """Return when the booking gets its fallback, unless the meeting is ready before; None: it gets none.

    A meeting that exists has a link, even if it cannot be changed now.
    """
    fallback, starts_at = booking.fallback, booking.appointment.starts_at
    if fallback is None or meeting.exists or meeting.state not in _IN_TROUBLE or not booking.wants_video:
        return None
    after = booking.updated_at + timedelta(minutes=fallback.after_minutes)
    return min(after, max(booking.updated_at, starts_at - timedelta(minutes=fallback.before_start_minutes)))


def is_fallback_due(booking: Booking, meeting: Meeting, now: datetime) -> bool:
    """Return whether it is time for the fallback."""
    at = fallback_at(booking, meeting)
    return at is not None and at <= now < booking.appointment.ends_at


def use_fallback(booking: Booking, meeting: Meeting) -> Meeting:
    """Return the fallback in place of the meeting. It stays, because it was emailed."""
    return Meeting(
        state=MeetingState.READY,
        generation=meeting.generation + 1,
        user_id=booking.host.user_id,
        grant_id=booking.eligibility.grant_id if booking.eligibility else None,
        join_url=booking.fallback.url if booking.fallback else None,
        fallback_from=booking.eligibility.provider if booking.eligibility else None,
        fallback_reason=meeting.reason,
    )


def is_outdated(booking: Booking, meeting: Meeting) -> bool:
    """Return whether the meeting is the fallback of another calendar."""
    return meeting.is_fallback and (booking.fallback is None or booking.fallback.url != meeting.join_url)
