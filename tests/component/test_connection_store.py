"""The connections table: one per user, established together with its grant or not at all."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.connection import Account, Connection, Grant
from chalicelib.errors import LostRace
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.grants import GrantStore
from tests.support.aws import Aws
from tests.support.clock import START

USER = ("ws-1", "u-1")
FLOW = "flow-1"


def grant(account_id: str = "a-1", **changes: Any) -> Grant:
    account = Account(account_id, "host@example.com", "organization-1")
    return replace(Grant("zoom", account, version=1, sealed_tokens=b"\x00sealed\xff"), **changes)


def connection(of: Grant, user: tuple[str, str] = USER, **changes: Any) -> Connection:
    new = Connection(
        workspace_id=user[0],
        user_id=user[1],
        provider=of.provider,
        grant_id=of.id,
        account=of.account,
        connected_at=START,
        user_email="host@example.com",
        user_name="Demo Host",
    )
    return replace(new, **changes)


@pytest.fixture
def store(moto_aws: Aws) -> ConnectionStore:
    return ConnectionStore()


@pytest.fixture
def grants(moto_aws: Aws) -> GrantStore:
    return GrantStore()


def establish(store: ConnectionStore, new: Connection, behind: Grant) -> None:
    """Connect by a flow of its own."""
    EphemeralStore().put(FLOW, {}, START + timedelta(minutes=10))
    store.establish(new, behind, flow_key=FLOW)


class TestEstablishing:
    def test_connection_and_grant_are_there_afterwards(self, store: ConnectionStore, grants: GrantStore) -> None:
        establish(store, connection(grant()), grant())
        assert store.get(*USER) == connection(grant())
        assert grants.get("zoom#a-1") == grant()

    def test_a_flow_works_once(self, store: ConnectionStore) -> None:
        establish(store, connection(grant()), grant())
        second = grant("a-2")
        with pytest.raises(LostRace):
            store.establish(connection(second), second, flow_key=FLOW)

    def test_a_refused_flow_leaves_everything_as_it_was(self, store: ConnectionStore, grants: GrantStore) -> None:
        second = grant("a-2")
        with pytest.raises(LostRace):
            store.establish(connection(second), second, flow_key="unknown")
        assert (store.get(*USER), grants.get(second.id)) == (None, None)

    def test_a_grant_that_changed_meanwhile_stops_it_and_keeps_the_flow(
        self, store: ConnectionStore, grants: GrantStore
    ) -> None:
        establish(store, connection(grant()), grant())
        grants.lease_refresh(grant(), START)
        newcomer = ("ws-2", "u-1")
        with pytest.raises(LostRace):
            establish(store, connection(grant(), newcomer), grant(version=2, sealed_tokens=b"new"))
        assert store.get(*newcomer) is None
        assert grants.get("zoom#a-1").sealed_tokens == grant().sealed_tokens
        assert EphemeralStore().consume(FLOW)

    def test_a_grant_that_was_thought_new_is_not_overwritten(self, store: ConnectionStore, grants: GrantStore) -> None:
        establish(store, connection(grant()), grant())
        with pytest.raises(LostRace):
            establish(store, connection(grant(), ("ws-2", "u-1")), grant(sealed_tokens=b"new"))
        assert grants.get("zoom#a-1") == grant()

    def test_connecting_the_account_again_replaces_the_tokens_and_heals_the_grant(
        self, store: ConnectionStore, grants: GrantStore
    ) -> None:
        broken = grant(broken_reason="reconnect_needed", broken_at=START)
        establish(store, connection(grant()), broken)
        renewed = grant(version=2, sealed_tokens=b"new")
        establish(store, connection(grant()), renewed)
        assert grants.get("zoom#a-1") == renewed

    @pytest.mark.parametrize("due_at", [None, START + timedelta(days=1)], ids=["never", "later"])
    def test_connecting_again_sets_the_due_time_again(
        self, store: ConnectionStore, grants: GrantStore, due_at: datetime | None
    ) -> None:
        establish(store, connection(grant()), grant())
        grants.set_due("zoom#a-1", START)
        establish(store, connection(grant()), grant(version=2, due_at=due_at))
        assert grants.get("zoom#a-1").due_at == due_at

    def test_another_account_replaces_the_users_connection(self, store: ConnectionStore) -> None:
        establish(store, connection(grant()), grant())
        second = grant("a-2")
        establish(store, connection(second), second)
        assert store.get(*USER).grant_id == "zoom#a-2"
        assert store.list_by_grant("zoom#a-1") == []


class TestConnections:
    def test_an_unknown_user_has_none(self, store: ConnectionStore) -> None:
        assert store.get(*USER) is None

    def test_every_user_of_a_grant_is_known(self, store: ConnectionStore) -> None:
        establish(store, connection(grant()), grant())
        establish(store, connection(grant(), ("ws-2", "u-9")), grant(version=2))
        establish(store, connection(grant("a-2"), ("ws-1", "u-2")), grant("a-2"))
        assert sorted(store.list_by_grant("zoom#a-1")) == [USER, ("ws-2", "u-9")]

    def test_a_deleted_connection_is_gone_and_its_grant_stays(self, store: ConnectionStore, grants: GrantStore) -> None:
        establish(store, connection(grant()), grant())
        store.delete(*USER)
        assert (store.get(*USER), store.list_by_grant("zoom#a-1")) == (None, [])
        assert grants.get("zoom#a-1") == grant()

    def test_deleting_again_does_nothing(self, store: ConnectionStore) -> None:
        store.delete(*USER)
        store.delete(*USER)
        assert store.get(*USER) is None

    def test_the_last_meeting_is_remembered(self, store: ConnectionStore) -> None:
        establish(store, connection(grant()), grant())
        store.set_last_meeting_at(connection(grant()), START + timedelta(hours=1))
        assert store.get(*USER) == connection(grant(), last_meeting_at=START + timedelta(hours=1))

    def test_a_meeting_of_a_replaced_connection_is_not_recorded_on_the_new_one(self, store: ConnectionStore) -> None:
        establish(store, connection(grant()), grant())
        establish(store, connection(grant("a-2")), grant("a-2"))
        store.set_last_meeting_at(connection(grant()), START)
        assert store.get(*USER).last_meeting_at is None

    def test_a_meeting_of_a_deleted_connection_does_not_create_it(self, store: ConnectionStore) -> None:
        store.set_last_meeting_at(connection(grant()), START)
        assert store.get(*USER) is None

    def test_a_changed_row_is_stored(self, store: ConnectionStore) -> None:
        establish(store, connection(grant()), grant())
        ended = connection(grant(), ended_reason="deauthorized")
        store.replace(ended)
        assert store.get(*USER) == ended

    def test_a_change_meant_for_an_earlier_account_changes_nothing(self, store: ConnectionStore) -> None:
        establish(store, connection(grant()), grant())
        establish(store, connection(grant("a-2")), grant("a-2"))
        store.replace(connection(grant(), ended_reason="deauthorized"))
        assert store.get(*USER) == connection(grant("a-2"))

    def test_a_change_of_a_deleted_connection_does_not_create_it(self, store: ConnectionStore) -> None:
        store.replace(connection(grant()))
        assert store.get(*USER) is None

    def test_the_reason_of_an_end_is_kept(self, store: ConnectionStore) -> None:
        establish(store, connection(grant(), ended_reason="deauthorized"), grant())
        assert store.get(*USER).ended_reason == "deauthorized"


class TestWithGrant:
    def test_both_are_read_together(self, store: ConnectionStore) -> None:
        establish(store, connection(grant()), grant())
        assert store.get_with_grant(*USER, "zoom#a-1") == (connection(grant()), grant())

    def test_each_may_be_missing(self, store: ConnectionStore) -> None:
        assert store.get_with_grant(*USER, "zoom#a-1") == (None, None)
        establish(store, connection(grant()), grant())
        assert store.get_with_grant(*USER, "zoom#a-2") == (connection(grant()), None)
        assert store.get_with_grant("ws-2", "u-1", "zoom#a-1") == (None, grant())
