"""End grants that no connection uses any more: at the provider, and then here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from chalicelib.domain.connection import Grant
from chalicelib.errors import ProviderError, ReconnectNeeded
from chalicelib.providers import oauth
from chalicelib.providers.base import Provider
from chalicelib.store.connections import ConnectionStore, GrantStore
from chalicelib.store.secrets import Secrets
from chalicelib.usecases.tokens import TokenKeeper

_RETRY = timedelta(minutes=1)


class Revoker:
    """Called by the schedule for grants that are due."""

    def __init__(
        self,
        connections: ConnectionStore,
        grants: GrantStore,
        tokens: TokenKeeper,
        providers: Mapping[str, Provider],
        secrets: Secrets,
        clock: Callable[[], datetime],
    ) -> None:
        self._connections = connections
        self._grants = grants
        self._tokens = tokens
        self._providers = providers
        self._secrets = secrets
        self._clock = clock

    def revoke_if_unused(self, grant_id: str) -> None:
        """Revoke and forget the grant, unless a connection uses it. What cannot be revoked now is tried again."""
        grant = self._grants.get(grant_id)
        if grant is None:
            return
        if self._connections.users_of(grant_id):
            self._grants.clear_due(grant)
            return
        try:
            grant = self._revoke(grant)
        except ReconnectNeeded:
            pass  # The provider has ended it already.
        except ProviderError:
            self._grants.set_due(grant_id, self._clock() + _RETRY)
            return
        self._grants.delete(grant)

    def _revoke(self, grant: Grant) -> Grant:
        """Revoke; the answer is the grant as it was then, for a delete that loses against a new connection."""
        provider, credentials = self._providers.get(grant.provider), self._secrets.credentials(grant.provider)
        if provider is None or credentials is None:
            return grant  # The provider was taken out of this deployment: there is nobody to ask.
        # An expired access token cannot be revoked at Zoom, and its refresh token would live on.
        token = self._tokens.access_token(grant)
        current = self._grants.get(grant.id) or grant
        oauth.revoke(provider, (credentials.client_id, credentials.client_secret), token)
        return current
