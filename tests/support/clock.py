"""Time that passes only when a test says so."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)


class FakeClock:
    """Replaces `clock` and `sleep` where they are injected. Safe to use from many threads."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass; usable as `sleep`."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
