"""Access tokens that work: refreshed by one at a time, stored before they are used, never lost to a race."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from chalicelib.domain.connection import Grant, Reason, Tokens
from chalicelib.domain.deadline import NO_DEADLINE, Deadline
from chalicelib.errors import (
    Ambiguous,
    ClientRefused,
    FailedCall,
    LostRace,
    ProviderUnavailable,
    ReconnectNeeded,
    StoreUnavailable,
)
from chalicelib.observability import count
from chalicelib.providers import oauth
from chalicelib.providers.base import OAuthProvider, Provider
from chalicelib.providers.http_client import TOKEN_TIMEOUT_SECONDS
from chalicelib.store.connections import GrantStore
from chalicelib.store.deployment_secrets import DeploymentSecrets
from chalicelib.store.encryption import Encryption, Owner, Purpose, Unsealable

DOUBT_ENDS_AFTER = timedelta(days=1)
"""How long a refusal that may be the operator's fault is not held against a grant. The alarm `client-refused` tells the
operator at once."""
REFRESH_SECONDS = TOKEN_TIMEOUT_SECONDS + 3
"""The longest that a refresh takes, with the write after it. At providers that rotate refresh tokens, a refresh that is
cut off by the end of the invocation ends the grant."""
_POLL_SECONDS = 0.25
_STORE_PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0)
_PATIENCE_SECONDS = 20.0
"""How long to wait for another's refresh: a little longer than a slow one takes."""


class AccessTokens:
    """Gives out access tokens of grants. `sleep` is injected so that tests need not wait."""

    def __init__(
        self,
        grants: GrantStore,
        vault: Encryption,
        providers: Mapping[str, Provider],
        secrets: DeploymentSecrets,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._grants = grants
        self._vault = vault
        self._providers = providers
        self._secrets = secrets
        self._clock = clock
        self._sleep = sleep

    def seal(self, grant: Grant, tokens: Tokens) -> Grant:
        """The grant with these tokens and a clean bill of health; not stored yet."""
        sealed = self._vault.seal(_owner(grant.id), msgspec.json.encode(tokens))
        return replace(
            grant,
            sealed_tokens=sealed,
            refreshed_at=self._clock(),
            lapses_at=tokens.lapses_at,
            broken_reason=None,
            broken_at=None,
            notices=0,
            refused_at=None,
        )

    def open(self, grant: Grant) -> Tokens:
        """The grant's tokens. Raises `ReconnectNeeded` if it has none that could work."""
        if grant.sealed_tokens is None or grant.broken_reason is not None:
            raise ReconnectNeeded(FailedCall(grant.provider, "the grant is broken"))
        try:
            return msgspec.json.decode(self._vault.open(_owner(grant.id), grant.sealed_tokens), type=Tokens)
        except Unsealable as error:
            raise ReconnectNeeded(FailedCall(grant.provider, "the stored tokens cannot be opened")) from error

    def access_token(self, grant: Grant, *, rejected: str | None = None, deadline: Deadline = NO_DEADLINE) -> str:
        """Return an access token that has not expired and is not the `rejected` one, refreshed if necessary.

        Raises `ReconnectNeeded` if the grant is revoked, `ProviderUnavailable` or `Ambiguous` if the refresh can be
        retried, and `OutOfTime` if the refresh might not finish before the deadline.
        """
        waited = 0.0
        current = grant
        while True:
            tokens = self.open(current)
            if tokens.is_fresh(self._clock()) and tokens.access_token != rejected:
                return tokens.access_token
            if tokens.refresh_token is None:
                raise ReconnectNeeded(FailedCall(grant.provider, "the key is not accepted, and nothing can renew it"))
            deadline.require(REFRESH_SECONDS)
            try:
                leased = self._grants.lease_refresh(current, self._clock())
                return self._refresh(leased, self.open(leased)).access_token
            except LostRace:
                # Somebody refreshed or is refreshing: what they store is as good for us.
                if waited >= _PATIENCE_SECONDS:
                    raise ProviderUnavailable(FailedCall(grant.provider, "another refresh takes long")) from None
            stored = self._grants.get(grant.id)
            if stored is None:
                raise ReconnectNeeded(FailedCall(grant.provider, "the grant is gone"))
            if stored.version == current.version:
                self._sleep(_POLL_SECONDS)
                waited += _POLL_SECONDS
            current = stored

    def break_grant(self, grant_id: str, reason: str = Reason.RECONNECT_NEEDED, *, token: str | None = None) -> None:
        """Mark the grant as dead, unless its tokens changed since `token` was given out."""
        grant = self._grants.get(grant_id)
        if grant is None or grant.broken_reason or grant.sealed_tokens is None:
            return
        if token is not None and self.open(grant).access_token != token:
            return
        try:
            self._break(grant, reason)
        except LostRace:
            return  # Refreshed or reconnected meanwhile: not broken by what we saw.

    def _refresh(self, leased: Grant, tokens: Tokens) -> Tokens:
        """Refresh under the lease. Raises `LostRace` if the lease was overtaken before the result was stored."""
        provider = self._providers.get(leased.provider)
        credentials = self._secrets.credentials(leased.provider)
        if credentials is None or not isinstance(provider, OAuthProvider):
            self._grants.release(leased)
            raise ProviderUnavailable(FailedCall(leased.provider, "this deployment has no credentials for it"))
        pair = (credentials.client_id, credentials.client_secret)
        # At providers that rotate, what comes back is all that is left of the grant: no step after the call may fail
        # for something that could have been had before it.
        self._vault.prepare(_owner(leased.id))
        try:
            # A lost answer is not asked for again at once, which could outlive this Lambda. Whoever comes next tries
            # the old token: it still works if the request was lost too; if not, the provider says that the grant is
            # dead (zoom.us devforum 10375).
            new = oauth.refresh(provider, pair, tokens)
        except ReconnectNeeded:
            self._judge_dead(leased)
            raise
        except ClientRefused as error:
            self._judge_refused(leased, error)
            raise
        except (Ambiguous, ProviderUnavailable):
            self._grants.release(leased)
            raise
        self._store(self.seal(leased, new))
        count("TokensRefreshed")
        return new

    def _store(self, grant: Grant) -> None:
        for pause_seconds in _STORE_PAUSES_SECONDS:
            try:
                self._grants.write(grant)
            except StoreUnavailable:
                self._sleep(pause_seconds)
            else:
                return
        self._grants.write(grant)

    def _judge_dead(self, leased: Grant) -> None:
        """`invalid_grant` breaks the grant only if nobody changed it since the lease: raises `LostRace` otherwise."""
        self._break(leased, Reason.RECONNECT_NEEDED)

    def _judge_refused(self, leased: Grant, error: ClientRefused) -> None:
        """Break the grant if the provider still refuses it a day after the first refusal; before, only note that.

        A wrong client id is answered with the same code as an app that an organization removed: within a day the
        operator corrects the first, and no owner has to reconnect. Raises `LostRace` if the lease was overtaken.
        """
        now = self._clock()
        if not error.may_be_grant:
            self._grants.release(leased)
        elif leased.refused_at is None:
            self._grants.write(replace(leased, refused_at=now))
        elif now - leased.refused_at < DOUBT_ENDS_AFTER:
            self._grants.release(leased)
        else:
            self._break(leased, Reason.RECONNECT_NEEDED)
            raise ReconnectNeeded(replace(error.call, what="refused for a day")) from error

    def _break(self, grant: Grant, reason: str) -> None:
        now = self._clock()
        self._grants.write(replace(grant, broken_reason=reason, broken_at=now, notices=0))
        self._grants.set_due(grant.id, now)  # The schedule tells its owners.


def _owner(grant_id: str) -> Owner:
    return Owner(Purpose.TOKENS, grant_id)
