"""When to retry a booking after a settling run that did not finish, and when to give up.

A run finishes when it settles or parks the booking, in any state of the meeting. A run that crashed hit a bug; a
run that was killed lost its process. Outages of the database or of KMS count as neither.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

MAX_CRASHED_RUNS = 5
"""A bug is deterministic: the next run would most likely crash too."""
MAX_KILLED_RUNS = 12
"""A killed process proves little: the database may have hung, or another booking of the batch was to blame.

With the delays below, this many runs take about four hours.
"""
_RUNS_WITHOUT_DELAY = 2
_FIRST_DELAY = timedelta(minutes=4)
_LONGEST_DELAY = timedelta(hours=1)


def should_give_up(*, killed_runs: int, crashed_runs: int) -> bool:
    """Return whether to give the booking up after so many unfinished runs in a row."""
    return killed_runs >= MAX_KILLED_RUNS or crashed_runs >= MAX_CRASHED_RUNS


def retry_delay(killed_runs: int, name: str) -> timedelta:
    """Return how much longer than the lease to wait before the next run, if this one is killed too.

    `killed_runs` is the number of runs that were killed before. Full jitter, derived from the booking's `name`: a
    booking that was killed only because it shared a process with the culprit gets a process without it.
    """
    if killed_runs < _RUNS_WITHOUT_DELAY:
        return timedelta(0)
    bound = min(_FIRST_DELAY * (1 << min(killed_runs - _RUNS_WITHOUT_DELAY, 10)), _LONGEST_DELAY)
    digest = hashlib.sha256(f"{name}\0{killed_runs}".encode()).digest()
    return bound * (int.from_bytes(digest[:4], "big") / 2**32)
