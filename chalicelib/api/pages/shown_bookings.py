"""How pages show a booking: what a host's list and the workspace's list have in common, and the host's list itself."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.api.pages.tones import MEETING_TONES
from chalicelib.domain.booking import Booking
from chalicelib.domain.meeting import MeetingReason, MeetingState
from chalicelib.store.booking_records import TROUBLE_STATES, Record

if TYPE_CHECKING:
    from chalicelib.wording import Wording

_GUESTS_SHOWN = 3


class ShownState(Struct, frozen=True):
    """Whether a booking has a link, in words."""

    text: str
    tone: str
    """good, bad or plain"""
    why: str
    """The reason of the state, or empty."""


class ShownBooking(Struct, frozen=True):
    """One line of the host's list of bookings."""

    id: str
    title: str
    starts_at: str
    guests: str
    state: str
    tone: str
    why: str
    join_url: str | None
    can_retry: bool


def show_booking(record: Record, now: datetime, wording: Wording) -> ShownBooking:
    """Return the booking as its host sees it, in the host's time zone."""
    booking, meeting, state = record.booking, record.current_meeting, show_state(record, wording)
    return ShownBooking(
        id=booking.booking_id,
        title=booking.appointment.title or wording.untitled,
        starts_at=show_time(booking.appointment.starts_at, booking, wording),
        guests=show_guests(booking),
        state=state.text,
        tone=state.tone,
        why=state.why,
        join_url=(meeting.host_url or meeting.join_url) if meeting.state is MeetingState.READY else None,
        can_retry=can_retry(record, now),
    )


def show_state(record: Record, wording: Wording) -> ShownState:
    """Return the state of the booking's meeting. For a cancelled booking, and without video, it needs no reason."""
    booking, meeting, texts = record.booking, record.current_meeting, wording.settings_page
    if booking.is_cancelled:
        return ShownState(texts.cancelled, "plain", "")
    tone = MEETING_TONES[meeting.state]
    if meeting.reason == MeetingReason.LOCATION_NOT_VIDEO:
        return ShownState(texts.locations[booking.location.type], tone, "")
    return ShownState(texts.states[meeting.state], tone, wording.explain(meeting))


def show_guests(booking: Booking) -> str:
    return ", ".join(guest.name for guest in booking.appointment.guests[:_GUESTS_SHOWN])


def show_time(moment: datetime, booking: Booking, wording: Wording) -> str:
    """Format a time in the zone of the booking's host."""
    from chalicelib.mail.times import format_start

    return format_start(moment, booking.host.time_zone or booking.appointment.time_zone, wording)


def can_retry(record: Record, now: datetime) -> bool:
    """Return whether a retry may give the booking a link."""
    booking = record.booking
    is_open = not booking.is_cancelled and booking.appointment.ends_at > now
    return is_open and record.current_meeting.state in TROUBLE_STATES
