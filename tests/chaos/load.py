"""Many bookings through the whole settle path at once, while one call in twenty goes wrong."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.chaos import faults, invariants
from tests.chaos.faults import CALLS, while_it_lasts
from tests.chaos.network import Trouble
from tests.chaos.world import Conditions, Stream, World, new_world

_SHARE = 0.05
_WAVE = 500
_CALENDARS = ("c-1", "c-2", "c-3")


def run_load(bookings: int, seed: int) -> int:
    """Print what came of it; 1 if any booking was lost or doubled."""
    begun = time.monotonic()
    memory: list[int] = []
    with new_world(seed, Conditions(Stream(duplicate=_SHARE, drop=_SHARE))) as world:
        world.network.troubles += _troubles(world)
        for first in range(0, bookings, _WAVE):
            for number in range(first, min(first + _WAVE, bookings)):
                world.put(f"b-{number}", delay=world.random.uniform(0, 60), calendar_id=_CALENDARS[number % 3])
            world.run(60)
            gc.collect()
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        world.rest()
        took = time.monotonic() - begun
        wrong = invariants.broken_promises(world)
        lost, twice = invariants.lost(world), len(invariants.duplicate_mails(world))
        meetings = len(world.zoom.held.by_id) + len(world.rooms.rooms)
    print(f"{bookings:,} bookings, {meetings:,} meetings, {lost} lost, {twice} mails twice, {len(wrong)} other faults")
    print(f"{bookings / took:.0f} bookings a second of real time; memory in MB after each {_WAVE}: {memory}")
    for what in wrong[:10]:
        print(f"  {what}")
    return 1 if wrong or lost or twice else 0


def _troubles(world: World) -> list[Trouble]:
    """One call in twenty goes wrong, wherever it goes, in one of its ways."""
    at_provider = [
        faults.lost_after(world),
        faults.lost_before(world),
        faults.answers(500, text="oops", after=True),
        faults.answers(503, text="oops"),
        faults.retry_after(world, "seconds", 5),
    ]
    throttled = faults.dynamo_says(world, "ThrottlingException")
    kinds = (
        (CALLS, at_provider),
        ("ses SendEmail", [faults.mail_unavailable(world)]),
        ("dynamodb Update", [throttled]),
    )

    def one_of(acts: list[faults.Act], point: str, perform: Callable[[], Any]) -> Any:
        return world.random.choice(acts)(point, perform)

    def now_and_then() -> bool:
        return world.random.random() < _SHARE

    return [while_it_lasts(at, partial(one_of, acts), now_and_then) for at, acts in kinds]
