"""What holds with Zoom holds with every provider: a sample of the cases of `python -m tests.chaos --provider all`."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.chaos.cases import run, single_crashes
from tests.chaos.providers import OTHERS, cases
from tests.chaos.test_crashes import failures
from tests.support.examples import sample

_EACH = 40
_BOUNDED = "google_meet_spaces"


@pytest.mark.parametrize("provider", OTHERS)
def test_nothing_is_lost_doubled_or_left_behind(provider: str) -> None:
    possible = list(cases(provider, range(1)))
    chosen = islice(possible, OTHERS.index(provider), None, len(possible) // _EACH)
    outcomes = [run(case) for case in sample(chosen, 5)]
    assert failures(outcomes) == []
    assert provider == _BOUNDED or [outcome.case.text for outcome in outcomes if outcome.orphans] == []


def test_a_space_is_left_behind_only_by_a_create_whose_answer_no_one_wrote_down() -> None:
    outcomes = [run(case) for case in single_crashes("create", provider=_BOUNDED)]
    left_at = {outcome.points[outcome.case.crashes[0][0]]: outcome.orphans for outcome in outcomes if outcome.orphans}
    assert failures(outcomes) == []
    assert set(left_at.values()) == {1}
    assert next(iter(left_at)) == "http POST meet.googleapis.com/v2/spaces"
