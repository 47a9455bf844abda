"""The grants table: one refresher at a time, and no stale writer's tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.connection import Account, Connection, Grant
from chalicelib.errors import LostRace
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.grants import REFRESH_LEASE, GrantStore
from chalicelib.store.tables import GRANT_PARTITIONS
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock

GRANT = Grant("zoom", Account("a-1", "host@example.com"), version=1, sealed_tokens=b"sealed-1")


@pytest.fixture
def store(moto_aws: Aws) -> GrantStore:
    return GrantStore()


@pytest.fixture
def stored(store: GrantStore) -> Grant:
    connection = Connection("ws-1", "u-1", "zoom", GRANT.id, GRANT.account, START)
    EphemeralStore().put("flow-1", {}, START + timedelta(minutes=10))
    ConnectionStore().establish(connection, GRANT, flow_key="flow-1")
    return GRANT


def due(store: GrantStore, clock: FakeClock) -> list[str]:
    return [grant_id for partition in GRANT_PARTITIONS for grant_id in store.due(partition, clock(), 100)]


def test_an_unknown_grant_is_none(store: GrantStore) -> None:
    assert store.get(GRANT.id) is None


class TestRefreshing:
    def test_a_lease_raises_the_version_and_changes_nothing_else(
        self, store: GrantStore, stored: Grant, clock: FakeClock
    ) -> None:
        leased = store.lease_refresh(stored, clock())
        assert leased == replace(stored, version=2)
        assert store.get(stored.id) == leased

    def test_a_second_refresher_is_refused_until_the_lease_ends(
        self, store: GrantStore, stored: Grant, clock: FakeClock
    ) -> None:
        leased = store.lease_refresh(stored, clock())
        clock.advance(REFRESH_LEASE.total_seconds() - 0.001)
        with pytest.raises(LostRace):
            store.lease_refresh(leased, clock())
        clock.advance(0.002)
        assert store.lease_refresh(leased, clock()).version == leased.version + 1

    def test_a_reader_of_an_old_version_cannot_lease(self, store: GrantStore, stored: Grant, clock: FakeClock) -> None:
        store.write(store.lease_refresh(stored, clock()))
        with pytest.raises(LostRace):
            store.lease_refresh(stored, clock())

    def test_an_unknown_grant_cannot_be_leased_and_is_not_made(self, store: GrantStore, clock: FakeClock) -> None:
        with pytest.raises(LostRace):
            store.lease_refresh(GRANT, clock())
        assert store.get(GRANT.id) is None

    def test_new_tokens_are_stored_and_the_lease_ends(self, store: GrantStore, stored: Grant, clock: FakeClock) -> None:
        written = store.write(replace(store.lease_refresh(stored, clock()), sealed_tokens=b"sealed-2"))
        assert store.get(stored.id) == written
        assert written.sealed_tokens == b"sealed-2"
        assert store.lease_refresh(written, clock()).version == written.version + 1

    def test_a_stale_refreshers_tokens_are_refused(self, store: GrantStore, stored: Grant, clock: FakeClock) -> None:
        stale = store.lease_refresh(stored, clock())
        clock.advance(REFRESH_LEASE.total_seconds() + 1)
        newest = store.write(replace(store.lease_refresh(stale, clock()), sealed_tokens=b"newest"))
        with pytest.raises(LostRace):
            store.write(replace(stale, sealed_tokens=b"stale"))
        assert store.get(stored.id) == newest

    def test_a_released_lease_is_free_at_once(self, store: GrantStore, stored: Grant, clock: FakeClock) -> None:
        leased = store.lease_refresh(stored, clock())
        store.release_refresh(leased)
        assert store.lease_refresh(leased, clock()).version == leased.version + 1

    def test_a_stale_refresher_does_not_release_its_successors_lease(
        self, store: GrantStore, stored: Grant, clock: FakeClock
    ) -> None:
        stale = store.lease_refresh(stored, clock())
        clock.advance(REFRESH_LEASE.total_seconds() + 1)
        successor = store.lease_refresh(stale, clock())
        store.release_refresh(stale)
        with pytest.raises(LostRace):
            store.lease_refresh(successor, clock())


class TestHealth:
    def test_a_broken_grant_has_a_reason_and_a_time(self, store: GrantStore, stored: Grant, clock: FakeClock) -> None:
        store.write(replace(stored, broken_reason="reconnect_needed", broken_at=clock()))
        broken = store.get(stored.id)
        assert (broken.broken_reason, broken.broken_at) == ("reconnect_needed", clock())
        assert broken.sealed_tokens == stored.sealed_tokens

    def test_a_grant_can_lose_its_tokens(self, store: GrantStore, stored: Grant) -> None:
        store.write(replace(stored, sealed_tokens=None))
        assert store.get(stored.id).sealed_tokens is None

    def test_an_unknown_grant_cannot_be_written(self, store: GrantStore) -> None:
        with pytest.raises(LostRace):
            store.write(GRANT)
        assert store.get(GRANT.id) is None

    def test_a_row_shows_no_token(self, store: GrantStore, stored: Grant, moto_aws: Aws) -> None:
        (row,) = moto_aws.scan("grants")
        plain: dict[str, Any] = {name: value for name, value in row.items() if name != "tokens"}
        assert b"sealed-1" not in repr(plain).encode()


class TestDeleting:
    def test_an_unchanged_grant_is_deleted(self, store: GrantStore, stored: Grant) -> None:
        store.delete(stored)
        assert store.get(stored.id) is None

    def test_a_grant_that_changed_meanwhile_stays(self, store: GrantStore, stored: Grant) -> None:
        newer = store.write(replace(stored, sealed_tokens=b"sealed-2"))
        store.delete(stored)
        assert store.get(stored.id) == newer


class TestDueWork:
    def test_a_grant_is_due_at_its_time(self, store: GrantStore, stored: Grant, clock: FakeClock) -> None:
        store.set_due(stored.id, clock() + timedelta(minutes=1))
        assert due(store, clock) == []
        clock.advance(60)
        assert due(store, clock) == [stored.id]

    def test_a_rescheduled_grant_is_due_at_its_new_time(
        self, store: GrantStore, stored: Grant, clock: FakeClock
    ) -> None:
        store.set_due(stored.id, clock())
        store.reschedule(store.get(stored.id), clock() + timedelta(days=1))
        assert due(store, clock) == []
        clock.advance(86400)
        assert due(store, clock) == [stored.id]

    def test_rescheduling_does_not_overwrite_a_time_that_was_set_since_the_grant_was_read(
        self, store: GrantStore, stored: Grant, clock: FakeClock
    ) -> None:
        store.set_due(stored.id, clock())
        visiting = store.get(stored.id)
        clock.advance(1)
        store.set_due(stored.id, clock())
        store.reschedule(visiting, clock() + timedelta(days=1))
        assert due(store, clock) == [stored.id]

    def test_a_first_rescheduling_does_not_overwrite_a_time_that_was_set_since(
        self, store: GrantStore, stored: Grant, clock: FakeClock
    ) -> None:
        store.set_due(stored.id, clock())
        store.reschedule(stored, clock() + timedelta(days=1))
        assert due(store, clock) == [stored.id]

    def test_rescheduling_a_deleted_grant_does_not_create_it(self, store: GrantStore, clock: FakeClock) -> None:
        store.reschedule(replace(GRANT, due_at=clock()), clock())
        assert store.get(GRANT.id) is None

    def test_a_refresh_leaves_what_is_due(self, store: GrantStore, stored: Grant, clock: FakeClock) -> None:
        store.set_due(stored.id, clock())
        store.write(store.lease_refresh(stored, clock()))
        assert due(store, clock) == [stored.id]

    def test_a_deleted_grant_does_not_become_due(self, store: GrantStore, clock: FakeClock) -> None:
        store.set_due(GRANT.id, clock())
        assert (due(store, clock), store.get(GRANT.id)) == ([], None)
