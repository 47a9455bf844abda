"""Bookings as they are stored, and what became of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from chalicelib.domain.booking import Appointment, Booking, BookingStatus, Eligibility, Guest
from chalicelib.domain.calendar import Host, Location, LocationType
from chalicelib.domain.invitation import Invitation, InvitationState, Method, Role
from chalicelib.domain.meeting import DialIn, Meeting, MeetingState
from chalicelib.domain.settlement import Settlement
from tests.support.clock import START

WORKSPACE = "ws-1"
KEY = (WORKSPACE, "b-1")
MINUTE = timedelta(minutes=1)


def booking(booking_id: str = "b-1", *, revision: int = 1, user_id: str = "u-1", **changes: Any) -> Booking:
    """A confirmed video booking; `changes` are to its appointment."""
    starts_at = changes.pop("starts_at", START + timedelta(days=35))
    status = changes.pop("status", BookingStatus.CONFIRMED)
    workspace_id = changes.pop("workspace_id", WORKSPACE)
    appointment = Appointment(
        calendar_id="c-1",
        starts_at=starts_at,
        ends_at=changes.pop("ends_at", starts_at + timedelta(minutes=30)),
        time_zone="Europe/Berlin",
        title="Introductory call",
        guests=(Guest("Demo Guest", "guest@example.com", "America/New_York"),),
        metadata={"source": ["web", 1, None]},
    )
    return Booking(
        workspace_id=workspace_id,
        booking_id=booking_id,
        revision=revision,
        status=status,
        appointment=replace(appointment, **changes),
        host=Host(user_id, "Demo Host", "host@example.com"),
        location=Location(LocationType.VIDEO),
        eligibility=Eligibility("zoom", "zoom#a-1", START),
        hosted_since=START,
        created_at=START,
        updated_at=START,
    )


def settlement(**changes: Any) -> Settlement:
    """A meeting that is ready and an invitation that is out; `changes` are to the meeting."""
    meeting = Meeting(
        state=MeetingState.READY,
        provider="zoom",
        user_id="u-1",
        grant_id="zoom#a-1",
        id="93412345678",
        join_url="https://zoom.us/j/93412345678",
        passcode="739182",
        dial_in=(DialIn("+49 69 1234 5678", "DE", "Frankfurt"),),
        generation=1,
        fingerprint="f",
        intent_at=START,
    )
    sent = Invitation(
        email="guest@example.com",
        name="Demo Guest",
        role=Role.GUEST,
        time_zone="UTC",
        method=Method.REQUEST,
        sequence=0,
        content="c",
        state=InvitationState.SENT,
        sent_at=START,
        message_id="m-1",
    )
    return Settlement(1, replace(meeting, **changes), (sent,), sequence=0, uid="b-1@example.com")
