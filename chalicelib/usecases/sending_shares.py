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
PART = 20
"""Emails of one booking that `send_emails` sends in a run: two seconds at ten a second."""


def send_all(workspace_id: str, outstanding: int) -> int:
    """Send all emails in this run: there is no queue."""
    return outstanding


def send_part(workspace_id: str, outstanding: int) -> int:
    """Send some emails. The next message continues."""
    return min(outstanding, PART)


class FirstRunShare:
    """Allows a booking's emails if they are few and its workspace did not send many lately. Thread-safe."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._began_at = clock()
        self._sent: Counter[str] = Counter()

    def __call__(self, workspace_id: str, outstanding: int) -> int:
        with self._lock:
            now = self._clock()
            if now - self._began_at >= timedelta(minutes=1):
                self._began_at = now
                self._sent.clear()
            if outstanding > FEW or self._sent[workspace_id] + outstanding > PER_MINUTE:
                return 0
            self._sent[workspace_id] += outstanding
            return outstanding
