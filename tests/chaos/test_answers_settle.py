"""Any sequence of answers, moves and a cancellation, as fast as they may come, ends as the last of each says."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.answers import Choice
from tests.chaos import invariants
from tests.chaos.classes import FAULTS
from tests.chaos.world import World, new_world
from tests.support.clock import START
from tests.support.examples import examples

MOVES = [partial(World.put, starts_at=START + timedelta(days=days)) for days in (35, 36)]
ANSWERS = [partial(World.answer, choice=choice) for choice in Choice]
STEPS = st.lists(st.tuples(st.sampled_from([*MOVES, *ANSWERS]), st.sampled_from([2.0, 70.0])), max_size=6)


@examples(25)
@given(STEPS, st.booleans(), st.booleans(), st.integers(0, 99))
def test_answers_moves_and_cancellations_converge(
    steps: list[tuple[partial[object], float]], cancels: bool, is_rough: bool, seed: int
) -> None:
    rough = FAULTS["stream: duplicated, split, late, reordered"].variants["rough"]
    with new_world(seed, rough.conditions if is_rough else None) as world:
        world.put()
        world.rest()
        for step, pause in steps:
            step(world)
            world.run(pause)
        if cancels:
            world.cancel()
        world.rest()
        assert invariants.broken_promises(world) == []
        assert invariants.duplicate_mails(world) == []
        choices = world.answered.get("b-1", [])
        assert {answer.choice for answer in world.record().answers.values()} == set(choices[-1:])
