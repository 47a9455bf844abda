"""A host with more meetings at a time than the account can run: the booking says so, and nothing is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.booking import Booking, BookingStatus
from chalicelib.domain.calendar import Location, LocationType
from chalicelib.domain.host_load import find_overload
from chalicelib.handlers import operations
from tests.support.clock import START
from tests.support.product import Product, booking, calendar
from tests.unit.test_booking import booked, connection

BASE = booked(connection())


def at(number: int, start: float, minutes: float) -> Booking:
    starts_at = START + timedelta(days=35, minutes=start)
    appointment = replace(BASE.appointment, starts_at=starts_at, ends_at=starts_at + timedelta(minutes=minutes))
    return replace(BASE, booking_id=f"b-{number}", appointment=appointment)


@pytest.fixture
def hosted(product: Product) -> Product:
    product.connect()
    assert product.caller().put("/v1/calendars/c-1", json=calendar()).is_success
    return product


def put(product: Product, booking_id: str, **changes: Any) -> dict[str, Any] | None:
    assert product.caller().put(f"/v1/bookings/{booking_id}", json=booking(**changes)).is_success
    assert product.settle() == []
    body = product.caller().get(f"/v1/bookings/{booking_id}").json()
    assert body["meeting"]["state"] == "ready"
    busy: dict[str, Any] | None = body["host_busy"]
    return busy


def test_a_booking_that_overlaps_says_so_until_it_is_moved(hosted: Product) -> None:
    assert put(hosted, "b-1") is None
    assert put(hosted, "b-2", days=35 + 15 / 1440) == {"meetings_at_once": 1, "booking_ids": ["b-1"]}
    assert put(hosted, "b-2", days=35 + 30 / 1440) is None  # It begins when the other ends.
    assert len(hosted.mails.to("guest@example.com")) == 3


def test_an_account_that_can_run_two_is_not_busy_with_two(hosted: Product) -> None:
    update = {"do": "update-workspace", "workspace_id": "ws-1", "meetings_at_once": 2}
    assert operations.run(update, hosted.services, "test")["meetings_at_once"] == 2
    put(hosted, "b-1")
    assert put(hosted, "b-2") is None
    assert put(hosted, "b-3") == {"meetings_at_once": 2, "booking_ids": ["b-1", "b-2"]}


def test_neither_cancelled_bookings_nor_other_hosts_count(hosted: Product) -> None:
    put(hosted, "b-1")
    hosted.caller().delete("/v1/bookings/b-1")
    hosted.settle()
    assert put(hosted, "b-2") is None
    hosted.connect("u-2")
    hosted.caller().put("/v1/calendars/c-2", json=calendar(user_id="u-2"))
    assert put(hosted, "b-3", calendar_id="c-2") is None


def test_a_provider_without_a_limit_is_never_busy(product: Product) -> None:
    product.connect_with_key("jitsi", {"server": "meet.example.com"})
    product.caller().put("/v1/calendars/c-1", json=calendar())
    assert put(product, "b-1") is None
    assert put(product, "b-2") is None


@given(st.lists(st.tuples(st.integers(-60, 60), st.integers(1, 90)), max_size=6), st.integers(1, 3))
def test_the_load_is_that_of_the_busiest_minute(others: list[tuple[int, int]], limit: int) -> None:
    mine = at(0, 0, 30)
    bookings = [mine, *(at(number, start, minutes) for number, (start, minutes) in enumerate(others, start=1))]
    busiest = max(1 + sum(start <= minute < start + minutes for start, minutes in others) for minute in range(30))
    assert (find_overload(mine, bookings, limit) is not None) is (busiest > limit)


def test_only_meetings_of_the_same_account_count() -> None:
    mine, other = at(0, 0, 30), at(1, 0, 30)
    assert find_overload(mine, [other], 1) is not None
    phone = replace(other, location=Location(LocationType.PHONE))
    unconnected = replace(other, eligibility=None)
    another = replace(other, eligibility=booked(connection("a-2")).eligibility)
    cancelled = replace(other, status=BookingStatus.CANCELLED)
    assert find_overload(mine, [phone, unconnected, another, cancelled], 1) is None
