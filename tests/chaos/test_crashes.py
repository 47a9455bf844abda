"""A process that dies before or after any I/O call loses nothing and doubles nothing."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.chaos.cases import Case, Outcome, crashes_of, paired_crashes, reminder_crashes, run, single_crashes
from tests.chaos.classes import ALLOWANCE, DOUBT, QUEUE
from tests.chaos.scenarios import REMINDING, SCENARIOS
from tests.support.examples import sample, stride

_ALONE = [name for name, scenario in SCENARIOS.items() if scenario.meanwhile is None]
_TOGETHER = [name for name, scenario in SCENARIOS.items() if scenario.meanwhile is not None]


def failures(outcomes: list[Outcome]) -> list[tuple[str, list[str]]]:
    """Cases to replay with `python -m tests.chaos --case …`, and what was wrong."""
    return [(outcome.case.text, outcome.wrong) for outcome in outcomes if not outcome.survived]


@pytest.mark.parametrize("scenario", _ALONE)
def test_a_crash_at_any_point_loses_nothing_and_doubles_nothing(scenario: str) -> None:
    assert failures([run(case) for case in sample(single_crashes(scenario), 3)]) == []


@pytest.mark.parametrize("scenario", _TOGETHER)
def test_neither_does_a_crash_while_a_second_request_comes(scenario: str) -> None:
    every_seventh = islice(single_crashes(scenario, seed=3), 0, None, 7)
    assert failures([run(case) for case in sample(every_seventh, 5)]) == []


@pytest.mark.parametrize("scenario", _ALONE)
def test_neither_does_a_crash_while_emails_are_handed_over(scenario: str) -> None:
    every_second = islice(crashes_of(QUEUE, scenario, seed=1), 0, None, 2)
    assert failures([run(case) for case in sample(every_second, 5)]) == []


@pytest.mark.parametrize("scenario", _ALONE)
def test_neither_does_a_crash_while_emails_wait_for_the_allowance(scenario: str) -> None:
    every_third = islice(crashes_of(ALLOWANCE, scenario, seed=2), 0, None, 3)
    assert failures([run(case) for case in sample(every_third, 8)]) == []


def test_neither_does_a_crash_while_plan_b_replaces_a_meeting() -> None:
    outcomes = [run(case) for case in sample(islice(crashes_of(DOUBT, "plan B"), 0, None, 5), 13)]
    assert failures(outcomes) == []
    assert all(outcome.used_fallback for outcome in outcomes)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_neither_do_two_crashes(scenario: str) -> None:
    firsts = islice(single_crashes(scenario, seed=5), 1, None, 11)
    pairs = (
        pair
        for first in sample(islice(firsts, 6), 4)
        for pair in islice(paired_crashes(first, run(first)), 0, None, 13)
    )
    assert failures([run(case) for case in sample(islice(pairs, 60), 4)]) == []


@pytest.mark.parametrize("scenario", REMINDING)
def test_neither_does_a_crash_around_a_reminder(scenario: str) -> None:
    some = islice(
        reminder_crashes(scenario, seed=2, every=stride(9)), 0, None, 11 if REMINDING[scenario].meanwhile else 1
    )
    assert failures([run(case) for case in sample(some, 7)]) == []


def test_a_run_is_the_same_again_from_its_seed() -> None:
    case = Case.read("crash at one point/reschedule during create/-/7/3/after:9")
    assert run(case) == run(case)
