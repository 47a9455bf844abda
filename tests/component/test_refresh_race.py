"""Many want the same account's token at once, on an emulator whose conditional writes are atomic."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.errors import LostRace, ProviderUnavailable
from chalicelib.store.grants import REFRESH_LEASE
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.connected import ConnectedAccount

CROWD = 50


@pytest.fixture
def expired(local_aws: Aws, clock: FakeClock) -> ConnectedAccount:
    account = ConnectedAccount(local_aws, clock)
    account.expire()
    return account


def test_fifty_at_once_cost_one_refresh_and_all_get_the_same_token(expired: ConnectedAccount) -> None:
    barrier, first = threading.Barrier(CROWD), threading.Event()

    def ask(_: int) -> str:
        # Those who lose the race wait for the winner rather than for time: nothing here depends on the machine.
        keeper = expired.keeper(sleep=lambda _: first.wait(30))
        barrier.wait(30)
        token = keeper.access_token(expired.grant)
        first.set()
        return token

    with ThreadPoolExecutor(CROWD) as crowd:
        tokens = list(crowd.map(ask, range(CROWD)))
    assert expired.zoom.refresh_calls == 1
    assert set(tokens) == {expired.stored_tokens().access_token}
    assert expired.accepts(tokens[0])


def test_of_fifty_who_want_the_lease_one_gets_it(expired: ConnectedAccount, clock: FakeClock) -> None:
    barrier = threading.Barrier(CROWD)

    def lease(_: int) -> bool:
        barrier.wait(30)
        try:
            expired.grants.lease_refresh(expired.grant, clock())
        except LostRace:
            return False
        return True

    with ThreadPoolExecutor(CROWD) as crowd:
        assert sum(crowd.map(lease, range(CROWD))) == 1


def test_a_refresher_that_dies_delays_the_others_by_no_more_than_the_lease(
    expired: ConnectedAccount, clock: FakeClock
) -> None:
    died_at = clock()
    expired.grants.lease_refresh(expired.grant, clock())
    token = None
    while token is None:
        try:
            token = expired.keeper().access_token(expired.stored())
        except ProviderUnavailable:
            assert clock() - died_at <= REFRESH_LEASE
    assert expired.accepts(token)
    assert expired.zoom.refresh_calls == 1
    assert (clock() - died_at - REFRESH_LEASE).total_seconds() < 1


def test_who_waits_for_a_dead_refresher_gives_up_in_time_for_its_own_caller(
    expired: ConnectedAccount, clock: FakeClock
) -> None:
    leased = expired.grants.lease_refresh(expired.grant, clock())
    began_at = clock()
    with pytest.raises(ProviderUnavailable):
        expired.keeper().access_token(leased)
    assert (clock() - began_at).total_seconds() <= 21
    assert expired.token_calls == 0
