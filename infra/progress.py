"""Show the progress of a long command on stderr: in place on a terminal, as a line now and then in a pipe or a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TextIO, TypeVar

T = TypeVar("T")

_TERMINAL_SECONDS = 0.1
"""Between updates in place."""
_LOG_SECONDS = 10.0
"""Between lines when stderr is not a terminal."""
_CLEAR_LINE = "\r\x1b[K"


class Progress:
    """Count the items of a loop and show how many are done, how fast, and how long the rest takes.

    >>> with Progress("rows read", total=4000) as progress:
    ...     for row in progress.track(rows):
    ...         process(row)
    rows read: 1,200 of 4,000 (30 %), 85 a second, 33 s left
    rows read: 4,000 in 47 s
    """

    def __init__(
        self,
        label: str,
        total: int | None = None,
        *,
        qualifier: str = "",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`total`: None if unknown. `qualifier`: shown before a total that is not exact, such as "about"."""
        self._label, self._total, self._qualifier = label, total or None, f"{qualifier} ".lstrip()
        self._stream = stream or sys.stderr
        self._clock = clock
        self._started_at = self._shown_at = clock()
        self._done = 0
        self._note = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave one line with the result, or with the last state if an error ended the loop."""
        seconds = self._clock() - self._started_at
        self._print(self._describe(seconds) if error else self._join(f"{self._done:,} in {seconds:.0f} s"), end="\n")

    def track(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items and count each when the loop is done with it."""
        for item in items:
            yield item
            self.advance()

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count items that are done. `note` is shown after the figures, such as "3 failed"."""
        self._done += count
        self._note = note or self._note
        now = self._clock()
        if now - self._shown_at >= (_TERMINAL_SECONDS if self._stream.isatty() else _LOG_SECONDS):
            self._shown_at = now
            self._print(self._describe(now - self._started_at), end="" if self._stream.isatty() else "\n")

    def _describe(self, seconds: float) -> str:
        rate = self._done / seconds if seconds > 0 else 0.0
        if self._total is None:
            return self._join(f"{self._done:,}", _rate(rate))
        percent = min(100, 100 * self._done // self._total)
        left = max(0, self._total - self._done)
        figures = f"{self._done:,} of {self._qualifier}{self._total:,} ({percent} %)"
        return self._join(figures, _rate(rate), f"{_duration(left / rate)} left" if rate else "")

    def _join(self, *parts: str) -> str:
        return f"{self._label}: {', '.join(part for part in (*parts, self._note) if part)}"

    def _print(self, text: str, *, end: str) -> None:
        print(f"{_CLEAR_LINE if self._stream.isatty() else ''}{text}", end=end, file=self._stream, flush=True)


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f} a second" if per_second >= 1 else f"{60 * per_second:.0f} a minute"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
