"""The rows for one booking are the same, whether they were prefetched or are read one by one."""

from __future__ import annotations

import pytest

from chalicelib.store.booking_reads import BookingReads
from tests.support.product import WORKSPACE, Product, booking


@pytest.fixture
def booked(connected: Product) -> Product:
    assert connected.caller().put("/v1/bookings/b-1", json=booking()).is_success
    return connected


def prefetch(product: Product, booking_id: str = "b-1", calendar_id: str = "c-1") -> BookingReads:
    return product.services.booking_reader.prefetch(WORKSPACE, booking_id, calendar_id).reads


def test_prefetched_rows_are_the_rows_that_are_read(booked: Product) -> None:
    for reads in (prefetch(booked), prefetch(booked)):  # The first one learns the host of the calendar.
        others = booked.services.booking_reader.open(WORKSPACE, "b-1")
        assert reads.booking() == others.booking() is not None
        assert reads.calendar("c-1") == others.calendar("c-1") is not None
        assert reads.connection("u-1") == others.connection("u-1") is not None


def test_rows_that_do_not_exist_are_none(booked: Product) -> None:
    reads = prefetch(booked, "b-2", "c-2")
    assert (reads.booking(), reads.calendar("c-2"), reads.connection("u-2")) == (None, None, None)


def test_the_workspace_is_prefetched_too(booked: Product) -> None:
    workspace = booked.services.booking_reader.prefetch(WORKSPACE, "b-1", "c-1").workspace
    assert workspace == booked.services.workspace_store.get(WORKSPACE)


def test_rows_are_read_again_after_a_lost_race(booked: Product) -> None:
    reads = prefetch(booked)
    before = reads.booking()
    assert booked.caller().delete("/v1/bookings/b-1").is_success
    assert reads.booking() == before
    reads.forget()
    after = reads.booking()
    assert after is not None and after.booking.is_cancelled
