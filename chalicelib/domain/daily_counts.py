"""How many bookings of a workspace got their link in a day, how long that took, and how many failed.

A booking's row says when it first got a link and when it first failed. What is counted follows from the row alone, so
the counts can be made exact again from the rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.meeting import MeetingState
from chalicelib.domain.settlement import Settlement

LIMITS = (1, 2, 3, 5, 10, 30, 60, 300, 3600)
"""The upper limits of the buckets of times to link, in seconds. One more bucket has no limit."""
_NO_TIMES = (0,) * (len(LIMITS) + 1)
_MILLISECOND = timedelta(milliseconds=1)


class DayCounts(Struct, frozen=True):
    """The counts of one workspace and day, or a sum of them."""

    links: int = 0
    """Bookings that got their first link."""
    failures: int = 0
    """Bookings whose meeting failed for the first time."""
    times: tuple[int, ...] = _NO_TIMES
    """How many of the links took how long from the creation of their booking, by the buckets of `LIMITS`."""

    def quantile(self, share: float) -> float | None:
        """Return the seconds within which this share of the links was made; None if there are none.

        Within a bucket the times are taken as spread evenly. Of those beyond the last limit, only the limit is known.
        """
        total = sum(self.times)
        if not total:
            return None
        wanted, sums = share * total, list(accumulate(self.times))
        bucket = min(bisect_left(sums, wanted), len(LIMITS))
        if bucket == len(LIMITS):
            return float(LIMITS[-1])
        low, before = (LIMITS[bucket - 1], sums[bucket - 1]) if bucket else (0, 0)
        return low + (LIMITS[bucket] - low) * (wanted - before) / self.times[bucket]


def total(counts: Iterable[DayCounts]) -> DayCounts:
    """Return the sum of counts."""
    result = DayCounts()
    for day_counts in counts:
        times = tuple(a + b for a, b in zip(result.times, day_counts.times, strict=True))
        result = DayCounts(result.links + day_counts.links, result.failures + day_counts.failures, times)
    return result


def note_outcome(booking: Booking, before: Settlement, after: Settlement, at: datetime) -> Settlement:
    """Return `after` with when the booking first got a link and first failed, if that is now."""
    meeting, earlier, elapsed = after.meeting, before.meeting, (at - booking.created_at) // _MILLISECOND
    if meeting.state is MeetingState.READY and after.link_ms is None and earlier.join_url is None:
        return replace(after, link_ms=elapsed)
    is_failure = meeting.state is MeetingState.FAILED and earlier.state is not MeetingState.FAILED
    return replace(after, failure_ms=elapsed) if is_failure and after.failure_ms is None else after


def counts_of(created_at: datetime, before: Settlement | None, after: Settlement) -> dict[date, DayCounts]:
    """Return what a settler's write adds to the counts, by day. Without `before`, all that the row adds to them."""
    added: dict[date, DayCounts] = {}
    if after.link_ms is not None and (before is None or before.link_ms is None):
        times = _times(after.link_ms / 1000)
        added[_day(created_at, after.link_ms)] = DayCounts(links=1, times=times)
    if after.failure_ms is not None and (before is None or before.failure_ms is None):
        day = _day(created_at, after.failure_ms)
        added[day] = total([added.get(day, DayCounts()), DayCounts(failures=1)])
    return added


def _day(created_at: datetime, milliseconds: int) -> date:
    return (created_at + milliseconds * _MILLISECOND).astimezone(UTC).date()


def _times(seconds: float) -> tuple[int, ...]:
    bucket = bisect_left(LIMITS, seconds)
    return tuple(int(number == bucket) for number in range(len(_NO_TIMES)))
