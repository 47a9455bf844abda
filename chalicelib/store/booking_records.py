"""Rows of the bookings table: their documents and the keys of their indexes."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Trouble, with_troubles
from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.domain.settlement import Settlement, current_meeting
from chalicelib.store.tables import BookingItem

TROUBLE_STATES = frozenset({MeetingState.WAITING, MeetingState.FAILED})
"""States of meetings whose bookings are in the index `by_trouble`."""


class Record(Struct, frozen=True):
    """A booking as stored: its desired and its observed state."""

    booking: Booking
    settlement: Settlement
    settled_revision: int = 0
    """The newest revision that meeting and invitations match."""

    @property
    def is_settled(self) -> bool:
        return self.settled_revision >= self.booking.revision

    @property
    def current_meeting(self) -> Meeting:
        """The meeting of the newest revision: `pending` until that revision is settled."""
        return current_meeting(self.booking, self.settlement)


def host_key(workspace_id: str, user_id: str) -> str:
    """Return the key of a host's bookings in the index."""
    return f"{workspace_id}#{user_id}"


def trouble_key(workspace_id: str, state: MeetingState) -> str | None:
    """Return the key of a booking with a meeting in this state in the index `by_trouble`; None: it is not in it."""
    return f"{workspace_id}#{state.value}" if state in TROUBLE_STATES else None


def start_key_of(booking: Booking) -> str:
    """Return the start key that continues a list after this booking."""
    return start_key(booking.appointment.starts_at, booking.booking_id)


def record_of(item: BookingItem) -> Record:
    """Decode a row, with the mail troubles merged into its invitations."""
    settlement = msgspec.json.decode(item.observed, type=Settlement) if item.observed else Settlement()
    if item.mail_troubles:
        invitations = with_troubles(settlement.invitations, _worst_troubles(item.mail_troubles))
        settlement = replace(settlement, invitations=invitations)
    return Record(msgspec.json.decode(item.desired, type=Booking), settlement, int(item.settled_revision))


def _worst_troubles(notes: set[str]) -> dict[str, Trouble]:
    """Return the most severe trouble by message id."""
    troubles: dict[str, Trouble] = {}
    for trouble in reversed(Trouble):
        troubles |= {note.partition(" ")[2]: trouble for note in notes if note.startswith(f"{trouble.value} ")}
    return troubles


def start_key(starts_at: datetime, booking_id: str) -> str:
    """Return the key that sorts bookings by start."""
    return f"{starts_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}#{booking_id}"
