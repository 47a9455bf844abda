"""Leases, as tests take them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chalicelib.store.bookings import LEASE, BookingStore
from tests.support.clock import FakeClock
from tests.support.rows import KEY

NOW = timedelta(0)


def claimed(store: BookingStore, clock: FakeClock, booking_id: str = KEY[1], *, after: timedelta = NOW) -> Any:
    """A claim of the booking, that much later."""
    clock.advance(after.total_seconds())
    lease = store.lease(KEY[0], booking_id, clock())
    assert lease is not None
    return lease


def died(store: BookingStore, clock: FakeClock) -> Any:
    """The claim after one whose holder was not heard of again."""
    clock.advance(LEASE.total_seconds() + 3600)
    return claimed(store, clock)
