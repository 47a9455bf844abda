"""Limit how often a person answers a booking, because each answer may email the host."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from chalicelib.domain.answers import answer_key
from chalicelib.domain.booking import Booking
from chalicelib.errors import TooManyRequests
from chalicelib.store.ephemeral import EphemeralStore

WINDOW = timedelta(hours=1)
MAX_ANSWERS = 20
"""How many answers one person may give to one booking in a window."""


class AnswerLimit:
    """Counts the answers of each person to each booking, whichever way they come."""

    def __init__(self, counter: EphemeralStore, clock: Callable[[], datetime]) -> None:
        self._counter = counter
        self._clock = clock

    def count(self, booking: Booking, email: str) -> None:
        """Count an answer. Raises `TooManyRequests` if it is one too many."""
        name = f"answers#{booking.workspace_id}#{booking.booking_id}#{answer_key(email)}"
        if self._counter.count_in_window(name, self._clock(), WINDOW) > MAX_ANSWERS:
            raise TooManyRequests("This person answers too often.")
