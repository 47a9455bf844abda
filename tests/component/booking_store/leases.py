"""Take leases in tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chalicelib.store.booking_leases import LEASE, BookingLeases
from tests.support.clock import FakeClock
from tests.support.rows import KEY

NOW = timedelta(0)


def acquire(leases: BookingLeases, clock: FakeClock, booking_id: str = KEY[1], *, after: timedelta = NOW) -> Any:
    """Lease the booking, after this time."""
    clock.advance(after.total_seconds())
    lease = leases.acquire(KEY[0], booking_id, clock())
    assert lease is not None
    return lease


def acquire_after_kill(leases: BookingLeases, clock: FakeClock) -> Any:
    """Take the lease after the process that had the last one was killed."""
    clock.advance(LEASE.total_seconds() + 3600)
    return acquire(leases, clock)
