"""Every benchmark still runs: the smallest round of each, whose figures mean nothing."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import accept, after_booking, cold_quota, cold_start, growth, measure, neighbours, parts, settle, stack
from benchmarks.stub import stub_dynamodb

ROUNDS: dict[str, Callable[[], Iterable[measure.Line]]] = {
    "accept": lambda: accept.run(rounds=1, batch=1),
    "after_booking": lambda: after_booking.run(rounds=1, batch=1),
    "growth": lambda: growth.run(many=3, due=2, settled=20),
    "parts": lambda: parts.run(rounds=1),
    "settle": lambda: settle.run(rounds=1, bookings=1, seconds=0.001, slow_seconds=0.0),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_a_benchmark_gives_lines(name: str) -> None:
    lines = list(ROUNDS[name]())
    assert lines
    assert all(line.ours >= 0 and line.theirs > 0 and line.runs == 1 for line in lines)


@pytest.mark.parametrize("kind", ["floor", "api", "settled"])
def test_a_cold_start_ends_well(kind: str) -> None:
    packages = Path(sysconfig.get_paths()["purelib"])
    with stub_dynamodb(cold_start.rows()) as endpoint:
        assert cold_start.start(kind, cold_start.ROOT, endpoint, packages)["ms"] > 0


def test_a_cold_start_on_a_share_of_a_processor_ends_well() -> None:
    packages = Path(sysconfig.get_paths()["purelib"])
    with stub_dynamodb(cold_start.rows()) as endpoint:
        init, event = cold_quota.measure("schedule", cold_start.ROOT, endpoint, 512, {}, packages)
    assert init > 0
    assert event > 0


def test_all_of_them_are_run() -> None:
    assert {*ROUNDS, "cold_start", "stack"} == set(benchmarks.ALL)
    assert callable(stack.run)


def test_the_table_says_what_was_missed() -> None:
    slow = measure.compare("a", [3.0, 3.0], "b", [1.0, 1.0], "s", aim=2.0)
    fast = measure.compare("a", [1.0, 1.0], "b", [3.0, 3.0], "s", aim=2.0, at_least=True, faster=True)
    assert (slow.met, fast.met) == (False, True)
    assert "missed" in measure.table([slow])


@pytest.mark.exhaustive
def test_the_neighbours_of_a_busy_workspace_hardly_notice() -> None:
    """A smaller flood than the benchmark's, with the limits of docs/reliability.md."""
    flood = neighbours.measure(bookings=60, guests=50, slow_endpoints=10, victims=11, seconds=180.0)
    assert max(flood.link) < 2.7
    assert max(flood.emails) < 10
    assert max(flood.first_try) < 5
    assert max(flood.retry) < 66 + 60 + 5
    assert 1200 <= flood.attackers_emails <= 600 + 3 * 600
