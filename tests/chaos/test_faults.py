"""Every fault class leaves each booking with exactly its meeting and its mails."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.chaos.cases import faulty, run
from tests.chaos.classes import FAULTS
from tests.chaos.test_crashes import failures

_ENOUGH = {"provider out for an hour": 4}


@pytest.mark.parametrize("fault", FAULTS)
def test_all_survive(fault: str) -> None:
    cases = list(faulty(fault, range(1)))
    chosen = islice(cases, 0, None, -(-len(cases) // _ENOUGH.get(fault, 24)))
    assert failures([run(case) for case in chosen]) == []
