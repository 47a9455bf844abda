"""The cases in shares that are small enough to spread over processes, and what is told when all were run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from infra.progress import Progress
from tests.chaos.cases import Case, paired_crashes, run, single_crashes
from tests.chaos.report import Row, as_json
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


def merge_results(rows: Mapping[str, Row], results: Iterable[list[Row]], progress: Progress) -> None:
    """Add the results of tasks to the rows, and show the progress with the number of runs and failures."""
    runs = failed = 0
    with progress:
        for counted in results:
            for row in counted:
                rows[row.fault].merge(row)
                runs += row.runs
                failed += row.runs - row.survived
            progress.advance(note=f"{runs:,} runs, {failed:,} failed")


def conclude(rows: Iterable[Row], output: Path, *, command: str, seconds: int) -> int:
    """Write the figures down, and print what to replay; 1 if any run did not survive."""
    rows = list(rows)
    print(f"\n{sum(row.runs for row in rows):,} runs in {seconds} s. {command}")
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(as_json(rows, command=command, seconds=seconds), indent=1) + "\n")
    failures = [failure for row in rows for failure in row.failures]
    for failure in failures[:10]:
        print(f"\n--case {failure['case']!r}\n  " + "\n  ".join(failure["wrong"]))
    return 1 if failures else 0


def do(task: Task, by: Callable[[Case], str]) -> list[Row]:
    """Run the task; a row for each name that `by` gives to one of its cases."""
    rows: dict[str, Row] = {}
    for case in task.cases:
        for one in paired_crashes(case, run(case)) if task.pairs else [case]:
            rows.setdefault(by(one), Row(by(one))).add(run(one))
    return list(rows.values())
