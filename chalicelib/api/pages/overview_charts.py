"""The geometry of the overview's charts. The template draws them as SVG, without scripts and without inline styles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

HEIGHT = 100
STEP = 10
"""The width of a day. The picture is stretched to the width of the page."""
_GAP = 1.5
TIME_TICKS = (0, 1, 10, 60, 600, 3600)
"""Seconds at equal distances: most links take seconds, a few take hours."""


class Bar(Struct, frozen=True):
    """A day with two values in one bar."""

    x: float
    width: float
    y: float
    height: float
    """Of the value in front."""
    back_y: float
    back_height: float
    """Of the value behind it, or above it."""
    title: str


class BarChart(Struct, frozen=True):
    """Bars, and the labels of the axis from top to bottom at equal distances."""

    bars: tuple[Bar, ...]
    width: int
    grid: tuple[float, ...]


def stacked_bars(values: Sequence[tuple[int, int]], top: int, lines: int, titles: Sequence[str]) -> BarChart:
    """Draw two counts of each day above each other."""
    bars = []
    for number, ((low, high), title) in enumerate(zip(values, titles, strict=True)):
        first, second = HEIGHT * low / top, HEIGHT * high / top
        bars.append(_bar(number, (HEIGHT - first, first), (HEIGHT - first - second, second), title))
    return BarChart(tuple(bars), STEP * len(values), _grid(lines))


def nested_bars(values: Sequence[tuple[float, float] | None], titles: Sequence[str]) -> BarChart:
    """Draw two times of each day, the longer one behind the shorter one, by the scale of `TIME_TICKS`."""
    bars = []
    for number, (times, title) in enumerate(zip(values, titles, strict=True)):
        if times is not None:
            short, long = (HEIGHT * _on_scale(seconds) for seconds in times)
            bars.append(_bar(number, (HEIGHT - short, short), (HEIGHT - long, long), title))
    return BarChart(tuple(bars), STEP * len(values), _grid(len(TIME_TICKS)))


def round_up(number: int) -> int:
    """Return the next of 2, 4, 10, 20, 40, 100, …: half of it is a whole number too."""
    top = 2
    while top < number:
        top = top * 2 if str(top)[0] in "12" else top // 4 * 10
    return top


def _on_scale(seconds: float) -> float:
    """Return where the time is between the first tick, 0, and the last one, 1."""
    for number, (low, high) in enumerate(pairwise(TIME_TICKS)):
        if seconds <= high:
            return (number + (seconds - low) / (high - low)) / (len(TIME_TICKS) - 1)
    return 1.0


def _bar(number: int, front: tuple[float, float], back: tuple[float, float], title: str) -> Bar:
    y, height, back_y, back_height = (round(value, 2) for value in (*front, *back))
    return Bar(STEP * number + _GAP, STEP - 2 * _GAP, y, height, back_y, back_height, title)


def _grid(lines: int) -> tuple[float, ...]:
    return tuple(round(HEIGHT * number / (lines - 1), 2) for number in range(lines))
