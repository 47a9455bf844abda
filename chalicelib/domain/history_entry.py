"""One entry of a booking's history, in a short form: rows have up to 30 of them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct


class HistoryKind(StrEnum):
    """What happened."""

    BOOKED = "booked"
    CHANGED = "changed"
    RETRIED = "retried"
    """Settled again with the same content: a retry, or an invitation that is sent again."""
    CANCELLED = "cancelled"
    MEETING = "meeting"
    """`note`: the meeting's state, and its reason."""
    MAILED = "mailed"
    """`note`: the method, the sequence number, and for the last resend its revision. `count`: recipients."""
    UNDELIVERED = "undelivered"
    """`count`: recipients whose email had a problem."""
    REMINDED = "reminded"
    """`note`: minutes before the start. `count`: recipients."""
    ANSWERED = "answered"
    """`note`: the answer, and the beginning of the person's `answer_key`."""
    LOOKED = "looked"
    """The provider reported a change of the meeting, and it was looked at."""
    ATTENDANCE = "attendance"
    """`note`: who came."""


class HistoryEntry(Struct, frozen=True, array_like=True):
    """One entry. Later releases may add fields at the end, and kinds."""

    at_seconds: int
    """Unix time."""
    kind: str
    """One of `HistoryKind`."""
    note: str = ""
    count: int = 0

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.at_seconds, UTC)


def entry(kind: HistoryKind, at: datetime, note: str = "", count: int = 0) -> HistoryEntry:
    """Return an entry."""
    return HistoryEntry(int(at.timestamp()), kind.value, note, count)
