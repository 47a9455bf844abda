"""The bookings table: callers' conditional writes, settlers' leases and fences, the index of due work, pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.booking import Appointment, Booking, BookingStatus, Eligibility, Guest
from chalicelib.domain.calendar import Host, Location, LocationType
from chalicelib.domain.invitation import Invitation, InvitationState, Method, Role
from chalicelib.domain.meeting import DialIn, Meeting, MeetingState
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import LostRace, StoreError
from chalicelib.store.bookings import LEASE, BookingStore, Query, Record, all_shards
from chalicelib.store.tables import BookingItem
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock

WORKSPACE = "ws-1"
KEY = (WORKSPACE, "b-1")
MINUTE = timedelta(minutes=1)
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1), timezones=OFFSETS)


def booking(booking_id: str = "b-1", *, revision: int = 1, user_id: str = "u-1", **changes: Any) -> Booking:
    """A confirmed video booking; `changes` are to its appointment."""
    starts_at = changes.pop("starts_at", START + timedelta(days=35))
    status = changes.pop("status", BookingStatus.CONFIRMED)
    workspace_id = changes.pop("workspace_id", WORKSPACE)
    appointment = Appointment(
        calendar_id="c-1",
        starts_at=starts_at,
        ends_at=changes.pop("ends_at", starts_at + timedelta(minutes=30)),
        time_zone="Europe/Berlin",
        title="Introductory call",
        guests=(Guest("Demo Guest", "guest@example.com", "America/New_York"),),
        metadata={"source": ["web", 1, None]},
    )
    return Booking(
        workspace_id=workspace_id,
        booking_id=booking_id,
        revision=revision,
        status=status,
        appointment=replace(appointment, **changes),
        host=Host(user_id, "Demo Host", "host@example.com"),
        location=Location(LocationType.VIDEO),
        eligibility=Eligibility("zoom", "zoom#a-1", START),
        hosted_since=START,
        created_at=START,
        updated_at=START,
    )


def settlement(**changes: Any) -> Settlement:
    """A meeting that is ready and an invitation that is out; `changes` are to the meeting."""
    meeting = Meeting(
        state=MeetingState.READY,
        provider="zoom",
        user_id="u-1",
        grant_id="zoom#a-1",
        id="93412345678",
        join_url="https://zoom.us/j/93412345678",
        passcode="739182",
        dial_in=(DialIn("+49 69 1234 5678", "DE", "Frankfurt"),),
        generation=1,
        fingerprint="f",
        intent_at=START,
    )
    sent = Invitation(
        email="guest@example.com",
        name="Demo Guest",
        role=Role.GUEST,
        time_zone="UTC",
        method=Method.REQUEST,
        sequence=0,
        content="c",
        state=InvitationState.SENT,
        sent_at=START,
        message_id="m-1",
    )
    return Settlement(1, replace(meeting, **changes), (sent,), sequence=0, uid="b-1@example.com")


@pytest.fixture
def store(moto_aws: Aws) -> BookingStore:
    return BookingStore()


@pytest.fixture
def due(store: BookingStore, clock: FakeClock) -> Callable[[], list[tuple[str, str]]]:
    """What is due now, over all partitions."""
    return lambda: [key for shard in all_shards() for key in store.due(shard, clock(), 100)]


@pytest.fixture
def stored(store: BookingStore, clock: FakeClock) -> Booking:
    created = booking()
    store.create(created, clock())
    return created


def claimed(store: BookingStore, clock: FakeClock) -> Any:
    claim = store.lease(*KEY, clock())
    assert claim is not None
    return claim


def died(store: BookingStore, clock: FakeClock) -> Any:
    """The claim after one whose holder was not heard of again."""
    clock.advance(LEASE.total_seconds() + 3600)
    return claimed(store, clock)


class TestCallers:
    def test_an_unknown_booking_is_none(self, store: BookingStore) -> None:
        assert store.get(*KEY) is None

    def test_a_new_booking_is_read_back_as_written_and_unsettled(self, store: BookingStore, stored: Booking) -> None:
        assert store.get(*KEY) == Record(stored, Settlement(), settled_revision=0)
        assert not store.get(*KEY).is_settled

    def test_creating_the_same_id_twice_loses(self, store: BookingStore, stored: Booking, clock: FakeClock) -> None:
        with pytest.raises(LostRace):
            store.create(booking(title="Another"), clock())
        assert store.get(*KEY).booking == stored

    def test_the_same_id_in_another_workspace_is_another_booking(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        other = booking(workspace_id="ws-2", title="Another")
        store.create(other, clock())
        assert store.get(*KEY).booking == stored
        assert store.get("ws-2", "b-1").booking == other

    def test_a_change_over_the_newest_revision_is_stored(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        changed = booking(revision=2, title="Changed")
        store.replace(changed, over_revision=1, now=clock())
        assert store.get(*KEY).booking == changed

    def test_a_change_over_a_stale_revision_loses(self, store: BookingStore, stored: Booking, clock: FakeClock) -> None:
        newest = booking(revision=2, title="First")
        store.replace(newest, over_revision=1, now=clock())
        with pytest.raises(LostRace):
            store.replace(booking(revision=2, title="Second"), over_revision=1, now=clock())
        assert store.get(*KEY).booking == newest

    def test_a_change_of_an_unknown_booking_loses_and_makes_none(self, store: BookingStore, clock: FakeClock) -> None:
        with pytest.raises(LostRace):
            store.replace(booking(revision=2), over_revision=1, now=clock())
        assert store.get(*KEY) is None

    def test_a_change_keeps_what_was_settled(self, store: BookingStore, stored: Booking, clock: FakeClock) -> None:
        store.settle(claimed(store, clock), settlement(), clock())
        store.replace(booking(revision=2), over_revision=1, now=clock())
        record = store.get(*KEY)
        assert (record.settlement, record.settled_revision, record.is_settled) == (settlement(), 1, False)


class TestLeases:
    def test_an_unsettled_free_booking_can_be_leased(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        claim = store.lease(*KEY, clock())
        assert (claim.booking, claim.settlement) == (stored, Settlement())

    def test_an_unknown_booking_cannot_be_leased_and_is_not_made(self, store: BookingStore, clock: FakeClock) -> None:
        assert store.lease(*KEY, clock()) is None
        assert store.get(*KEY) is None

    def test_a_leased_booking_cannot_be_leased_before_the_lease_ends(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        claimed(store, clock)
        clock.advance(LEASE.total_seconds() - 0.001)
        assert store.lease(*KEY, clock()) is None

    def test_a_booking_can_be_leased_again_after_the_lease_ended(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        first = claimed(store, clock)
        clock.advance(LEASE.total_seconds() + 0.001)
        assert store.lease(*KEY, clock()).fence > first.fence

    def test_a_settled_booking_cannot_be_leased(self, store: BookingStore, stored: Booking, clock: FakeClock) -> None:
        store.settle(claimed(store, clock), settlement(), clock())
        assert store.lease(*KEY, clock()) is None

    def test_a_settled_booking_that_changed_can_be_leased_at_once(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        store.settle(claimed(store, clock), settlement(), clock())
        changed = booking(revision=2)
        store.replace(changed, over_revision=1, now=clock())
        claim = store.lease(*KEY, clock())
        assert (claim.booking, claim.settlement) == (changed, settlement())

    def test_progress_renews_the_lease(self, store: BookingStore, stored: Booking, clock: FakeClock) -> None:
        claim = claimed(store, clock)
        clock.advance(LEASE.total_seconds() - 1)
        store.save(claim, settlement(), clock())
        clock.advance(LEASE.total_seconds() - 1)
        assert store.lease(*KEY, clock()) is None


def test_a_row_that_the_database_refuses_for_its_size_is_no_outage(
    store: BookingStore, stored: Booking, clock: FakeClock
) -> None:
    with pytest.raises(StoreError) as refused:
        store.save(claimed(store, clock), settlement(join_url="x" * 500_000), clock())
    assert type(refused.value) is StoreError


class TestUnfinishedRuns:
    def test_leases_of_whose_end_nothing_is_heard_are_counted(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        assert [claimed(store, clock).silent_runs, died(store, clock).silent_runs] == [0, 1]
        assert [died(store, clock).silent_runs, died(store, clock).silent_runs] == [2, 3]

    @pytest.mark.parametrize("end", ["park", "note_end"])
    def test_a_run_that_tells_its_end_was_none_of_them(
        self, store: BookingStore, stored: Booking, clock: FakeClock, end: str
    ) -> None:
        claimed(store, clock)
        claim = died(store, clock)
        more = (settlement(), clock(), clock()) if end == "park" else ()
        getattr(store, end)(claim, *more)
        assert died(store, clock).silent_runs == 0

    def test_runs_that_crashed_are_counted_apart_until_one_lets_go(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        store.note_end(claimed(store, clock), crashed=True)
        claim = died(store, clock)
        assert (claim.silent_runs, claim.crashed_runs) == (0, 1)
        store.note_end(claim, crashed=True)
        claim = died(store, clock)
        assert claim.crashed_runs == 2
        store.park(claim, settlement(), clock(), clock())
        assert claimed(store, clock).crashed_runs == 0

    def test_an_early_end_keeps_the_hold_until_its_time(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        store.note_end(claimed(store, clock), crashed=True)
        assert store.lease(*KEY, clock()) is None

    def test_an_overtaken_run_says_nothing(self, store: BookingStore, stored: Booking, clock: FakeClock) -> None:
        overtaken = claimed(store, clock)
        died(store, clock)
        with pytest.raises(LostRace):
            store.note_end(overtaken, crashed=True)

    def test_after_two_deaths_a_third_would_not_be_due_when_the_lease_ends_also_after_progress(
        self, store: BookingStore, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        claimed(store, clock)
        died(store, clock)
        third = died(store, clock)
        clock.advance(LEASE.total_seconds() + 1)
        assert due() == []
        store.save(third, settlement(), clock())
        clock.advance(LEASE.total_seconds() + 1)
        assert due() == []
        clock.advance(4 * 60)
        assert due() == [KEY]

    def test_a_row_that_cannot_be_read_is_tried_ever_more_rarely(
        self, store: BookingStore, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        BookingItem(*KEY).update([BookingItem.desired.set("{}")])
        for _ in range(3):
            with pytest.raises(msgspec.ValidationError):
                store.lease(*KEY, clock())
            clock.advance(LEASE.total_seconds() + 1)
        assert due() == []


class TestSettlers:
    def test_progress_is_stored(self, store: BookingStore, stored: Booking, clock: FakeClock) -> None:
        store.save(claimed(store, clock), settlement(), clock())
        assert store.get(*KEY) == Record(stored, settlement(), settled_revision=0)

    def test_saving_tells_the_newest_desired_state(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        claim = claimed(store, clock)
        changed = booking(revision=2, status=BookingStatus.CANCELLED)
        store.replace(changed, over_revision=1, now=clock())
        newer = store.save(claim, settlement(), clock())
        assert (newer.booking, newer.settlement, newer.fence) == (changed, settlement(), claim.fence)

    def test_settling_records_the_revision_and_lets_go(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        assert store.settle(claimed(store, clock), settlement(), clock()) is None
        record = store.get(*KEY)
        assert record == Record(stored, settlement(), settled_revision=1)
        assert record.is_settled

    def test_settling_a_booking_that_changed_meanwhile_keeps_the_claim(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        claim = claimed(store, clock)
        changed = booking(revision=2)
        store.replace(changed, over_revision=1, now=clock())
        kept = store.settle(claim, settlement(), clock())
        assert (kept.booking, kept.settlement, kept.fence) == (changed, settlement(), claim.fence)
        assert store.lease(*KEY, clock()) is None
        assert not store.get(*KEY).is_settled

    def test_a_kept_claim_settles_the_newer_revision(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        claim = claimed(store, clock)
        store.replace(booking(revision=2), over_revision=1, now=clock())
        kept = store.settle(claim, settlement(), clock())
        assert store.settle(kept, settlement(), clock()) is None
        assert store.get(*KEY).settled_revision == 2

    def test_parking_a_booking_that_changed_meanwhile_keeps_the_claim(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        claim = claimed(store, clock)
        store.replace(booking(revision=2), over_revision=1, now=clock())
        assert store.park(claim, settlement(), clock() + MINUTE, clock()).booking.revision == 2

    @pytest.mark.parametrize("write", ["save", "settle", "park"])
    def test_an_overtaken_settler_writes_nothing(
        self, store: BookingStore, stored: Booking, clock: FakeClock, write: str
    ) -> None:
        overtaken = claimed(store, clock)
        clock.advance(LEASE.total_seconds() + 1)
        newest = store.save(claimed(store, clock), settlement(), clock())
        until = [clock() + MINUTE] if write == "park" else []
        with pytest.raises(LostRace):
            getattr(store, write)(overtaken, settlement(id="another"), *until, clock())
        assert store.get(*KEY).settlement == settlement()
        assert store.settle(newest, settlement(), clock()) is None


class TestDueWork:
    def test_a_new_booking_is_due_at_once(self, due: Any, stored: Booking) -> None:
        assert due() == [KEY]

    def test_a_leased_booking_is_due_when_its_lease_ends(
        self, store: BookingStore, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        claimed(store, clock)
        assert due() == []
        clock.advance(LEASE.total_seconds())
        assert due() == [KEY]

    def test_a_parked_booking_is_due_at_its_time_and_free(
        self, store: BookingStore, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        store.park(claimed(store, clock), settlement(), clock() + timedelta(minutes=5), clock())
        assert due() == []
        clock.advance(5 * 60)
        assert due() == [KEY]
        assert store.lease(*KEY, clock()) is not None

    def test_a_parked_booking_that_is_woken_is_due_now(
        self, store: BookingStore, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        store.park(claimed(store, clock), settlement(), clock() + timedelta(days=1), clock())
        store.wake(*KEY, clock())
        assert due() == [KEY]

    def test_settled_bookings_leave_the_index(
        self, store: BookingStore, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        store.settle(claimed(store, clock), settlement(), clock())
        clock.advance(10**6)
        assert due() == []

    def test_waking_a_settled_booking_leaves_it_settled(
        self, store: BookingStore, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        store.settle(claimed(store, clock), settlement(), clock())
        store.wake(*KEY, clock())
        assert due() == []

    def test_waking_an_unknown_booking_makes_none(self, store: BookingStore, due: Any, clock: FakeClock) -> None:
        store.wake(*KEY, clock())
        assert (due(), store.get(*KEY)) == ([], None)

    def test_a_settled_booking_that_changes_is_due_again(
        self, store: BookingStore, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        store.settle(claimed(store, clock), settlement(), clock())
        store.replace(booking(revision=2), over_revision=1, now=clock())
        assert due() == [KEY]

    def test_the_longest_overdue_come_first_and_no_more_than_asked_for(
        self, store: BookingStore, clock: FakeClock
    ) -> None:
        for number in range(40):
            store.create(booking(f"b-{number}"), clock() - number * MINUTE)
        for shard in all_shards():
            everything = store.due(shard, clock(), 100)
            numbers = [int(booking_id.removeprefix("b-")) for _, booking_id in everything]
            assert numbers == sorted(numbers, reverse=True)
            assert store.due(shard, clock(), 2) == everything[:2]

    def test_work_is_spread_over_every_partition(self, store: BookingStore, clock: FakeClock) -> None:
        for number in range(60):
            store.create(booking(f"b-{number}"), clock())
        assert all(store.due(shard, clock(), 1) for shard in all_shards())


def starting(store: BookingStore, clock: FakeClock, *minutes: int, **changes: Any) -> None:
    """Bookings named for the minute at which they start."""
    for minute in minutes:
        store.create(booking(f"m-{minute}", starts_at=START + minute * MINUTE, **changes), clock())


def pages(store: BookingStore, query: Query, limit: int) -> Iterator[list[str]]:
    after: str | None = None
    while True:
        records, after = store.page(query, limit=limit, after=after)
        yield [record.booking.booking_id for record in records]
        if after is None:
            return


class TestPages:
    def test_pages_follow_the_start(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 30, 10, 50, 20, 40)
        assert list(pages(store, Query(WORKSPACE), 2)) == [["m-10", "m-20"], ["m-30", "m-40"], ["m-50"]]

    def test_a_last_page_that_is_full_has_no_next(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 1, 2)
        assert list(pages(store, Query(WORKSPACE), 2)) == [["m-1", "m-2"]]

    def test_pages_survive_inserts_before_and_after_the_mark(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 10, 20, 30, 40)
        first, after = store.page(Query(WORKSPACE), limit=2, after=None)
        starting(store, clock, 5, 15, 25)
        second, _ = store.page(Query(WORKSPACE), limit=9, after=after)
        assert [r.booking.booking_id for r in first + second] == ["m-10", "m-20", "m-25", "m-30", "m-40"]

    def test_bookings_that_start_together_come_one_after_the_other(self, store: BookingStore, clock: FakeClock) -> None:
        for number in range(4):
            store.create(booking(f"b-{number}"), clock())
        assert list(pages(store, Query(WORKSPACE), 1)) == [["b-0"], ["b-1"], ["b-2"], ["b-3"]]

    def test_a_range_has_its_beginning_and_not_its_end(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 10, 20, 30)
        query = Query(WORKSPACE, starts_from=START + 10 * MINUTE, starts_before=START + 30 * MINUTE)
        assert list(pages(store, query, 9)) == [["m-10", "m-20"]]

    def test_a_range_of_another_offset_means_the_same_instants(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 10, 20)
        berlin = timezone(timedelta(hours=1))
        query = Query(WORKSPACE, starts_from=(START + 20 * MINUTE).astimezone(berlin))
        assert list(pages(store, query, 9)) == [["m-20"]]

    def test_a_range_that_ends_before_it_begins_is_empty(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 10)
        query = Query(WORKSPACE, starts_from=START + MINUTE, starts_before=START - MINUTE)
        assert list(pages(store, query, 9)) == [[]]

    def test_a_rescheduled_booking_moves(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 10, 20)
        store.replace(booking("m-10", revision=2, starts_at=START + 30 * MINUTE), over_revision=1, now=clock())
        assert list(pages(store, Query(WORKSPACE), 9)) == [["m-20", "m-10"]]

    def test_other_workspaces_are_not_seen(self, store: BookingStore, clock: FakeClock) -> None:
        starting(store, clock, 10)
        starting(store, clock, 20, workspace_id="ws-2")
        assert list(pages(store, Query(WORKSPACE), 9)) == [["m-10"]]
        assert list(pages(store, Query("ws-2", user_id="u-1"), 9)) == [["m-20"]]

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
        assert list(pages(store, Query(WORKSPACE, **wanted), 2)) == [["m-20", "m-40"], ["m-60"]]

    def test_filters_combine(self, store: BookingStore, clock: FakeClock) -> None:
        cancelled = BookingStatus.CANCELLED
        starting(store, clock, 10, user_id="u-2", calendar_id="c-2")
        starting(store, clock, 20, user_id="u-2", calendar_id="c-2", status=cancelled)
        starting(store, clock, 30, user_id="u-2", status=cancelled)
        query = Query(WORKSPACE, user_id="u-2", calendar_id="c-2", status="cancelled")
        assert list(pages(store, query, 9)) == [["m-20"]]

    def test_a_booking_that_changes_hosts_is_listed_under_the_new_one_only(
        self, store: BookingStore, stored: Booking, clock: FakeClock
    ) -> None:
        store.replace(booking(revision=2, user_id="u-2"), over_revision=1, now=clock())
        assert list(pages(store, Query(WORKSPACE, user_id="u-1"), 9)) == [[]]
        assert list(pages(store, Query(WORKSPACE, user_id="u-2"), 9)) == [["b-1"]]

    def test_upcoming_are_confirmed_bookings_of_the_host_that_are_not_over(
        self, store: BookingStore, clock: FakeClock
    ) -> None:
        starting(store, clock, -31, -29, 10)
        starting(store, clock, 20, status=BookingStatus.CANCELLED)
        starting(store, clock, 30, user_id="u-2")
        found = [record.booking.booking_id for record in store.upcoming(WORKSPACE, "u-1", clock())]
        assert found == ["m--29", "m-10"]


@given(st.lists(MOMENTS, min_size=6, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_every_time_comes_back_as_the_same_instant(store: BookingStore, times: list[datetime]) -> None:
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
    store.settle(store.lease(*key, START), reached, START)
    assert store.get(*key) == Record(written, reached, settled_revision=1)


@given(MOMENTS, MOMENTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_starts_are_listed_in_the_order_of_time_whatever_their_offset(
    store: BookingStore, one: datetime, other: datetime
) -> None:
    workspace_id = uuid4().hex
    store.create(booking("one", starts_at=one, workspace_id=workspace_id), START)
    store.create(booking("other", starts_at=other, workspace_id=workspace_id), START)
    listed, _ = store.page(Query(workspace_id), limit=2, after=None)
    starts = [record.booking.appointment.starts_at for record in listed]
    assert starts == sorted([one, other])
