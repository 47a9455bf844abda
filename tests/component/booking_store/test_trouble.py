"""Bookings by the state of their meeting and by their first guest: the indexes, and pages of what they find."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.booking import Guest
from chalicelib.domain.guest_key import first_guest_key, guest_key
from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingState
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import IndexUnavailable
from chalicelib.store import booking_lists
from chalicelib.store.booking_leases import BookingLeases
from chalicelib.store.booking_lists import BookingQuery, count_troubled
from chalicelib.store.bookings import BookingStore
from chalicelib.store.tables import BookingItem
from tests.component.booking_store.leases import acquire
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock
from tests.support.meter import Meter
from tests.support.rows import MINUTE, WORKSPACE, booking, settlement

SECRET = b"tag-secret-1"
TROUBLED = frozenset({MeetingState.WAITING, MeetingState.FAILED})


@pytest.fixture
def leases(moto_aws: Aws) -> BookingLeases:
    return BookingLeases(guest_key=lambda booking: first_guest_key(SECRET, booking))


def meeting_in(state: MeetingState, reason: str | None = None) -> Settlement:
    return replace(settlement(), meeting=Meeting(state, reason))


def settle(
    store: BookingStore,
    leases: BookingLeases,
    clock: FakeClock,
    minute: int,
    state: MeetingState,
    reason: str | None = None,
    **changes: Any,
) -> None:
    """A booking named for the minute at which it starts, in its state."""
    store.create(booking(f"m-{minute}", starts_at=START + minute * MINUTE, **changes), clock())
    leases.finish(acquire(leases, clock, f"m-{minute}"), meeting_in(state, reason), clock())


def pages(store: BookingStore, query: BookingQuery, limit: int = 9) -> Iterator[list[str]]:
    after: str | None = None
    while True:
        records, after = store.page(query, limit=limit, after=after)
        yield [record.booking.booking_id for record in records]
        if after is None:
            return


def found(store: BookingStore, **wanted: Any) -> list[str]:
    return [name for page in pages(store, BookingQuery(WORKSPACE, **wanted)) for name in page]


@pytest.fixture
def mixed(store: BookingStore, leases: BookingLeases, clock: FakeClock) -> BookingStore:
    """A booking in each state, one a minute, and a second one that failed."""
    for minute, state in enumerate(MeetingState):
        settle(store, leases, clock, minute, state, MeetingReason.PROVIDER_UNAVAILABLE if minute % 2 else None)
    settle(store, leases, clock, 9, MeetingState.FAILED, MeetingReason.START_PASSED)
    return store


@pytest.mark.parametrize("state", MeetingState)
def test_each_state_is_listed_from_the_index_or_from_the_rows(mixed: BookingStore, state: MeetingState) -> None:
    expected = [f"m-{list(MeetingState).index(state)}"] + ["m-9"] * (state is MeetingState.FAILED)
    assert found(mixed, meeting_states=frozenset({state})) == expected


def test_several_states_are_one_list_in_the_order_of_start(mixed: BookingStore) -> None:
    asked = BookingQuery(WORKSPACE, meeting_states=TROUBLED)
    assert list(pages(mixed, asked, 2)) == [["m-3", "m-4"], ["m-9"]]
    assert count_troubled(asked) == 3
    assert found(mixed, meeting_states=frozenset({MeetingState.READY, MeetingState.FAILED})) == ["m-2", "m-4", "m-9"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"reason": "start_passed"}, ["m-9"]),
        ({"reason": "start_passed", "meeting_states": frozenset({MeetingState.WAITING})}, []),
        ({"meeting_states": TROUBLED, "starts_from": START + 4 * MINUTE}, ["m-4", "m-9"]),
        ({"meeting_states": TROUBLED, "starts_before": START + 4 * MINUTE}, ["m-3"]),
        ({"meeting_states": TROUBLED, "user_id": "u-9"}, []),
        ({"meeting_states": TROUBLED, "calendar_id": "c-9"}, []),
        ({"meeting_states": TROUBLED, "status": "cancelled"}, []),
        ({"meeting_states": frozenset({MeetingState.READY}), "user_id": "u-1", "status": "confirmed"}, ["m-2"]),
    ],
)
def test_filters_combine(mixed: BookingStore, wanted: dict[str, Any], expected: list[str]) -> None:
    assert found(mixed, **wanted) == expected


def test_only_meetings_that_wait_or_failed_are_in_the_index(mixed: BookingStore, moto_aws: Aws) -> None:
    rows = {row["booking_id"]["S"]: row.get("trouble_key", {}).get("S") for row in moto_aws.scan("bookings")}
    assert {name: key for name, key in rows.items() if key} == {
        "m-3": "ws-1#waiting",
        "m-4": "ws-1#failed",
        "m-9": "ws-1#failed",
    }


def test_a_booking_leaves_the_index_with_the_write_that_records_its_link(
    store: BookingStore, leases: BookingLeases, clock: FakeClock
) -> None:
    settle(store, leases, clock, 1, MeetingState.WAITING)
    store.make_due(WORKSPACE, "m-1", clock())
    store.replace(booking("m-1", revision=2), over_revision=1, now=clock())
    lease = acquire(leases, clock, "m-1")
    assert BookingItem.by_trouble.count("ws-1#waiting") == 1
    leases.save(lease, meeting_in(MeetingState.READY), clock())
    assert BookingItem.by_trouble.count("ws-1#waiting") == 0


def test_a_booking_that_was_changed_since_is_pending_and_not_listed(
    store: BookingStore, leases: BookingLeases, clock: FakeClock
) -> None:
    settle(store, leases, clock, 1, MeetingState.FAILED)
    store.replace(booking("m-1", revision=2), over_revision=1, now=clock())
    assert found(store, meeting_states=frozenset({MeetingState.FAILED})) == []
    assert found(store, meeting_states=frozenset({MeetingState.PENDING})) == ["m-1"]


def test_a_key_that_an_earlier_release_left_behind_is_not_believed(
    mixed: BookingStore, moto_aws: Aws, clock: FakeClock
) -> None:
    BookingItem(WORKSPACE, "m-2").update([BookingItem.trouble_key.set("ws-1#failed")])
    assert found(mixed, meeting_states=frozenset({MeetingState.FAILED})) == ["m-4", "m-9"]


class TestByGuest:
    def query(self, email: str, workspace_id: str = WORKSPACE) -> BookingQuery:
        return BookingQuery(workspace_id, guest_email=email, guest_key=guest_key(SECRET, workspace_id, email))

    @pytest.fixture
    def booked(self, store: BookingStore, leases: BookingLeases, clock: FakeClock) -> BookingStore:
        guests = [Guest(name, f"{name}@example.com", None, None) for name in ("one", "two")]
        settle(store, leases, clock, 1, MeetingState.READY, guests=(guests[0],))
        settle(store, leases, clock, 2, MeetingState.FAILED, guests=(guests[1], guests[0]))
        settle(store, leases, clock, 3, MeetingState.FAILED, guests=(guests[0], guests[1]))
        settle(store, leases, clock, 4, MeetingState.READY, guests=())
        return store

    @pytest.mark.parametrize("email", ["one@example.com", "One@Example.com"])
    def test_the_first_guests_bookings_are_found(self, booked: BookingStore, email: str) -> None:
        assert list(pages(booked, self.query(email), 1)) == [["m-1"], ["m-3"]]

    def test_other_filters_combine_with_it(self, booked: BookingStore) -> None:
        asked = replace(self.query("one@example.com"), meeting_states=frozenset({MeetingState.FAILED}))
        assert list(pages(booked, asked)) == [["m-3"]]

    def test_another_workspace_finds_nothing(self, booked: BookingStore) -> None:
        assert list(pages(booked, self.query("one@example.com", "ws-2"))) == [[]]

    def test_a_booking_without_guests_has_no_key_and_no_key_shows_an_address(
        self, booked: BookingStore, moto_aws: Aws
    ) -> None:
        keys = {row["booking_id"]["S"]: row.get("guest_key", {}).get("S") for row in moto_aws.scan("bookings")}
        assert keys.pop("m-4") is None
        assert all(key and "@" not in key and "one" not in key for key in keys.values())

    def test_a_changed_guest_is_found_after_settling_and_the_former_one_no_more(
        self, booked: BookingStore, leases: BookingLeases, clock: FakeClock
    ) -> None:
        new = booking(
            "m-1", revision=2, starts_at=START + MINUTE, guests=(Guest("New", "new@example.com", None, None),)
        )
        booked.replace(new, over_revision=1, now=clock())
        assert list(pages(booked, self.query("one@example.com"))) == [["m-3"]]
        leases.finish(acquire(leases, clock, "m-1"), meeting_in(MeetingState.READY), clock())
        assert list(pages(booked, self.query("new@example.com"))) == [["m-1"]]


class TestCost:
    def test_a_list_of_trouble_reads_only_its_own_bookings(
        self, mixed: BookingStore, moto_aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        meter = Meter(moto_aws, monkeypatch)
        with meter.running():
            mixed.page(BookingQuery(WORKSPACE, meeting_states=TROUBLED), limit=9, after=None)
        assert meter.calls == {"dynamodb:Query bookings/by_trouble": 2, "dynamodb:BatchGetItem": 1}

    def test_a_page_reads_so_many_bookings_and_then_ends_with_a_cursor(
        self, mixed: BookingStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(booking_lists, "_BATCH", 2)
        monkeypatch.setattr(booking_lists, "_MAX_READ", 4)
        asked = BookingQuery(WORKSPACE, reason="start_passed")
        assert list(pages(mixed, asked)) == [[], ["m-9"]]

    def test_a_page_makes_ten_queries_at_most(
        self, mixed: BookingStore, moto_aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(booking_lists, "_BATCH", 1)
        monkeypatch.setattr(booking_lists, "_MAX_QUERIES", 3)
        meter = Meter(moto_aws, monkeypatch)
        with meter.running():
            records, after = mixed.page(BookingQuery(WORKSPACE, reason="start_passed"), limit=9, after=None)
        assert (records, after is None) == ([], False)
        assert meter.calls["dynamodb:Query bookings/by_start"] == 3


def test_an_index_that_does_not_exist_yet_is_named_so(mixed: BookingStore, moto_aws: Aws) -> None:
    client, name = moto_aws.client("dynamodb"), moto_aws.table_prefix + "bookings"
    client.update_table(TableName=name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by_trouble"}}])
    with pytest.raises(IndexUnavailable, match="by_trouble"):
        mixed.page(BookingQuery(WORKSPACE, meeting_states=TROUBLED), limit=9, after=None)
    assert len(mixed.page(BookingQuery(WORKSPACE), limit=9, after=None)[0]) == 7


def test_trouble_costs_a_write_unit_when_it_begins_and_one_when_it_ends(
    store: BookingStore, moto_aws: Aws, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter, leases, units = Meter(moto_aws, monkeypatch), BookingLeases(), []
    store.create(booking(), clock())
    for state in (MeetingState.READY, MeetingState.FAILED, MeetingState.FAILED, MeetingState.READY):
        lease = acquire(leases, clock)
        meter.units.clear()
        with meter.running():
            leases.finish(lease, meeting_in(state), clock(), due_at=clock())
        units.append(meter.units["writes"])
    ready, begins, stays, ends = units
    assert (begins - stays, ends - ready) == (1, 1)
