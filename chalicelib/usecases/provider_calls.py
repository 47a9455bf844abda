"""Call a provider with a valid access token, if there is time and the circuit breaker allows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from chalicelib.domain.deadline import Deadline
from chalicelib.domain.grant_access import GrantAccess
from chalicelib.domain.meeting_plan import UNKNOWN_SEMANTICS, CreateSemantics
from chalicelib.domain.meeting_settings import PossibleSettings
from chalicelib.errors import FailedCall, ProviderError, ProviderUnavailable, ReconnectNeeded, TokenRejected
from chalicelib.providers.base import Provider
from chalicelib.providers.cohost_changes import do_nothing
from chalicelib.providers.http_client import CALL_TIMEOUT_SECONDS
from chalicelib.usecases.access_tokens import AccessTokens
from chalicelib.usecases.circuit_breaker import CircuitBreaker

T = TypeVar("T")
CALL_SECONDS = CALL_TIMEOUT_SECONDS + 3
"""The longest that a call takes, with the write after it."""


class ProviderCalls:
    """What every call to a provider has in common."""

    def __init__(self, tokens: AccessTokens, providers: Mapping[str, Provider], breaker: CircuitBreaker) -> None:
        self._tokens = tokens
        self._providers = providers
        self._breaker = breaker

    def provider(self, access: GrantAccess) -> Provider:
        """Return the grant's provider. Raises `ProviderUnavailable` if this deployment does not offer it."""
        provider = self._find_provider(access)
        if provider is None:
            name = access.grant.provider if access.grant else "unknown"
            raise ProviderUnavailable(FailedCall(name, "this deployment does not offer the provider"))
        return provider

    def create_semantics(self, access: GrantAccess) -> CreateSemantics:
        """Return what a repeated create does; the most careful answer for a provider that is not offered."""
        provider = self._find_provider(access)
        return provider.create_semantics if provider else UNKNOWN_SEMANTICS

    def possible_settings(self, access: GrantAccess) -> PossibleSettings | None:
        """Return the settings of a meeting that the provider supports; None for a provider that is not offered."""
        provider = self._find_provider(access)
        return provider.possible_settings if provider else None

    def adds_cohosts(self, access: GrantAccess) -> bool:
        """Return whether the provider makes other accounts co-hosts of a meeting."""
        provider = self._find_provider(access)
        return provider is not None and provider.adds_cohosts

    def calendar_address(self, access: GrantAccess) -> str | None:
        """Return the address of the calendar that the account's meetings are events in; None if there is none."""
        grant, provider = access.grant, self._find_provider(access)
        return grant.account.email if grant and provider and provider.writes_calendar_events else None

    def call(
        self,
        access: GrantAccess,
        send: Callable[[str], T],
        deadline: Deadline,
        *,
        before_each_try: Callable[[], None] = do_nothing,
    ) -> T:
        """Return the result of `send`, which gets an access token; a second one if the first is rejected.

        Raises `OutOfTime`, `CircuitOpen` or the provider's error. If that is `ReconnectNeeded`, the grant is marked as
        broken.
        """
        grant = access.grant
        if grant is None:
            raise ReconnectNeeded(FailedCall("unknown", "the grant is gone"))
        with self._breaker.guard(grant.provider, grant.id):
            token: str | None = None
            refusal: ProviderError
            for _ in range(2):
                try:
                    token = self._tokens.access_token(grant, rejected=token, deadline=deadline)
                    deadline.require(CALL_SECONDS)
                    before_each_try()
                    return send(token)
                except TokenRejected as error:
                    refusal = error
                except ReconnectNeeded as error:
                    refusal = error
                    break
            if token is not None:
                self._tokens.break_grant(grant.id, token=token)
            raise ReconnectNeeded(refusal.call) from refusal

    def _find_provider(self, access: GrantAccess) -> Provider | None:
        return self._providers.get(access.grant.provider) if access.grant else None
