"""Every fault class leaves each booking with exactly its meeting and its mails."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.chaos.cases import faulty, run
from tests.chaos.classes import FAULTS
from tests.chaos.test_crashes import failures

_ENOUGH = {"provider out for an hour": 4}
_TICKS = 2.6
"""The lease of a settler that died, then a tick, and what that does."""
_BACKS_OFF = {"token endpoint", "everything at once"}
"""Here one booking may fail four times in a row, and then waits for some minutes."""


@pytest.mark.parametrize("fault", FAULTS)
def test_all_survive_and_recover_in_time(fault: str) -> None:
    cases = list(faulty(fault, range(1)))
    chosen = islice(cases, 0, None, -(-len(cases) // _ENOUGH.get(fault, 24)))
    outcomes = [run(case) for case in chosen]
    assert failures(outcomes) == []
    late = [(outcome.case.text, outcome.ticks) for outcome in outcomes if outcome.ticks > _TICKS]
    assert fault in _BACKS_OFF or late == []
