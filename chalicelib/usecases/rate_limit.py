"""Limit the requests of a workspace: a token bucket in each process, and a count that busy processes share.

Lambda runs many processes, so a bucket in each of them alone would limit nothing. A process therefore reports every
`_STEP` requests of a workspace to a shared counter; a process with fewer requests reports none, and its requests cost
no round trip. In one window, all processes together allow at most the burst plus `_STEP` for each process. If the
counter is unavailable, only the buckets limit: a limit must never cause an outage.
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
_MAX_WORKSPACES = 10_000


class Counter(Protocol):
    """A counter that all processes share."""

    def increment(self, key: str, amount: int, expires_at: datetime) -> int: ...


class Allowance(Struct, frozen=True):
    """The decision about one request."""

    granted: bool
    remaining: int
    """How many more requests are allowed at once."""
    reset_seconds: int
    """When the whole burst is allowed again."""
    retry_after_seconds: int


class _Usage(Struct):
    """One workspace's requests."""

    tokens: float
    filled_at: float
    """When `tokens` was last updated, in seconds since 1970."""
    window: int = 0
    """Number of the current window."""
    own: int = 0
    """Requests to this process in the window."""
    reported: int = 0
    """Those of `own` that the shared counter has."""
    total: int = 0
    """Requests to all processes in the window, as far as this process knows."""


class RateLimit:
    """Allows each workspace `rate` requests a second, and `burst` at once."""

    def __init__(self, counter: Counter, rate: float, burst: int, clock: Callable[[], datetime]) -> None:
        self.rate = rate
        self.burst = burst
        self._counter = counter
        self._clock = clock
        self._usages: dict[str, _Usage] = {}
        self._lock = Lock()

    @property
    def window_seconds(self) -> float:
        """The time in which the shared count may reach the burst: burst divided by rate."""
        return self.burst / self.rate

    def count_request(self, workspace_id: str) -> Allowance:
        """Count one request and return whether it is allowed."""
        now = self._clock()
        seconds = now.timestamp()
        with self._lock:
            usage = self._usage(workspace_id, seconds)
            if usage.total >= self.burst:
                wait_seconds = ceil((usage.window + 1) * self.window_seconds - seconds)
                return Allowance(False, 0, wait_seconds, max(1, wait_seconds))
            if usage.tokens < 1:
                return Allowance(False, 0, ceil(self.window_seconds), max(1, ceil((1 - usage.tokens) / self.rate)))
            usage.tokens -= 1
            usage.own += 1
            unreported = usage.own - usage.reported if usage.own - usage.reported >= _STEP else 0
            usage.reported += unreported
            allowance = Allowance(True, int(usage.tokens), ceil((self.burst - usage.tokens) / self.rate), 0)
        if unreported:
            self._report(workspace_id, usage, unreported, now)
        return allowance

    def _usage(self, workspace_id: str, seconds: float) -> _Usage:
        if len(self._usages) >= _MAX_WORKSPACES:
            self._usages.clear()
        usage = self._usages.setdefault(workspace_id, _Usage(self.burst, seconds))
        usage.tokens = min(self.burst, usage.tokens + max(0.0, seconds - usage.filled_at) * self.rate)
        usage.filled_at = seconds
        window = int(seconds / self.window_seconds)
        if window != usage.window:
            usage.window, usage.own, usage.reported, usage.total = window, 0, 0, 0
        return usage

    def _report(self, workspace_id: str, usage: _Usage, requests: int, now: datetime) -> None:
        window = usage.window
        try:
            total = self._counter.increment(f"rate#{workspace_id}#{window}", requests, now + timedelta(minutes=1))
        except StoreError as error:
            log.warning("the shared rate counter is unavailable", error=type(error).__name__)
            return
        with self._lock:
            if usage.window == window:
                usage.total = max(usage.total, total)
