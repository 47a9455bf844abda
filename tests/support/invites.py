"""Invitations to test with: one complete video booking, changed field by field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from chalicelib.domain.calendar import Location, LocationType
from chalicelib.domain.invitation import Invite, Method, Party, Role
from chalicelib.domain.meeting import DialIn
from chalicelib.mail.addresses import SenderAddress

SENDER = SenderAddress(address="invitations@meet.example.net", name="Example Bookings")
HOST = Party(Role.HOST, "Demo Host", "host@example.com", "Europe/Berlin")
GUEST = Party(Role.GUEST, "Demo Guest", "guest@example.com", "America/New_York")
LINK = "https://video.example.org/j/93412345678?pwd=a,b;c&x=%20"
DIAL_IN = (DialIn("+49 69 1234 5678", "DE", "Frankfurt"), DialIn("+1 646 555 0123", "US", "New York"))

_GUEST_INVITE = Invite(
    workspace_id="ws-1",
    booking_id="b-42",
    method=Method.REQUEST,
    uid="b-42@meet.example.net",
    sequence=0,
    stamped_at=datetime(2026, 12, 1, 9, 30, tzinfo=UTC),
    recipient=GUEST,
    host=HOST,
    attendees=(HOST, GUEST),
    title="Introductory call",
    description="We will look at your questions.\n\nPlease bring the signed form.",
    starts_at=datetime(2027, 1, 5, 15, 0, tzinfo=UTC),
    ends_at=datetime(2027, 1, 5, 15, 30, tzinfo=UTC),
    location=Location(LocationType.VIDEO),
    join_url=LINK,
    passcode="739 182",
    dial_in=DIAL_IN,
)


def guest_invite(**changes: Any) -> Invite:
    """The guest's invitation to a video meeting with link, passcode and dial-in, with `changes` to its fields."""
    return replace(_GUEST_INVITE, **changes)


def host_invite(**changes: Any) -> Invite:
    """The same booking's invitation for its host."""
    return guest_invite(**({"recipient": HOST} | changes))


def cancellation(invite: Invite) -> Invite:
    """The cancellation that follows `invite`."""
    return replace(invite, method=Method.CANCEL, sequence=invite.sequence + 1)


def without_link(**changes: Any) -> Invite:
    """The guest's invitation to a video meeting with a link that will follow."""
    return guest_invite(**({"join_url": None, "passcode": None, "dial_in": (), "link_follows": True} | changes))
