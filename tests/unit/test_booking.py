"""What callers' changes make of a booking."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.booking import Appointment, Booking, Guest
from chalicelib.domain.booking_changes import book, cancel, change, settle_again
from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
from chalicelib.domain.connection import Account, Connection
from chalicelib.errors import Conflict
from tests.support.clock import START

LATER = START + timedelta(hours=1)
APPOINTMENT = Appointment(
    calendar_id="c-1",
    starts_at=START + timedelta(days=35),
    ends_at=START + timedelta(days=35, minutes=30),
    time_zone="Europe/Berlin",
    title="Introductory call",
    guests=(Guest("Demo Guest", "guest@example.com"),),
)


def calendar(kind: LocationType = LocationType.VIDEO, *, calendar_id: str = "c-1", user_id: str = "u-1") -> Calendar:
    host = Host(user_id, "Demo Host", "host@example.com")
    return Calendar("ws-1", calendar_id, "Introduction", host, Location(kind), START, START)


def connection(account_id: str = "a-1", *, since: datetime = START, **changes: Any) -> Connection:
    account = Account(account_id, "host@example.com")
    return replace(Connection("ws-1", "u-1", "zoom", f"zoom#{account_id}", account, since), **changes)


def booked(of: Connection | None = None, *, on: Calendar | None = None, version: int | None = None) -> Booking:
    return book(("ws-1", "b-1"), APPOINTMENT, on or calendar(), of, version=version, now=START)


def moved(booking: Booking, to: Calendar, of: Connection | None, *, now: datetime = LATER) -> Booking:
    other = replace(booking.appointment, calendar_id=to.calendar_id)
    return change(booking, other, to, of, version=None, now=now)


class TestBook:
    def test_a_booking_under_a_connection_may_get_a_meeting_of_that_account(self) -> None:
        eligible = booked(connection()).eligibility
        assert eligible is not None
        assert (eligible.provider, eligible.grant_id, eligible.connected_at) == ("zoom", "zoom#a-1", START)

    @pytest.mark.parametrize(
        ("of", "kind"),
        [
            (None, LocationType.VIDEO),
            (connection(since=LATER), LocationType.VIDEO),
            (connection(ended_reason="deauthorized"), LocationType.VIDEO),
            (connection(confirmed=False), LocationType.VIDEO),
            (connection(), LocationType.PHONE),
            (connection(), LocationType.CUSTOM_LINK),
        ],
        ids=["not connected", "connected later", "ended", "not confirmed", "by phone", "by a link of its own"],
    )
    def test_any_other_may_not(self, of: Connection | None, kind: LocationType) -> None:
        assert booked(of, on=calendar(kind)).eligibility is None


class TestChange:
    def test_new_content_raises_the_revision_and_nothing_else_does(self) -> None:
        before = booked()
        after = change(before, replace(APPOINTMENT, title="Other"), None, None, version=None, now=LATER)
        assert (after.revision, after.updated_at, after.created_at) == (2, LATER, START)
        assert change(after, after.appointment, None, None, version=None, now=LATER) is after

    @pytest.mark.parametrize(("first", "second"), [({"a": 1}, {"a": True}), ({"a": 1}, {"a": 1.5}), ({}, {"a": None})])
    def test_metadata_that_json_tells_apart_are_new_content(self, first: Any, second: Any) -> None:
        before = replace(booked(), appointment=replace(APPOINTMENT, metadata=first))
        after = change(before, replace(APPOINTMENT, metadata=second), None, None, version=None, now=LATER)
        assert after.revision == 2

    def test_a_newer_version_of_the_same_content_is_remembered(self) -> None:
        known = change(booked(version=1), APPOINTMENT, None, None, version=3, now=LATER)
        late = change(known, replace(APPOINTMENT, title="Late"), None, None, version=2, now=LATER)
        assert (late.appointment, late.version) == (APPOINTMENT, 3)

    def test_a_cancelled_booking_cannot_be_changed(self) -> None:
        with pytest.raises(Conflict) as refused:
            change(cancel(booked(), now=LATER), APPOINTMENT, None, None, version=None, now=LATER)
        assert refused.value.reason == "booking_cancelled"

    def test_one_version_has_one_content(self) -> None:
        with pytest.raises(Conflict) as refused:
            change(booked(version=1), replace(APPOINTMENT, title="Other"), None, None, version=1, now=LATER)
        assert refused.value.reason == "version_reused"

    @given(st.permutations(range(1, 7)), st.lists(st.integers(1, 6), max_size=6))
    def test_changes_in_any_order_and_number_leave_the_newest(self, order: list[int], again: list[int]) -> None:
        booking = booked(version=0)
        for version in [*order, *again]:
            wanted = replace(APPOINTMENT, title=f"Title {version}")
            booking = change(booking, wanted, None, None, version=version, now=LATER)
        assert (booking.appointment.title, booking.version) == ("Title 6", 6)


class TestMove:
    def test_to_another_host_it_takes_that_hosts_connection(self) -> None:
        after = moved(booked(connection()), calendar(calendar_id="c-2", user_id="u-2"), connection("a-2", since=START))
        assert (after.host.user_id, after.hosted_since) == ("u-2", LATER)
        assert after.eligibility is not None
        assert after.eligibility.grant_id == "zoom#a-2"

    def test_to_another_host_without_a_connection_it_takes_none(self) -> None:
        assert moved(booked(connection()), calendar(calendar_id="c-2", user_id="u-2"), None).eligibility is None

    def test_within_one_host_it_keeps_what_it_was_booked_under(self) -> None:
        after = moved(booked(connection()), calendar(calendar_id="c-2"), None)
        assert after.eligibility == booked(connection()).eligibility

    def test_within_one_host_it_gains_nothing_from_a_later_connection(self) -> None:
        after = moved(booked(None), calendar(calendar_id="c-2"), connection(since=LATER), now=LATER)
        assert after.eligibility is None

    def test_away_and_back_it_gains_nothing_from_a_later_connection_of_its_first_host(self) -> None:
        away = moved(booked(None), calendar(LocationType.PHONE, calendar_id="c-2"), None)
        back = moved(away, calendar(), connection(since=LATER - timedelta(minutes=1)))
        assert back.eligibility is None

    def test_to_the_phone_it_wants_no_meeting(self) -> None:
        after = moved(booked(connection()), calendar(LocationType.PHONE, calendar_id="c-2"), connection())
        assert (after.eligibility, after.wants_video) == (None, False)


class TestCancel:
    def test_it_raises_the_revision_once(self) -> None:
        once = cancel(booked(), now=LATER)
        assert (once.revision, once.is_cancelled, once.wants_video) == (2, True, False)
        assert cancel(once, now=LATER + timedelta(hours=1)) is once

    def test_one_that_comes_too_late_changes_nothing(self) -> None:
        booking = booked(version=5)
        assert cancel(booking, version=4, now=LATER) is booking


def test_asking_again_changes_nothing_but_the_revision() -> None:
    booking = booked(connection())
    assert replace(settle_again(booking, now=LATER), revision=1, updated_at=START) == booking
