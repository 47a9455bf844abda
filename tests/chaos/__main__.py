"""`python -m tests.chaos`: the long version. Exit status 1 if any run did not survive."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from operator import attrgetter
from pathlib import Path

from infra.progress import Progress
from tests.chaos.cases import PAIR, SINGLE, Case, crashes_of, faulty, reminder_crashes, run, single_crashes
from tests.chaos.classes import ALLOWANCE, FAULTS, QUEUE
from tests.chaos.report import Row, table
from tests.chaos.scenarios import REMINDING, SCENARIOS
from tests.chaos.secrets import listener
from tests.chaos.tasks import Task, conclude, do, merge_results, pairs, split

_OUTPUT = Path("build/chaos.json")


def main() -> int:
    """Run what the arguments ask for."""
    choice = _arguments()
    if choice.case:
        return _replay(Case.read(choice.case))
    if choice.load:
        from tests.chaos.load import run_load

        return run_load(choice.load, choice.seed)
    if choice.provider:
        from tests.chaos.providers import OTHERS, run_providers

        names = OTHERS if choice.provider == "all" else (choice.provider,)
        return run_providers(names, range(choice.seed, choice.seed + choice.runs), choice.pairs or 0, choice.jobs)
    about = -1 if choice.pairs is None else choice.pairs
    begun = time.monotonic()
    rows = {name: Row(name) for name in (SINGLE, PAIR, *FAULTS)}
    tasks = list(_tasks(choice.seed, choice.runs, about))
    with ProcessPoolExecutor(choice.jobs, initializer=listener) as pool:
        try:
            merge_results(rows, pool.map(partial(do, by=attrgetter("fault")), tasks), Progress("tasks", len(tasks)))
        except KeyboardInterrupt:
            print("\nInterrupted. The results so far:")
            pool.shutdown(wait=False, cancel_futures=True)
    took = round(time.monotonic() - begun)
    command = f"python -m tests.chaos --seed {choice.seed} --runs {choice.runs} --pairs {about}"
    print(table(rows.values()))
    return conclude(rows.values(), _OUTPUT, command=command, seconds=took)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="where chance begins")
    parser.add_argument("--runs", type=int, default=20, help="seeds for each variant of a fault class")
    parser.add_argument(
        "--pairs",
        type=int,
        help="about so many first crashes of pairs for each scenario; -1 is all: as with Zoom, others have none",
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--case", help="replay one case, as a failure names it")
    parser.add_argument("--load", type=int, help="so many bookings at once, with five percent of faults")
    parser.add_argument("--provider", help="this provider in Zoom's place, or `all` others")
    return parser.parse_args()


def _replay(case: Case) -> int:
    outcome = run(case)
    for number, point in enumerate(outcome.points):
        print(f"{number:4} {point}")
    print("survived" if outcome.survived else "\n".join(outcome.wrong))
    print(
        f"lost {outcome.lost}, orphans {outcome.orphans}, duplicate meetings {outcome.duplicate_meetings}, "
        f"duplicate mails {outcome.duplicate_mails}, recovered in {outcome.ticks:.1f} ticks"
    )
    return 0 if outcome.survived else 1


def _tasks(seed: int, runs: int, about: int) -> Iterator[Task]:
    for name in FAULTS:
        yield from split(faulty(name, range(seed, seed + runs)))
    for scenario in SCENARIOS:
        yield from split(single_crashes(scenario, seed))
        for name in (QUEUE, ALLOWANCE):
            yield from split(crashes_of(name, scenario, seed))
        yield from pairs(scenario, seed, about)
    for scenario in REMINDING:
        yield from split(reminder_crashes(scenario, seed))


if __name__ == "__main__":
    sys.exit(main())
