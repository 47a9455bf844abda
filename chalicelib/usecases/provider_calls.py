"""Call a provider: with a token that works, in the time that is left, and not while it is out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from chalicelib.domain.connection import Grant
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.meeting_plan import UNKNOWN_SEMANTICS, CreateSemantics, GrantAccess
from chalicelib.errors import (
    FailedCall,
    ProviderError,
    ProviderUnavailable,
    ReconnectNeeded,
    TokenRejected,
)
from chalicelib.providers.base import Provider
from chalicelib.providers.http_client import CALL_TIMEOUT_SECONDS
from chalicelib.usecases.access_tokens import AccessTokens
from chalicelib.usecases.circuit_breaker import CircuitBreaker

T = TypeVar("T")
CALL_SECONDS = CALL_TIMEOUT_SECONDS + 3
"""The longest that a call takes, with the write after it."""


class ProviderCalls:
    """Everything between a step's verb and the provider, the same for all verbs."""

    def __init__(self, tokens: AccessTokens, providers: Mapping[str, Provider], breaker: CircuitBreaker) -> None:
        self._tokens = tokens
        self._providers = providers
        self._breaker = breaker

    def provider(self, reach: GrantAccess) -> Provider:
        """The provider of the grant that is reached."""
        name = reach.grant.provider if reach.grant else "unknown"
        provider = self._providers.get(name)
        if provider is None:
            raise ProviderUnavailable(FailedCall(name, "this deployment does not know the provider"))
        return provider

    def create_semantics(self, reach: GrantAccess) -> CreateSemantics:
        """What the create of the grant's provider does; the most careful answer for a provider that is not deployed."""
        provider = self._providers.get(reach.grant.provider) if reach.grant else None
        return provider.create_semantics if provider else UNKNOWN_SEMANTICS

    def call(self, reach: GrantAccess, verb: Callable[[str], T], deadline: Deadline) -> T:
        """`verb` with an access token, unless the provider is out.

        Raises `OutOfTime`, or what the provider said; `ReconnectNeeded` after the grant was marked as broken.
        """
        if reach.grant is None:
            raise ReconnectNeeded(FailedCall("unknown", "the grant is gone"))
        whom = reach.grant.provider, reach.grant.id
        self._breaker.check(*whom)
        try:
            result = self._authorized(reach.grant, verb, deadline)
        except ProviderError as error:
            if error.is_outage:
                error.out_until = self._breaker.failed(*whom)
            elif error.status is not None:  # Without one it was not asked, or told us nothing of itself.
                self._breaker.answered(*whom)
            raise
        self._breaker.answered(*whom)
        return result

    def _authorized(self, grant: Grant, verb: Callable[[str], T], deadline: Deadline) -> T:
        """`verb` with an access token; once more with a fresh one if the first is not accepted."""
        token = self._tokens.access_token(grant, deadline=deadline)
        try:
            try:
                deadline.require(CALL_SECONDS)
                return verb(token)
            except TokenRejected:
                token = self._tokens.access_token(grant, rejected=token, deadline=deadline)
                deadline.require(CALL_SECONDS)
                return verb(token)
        except (TokenRejected, ReconnectNeeded) as error:
            self._tokens.break_grant(grant.id, token=token)
            raise ReconnectNeeded(error.call) from error
