"""Long commands show their progress: in place on a terminal, as lines now and then elsewhere."""

from __future__ import annotations

from io import StringIO

import pytest

from infra.progress import Progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(stream: StringIO, items: int, *, seconds_each: float, total: int | None, qualifier: str = "") -> str:
    clock = Clock()
    with Progress("rows", total, qualifier=qualifier, stream=stream, clock=clock) as progress:
        for _ in progress.track(range(items)):
            clock.now += seconds_each
    return stream.getvalue()


def test_a_pipe_gets_a_line_every_ten_seconds_and_one_at_the_end() -> None:
    output = run(StringIO(), 200, seconds_each=0.125, total=200)
    assert output.splitlines() == [
        "rows: 80 of 200 (40 %), 8 a second, 15 s left",
        "rows: 160 of 200 (80 %), 8 a second, 5 s left",
        "rows: 200 in 25 s",
    ]


def test_a_terminal_is_updated_in_place() -> None:
    output = run(Terminal(), 4, seconds_each=0.5, total=4)
    updates = output.split("\r\x1b[K")
    assert updates[1] == "rows: 1 of 4 (25 %), 2 a second, 2 s left"
    assert updates[-1] == "rows: 4 in 2 s\n"
    assert output.count("\n") == 1


def test_a_terminal_is_not_updated_more_than_ten_times_a_second() -> None:
    assert run(Terminal(), 1000, seconds_each=0.001, total=1000).count("\r") <= 11


@pytest.mark.parametrize(
    ("total", "qualifier", "expected"),
    [
        (None, "", "rows: 10, 1 a second"),
        (0, "about", "rows: 10, 1 a second"),
        (100, "about", "rows: 10 of about 100 (10 %), 1 a second, 90 s left"),
        (100, "at most", "rows: 10 of at most 100 (10 %), 1 a second, 90 s left"),
        (5, "about", "rows: 10 of about 5 (100 %), 1 a second, 0 s left"),
        (1000, "", "rows: 10 of 1,000 (1 %), 1 a second, 16 min left"),
    ],
)
def test_a_total_can_be_unknown_or_an_estimate(total: int | None, qualifier: str, expected: str) -> None:
    assert run(StringIO(), 10, seconds_each=1.0, total=total, qualifier=qualifier).splitlines()[0] == expected


def test_slow_work_is_counted_by_the_minute() -> None:
    assert "2 a minute" in run(StringIO(), 1, seconds_each=30.0, total=4)


def test_an_error_leaves_the_last_state() -> None:
    stream, clock = StringIO(), Clock()

    def fail() -> None:
        with Progress("rows", 10, stream=stream, clock=clock) as progress:
            progress.advance(3, note="1 failed")
            clock.now += 1.0
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert stream.getvalue() == "rows: 3 of 10 (30 %), 3 a second, 2 s left, 1 failed\n"
