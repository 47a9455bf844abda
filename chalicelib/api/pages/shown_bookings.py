"""A host's bookings as lines of a page."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.api.pages import settings_texts
from chalicelib.domain.booking import Booking
from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingState
from chalicelib.store.booking_records import Record

if TYPE_CHECKING:
    from chalicelib.wording import Wording

_GUESTS_SHOWN = 3


class ShownBooking(Struct, frozen=True):
    """One line of the list of bookings."""

    id: str
    title: str
    starts_at: str
    guests: str
    state: str
    tone: str
    """good, bad or plain"""
    why: str
    """The reason of the state, or empty."""
    join_url: str | None
    can_retry: bool


def show_booking(record: Record, now: datetime, wording: Wording) -> ShownBooking:
    """Return the booking as its host sees it, in the host's time zone."""
    from chalicelib.mail.times import format_start

    booking, appointment, meeting = record.booking, record.booking.appointment, record.current_meeting
    texts = wording.settings_page
    state, tone = texts.states[meeting.state], settings_texts.TONES[meeting.state]
    if booking.is_cancelled:
        state, tone = texts.cancelled, "plain"
    elif meeting.reason == MeetingReason.LOCATION_NOT_VIDEO:
        state = texts.locations[booking.location.type]
    return ShownBooking(
        id=booking.booking_id,
        title=appointment.title or wording.untitled,
        starts_at=format_start(appointment.starts_at, booking.host.time_zone or appointment.time_zone, wording),
        guests=", ".join(guest.name for guest in appointment.guests[:_GUESTS_SHOWN]),
        state=state,
        tone=tone,
        why=_why(booking, meeting, wording),
        join_url=(meeting.host_url or meeting.join_url) if meeting.state is MeetingState.READY else None,
        can_retry=meeting.state in (MeetingState.WAITING, MeetingState.FAILED) and appointment.ends_at > now,
    )


def _why(booking: Booking, meeting: Meeting, wording: Wording) -> str:
    if booking.is_cancelled or meeting.reason == MeetingReason.LOCATION_NOT_VIDEO:
        return ""  # The state already says so.
    return wording.explain(meeting)
