"""Runs of settling that never came to their end: when the booking is tried again, and when no more.

A run ends when it settles or parks the booking, whatever became of the meeting. One that does not was ended by an error
of our own, or its process died. What is out (database, keys) says so itself and counts for nothing.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

MOST_CRASHED = 5
"""An error of our own is certain, and the next run will hardly do better."""
MOST_SILENT = 12
"""A dead process proves little: the database may have hung, or another booking of the batch was to blame.

With the pauses below, so many take about four hours.
"""
_AT_ONCE = 2
_FIRST_PAUSE = timedelta(minutes=4)
_LONGEST_PAUSE = timedelta(hours=1)


def are_hopeless(*, silent: int, crashed: int) -> bool:
    """Whether the booking is to be given up: `silent` and `crashed` are its unfinished runs in a row."""
    return silent >= MOST_SILENT or crashed >= MOST_CRASHED


def pause(silent: int, name: str) -> timedelta:
    """How much longer than the lease to wait after a run that dies as the `silent` ones before it did.

    Full jitter, by the booking's `name`: who died only for sharing a process with the culprit gets one without it.
    """
    if silent < _AT_ONCE:
        return timedelta(0)
    bound = min(_FIRST_PAUSE * (1 << min(silent - _AT_ONCE, 10)), _LONGEST_PAUSE)
    digest = hashlib.sha256(f"{name}\0{silent}".encode()).digest()
    return bound * (int.from_bytes(digest[:4], "big") / 2**32)
