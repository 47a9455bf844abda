"""Who waits for whom when a provider, or one account at it, gives no answer."""

from __future__ import annotations

import pytest

from chalicelib.errors import CircuitOpen
from chalicelib.usecases.circuit_breaker import PAUSE, CircuitBreaker
from tests.support.clock import FakeClock

ZOOM = "zoom"


@pytest.fixture
def breaker(clock: FakeClock) -> CircuitBreaker:
    return CircuitBreaker(clock)


def is_asked(breaker: CircuitBreaker, account: str, provider: str = ZOOM) -> bool:
    try:
        breaker.check(provider, account)
    except CircuitOpen as error:
        assert error.until > breaker._clock()
        return False
    return True


def fail(breaker: CircuitBreaker, *accounts: str) -> None:
    for account in accounts:
        breaker.record_failure(ZOOM, account)


def test_an_account_is_left_alone_after_three_failures_in_a_row(breaker: CircuitBreaker, clock: FakeClock) -> None:
    assert [breaker.record_failure(ZOOM, "a") for _ in range(3)] == [None, None, clock() + PAUSE]
    assert not is_asked(breaker, "a")


def test_an_answer_between_failures_restarts_the_count(breaker: CircuitBreaker) -> None:
    fail(breaker, "a", "a")
    breaker.record_response(ZOOM, "a")
    fail(breaker, "a", "a")
    assert is_asked(breaker, "a")


def test_an_account_that_never_gets_an_answer_keeps_no_other_waiting(breaker: CircuitBreaker) -> None:
    fail(breaker, *"aaaaaa")
    assert is_asked(breaker, "b")


def test_failures_of_several_accounts_are_the_providers(breaker: CircuitBreaker) -> None:
    fail(breaker, "a", "b", "a")
    assert not is_asked(breaker, "c")
    assert is_asked(breaker, "c", "webex")


def test_one_call_in_a_pause_looks_whether_the_provider_is_back(breaker: CircuitBreaker, clock: FakeClock) -> None:
    fail(breaker, "a", "b", "a", "b")
    clock.advance(PAUSE.total_seconds())
    assert [is_asked(breaker, account) for account in "cd"] == [True, False]
    breaker.record_response(ZOOM, "c")
    assert is_asked(breaker, "d")


def test_accounts_that_failed_do_not_take_the_probe_of_the_others(breaker: CircuitBreaker, clock: FakeClock) -> None:
    fail(breaker, "a", "b", "a", "b")
    for _ in range(5):
        clock.advance(PAUSE.total_seconds())
        assert [is_asked(breaker, account) for account in "ab"] == [True, False]
        fail(breaker, "a")
        assert is_asked(breaker, "c")


def test_the_probe_of_an_account_that_is_back_opens_the_way_for_all(breaker: CircuitBreaker, clock: FakeClock) -> None:
    fail(breaker, *"ababab")
    clock.advance(PAUSE.total_seconds())
    assert is_asked(breaker, "a")
    breaker.record_response(ZOOM, "a")
    assert is_asked(breaker, "c")
