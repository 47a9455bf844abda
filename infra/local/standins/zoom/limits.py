"""Zoom's rate limits: creates and updates per host and day, calls per account and second.

Source: https://developers.zoom.us/docs/api/rest/rate-limits/
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

from infra.local.standins.base import Clock
from infra.local.standins.zoom.errors import daily_headers, daily_limit_reached, too_many_per_second

DAILY_LIMIT = 100


class Limits:
    """Counts calls."""

    daily_limit = DAILY_LIMIT
    qps: int | None = None
    """The limit of calls per second. None leaves them unlimited."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._days: Counter[tuple[str, date]] = Counter()
        self._seconds: dict[str, tuple[int, int]] = {}

    def count_call(self, account_id: str, category: str) -> None:
        """Count a call of any kind; raises ApiError 429 beyond `qps` in one second."""
        if self.qps is None:
            return
        now = int(self._clock().timestamp())
        second, calls = self._seconds.get(account_id, (now, 0))
        calls = calls + 1 if second == now else 1
        if calls > self.qps:
            raise too_many_per_second(self.qps, category, now + 1)
        self._seconds[account_id] = (now, calls)

    def check_day(self, user_id: str, category: str) -> None:
        """Raise ApiError 429 if the host's creates and updates of the UTC day are used up."""
        today = self._clock().date()
        if self._days[user_id, today] >= self.daily_limit:
            midnight = datetime.combine(today + timedelta(days=1), time(), tzinfo=UTC)
            raise daily_limit_reached(self.daily_limit, category, midnight)

    def count_write(self, user_id: str, category: str) -> dict[str, str]:
        """Count a create or update that succeeded; the headers that tell of it (devforum.zoom.us/t/59670)."""
        today = self._clock().date()
        self._days[user_id, today] += 1
        return daily_headers(category, self.daily_limit, self.daily_limit - self._days[user_id, today])

    def reset(self) -> None:
        """Forget all counts."""
        self._days.clear()
        self._seconds.clear()
