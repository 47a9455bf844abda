"""The bookings table: the index of due work, and pages in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.booking import Booking, BookingStatus, Eligibility
from chalicelib.domain.history import with_history
from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.domain.settlement import Settlement
from chalicelib.store.booking_leases import LEASE, BookingLeases
from chalicelib.store.booking_lists import BookingQuery
from chalicelib.store.booking_records import Record
from chalicelib.store.bookings import BookingStore
from chalicelib.store.tables import DUE_PARTITIONS
from tests.component.booking_store.leases import acquire
from tests.support.clock import START, FakeClock
from tests.support.examples import examples
from tests.support.rows import KEY, MINUTE, WORKSPACE, booking, settlement

OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1), timezones=OFFSETS)


class TestDueWork:
    def test_a_new_booking_is_due_at_once(self, due: Any, stored: Booking) -> None:
        assert due() == [KEY]

    def test_a_leased_booking_is_due_when_its_lease_ends(
        self, leases: BookingLeases, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        acquire(leases, clock)
        assert due() == []
        clock.advance(LEASE.total_seconds())
        assert due() == [KEY]

    def test_a_deferred_booking_is_due_at_its_time_and_free(
        self, leases: BookingLeases, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        leases.defer(acquire(leases, clock), settlement(), clock() + timedelta(minutes=5), clock())
        assert due() == []
        clock.advance(5 * 60)
        assert due() == [KEY]
        assert leases.acquire(*KEY, clock()) is not None

    def test_a_deferred_booking_that_is_made_due_is_due_now(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        leases.defer(acquire(leases, clock), settlement(), clock() + timedelta(days=1), clock())
        store.make_due(*KEY, clock())
        assert due() == [KEY]

    def test_settled_bookings_leave_the_index(
        self, leases: BookingLeases, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        leases.finish(acquire(leases, clock), settlement(), clock())
        clock.advance(10**6)
        assert due() == []

    def test_making_a_settled_booking_due_leaves_it_settled(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        leases.finish(acquire(leases, clock), settlement(), clock())
        store.make_due(*KEY, clock())
        assert due() == []

    def test_making_an_unknown_booking_due_creates_none(self, store: BookingStore, due: Any, clock: FakeClock) -> None:
        store.make_due(*KEY, clock())
        assert (due(), store.get(*KEY)) == ([], None)

    def test_a_settled_booking_that_changes_is_due_again(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        leases.finish(acquire(leases, clock), settlement(), clock())
        store.replace(booking(revision=2), over_revision=1, now=clock())
        assert due() == [KEY]

    def test_the_longest_overdue_come_first_and_no_more_than_asked_for(
        self, store: BookingStore, clock: FakeClock
    ) -> None:
        for number in range(40):
            store.create(booking(f"b-{number}"), clock() - number * MINUTE)
        for partition in DUE_PARTITIONS:
            everything = store.due(partition, clock(), 100)
            numbers = [int(booking_id.removeprefix("b-")) for _, booking_id in everything]
            assert numbers == sorted(numbers, reverse=True)
            assert store.due(partition, clock(), 2) == everything[:2]

    def test_work_is_spread_over_every_partition(self, store: BookingStore, clock: FakeClock) -> None:
        for number in range(60):
            store.create(booking(f"b-{number}"), clock())
        assert all(store.due(partition, clock(), 1) for partition in DUE_PARTITIONS)


class TestWaiting:
    """Meetings that wait are parked in partitions of their own, where they are counted."""

    def test_a_deferred_booking_counts_while_its_meeting_waits(
        self, store: BookingStore, leases: BookingLeases, clock: FakeClock
    ) -> None:
        for number in range(20):
            store.create(booking(f"b-{number}"), clock())
            leases.defer(acquire(leases, clock, f"b-{number}"), waiting(), clock() + MINUTE, clock())
        assert store.count_waiting() == 20
        leases.finish(acquire(leases, clock, "b-1", after=2 * MINUTE), settlement(), clock())
        assert store.count_waiting() == 19

    def test_a_booking_that_waits_is_due_when_its_time_comes(
        self, leases: BookingLeases, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        leases.defer(acquire(leases, clock), waiting(), clock() + MINUTE, clock())
        assert due() == []
        clock.advance(61)
        assert due() == [KEY]

    def test_it_still_counts_during_the_next_try(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        leases.defer(acquire(leases, clock), waiting(), clock() + MINUTE, clock())
        lease = acquire(leases, clock, after=2 * MINUTE)
        assert store.count_waiting() == 1
        leases.save(lease, waiting(), clock())
        assert store.count_waiting() == 1

    @pytest.mark.parametrize("state", [MeetingState.PENDING, MeetingState.READY])
    def test_a_booking_that_is_due_for_something_else_does_not_count(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, clock: FakeClock, state: MeetingState
    ) -> None:
        leases.defer(acquire(leases, clock), waiting(), clock() + MINUTE, clock())
        other = replace(settlement(), meeting=Meeting(state))
        leases.defer(acquire(leases, clock, after=2 * MINUTE), other, clock() + MINUTE, clock())
        assert store.count_waiting() == 0

    def test_a_later_verification_does_not_count(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        leases.defer(acquire(leases, clock), waiting(), clock() + MINUTE, clock())
        lease = acquire(leases, clock, after=2 * MINUTE)
        leases.finish(lease, settlement(), clock(), due_at=clock() + MINUTE)
        assert store.count_waiting() == 0
        clock.advance(61)
        assert due() == [KEY]

    def test_many_that_wait_do_not_hide_what_is_new(
        self, store: BookingStore, leases: BookingLeases, due: Any, clock: FakeClock
    ) -> None:
        for number in range(5):
            store.create(booking(f"b-{number}"), clock())
            leases.defer(acquire(leases, clock, f"b-{number}"), waiting(), clock(), clock())
        store.create(booking("b-new"), clock() + MINUTE)
        clock.advance(61)
        assert (WORKSPACE, "b-new") in [key for partition in DUE_PARTITIONS for key in store.due(partition, clock(), 1)]


def waiting() -> Settlement:
    return replace(settlement(), meeting=Meeting(MeetingState.WAITING))


def starting(store: BookingStore, clock: FakeClock, *minutes: int, **changes: Any) -> None:
    """Bookings named for the minute at which they start."""
    for minute in minutes:
        store.create(booking(f"m-{minute}", starts_at=START + minute * MINUTE, **changes), clock())


def pages(store: BookingStore, query: BookingQuery, limit: int) -> Iterator[list[str]]:
    after: str | None = None
    while True:
        records, after = store.page(query, limit=limit, after=after)
        yield [record.booking.booking_id for record in records]
        if after is None:
            return


class TestPages:
    def test_pages_follow_the_start(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 30, 10, 50, 20, 40)
        assert list(pages(store, BookingQuery(WORKSPACE), 2)) == [["m-10", "m-20"], ["m-30", "m-40"], ["m-50"]]

    def test_a_last_page_that_is_full_has_no_next(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 1, 2)
        assert list(pages(store, BookingQuery(WORKSPACE), 2)) == [["m-1", "m-2"]]

    def test_pages_survive_inserts_before_and_after_the_mark(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 10, 20, 30, 40)
        first, after = store.page(BookingQuery(WORKSPACE), limit=2, after=None)
        starting(store, clock, 5, 15, 25)
        second, _ = store.page(BookingQuery(WORKSPACE), limit=9, after=after)
        assert [r.booking.booking_id for r in first + second] == ["m-10", "m-20", "m-25", "m-30", "m-40"]

    def test_bookings_that_start_together_come_one_after_the_other(self, store: BookingStore, clock: FakeClock) -> None:
        for number in range(4):
            store.create(booking(f"b-{number}"), clock())
        assert list(pages(store, BookingQuery(WORKSPACE), 1)) == [["b-0"], ["b-1"], ["b-2"], ["b-3"]]

    def test_a_range_has_its_beginning_and_not_its_end(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 10, 20, 30)
        query = BookingQuery(WORKSPACE, starts_from=START + 10 * MINUTE, starts_before=START + 30 * MINUTE)
        assert list(pages(store, query, 9)) == [["m-10", "m-20"]]

    def test_a_range_of_another_offset_means_the_same_instants(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 10, 20)
        berlin = timezone(timedelta(hours=1))
        query = BookingQuery(WORKSPACE, starts_from=(START + 20 * MINUTE).astimezone(berlin))
        assert list(pages(store, query, 9)) == [["m-20"]]

    def test_a_range_that_ends_before_it_begins_is_empty(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 10)
        query = BookingQuery(WORKSPACE, starts_from=START + MINUTE, starts_before=START - MINUTE)
        assert list(pages(store, query, 9)) == [[]]

    def test_a_rescheduled_booking_moves(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 10, 20)
        store.replace(booking("m-10", revision=2, starts_at=START + 30 * MINUTE), over_revision=1, now=clock())
        assert list(pages(store, BookingQuery(WORKSPACE), 9)) == [["m-20", "m-10"]]

    def test_other_workspaces_are_not_seen(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 10)
        starting(store, clock, 20, workspace_id="ws-2")
        assert list(pages(store, BookingQuery(WORKSPACE), 9)) == [["m-10"]]
        assert list(pages(store, BookingQuery("ws-2", user_id="u-1"), 9)) == [["m-20"]]

    @pytest.mark.parametrize(
        "wanted",
        [{"calendar_id": "c-2"}, {"status": "cancelled"}, {"user_id": "u-2"}],
        ids=lambda wanted: next(iter(wanted)),
    )
    def test_filters_fill_their_pages(self, store: BookingStore, clock: FakeClock, wanted: dict[str, str]) -> None:
        changes: dict[str, Any] = dict(wanted)
        if "status" in changes:
            changes["status"] = BookingStatus.CANCELLED
        starting(store, clock, 10, 30, 50)
        starting(store, clock, 20, 40, 60, **changes)
        assert list(pages(store, BookingQuery(WORKSPACE, **wanted), 2)) == [["m-20", "m-40"], ["m-60"]]

    def test_filters_combine(self, store: BookingStore, clock: FakeClock) -> None:
        cancelled = BookingStatus.CANCELLED
        starting(store, clock, 10, user_id="u-2", calendar_id="c-2")
        starting(store, clock, 20, user_id="u-2", calendar_id="c-2", status=cancelled)
        starting(store, clock, 30, user_id="u-2", status=cancelled)
        query = BookingQuery(WORKSPACE, user_id="u-2", calendar_id="c-2", status="cancelled")
        assert list(pages(store, query, 9)) == [["m-20"]]

    def test_a_booking_that_changes_hosts_is_listed_under_the_new_one_only(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        store.replace(booking(revision=2, user_id="u-2"), over_revision=1, now=clock())
        assert list(pages(store, BookingQuery(WORKSPACE, user_id="u-1"), 9)) == [[]]
        assert list(pages(store, BookingQuery(WORKSPACE, user_id="u-2"), 9)) == [["b-1"]]

    def test_upcoming_are_confirmed_bookings_of_the_host_that_are_not_over(
        self, store: BookingStore, clock: FakeClock
    ) -> None:
        starting(store, clock, -31, -29, 10)
        starting(store, clock, 20, status=BookingStatus.CANCELLED)
        starting(store, clock, 30, user_id="u-2")
        found = [record.booking.booking_id for record in store.upcoming(WORKSPACE, "u-1", clock())]
        assert found == ["m--29", "m-10"]


@given(st.lists(MOMENTS, min_size=6, max_size=6))
@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_time_comes_back_as_the_same_instant(
    store: BookingStore, leases: BookingLeases, times: list[datetime]
) -> None:
    starts_at, ends_at, connected_at, hosted_since, created_at, attempt_at = times
    written = replace(
        booking(uuid4().hex, starts_at=starts_at, ends_at=ends_at),
        eligibility=Eligibility("zoom", "zoom#a-1", connected_at),
        hosted_since=hosted_since,
        created_at=created_at,
    )
    key = (WORKSPACE, written.booking_id)
    store.create(written, START)
    reached = settlement(intent_at=created_at, next_attempt_at=attempt_at)
    leases.finish(leases.acquire(*key, START), reached, START)
    expected = with_history(replace(reached, written_at=START), written, {}, START)
    assert store.get(*key) == Record(written, expected, settled_revision=1)


@given(MOMENTS, MOMENTS)
@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_starts_are_listed_in_the_order_of_time_whatever_their_offset(
    store: BookingStore, one: datetime, other: datetime
) -> None:
    workspace_id = uuid4().hex
    store.create(booking("one", starts_at=one, workspace_id=workspace_id), START)
    store.create(booking("other", starts_at=other, workspace_id=workspace_id), START)
    listed, _ = store.page(BookingQuery(workspace_id), limit=2, after=None)
    starts = [record.booking.appointment.starts_at for record in listed]
    assert starts == sorted([one, other])
