"""Keep idle grants alive, notify the owners of broken ones, and revoke unused ones. The schedule calls this."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from chalicelib.domain.connection import Connection, Grant, Reason
from chalicelib.errors import ClientRefused, ProviderError, ReconnectNeeded
from chalicelib.providers import oauth
from chalicelib.providers.base import OAuthProvider
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.grants import GrantStore
from chalicelib.usecases.access_tokens import AccessTokens
from chalicelib.usecases.bookings import Bookings
from chalicelib.usecases.broken_grants import CHECK_EVERY, BrokenGrants
from chalicelib.usecases.offered_providers import OfferedProviders

KEEP_ALIVE_AFTER = timedelta(days=30)
"""Zoom and Webex let a refresh token expire after about 90 days without use."""
_RETRY_AFTER = timedelta(minutes=1)
_RETRY_REFUSED_AFTER = timedelta(hours=1)
_MAX_REMOVAL_TIME = timedelta(days=1)
"""How long a disconnected user's connection is kept to remove its meetings."""


class GrantUpkeep:
    """The work that grants need between bookings. Every method can be repeated at any time."""

    def __init__(
        self,
        connections: ConnectionStore,
        grants: GrantStore,
        bookings: Bookings,
        tokens: AccessTokens,
        providers: OfferedProviders,
        broken_grants: BrokenGrants,
        clock: Callable[[], datetime],
    ) -> None:
        self._connections = connections
        self._grants = grants
        self._bookings = bookings
        self._tokens = tokens
        self._providers = providers
        self._broken_grants = broken_grants
        self._clock = clock

    def process(self, grant_id: str) -> None:
        """Do what the grant needs now and set the time of the next check. Raises `StoreError` only."""
        grant = self._grants.get(grant_id)
        if grant is None:
            return
        users = self._users_of(grant)
        if grant.broken_reason == Reason.DEAUTHORIZED:
            self._forget(grant, users)
            return
        users = [user for user in users if not self._finish_removal(user)]
        if not users:
            self._revoke(grant)
        elif grant.broken_reason:
            self._broken_grants.notify_owners(grant, users)
        else:
            self._keep_alive(grant, has_ended_users=any(user.ended_reason for user in users))

    def _users_of(self, grant: Grant) -> list[Connection]:
        connections = [self._connections.get(*key) for key in self._connections.list_by_grant(grant.id)]
        return [c for c in connections if c is not None and c.grant_id == grant.id]

    def _finish_removal(self, connection: Connection) -> bool:
        """Delete a connection that was only kept until its meetings were removed; return whether it is deleted."""
        if connection.ended_reason != Reason.DISCONNECTED:
            return False
        now = self._clock()
        is_overdue = now - (connection.ended_at or now) >= _MAX_REMOVAL_TIME
        if not is_overdue and self._bookings.has_meetings_of_grant(
            connection.workspace_id, connection.user_id, connection.grant_id
        ):
            return False
        self._connections.delete(connection.workspace_id, connection.user_id)
        return True

    def _revoke(self, grant: Grant) -> None:
        """Revoke the grant, then delete it. Until the provider has revoked it, the grant is kept for another try."""
        try:
            grant = self._revoke_at_provider(grant)
        except ReconnectNeeded:
            pass  # The provider has revoked it already.
        except ProviderError as error:
            is_refused = error.status is not None and 400 <= error.status < 500 and error.status != 429
            self._grants.reschedule(grant, self._clock() + (_RETRY_REFUSED_AFTER if is_refused else _RETRY_AFTER))
            return
        self._grants.delete(grant)

    def _revoke_at_provider(self, grant: Grant) -> Grant:
        """Revoke the grant and return the version that was revoked: the delete must fail if a newer one exists."""
        client = self._providers.oauth_client(grant.provider)
        if client is None:
            return grant  # A key cannot be revoked from here; or the provider was removed from this deployment.
        # Zoom does not revoke an expired access token, and the refresh token would stay valid.
        token = self._tokens.access_token(grant)
        current = self._grants.get(grant.id) or grant
        oauth.revoke(client.provider, client.credentials, token)
        return current

    def _forget(self, grant: Grant, users: list[Connection]) -> None:
        """Delete everything about the owner of a deauthorized grant except that it was deauthorized."""
        for connection in users:
            self._connections.replace(connection.ended(Reason.DEAUTHORIZED, self._clock()))
        self._grants.delete(grant)

    def _keep_alive(self, grant: Grant, *, has_ended_users: bool) -> None:
        """Refresh the tokens of an idle grant, so that they do not expire."""
        check_after = _RETRY_AFTER if has_ended_users else CHECK_EVERY
        try:
            if self._needs_refresh(grant):
                self._tokens.access_token(grant, rejected=self._tokens.open(grant).access_token)
        except ReconnectNeeded:
            return  # Now broken, and due again so that its owners are notified.
        except ClientRefused:
            pass  # The operator must act first: tomorrow is soon enough.
        except ProviderError:
            check_after = _RETRY_AFTER
        self._grants.reschedule(grant, self._clock() + check_after)

    def _needs_refresh(self, grant: Grant) -> bool:
        if not isinstance(self._providers.find(grant.provider), OAuthProvider):
            return False
        now = self._clock()
        refreshed_at = grant.refreshed_at or now
        lifetime = (grant.lapses_at or datetime.max.replace(tzinfo=UTC)) - refreshed_at
        is_idle = now - refreshed_at >= min(KEEP_ALIVE_AFTER, lifetime / 2)
        return is_idle or grant.refused_at is not None
