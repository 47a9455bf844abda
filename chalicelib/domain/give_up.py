"""When to give a booking up after settling runs that did not finish.

A run finishes when it settles or parks the booking, in any state of the meeting. A run that crashed hit a bug; a
run that was killed lost its process. Outages of the database or of KMS count as neither.
"""

from __future__ import annotations

MAX_CRASHED_RUNS = 5
"""A bug is deterministic: the next run would most likely crash too."""
MAX_KILLED_RUNS = 12
"""A killed process proves little: the database may have hung, or another booking of the batch was to blame.

With the delays of `retry_delays.after_killed_run`, this many runs take about four hours.
"""


def should_give_up(*, killed_runs: int, crashed_runs: int) -> bool:
    """Return whether to give the booking up after so many unfinished runs in a row."""
    return killed_runs >= MAX_KILLED_RUNS or crashed_runs >= MAX_CRASHED_RUNS
