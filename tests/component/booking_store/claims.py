"""Leases, as tests take them."""

from __future__ import annotations

from typing import Any

from chalicelib.store.bookings import LEASE, BookingStore
from tests.support.clock import FakeClock
from tests.support.rows import KEY


def claimed(store: BookingStore, clock: FakeClock) -> Any:
    lease = store.lease(*KEY, clock())
    assert lease is not None
    return lease


def died(store: BookingStore, clock: FakeClock) -> Any:
    """The claim after one whose holder was not heard of again."""
    clock.advance(LEASE.total_seconds() + 3600)
    return claimed(store, clock)
