"""Any provider in Zoom's place: what can happen to it, and a row for each in a table of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path

from chalicelib.providers.base import OAuthProvider
from chalicelib.providers.registry import PROVIDERS
from infra.progress import Progress
from tests.chaos.cases import Case, faulty, single_crashes
from tests.chaos.classes import FAULTS
from tests.chaos.report import Row, provider_table
from tests.chaos.scenarios import SCENARIOS
from tests.chaos.secrets import listener
from tests.chaos.tasks import Task, conclude, do, merge_results, pairs, split

OTHERS = tuple(name for name in PROVIDERS if name != "zoom")
_OUTPUT = Path("build/chaos-providers.json")
_NEEDS_A_SERVER = ("provider", "token endpoint")
_NEEDS_TOKENS = ("provider: 401, then good", "token endpoint")
_EVERY = {"DynamoDB": 5, "provider out for an hour": 3}
"""Where these many cases say little more of another provider than a few do."""


def cases(provider: str, seeds: range) -> Iterator[Case]:
    """A crash at every single point of every scenario; and every fault class that the provider can suffer from."""
    yield from chain.from_iterable(single_crashes(scenario, seeds.start, provider) for scenario in SCENARIOS)
    for fault in FAULTS:
        if _befalls(fault, provider):
            variants = FAULTS[fault].variants
            possible = (case for case in faulty(fault, seeds, provider) if not variants[case.variant].zoom)
            yield from islice(possible, 0, None, _EVERY.get(fault, 1))


def run_providers(names: tuple[str, ...], seeds: range, about: int, jobs: int) -> int:
    """Print the table; 1 if any run did not survive. `about` so many first crashes of pairs, -1 for all."""
    begun = time.monotonic()
    rows = {name: Row(name) for name in names}
    with ProcessPoolExecutor(jobs, initializer=listener) as pool:
        tasks = {name: list(_tasks(name, seeds, about)) for name in names}
        results = {name: pool.map(partial(do, by=attrgetter("provider")), tasks[name]) for name in names}
        for name in names:
            merge_results(rows, results[name], Progress(f"{name}: tasks", len(tasks[name])))
    took = round(time.monotonic() - begun)
    chosen = "all" if names == OTHERS else ",".join(names)
    command = f"python -m tests.chaos --provider {chosen} --seed {seeds.start} --runs {len(seeds)} --pairs {about}"
    print(provider_table(rows.values()))
    return conclude(rows.values(), _OUTPUT, command=command, seconds=took)


def _befalls(fault: str, provider: str) -> bool:
    kind = PROVIDERS[provider]
    if kind.is_local and fault.startswith(_NEEDS_A_SERVER):
        return False
    return issubclass(kind, OAuthProvider) or fault not in _NEEDS_TOKENS


def _tasks(provider: str, seeds: range, about: int) -> Iterator[Task]:
    yield from split(cases(provider, seeds))
    for scenario in SCENARIOS:
        yield from pairs(scenario, seeds.start, about, provider)
