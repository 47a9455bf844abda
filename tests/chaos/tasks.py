"""The cases in shares that are small enough to spread over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from tests.chaos.cases import Case, paired_crashes, run, single_crashes
from tests.chaos.report import Row
from tests.chaos.scenarios import SCENARIOS

_AT_ONCE = 40


@dataclass(frozen=True)
class Task:
    """Cases to run; or, of `pairs`, every second crash after the first one of each case."""

    cases: tuple[Case, ...]
    pairs: bool = False


def split(cases: Iterable[Case]) -> Iterator[Task]:
    """The cases, some at once."""
    rest = iter(cases)
    while share := tuple(islice(rest, _AT_ONCE)):
        yield Task(share)


def pairs(scenario: str, seed: int, about: int, provider: str = "zoom") -> Iterator[Task]:
    """All ordered pairs of crashes; or those of `about` so many first ones, if that is not negative.

    Where a second request comes at every point, all pairs would be a million runs: a few points stand for all.
    """
    if about == 0:
        return
    singles = single_crashes(scenario, seed, provider)
    firsts = [case for case in singles if SCENARIOS[scenario].meanwhile is None or case.meanwhile_at in (1, 4, 6)]
    step = max(1, len(firsts) // about) if about > 0 else 1
    yield from (Task((case,), pairs=True) for case in firsts[::step])


def do(task: Task, by: Callable[[Case], str]) -> list[Row]:
    """Run the task; a row for each name that `by` gives to one of its cases."""
    rows: dict[str, Row] = {}
    for case in task.cases:
        for one in paired_crashes(case, run(case)) if task.pairs else [case]:
            rows.setdefault(by(one), Row(by(one))).add(run(one))
    return list(rows.values())
