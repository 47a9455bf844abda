"""What a call to a provider tells of the provider, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.domain.connection import Account, Grant
from chalicelib.domain.deadline import NO_DEADLINE
from chalicelib.domain.grant_access import AccessState, GrantAccess
from chalicelib.errors import Ambiguous, CircuitOpen, FailedCall, ProviderError, ProviderUnavailable, Rejected
from chalicelib.handlers import booking_stream
from chalicelib.usecases.access_tokens import REFRESH_SECONDS
from chalicelib.usecases.circuit_breaker import CircuitBreaker
from chalicelib.usecases.provider_calls import ProviderCalls
from tests.support.clock import FakeClock

NO_ANSWER = Ambiguous(FailedCall("zoom", "no answer", is_unreachable=True))
OUT = ProviderUnavailable(FailedCall("zoom", "HTTP 503", status=503))
REFUSED = Rejected(FailedCall("zoom", "HTTP 400", status=400))
NOT_ASKED = ProviderUnavailable(FailedCall("zoom", "another refresh takes long"))


class Tokens:
    """A keeper whose tokens always work."""

    def access_token(self, grant: Grant, **_: Any) -> str:
        return "token"


@pytest.fixture
def call(clock: FakeClock) -> Callable[..., str]:
    """Call for an account, with what the provider says to it."""
    caller = ProviderCalls(Tokens(), {}, CircuitBreaker(clock))  # type: ignore[arg-type]

    def call(account: str, *says: ProviderError) -> str:
        reach = GrantAccess(AccessState.OPEN, Grant("zoom", Account(account, ""), 1, b""))
        for error in says:
            with pytest.raises(ProviderError):
                caller.call(reach, _raising(error), NO_DEADLINE)
        return caller.call(reach, lambda _: "asked", NO_DEADLINE)

    return call


def _raising(error: ProviderError) -> Callable[[str], str]:
    def verb(_: str) -> str:
        raise error

    return verb


@pytest.mark.parametrize("outage", [NO_ANSWER, OUT])
def test_a_provider_that_does_not_serve_is_left_alone(call: Callable[..., str], outage: ProviderError) -> None:
    with pytest.raises(CircuitOpen, match="not called"):
        call("a", outage, outage, outage)


def test_a_refusal_is_an_answer(call: Callable[..., str]) -> None:
    assert call("a", OUT, OUT, REFUSED, OUT, OUT) == "asked"
    assert call("a", *[REFUSED] * 9) == "asked"


def test_what_was_not_asked_is_neither_an_outage_nor_an_answer(call: Callable[..., str]) -> None:
    assert call("a", *[NOT_ASKED] * 9) == "asked"
    with pytest.raises(CircuitOpen, match="not called"):
        call("a", OUT, NOT_ASKED, OUT, NOT_ASKED, OUT)


def test_whoever_is_refused_by_an_open_circuit_learns_until_when(call: Callable[..., str], clock: FakeClock) -> None:
    with pytest.raises(CircuitOpen) as refused:
        call("a", OUT, OUT, OUT)
    assert refused.value.until > clock()


def test_what_a_lambda_keeps_back_is_enough_for_a_refresh() -> None:
    # Not imported where it is used: every cold start of the stream would load the providers' HTTP client with it.
    assert booking_stream._RESERVE_SECONDS > REFRESH_SECONDS
