"""How long to wait before the next attempt: after a failed provider call, and after a killed settling run."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from random import Random

LONGEST_BACKOFF = timedelta(minutes=15)
"""Between two attempts to call a provider."""
_RUNS_WITHOUT_DELAY = 2
_FIRST_DELAY = timedelta(minutes=4)
_LONGEST_DELAY = timedelta(hours=1)


def after_failed_attempt(attempts: int, random: Random) -> timedelta:
    """Return the delay after so many failed attempts: 5 to 15 seconds at first, then full jitter on a growing bound."""
    if attempts == 1:
        return timedelta(seconds=random.uniform(5, 15))
    bound = min(15.0 * 2 ** min(attempts, 10), LONGEST_BACKOFF.total_seconds())
    return timedelta(seconds=random.uniform(5, bound))


def after_killed_run(killed_runs: int, name: str) -> timedelta:
    """Return how much longer than the lease to wait before the next run, if this one is killed too.

    `killed_runs` is the number of runs that were killed before. Full jitter, derived from the booking's `name`: a
    booking that was killed only because it shared a process with the culprit gets a process without it.
    """
    if killed_runs < _RUNS_WITHOUT_DELAY:
        return timedelta(0)
    bound = min(_FIRST_DELAY * (1 << min(killed_runs - _RUNS_WITHOUT_DELAY, 10)), _LONGEST_DELAY)
    digest = hashlib.sha256(f"{name}\0{killed_runs}".encode()).digest()
    return bound * (int.from_bytes(digest[:4], "big") / 2**32)
