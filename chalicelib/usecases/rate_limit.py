"""Limit the requests of a workspace: a token bucket in each process, and a usage that all processes share.

Lambda runs many processes, so a bucket in each of them alone would limit nothing. The shared usage is a time in a row:
each request moves it into the future by 1/rate seconds, and requests are refused while it is further ahead than the
burst takes (the generic cell rate algorithm). It is read together with the API key, so it costs no call. To save
writes, one request in `_SAMPLE` counts for all of them. What passes beyond the limit, because requests arrive before
the others' writes, delays later requests. If the usage is unavailable, only the buckets limit: a limit must never cause
an outage.
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

_SAMPLE = 4
_MAX_WORKSPACES = 10_000


class SharedUsage(Protocol):
    """The usage that all processes share. Raises only `StoreError`."""

    def add_usage(self, workspace_id: str, amount: timedelta, now: datetime, *, is_idle: bool) -> None: ...


class Allowance(Struct, frozen=True):
    """The decision about one request."""

    granted: bool
    remaining: int
    """How many more requests are allowed at once."""
    reset_seconds: int
    """When the whole burst is allowed again."""
    retry_after_seconds: int


class _Bucket(Struct):
    """One workspace's requests to this process."""

    tokens: float
    filled_at: float
    """When `tokens` was last updated, in seconds since 1970."""


class RateLimit:
    """Allows each workspace `rate` requests a second, and `burst` at once."""

    def __init__(
        self,
        usage: SharedUsage,
        rate: float,
        burst: int,
        clock: Callable[[], datetime],
        sample: Callable[[], float],
    ) -> None:
        """`sample` returns a random number from 0 to 1."""
        self.rate = rate
        self.burst = burst
        self._usage = usage
        self._clock = clock
        self._sample = sample
        self._buckets: dict[str, _Bucket] = {}
        self._lock = Lock()

    @property
    def window_seconds(self) -> float:
        """The time that the burst takes at the rate."""
        return self.burst / self.rate

    def count_request(self, workspace_id: str, used_until: datetime | None) -> Allowance:
        """Count one request and return whether it is allowed.

        `used_until` is the shared usage as it was read with the API key; None: there is none, or it is unavailable.
        """
        now = self._clock()
        ahead = max(0.0, (used_until - now).total_seconds()) if used_until else 0.0
        if ahead >= self.window_seconds:
            wait_seconds = ceil(ahead - self.window_seconds + 1 / self.rate)
            return Allowance(False, 0, ceil(ahead), wait_seconds)
        with self._lock:
            bucket = self._bucket(workspace_id, now.timestamp())
            if bucket.tokens < 1:
                wait_seconds = max(1, ceil((1 - bucket.tokens) / self.rate))
                return Allowance(False, 0, ceil(self.window_seconds), wait_seconds)
            bucket.tokens -= 1
            remaining = int(min(bucket.tokens, (self.window_seconds - ahead) * self.rate))
        if self._sample() < 1 / _SAMPLE:
            self._report(workspace_id, now, is_idle=not ahead)
        return Allowance(True, remaining, ceil((self.burst - remaining) / self.rate), 0)

    def _bucket(self, workspace_id: str, seconds: float) -> _Bucket:
        if len(self._buckets) >= _MAX_WORKSPACES:
            self._buckets.clear()
        bucket = self._buckets.setdefault(workspace_id, _Bucket(self.burst, seconds))
        bucket.tokens = min(self.burst, bucket.tokens + max(0.0, seconds - bucket.filled_at) * self.rate)
        bucket.filled_at = seconds
        return bucket

    def _report(self, workspace_id: str, now: datetime, *, is_idle: bool) -> None:
        amount = timedelta(seconds=_SAMPLE / self.rate)
        try:
            self._usage.add_usage(workspace_id, amount, now, is_idle=is_idle)
        except StoreError as error:
            log.warning("the shared usage is unavailable", error=type(error).__name__)
