"""The time of the local stack: the real time, and what you skipped."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from infra.local.standins.base import utc_now


class LocalClock:
    """A clock that can be moved ahead. Call it for the current time."""

    def __init__(self, skipped: timedelta = timedelta()) -> None:
        self._lock = threading.Lock()
        self._skipped = skipped

    def __call__(self) -> datetime:
        return utc_now() + self.skipped

    @property
    def skipped(self) -> timedelta:
        """By how much this clock is ahead of the real time."""
        with self._lock:
            return self._skipped

    def skip(self, span: timedelta) -> None:
        """Move the clock ahead. Raises ValueError for a negative span: stored times would lie in the future."""
        if span < timedelta():
            raise ValueError("the clock only moves ahead")
        with self._lock:
            self._skipped += span
