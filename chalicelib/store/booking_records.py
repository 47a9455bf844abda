"""Rows of the bookings table: their documents and the keys of their indexes."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.decoding import decode_json
from chalicelib.domain.answers import Answer, Answers
from chalicelib.domain.attendance import Attendance
from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Trouble, with_troubles
from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.domain.settlement import Settlement, current_attendance, current_meeting
from chalicelib.store.tables import BookingItem

TROUBLE_STATES = frozenset({MeetingState.WAITING, MeetingState.FAILED})
"""States of meetings whose bookings are in the index `by_trouble`."""


class Record(Struct, frozen=True):
    """A booking as stored: its desired and its observed state."""

    booking: Booking
    settlement: Settlement
    settled_revision: int = 0
    """The newest revision that meeting and invitations match."""
    answers: Answers = field(default_factory=dict)
    """Who comes and who does not, by `answer_key`."""
    sightings: frozenset[str] = frozenset()
    """The row's `sightings`."""

    @property
    def is_settled(self) -> bool:
        return self.settled_revision >= self.booking.revision

    @property
    def current_meeting(self) -> Meeting:
        """The meeting of the newest revision: `pending` until that revision is settled."""
        return current_meeting(self.booking, self.settlement)

    @property
    def current_attendance(self) -> Attendance:
        """Who came to the appointment: `unknown` until it is decided."""
        return current_attendance(self.booking, self.settlement)


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
    settlement = decode_json(item.observed, Settlement) if item.observed else Settlement()
    if item.mail_troubles:
        invitations = with_troubles(settlement.invitations, _worst_troubles(item.mail_troubles))
        settlement = replace(settlement, invitations=invitations)
    booking = decode_json(item.desired, Booking)
    return Record(
        booking,
        settlement,
        int(item.settled_revision),
        decode_answers(item.answers),
        frozenset(item.sightings or ()),
    )


def encode_answers(answers: Answers) -> str:
    """Encode answers as a row stores them: equal answers give equal texts."""
    return msgspec.json.encode(answers, order="deterministic").decode()


def decode_answers(text: str | None) -> dict[str, Answer]:
    """Decode a row's answers; None: no one has answered."""
    return decode_json(text, dict[str, Answer]) if text else {}


def _worst_troubles(notes: set[str]) -> dict[str, Trouble]:
    """Return the most severe trouble by message id."""
    troubles: dict[str, Trouble] = {}
    for trouble in reversed(Trouble):
        troubles |= {note.partition(" ")[2]: trouble for note in notes if note.startswith(f"{trouble.value} ")}
    return troubles


def start_key(starts_at: datetime, booking_id: str) -> str:
    """Return the key that sorts bookings by start."""
    return f"{starts_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}#{booking_id}"
