"""What every benchmark shares: two things take turns, and the result is their ratio.

A busy machine slows both sides of a round alike, so ratios hold where milliseconds do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. `ours` and `theirs` are medians in `unit`, `ratio` the median of the rounds' ratios.

    `against` names the floor or the rival. `aim` bounds the ratio: at most, or at least for a rival to be beaten.
    `spread` is the ratios' middle half (third quartile minus first) over their median.
    """

    name: str
    ours: float
    against: str
    theirs: float
    ratio: float
    unit: str
    runs: int
    spread: float
    aim: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.aim is None:
            return None
        return self.ratio >= self.aim if self.at_least else self.ratio <= self.aim


def alternate(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> tuple[list[float], list[float]]:
    """Both sides, in turns, who goes first changing: a round each returns what it measured."""
    columns: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        sides = ((0, ours), (1, theirs))
        for column, side in sides if number % 2 else reversed(sides):
            columns[column].append(side())
    return columns


def compare(
    name: str,
    ours: Sequence[float],
    against: str,
    theirs: Sequence[float],
    unit: str,
    *,
    aim: float | None = None,
    at_least: bool = False,
    faster: bool = False,
) -> Line:
    """Rounds of both sides as a line. `faster` turns the ratio round: how many times as fast as theirs ours is."""
    ratios = [t / o if faster else o / t for o, t in zip(ours, theirs, strict=True)]
    return Line(
        name, median(ours), against, median(theirs), median(ratios), unit, len(ratios), _spread(ratios), aim, at_least
    )


def bounded(name: str, values: Sequence[float], against: str, limit: float, unit: str) -> Line:
    """Values that must stay below a limit that is not measured."""
    return compare(name, values, against, [limit] * len(values), unit, aim=1.0)


def table(lines: Sequence[Line]) -> str:
    """The lines as Markdown, for a terminal and for `docs/performance.md` alike."""
    head = ("what", "ours", "against", "theirs", "unit", "ratio", "aim", "", "runs", "spread")
    rows = [head, tuple("-" * 3 for _ in head), *(_row(line) for line in lines)]
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(head))]
    rows[1] = tuple("-" * width for width in widths)
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows
    )


def _row(line: Line) -> tuple[str, ...]:
    aim = "" if line.aim is None else f"{'≥' if line.at_least else '≤'} {line.aim:g}"
    verdict = {True: "met", False: "missed", None: ""}[line.met]
    return (
        line.name,
        f"{line.ours:.4g}",
        line.against,
        f"{line.theirs:.4g}",
        line.unit,
        f"{line.ratio:.2f}",
        aim,
        verdict,
        str(line.runs),
        f"{line.spread:.0%}",
    )


def _spread(ratios: Sequence[float]) -> float:
    if len(ratios) < 2:
        return 0.0
    first, middle, third = quantiles(ratios, n=4)
    return (third - first) / middle if middle else 0.0
