"""The bookings table: callers' conditional writes, settlers' leases and fences."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from chalicelib.domain.booking import Booking, BookingStatus
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import LostRace, RowTooLarge, StoreError
from chalicelib.store.booking_leases import LEASE, BookingLeases
from chalicelib.store.booking_records import Record
from chalicelib.store.bookings import BookingStore
from chalicelib.store.tables import BookingItem
from tests.component.booking_store.leases import acquire, acquire_after_kill
from tests.support.clock import FakeClock
from tests.support.rows import KEY, MINUTE, booking, settlement


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

    def test_a_change_of_an_unknown_booking_loses_and_creates_none(self, store: BookingStore, clock: FakeClock) -> None:
        with pytest.raises(LostRace):
            store.replace(booking(revision=2), over_revision=1, now=clock())
        assert store.get(*KEY) is None

    def test_a_change_keeps_what_was_settled(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        leases.finish(acquire(leases, clock), settlement(), clock())
        store.replace(booking(revision=2), over_revision=1, now=clock())
        record = store.get(*KEY)
        assert (plain(record.settlement), record.settled_revision, record.is_settled) == (written(clock), 1, False)


class TestLeases:
    def test_an_unsettled_free_booking_can_be_leased(
        self, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        lease = leases.acquire(*KEY, clock())
        assert (lease.booking, plain(lease.settlement)) == (stored, Settlement())

    def test_an_unknown_booking_cannot_be_leased_and_is_not_created(
        self, store: BookingStore, leases: BookingLeases, clock: FakeClock
    ) -> None:
        assert leases.acquire(*KEY, clock()) is None
        assert store.get(*KEY) is None

    def test_a_leased_booking_cannot_be_leased_before_the_lease_ends(
        self, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        acquire(leases, clock)
        clock.advance(LEASE.total_seconds() - 0.001)
        assert leases.acquire(*KEY, clock()) is None

    def test_a_booking_can_be_leased_again_after_the_lease_ended(
        self, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        first = acquire(leases, clock)
        clock.advance(LEASE.total_seconds() + 0.001)
        assert leases.acquire(*KEY, clock()).fence > first.fence

    def test_a_settled_booking_cannot_be_leased(self, leases: BookingLeases, stored: Booking, clock: FakeClock) -> None:
        leases.finish(acquire(leases, clock), settlement(), clock())
        assert leases.acquire(*KEY, clock()) is None

    def test_a_settled_booking_that_changed_can_be_leased_at_once(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        leases.finish(acquire(leases, clock), settlement(), clock())
        changed = booking(revision=2)
        store.replace(changed, over_revision=1, now=clock())
        lease = leases.acquire(*KEY, clock())
        assert (lease.booking, plain(lease.settlement)) == (changed, written(clock))

    def test_progress_renews_the_lease(self, leases: BookingLeases, stored: Booking, clock: FakeClock) -> None:
        lease = acquire(leases, clock)
        clock.advance(LEASE.total_seconds() - 1)
        leases.save(lease, settlement(), clock())
        clock.advance(LEASE.total_seconds() - 1)
        assert leases.acquire(*KEY, clock()) is None


def test_a_row_that_is_too_large_is_not_an_outage(leases: BookingLeases, stored: Booking, clock: FakeClock) -> None:
    with pytest.raises(StoreError) as refused:
        leases.save(acquire(leases, clock), settlement(join_url="x" * 500_000), clock())
    assert type(refused.value) is RowTooLarge


class TestUnfinishedRuns:
    def test_killed_runs_are_counted(self, leases: BookingLeases, stored: Booking, clock: FakeClock) -> None:
        assert [acquire(leases, clock).killed_runs, acquire_after_kill(leases, clock).killed_runs] == [0, 1]
        assert [acquire_after_kill(leases, clock).killed_runs, acquire_after_kill(leases, clock).killed_runs] == [2, 3]

    @pytest.mark.parametrize("end", ["defer", "record_early_end"])
    def test_a_run_that_records_its_end_does_not_count(
        self, leases: BookingLeases, stored: Booking, clock: FakeClock, end: str
    ) -> None:
        acquire(leases, clock)
        lease = acquire_after_kill(leases, clock)
        more = (settlement(), clock(), clock()) if end == "defer" else ()
        getattr(leases, end)(lease, *more)
        assert acquire_after_kill(leases, clock).killed_runs == 0

    def test_crashed_runs_are_counted_separately_until_a_lease_is_released(
        self, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        leases.record_early_end(acquire(leases, clock), crashed=True)
        lease = acquire_after_kill(leases, clock)
        assert (lease.killed_runs, lease.crashed_runs) == (0, 1)
        leases.record_early_end(lease, crashed=True)
        lease = acquire_after_kill(leases, clock)
        assert lease.crashed_runs == 2
        leases.defer(lease, settlement(), clock(), clock())
        assert acquire(leases, clock).crashed_runs == 0

    def test_an_early_end_keeps_the_lease_until_its_time(
        self, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        leases.record_early_end(acquire(leases, clock), crashed=True)
        assert leases.acquire(*KEY, clock()) is None

    def test_an_overtaken_run_records_no_end(self, leases: BookingLeases, stored: Booking, clock: FakeClock) -> None:
        overtaken = acquire(leases, clock)
        acquire_after_kill(leases, clock)
        with pytest.raises(LostRace):
            leases.record_early_end(overtaken, crashed=True)

    def test_after_two_killed_runs_the_booking_is_due_later_than_the_lease_ends_also_after_progress(
        self, leases: BookingLeases, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        acquire(leases, clock)
        acquire_after_kill(leases, clock)
        third = acquire_after_kill(leases, clock)
        clock.advance(LEASE.total_seconds() + 1)
        assert due() == []
        leases.save(third, settlement(), clock())
        clock.advance(LEASE.total_seconds() + 1)
        assert due() == []
        clock.advance(4 * 60)
        assert due() == [KEY]

    def test_a_row_that_cannot_be_decoded_is_retried_with_growing_delays(
        self, leases: BookingLeases, stored: Booking, due: Any, clock: FakeClock
    ) -> None:
        BookingItem(*KEY).update([BookingItem.desired.set("{}")])
        for _ in range(3):
            with pytest.raises(msgspec.ValidationError):
                leases.acquire(*KEY, clock())
            clock.advance(LEASE.total_seconds() + 1)
        assert due() == []


def plain(read: Settlement) -> Settlement:
    """A settlement without its history, which `tests/component/test_history.py` is about."""
    return replace(read, history=())


def without_history(record: Record | None) -> Record:
    assert record is not None
    return replace(record, settlement=plain(record.settlement))


def written(clock: FakeClock) -> Settlement:
    """`settlement()` as it is read back: with the time of the settler that wrote it."""
    return replace(settlement(), written_at=clock())


class TestSettlers:
    def test_progress_is_stored(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        leases.save(acquire(leases, clock), settlement(), clock())
        assert without_history(store.get(*KEY)) == Record(stored, written(clock), settled_revision=0)

    def test_saving_returns_the_newest_desired_state(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        lease = acquire(leases, clock)
        changed = booking(revision=2, status=BookingStatus.CANCELLED)
        store.replace(changed, over_revision=1, now=clock())
        newer = leases.save(lease, settlement(), clock())
        assert (newer.booking, plain(newer.settlement), newer.fence) == (changed, written(clock), lease.fence)

    def test_finishing_records_the_revision_and_releases_the_lease(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        assert leases.finish(acquire(leases, clock), settlement(), clock()) is None
        record = store.get(*KEY)
        assert without_history(record) == Record(stored, written(clock), settled_revision=1)
        assert record.is_settled

    def test_finishing_a_booking_that_changed_keeps_the_lease(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        lease = acquire(leases, clock)
        changed = booking(revision=2)
        store.replace(changed, over_revision=1, now=clock())
        kept = leases.finish(lease, settlement(), clock())
        assert (kept.booking, plain(kept.settlement), kept.fence) == (changed, written(clock), lease.fence)
        assert leases.acquire(*KEY, clock()) is None
        assert not store.get(*KEY).is_settled

    def test_a_kept_lease_finishes_the_newer_revision(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        lease = acquire(leases, clock)
        store.replace(booking(revision=2), over_revision=1, now=clock())
        kept = leases.finish(lease, settlement(), clock())
        assert leases.finish(kept, settlement(), clock()) is None
        assert store.get(*KEY).settled_revision == 2

    def test_deferring_a_booking_that_changed_keeps_the_lease(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, clock: FakeClock
    ) -> None:
        lease = acquire(leases, clock)
        store.replace(booking(revision=2), over_revision=1, now=clock())
        assert leases.defer(lease, settlement(), clock() + MINUTE, clock()).booking.revision == 2

    @pytest.mark.parametrize("write", ["save", "finish", "defer"])
    def test_an_overtaken_settler_writes_nothing(
        self, store: BookingStore, leases: BookingLeases, stored: Booking, clock: FakeClock, write: str
    ) -> None:
        overtaken = acquire(leases, clock)
        clock.advance(LEASE.total_seconds() + 1)
        newest = leases.save(acquire(leases, clock), settlement(), clock())
        until = [clock() + MINUTE] if write == "defer" else []
        with pytest.raises(LostRace):
            getattr(leases, write)(overtaken, settlement(id="another"), *until, clock())
        assert plain(store.get(*KEY).settlement) == written(clock)
        assert leases.finish(newest, settlement(), clock()) is None
