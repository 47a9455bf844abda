"""How much time the current Lambda invocation has left."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from msgspec import Struct

from chalicelib.errors import MeetlinkError


class OutOfTime(MeetlinkError):
    """The invocation might end before the work does, so the work was not started."""


class Deadline(Struct, frozen=True):
    """When the current Lambda invocation ends."""

    seconds_left: Callable[[], float]
    """Returns the seconds that remain."""

    @classmethod
    def of(cls, context: Any) -> Deadline:
        """Return the deadline of the invocation with this Lambda context."""
        return cls(lambda: float(context.get_remaining_time_in_millis()) / 1000)

    def allows(self, seconds: float) -> bool:
        """Return whether work of `seconds` can finish in time."""
        return self.seconds_left() >= seconds

    def require(self, seconds: float) -> None:
        """Raise `OutOfTime` unless work of `seconds` can finish in time."""
        if not self.allows(seconds):
            raise OutOfTime

    def within(self, seconds: float) -> Deadline:
        """Return a deadline that is at most `seconds` from now."""
        unused = max(0.0, self.seconds_left() - seconds)
        return Deadline(lambda: self.seconds_left() - unused)


NO_DEADLINE = Deadline(lambda: inf)
"""For HTTP requests and checks: their calls have their own timeouts."""
