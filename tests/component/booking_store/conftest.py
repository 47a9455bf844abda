"""The bookings table on moto."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.domain import retry_delays
from chalicelib.domain.booking import Booking
from chalicelib.store.booking_leases import BookingLeases
from chalicelib.store.bookings import BookingStore
from chalicelib.store.tables import DUE_PARTITIONS, WAITING_PARTITIONS
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.rows import booking


@pytest.fixture
def store(moto_aws: Aws) -> BookingStore:
    return BookingStore()


@pytest.fixture
def leases(moto_aws: Aws) -> BookingLeases:
    return BookingLeases(retry_delay=retry_delays.after_killed_run)


@pytest.fixture
def stored(store: BookingStore, clock: FakeClock) -> Booking:
    created = booking()
    store.create(created, clock())
    return created


@pytest.fixture
def due(store: BookingStore, clock: FakeClock) -> Callable[[], list[tuple[str, str]]]:
    """What is due now, over all partitions."""
    return lambda: [
        key for partition in (*DUE_PARTITIONS, *WAITING_PARTITIONS) for key in store.due(partition, clock(), 100)
    ]
