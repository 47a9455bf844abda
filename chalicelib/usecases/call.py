"""Call a provider: with a token that works, in the time that is left, and not while it is out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from msgspec import Struct

from chalicelib.domain.connection import Grant
from chalicelib.domain.meeting import MeetingReason
from chalicelib.domain.plan import Reach
from chalicelib.errors import MeetlinkError, ProviderError, ProviderUnavailable, ReconnectNeeded, TokenRejected
from chalicelib.providers.base import Provider
from chalicelib.providers.http import CALL_TIMEOUT_SECONDS
from chalicelib.usecases.breaker import Breaker
from chalicelib.usecases.tokens import TokenKeeper

T = TypeVar("T")
CALL_NEEDS_SECONDS = CALL_TIMEOUT_SECONDS + 3
"""A call, and writing down what came of it."""


class OutOfTime(MeetlinkError):
    """The Lambda might end before the call does; nothing was sent."""


class TimeLeft(Struct, frozen=True):
    """How long this Lambda has to live."""

    seconds: Callable[[], float]

    def check(self) -> None:
        """Raises `OutOfTime` if a call begun now might outlive the Lambda."""
        if self.seconds() < CALL_NEEDS_SECONDS:
            raise OutOfTime


class Caller:
    """Everything between a step's verb and the provider, the same for all verbs."""

    def __init__(self, tokens: TokenKeeper, providers: Mapping[str, Provider], breaker: Breaker) -> None:
        self._tokens = tokens
        self._providers = providers
        self._breaker = breaker

    def provider(self, reach: Reach) -> Provider:
        """The provider of the grant that is reached."""
        name = reach.grant.provider if reach.grant else "unknown"
        provider = self._providers.get(name)
        if provider is None:
            raise ProviderUnavailable(name, "this deployment does not know the provider")
        return provider

    def call(self, reach: Reach, verb: Callable[[str], T], left: TimeLeft) -> T:
        """`verb` with an access token, unless the provider is out.

        Raises `OutOfTime`, or what the provider said; `ReconnectNeeded` after the grant was marked as broken.
        """
        if reach.grant is None:
            raise ReconnectNeeded("unknown", "the grant is gone")
        provider = reach.grant.provider
        self._breaker.check(provider)
        try:
            result = self._authorized(reach.grant, verb, left)
        except ProviderError as error:
            if error.reason == MeetingReason.PROVIDER_UNAVAILABLE:
                self._breaker.failed(provider)
            else:
                self._breaker.answered(provider)
            raise
        self._breaker.answered(provider)
        return result

    def out_until(self, provider: str) -> datetime | None:
        """When a provider that is out may be asked again; None if it is not out."""
        return self._breaker.open_until(provider)

    def _authorized(self, grant: Grant, verb: Callable[[str], T], left: TimeLeft) -> T:
        """`verb` with an access token; once more with a fresh one if the first is not accepted."""
        token = self._tokens.access_token(grant)
        try:
            try:
                left.check()
                return verb(token)
            except TokenRejected:
                token = self._tokens.access_token(grant, rejected=token)
                left.check()
                return verb(token)
        except (TokenRejected, ReconnectNeeded) as error:
            self._tokens.break_grant(grant.id, token=token)
            raise ReconnectNeeded(error.provider, error.what, status=error.status, code=error.code) from error
