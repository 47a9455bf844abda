"""When a booking whose runs never end is tried again, and when no more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.domain.give_up import MAX_CRASHED_RUNS, MAX_KILLED_RUNS, should_give_up
from chalicelib.domain.retry_delays import after_killed_run


@pytest.mark.parametrize(
    ("silent", "crashed", "expected"),
    [
        (0, 0, False),
        (0, MAX_CRASHED_RUNS - 1, False),
        (0, MAX_CRASHED_RUNS, True),
        (MAX_KILLED_RUNS - 1, 0, False),
        (MAX_KILLED_RUNS, 0, True),
        (MAX_KILLED_RUNS - 1, MAX_CRASHED_RUNS - 1, False),
    ],
)
def test_a_booking_is_given_up(silent: int, crashed: int, expected: bool) -> None:
    assert should_give_up(killed_runs=silent, crashed_runs=crashed) is expected


def test_two_deaths_cost_no_after_killed_run() -> None:
    assert [after_killed_run(silent, "b-1") for silent in (0, 1)] == [timedelta(0)] * 2


def test_later_ones_cost_more_and_more_up_to_an_hour() -> None:
    pauses = [after_killed_run(silent, "b-1") for silent in range(2, 40)]
    bounds = [min(timedelta(minutes=4 * 2**n), timedelta(hours=1)) for n in range(38)]
    assert all(one <= bound for one, bound in zip(pauses, bounds, strict=True))
    assert max(pauses) > timedelta(minutes=50)


def test_silence_is_listened_to_for_hours() -> None:
    waits = [
        sum((after_killed_run(n, f"b-{name}") for n in range(MAX_KILLED_RUNS)), timedelta()) for name in range(100)
    ]
    assert timedelta(hours=1) < min(waits) < max(waits) < timedelta(hours=7)


def test_those_who_died_together_are_tried_apart() -> None:
    ticks = {after_killed_run(2, f"b-{name}") // timedelta(seconds=5) for name in range(50)}
    assert len(ticks) > 20
