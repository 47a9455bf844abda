"""The table: what each fault class did to how many runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.cases import Outcome

_HEADINGS = (
    "fault class",
    "runs",
    "survived",
    "lost bookings",
    "duplicate meetings",
    "duplicate mails",
    "recovery in ticks (median, most)",
)
_PROVIDER_HEADINGS = ("provider", *_HEADINGS[1:5], "orphans at the provider", *_HEADINGS[5:])
_KEPT_FAILURES = 20


@dataclass
class Row:
    """One fault class, or one provider.

    `ticks` are the recoveries of all runs; `failures` are cases to replay, with what was wrong.
    """

    fault: str
    runs: int = 0
    survived: int = 0
    lost: int = 0
    duplicate_meetings: int = 0
    duplicate_mails: int = 0
    orphans: int = 0
    ticks: list[float] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.runs += 1
        self.survived += outcome.survived
        self.lost += outcome.lost
        self.duplicate_meetings += outcome.duplicate_meetings
        self.duplicate_mails += outcome.duplicate_mails
        self.orphans += outcome.orphans
        self.ticks.append(round(outcome.ticks, 1))
        if not outcome.survived and len(self.failures) < _KEPT_FAILURES:
            self.failures.append({"case": outcome.case.text, "wrong": outcome.wrong})

    def merge(self, other: Row) -> None:
        """Take in what another process counted for the same class."""
        self.runs += other.runs
        self.survived += other.survived
        self.lost += other.lost
        self.duplicate_meetings += other.duplicate_meetings
        self.duplicate_mails += other.duplicate_mails
        self.orphans += other.orphans
        self.ticks += other.ticks
        self.failures = (self.failures + other.failures)[:_KEPT_FAILURES]

    def cells(self) -> tuple[str, ...]:
        ordered = sorted(self.ticks) or [0.0]
        recovery = f"{ordered[len(ordered) // 2]:.1f}, {ordered[-1]:.1f}"
        counts = (self.runs, self.survived, self.lost, self.duplicate_meetings, self.duplicate_mails)
        return (self.fault, *(f"{count:,}" for count in counts), recovery)


def table(rows: Iterable[Row]) -> str:
    """Markdown."""
    return _markdown(_HEADINGS, (row.cells() for row in rows))


def provider_table(rows: Iterable[Row]) -> str:
    """The same with a provider in each row, and what was left behind there."""
    cells = ((row, row.cells()) for row in rows)
    return _markdown(_PROVIDER_HEADINGS, ((*told[:5], f"{row.orphans:,}", *told[5:]) for row, told in cells))


def _markdown(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headings, ("---", *["---:"] * (len(headings) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_json(rows: Iterable[Row], **known: Any) -> dict[str, Any]:
    """What `build/chaos.json` holds: the table's figures, and the failures to replay."""
    listed = []
    for row in rows:
        ordered = sorted(row.ticks) or [0.0]
        figures = {name: value for name, value in asdict(row).items() if name != "ticks"}
        listed.append(figures | {"ticks_median": ordered[len(ordered) // 2], "ticks_most": ordered[-1]})
    return known | {"rows": listed}
