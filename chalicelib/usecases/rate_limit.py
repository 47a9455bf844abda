"""How much a workspace may ask: a bucket in this process, and a count that busy processes share.

Lambda runs many processes, so a bucket in each of them alone would limit nothing. A process that serves much of a
workspace therefore tells a shared counter, once in `_STEP` requests; one that serves little never does, and its
requests cost no round trip. All processes together let through at most the burst and `_STEP` for each process in a
window. If the counter does not answer, the buckets alone hold: a limit must never be the reason of an outage.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from math import ceil
from threading import Lock
from typing import Protocol

from msgspec import Struct

from chalicelib.errors import StoreError
from chalicelib.observability import log

_STEP = 10
_REMEMBERED = 10_000


class Counter(Protocol):
    def count(self, key: str, by: int, expires_at: datetime) -> int: ...


class Allowance(Struct, frozen=True):
    """Whether a request may go on, how many more may follow at once, and in how many seconds all may again."""

    granted: bool
    remaining: int
    reset_seconds: int
    retry_after_seconds: int


class _Usage(Struct):
    tokens: float
    filled_at: float
    window: int = 0
    mine: int = 0
    reported: int = 0
    total: int = 0


class RateLimit:
    """`rate` requests a second for each workspace, `burst` at once."""

    def __init__(self, counter: Counter, rate: float, burst: int, clock: Callable[[], datetime]) -> None:
        self.rate = rate
        self.burst = burst
        self._counter = counter
        self._clock = clock
        self._usages: dict[str, _Usage] = {}
        self._lock = Lock()

    @property
    def window_seconds(self) -> float:
        """In which the shared count may reach the burst: together that is the rate."""
        return self.burst / self.rate

    def take(self, workspace_id: str) -> Allowance:
        """Count one request."""
        now = self._clock()
        seconds = now.timestamp()
        with self._lock:
            usage = self._usage(workspace_id, seconds)
            if usage.total >= self.burst:
                wait = (usage.window + 1) * self.window_seconds - seconds
                return Allowance(False, 0, ceil(wait), max(1, ceil(wait)))
            if usage.tokens < 1:
                return Allowance(False, 0, ceil(self.window_seconds), max(1, ceil((1 - usage.tokens) / self.rate)))
            usage.tokens -= 1
            usage.mine += 1
            news = usage.mine - usage.reported if usage.mine - usage.reported >= _STEP else 0
            usage.reported += news
            allowance = Allowance(True, int(usage.tokens), ceil((self.burst - usage.tokens) / self.rate), 0)
        if news:
            self._share(workspace_id, usage, news, now)
        return allowance

    def _usage(self, workspace_id: str, seconds: float) -> _Usage:
        if len(self._usages) >= _REMEMBERED:
            self._usages.clear()
        usage = self._usages.setdefault(workspace_id, _Usage(self.burst, seconds))
        usage.tokens = min(self.burst, usage.tokens + max(0.0, seconds - usage.filled_at) * self.rate)
        usage.filled_at = seconds
        window = int(seconds / self.window_seconds)
        if window != usage.window:
            usage.window, usage.mine, usage.reported, usage.total = window, 0, 0, 0
        return usage

    def _share(self, workspace_id: str, usage: _Usage, news: int, now: datetime) -> None:
        window = usage.window
        try:
            total = self._counter.count(f"rate#{workspace_id}#{window}", news, now + timedelta(minutes=1))
        except StoreError as error:
            log.warning("the shared rate count did not answer", error=type(error).__name__)
            return
        with self._lock:
            if usage.window == window:
                usage.total = max(usage.total, total)
