"""Every fault class leaves each booking with exactly its meeting and its mails."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.chaos.cases import faulty, run
from tests.chaos.classes import ALLOWANCE, FAULTS, QUEUE, REMINDERS
from tests.chaos.test_crashes import failures
from tests.support.examples import sample

_ENOUGH = {"provider out for an hour": 4}
_TICKS = 2.6
"""The lease of a settler that died, then a tick, and what that does."""
_BACKS_OFF = {"token endpoint", "everything at once", QUEUE, ALLOWANCE, REMINDERS}
"""Here one booking may fail four times in a row and wait for minutes, lose messages or wait for its allowance."""


@pytest.mark.parametrize("fault", FAULTS)
def test_all_survive_and_recover_in_time(fault: str) -> None:
    cases = list(faulty(fault, range(1)))
    chosen = islice(cases, 0, None, -(-len(cases) // _ENOUGH.get(fault, 24)))
    outcomes = [run(case) for case in sample(chosen, 5)]
    assert failures(outcomes) == []
    late = [(outcome.case.text, outcome.ticks) for outcome in outcomes if outcome.ticks > _TICKS]
    assert fault in _BACKS_OFF or late == []


def test_emails_that_are_handed_over_arrive_as_soon_as_messages_do() -> None:
    """Late ones come after 400 s at most; what was lost is sent again after two minutes and a tick."""
    limits = {"lost": 3.1, "refused": 3.1, "doubled, late, reordered": 2 * 400 / 60, "rough stream": 6.0}
    outcomes = [run(case) for case in sample(faulty(QUEUE, range(1)), 3)]
    late = [(o.case.text, o.ticks) for o in outcomes if o.ticks > limits.get(o.case.variant, 1.0)]
    assert late == []


def test_emails_over_the_allowance_are_sent_as_it_refills() -> None:
    """One email a minute: a change of host sends four after the two of the booking."""
    outcomes = [run(case) for case in faulty(ALLOWANCE, range(1)) if case.variant in ("calm", "no queue")]
    assert [(o.case.text, o.ticks) for o in outcomes if o.ticks > 4.1] == []
    assert max(o.ticks for o in outcomes) > 1.9
