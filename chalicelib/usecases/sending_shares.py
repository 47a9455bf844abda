"""How many emails of a booking one run sends before another function, or a later run, continues.

The run that creates a meeting sends the emails of a booking with few recipients at once, which is the fastest way. Many
emails would occupy its process, and the bookings of other workspaces would wait for their links: the function
`send_emails` sends those, a part at a time, so that it also returns to its queue soon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

SendingShare = Callable[[str, int], int]
"""From a workspace and its booking's number of outstanding emails, the number to send now."""
FEW = 4
"""Emails of one booking that are sent at once: to a host and three guests."""
PER_MINUTE = 20
"""Emails of one workspace that one process sends at once in a minute."""
BOOKINGS = 20
"""Bookings of one workspace that one process settles from the stream in ten seconds. Others are handed over whole."""
PART = 20
"""Emails of one booking that `send_emails` sends in a run: two seconds at ten a second."""


def send_all(workspace_id: str, outstanding: int) -> int:
    """Send all emails in this run: there is no queue."""
    return outstanding


def send_part(workspace_id: str, outstanding: int) -> int:
    """Send some emails. The next message continues."""
    return min(outstanding, PART)


class WorkspaceShare:
    """Allows each workspace so much in a period, in this process. Thread-safe."""

    def __init__(self, limit: int, period: timedelta, clock: Callable[[], datetime]) -> None:
        self._limit = limit
        self._period = period
        self._clock = clock
        self._lock = Lock()
        self._began_at = clock()
        self._used: Counter[str] = Counter()

    def take(self, workspace_id: str, amount: int = 1) -> bool:
        """Count the amount and return True, or return False if it exceeds the share."""
        with self._lock:
            now = self._clock()
            if now - self._began_at >= self._period:
                self._began_at = now
                self._used.clear()
            if self._used[workspace_id] + amount > self._limit:
                return False
            self._used[workspace_id] += amount
            return True


class FirstRunShare:
    """Allows a booking's emails if they are few and its workspace did not send many lately."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._share = WorkspaceShare(PER_MINUTE, timedelta(minutes=1), clock)

    def __call__(self, workspace_id: str, outstanding: int) -> int:
        return outstanding if outstanding <= FEW and self._share.take(workspace_id, outstanding) else 0
