"""Return valid access tokens of grants.

One process at a time refreshes a grant's tokens, and the new tokens are stored before they are used.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from chalicelib.decoding import decode_json
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
from chalicelib.providers.http_client import TOKEN_TIMEOUT_SECONDS
from chalicelib.store.encryption import Encryption, Owner, Purpose, Unsealable
from chalicelib.store.grants import GrantStore
from chalicelib.usecases.offered_providers import OfferedProviders

DOUBT_ENDS_AFTER = timedelta(days=1)
"""How long a grant is not broken by a refusal that a wrong client id can cause too. The alarm `client-refused` notifies
the operator at once."""
REFRESH_SECONDS = TOKEN_TIMEOUT_SECONDS + 3
"""The longest that a refresh takes, with the write after it. Where refresh tokens rotate, a refresh that the end of the
invocation cuts off ends the grant."""
_POLL_SECONDS = 0.25
_STORE_PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0)
_PATIENCE_SECONDS = 20.0
"""How long to wait for another process's refresh: a little longer than a slow one takes."""


class AccessTokens:
    """Access tokens by grant."""

    def __init__(
        self,
        grants: GrantStore,
        encryption: Encryption,
        providers: OfferedProviders,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._grants = grants
        self._encryption = encryption
        self._providers = providers
        self._clock = clock
        self._sleep = sleep

    def seal(self, grant: Grant, tokens: Tokens) -> Grant:
        """Return the grant with these tokens, encrypted, and not broken. Stores nothing."""
        sealed = self._encryption.seal(_owner(grant.id), msgspec.json.encode(tokens))
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
        """Return the grant's tokens. Raises `ReconnectNeeded` if it is broken or its tokens cannot be decrypted."""
        if grant.sealed_tokens is None or grant.broken_reason is not None:
            raise ReconnectNeeded(FailedCall(grant.provider, "the grant is broken"))
        try:
            return decode_json(self._encryption.open(_owner(grant.id), grant.sealed_tokens), Tokens)
        except Unsealable as error:
            raise ReconnectNeeded(FailedCall(grant.provider, "the stored tokens cannot be opened")) from error

    def access_token(self, grant: Grant, *, rejected: str | None = None, deadline: Deadline = NO_DEADLINE) -> str:
        """Return an access token that has not expired and is not the `rejected` one, refreshed if necessary.

        Raises `ReconnectNeeded` if the grant is revoked, `ProviderUnavailable` or `Ambiguous` if the refresh can be
        retried, and `OutOfTime` if the refresh might not finish before the deadline.
        """
        waited_seconds = 0.0
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
            except LostRace:  # Another process refreshed the tokens or is doing so; reload them.
                if waited_seconds >= _PATIENCE_SECONDS:
                    raise ProviderUnavailable(FailedCall(grant.provider, "another refresh takes long")) from None
            stored = self._grants.get(grant.id)
            if stored is None:
                raise ReconnectNeeded(FailedCall(grant.provider, "the grant is gone"))
            if stored.version == current.version:
                self._sleep(_POLL_SECONDS)
                waited_seconds += _POLL_SECONDS
            current = stored

    def break_grant(self, grant_id: str, reason: str = Reason.RECONNECT_NEEDED, *, token: str | None = None) -> None:
        """Mark the grant as broken, unless its tokens changed since `token` was returned."""
        grant = self._grants.get(grant_id)
        if grant is None or grant.broken_reason or grant.sealed_tokens is None:
            return
        if token is not None and self.open(grant).access_token != token:
            return
        with suppress(LostRace):  # Refreshed or reconnected since, so the failure does not concern it.
            self._break(grant, reason)

    def _refresh(self, leased: Grant, tokens: Tokens) -> Tokens:
        """Refresh under the lease. Raises `LostRace` if another process changed the grant in the meantime."""
        client = self._providers.oauth_client(leased.provider)
        if client is None:
            self._grants.release_refresh(leased)
            raise ProviderUnavailable(FailedCall(leased.provider, "this deployment has no credentials for it"))
        # Where refresh tokens rotate, the response replaces the only valid one. Everything that can fail and does not
        # need the response must happen before the call.
        self._encryption.prepare(_owner(leased.id))
        try:
            # A lost response is not requested again here, because that could outlive this Lambda. The next caller
            # sends the old token: it still works if the request was lost too; otherwise the provider responds that the
            # grant is revoked (zoom.us devforum 10375).
            new = oauth.refresh(client.provider, client.credentials, tokens)
        except ReconnectNeeded:
            self._break(leased, Reason.RECONNECT_NEEDED)
            raise
        except ClientRefused as error:
            self._handle_refusal(leased, error)
            raise
        except (Ambiguous, ProviderUnavailable):
            self._grants.release_refresh(leased)
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

    def _handle_refusal(self, leased: Grant, error: ClientRefused) -> None:
        """Break the grant if the provider still refuses it a day after the first refusal; until then, note the refusal.

        Providers return the same code for a wrong client id and for an app that an organization removed. The operator
        can correct the client id within a day, and no owner has to reconnect. Raises `LostRace` if another process
        changed the grant.
        """
        now = self._clock()
        if not error.may_be_grant:
            self._grants.release_refresh(leased)
        elif leased.refused_at is None:
            self._grants.write(replace(leased, refused_at=now))
        elif now - leased.refused_at < DOUBT_ENDS_AFTER:
            self._grants.release_refresh(leased)
        else:
            self._break(leased, Reason.RECONNECT_NEEDED)
            raise ReconnectNeeded(replace(error.call, what="refused for a day")) from error

    def _break(self, grant: Grant, reason: str) -> None:
        """Raises `LostRace` if another process changed the grant."""
        now = self._clock()
        self._grants.write(replace(grant, broken_reason=reason, broken_at=now, notices=0))
        self._grants.set_due(grant.id, now)  # The schedule notifies its owners.


def _owner(grant_id: str) -> Owner:
    return Owner(Purpose.TOKENS, grant_id)
