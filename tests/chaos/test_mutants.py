"""The harness sees it when a part of the algorithm is missing."""

from __future__ import annotations

import pytest

from tests.chaos.cases import Case, faulty, run
from tests.chaos.mutants import MUTANTS, without_owner

_TELLING = {
    "no intent": "provider: timeout after its commit",
    "no settle window": "provider: timeout after its commit",
    "no lease": "two schedules at once",
    "no fence": "a process stalls for minutes",
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_does_not_survive(mutant: str) -> None:
    outcomes = (run(case, MUTANTS[mutant]) for case in faulty(_TELLING[mutant], range(3)))
    assert any(not outcome.survived for outcome in outcomes)


def test_two_entries_for_one_person_are_noticed() -> None:
    outcome = run(Case("none", "create", provider="google_meet"), without_owner)
    assert "b-1: a recipient has two entries" in outcome.wrong
