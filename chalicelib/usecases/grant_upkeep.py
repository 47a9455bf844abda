"""What the schedule does for grants: keep idle ones alive, tell owners of broken ones, revoke unused ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from chalicelib.domain.connection import Connection, Grant, Reason
from chalicelib.errors import ClientRefused, LostRace, MailUnavailable, ProviderError, ReconnectNeeded
from chalicelib.observability import count, log
from chalicelib.providers import oauth
from chalicelib.providers.base import OAuthProvider, Provider
from chalicelib.store.bookings import BookingStore
from chalicelib.store.connections import ConnectionStore, GrantStore
from chalicelib.store.deployment_secrets import DeploymentSecrets
from chalicelib.usecases.access_tokens import AccessTokens
from chalicelib.usecases.notices import ReconnectNotices
from chalicelib.webhooks.outbox import Outbox

LOOK_EVERY = timedelta(days=1)
KEEP_ALIVE_AFTER = timedelta(days=30)
"""Zoom and Webex let a refresh token lapse after about 90 days without use."""
NOTICE_DAYS = (0, 1, 3, 7, 14)
_RETRY = timedelta(minutes=1)
_RETRY_REFUSED = timedelta(hours=1)
_REMOVING_ENDS_AFTER = timedelta(days=1)


class GrantUpkeep:
    """Looks at one grant that is due; safe at any time, any number of times."""

    def __init__(
        self,
        connections: ConnectionStore,
        grants: GrantStore,
        bookings: BookingStore,
        tokens: AccessTokens,
        notifier: ReconnectNotices,
        announcer: Outbox,
        providers: Mapping[str, Provider],
        secrets: DeploymentSecrets,
        clock: Callable[[], datetime],
    ) -> None:
        self._connections = connections
        self._grants = grants
        self._bookings = bookings
        self._tokens = tokens
        self._notifier = notifier
        self._announcer = announcer
        self._providers = providers
        self._secrets = secrets
        self._clock = clock

    def see_to(self, grant_id: str) -> None:
        """Do what the grant needs now and note when to look again. Raises `StoreError` only."""
        grant = self._grants.get(grant_id)
        if grant is None:
            return
        users = [c for key in self._connections.users_of(grant_id) if (c := self._connections.get(*key)) is not None]
        users = [c for c in users if c.grant_id == grant_id]
        if grant.broken_reason == Reason.DEAUTHORIZED:
            self._forget(grant, users)
            return
        kept = [c for c in users if not self._finish_removing(c)]
        if not kept:
            self._revoke(grant)
        elif grant.broken_reason:
            self._tell(grant, kept)
        else:
            self._keep_alive(grant, soon=len([c for c in kept if c.ended_reason]) > 0)

    def _finish_removing(self, connection: Connection) -> bool:
        """Let go of a connection that only lived on until its meetings were removed; True if it is gone."""
        if connection.ended_reason != Reason.DISCONNECTED:
            return False
        now = self._clock()
        upcoming = self._bookings.upcoming(connection.workspace_id, connection.user_id, now)
        left = any(record.settlement.meeting.grant_id == connection.grant_id for record in upcoming)
        begun = connection.ended_at or now
        if left and now - begun < _REMOVING_ENDS_AFTER:
            return False
        self._connections.delete(connection.workspace_id, connection.user_id)
        return True

    def _revoke(self, grant: Grant) -> None:
        """Revoke and forget the grant. Until the provider has revoked it, the grant is kept and revoked again."""
        try:
            grant = self._revoke_at_provider(grant)
        except ReconnectNeeded:
            pass  # The provider has ended it already.
        except ProviderError as error:
            is_refused = error.status is not None and 400 <= error.status < 500 and error.status != 429
            self._grants.visited(grant, self._clock() + (_RETRY_REFUSED if is_refused else _RETRY))
            return
        self._grants.delete(grant)

    def _revoke_at_provider(self, grant: Grant) -> Grant:
        """Revoke; the answer is the grant as it was then, for a delete that loses against a new connection."""
        provider, credentials = self._providers.get(grant.provider), self._secrets.credentials(grant.provider)
        if credentials is None or not isinstance(provider, OAuthProvider):
            return grant  # A key is not ours to revoke; or the provider was taken out of this deployment.
        # An expired access token cannot be revoked at Zoom, and its refresh token would live on.
        token = self._tokens.access_token(grant)
        current = self._grants.get(grant.id) or grant
        oauth.revoke(provider, (credentials.client_id, credentials.client_secret), token)
        return current

    def _forget(self, grant: Grant, users: list[Connection]) -> None:
        """The provider ended the grant and its owner wants to be forgotten: keep only that it was ended."""
        for connection in users:
            self._connections.replace(connection.ended(Reason.DEAUTHORIZED, self._clock()))
        self._grants.delete(grant)

    def _tell(self, grant: Grant, users: list[Connection]) -> None:
        """Mail the owners of a broken grant, on the days of `NOTICE_DAYS`; then only bookings wait."""
        now, broken_at = self._clock(), grant.broken_at or self._clock()
        if grant.notices == 0:
            self._announcer.connections_broken(grant, users)
        if grant.notices >= len(NOTICE_DAYS):
            self._grants.visited(grant, now + LOOK_EVERY)
            return
        due_at = broken_at + timedelta(days=NOTICE_DAYS[grant.notices])
        if now < due_at:
            self._grants.visited(grant, due_at)
            return
        try:
            self._notifier.connection_broken(grant, users)
        except MailUnavailable as error:
            self._grants.visited(grant, error.retry_at or now + _RETRY)
            return
        try:
            told = self._grants.write(replace(grant, notices=grant.notices + 1))
        except LostRace:
            return  # Reconnected meanwhile.
        if grant.notices == 0:  # Counted once, also if the first mail had to be tried again.
            _report_broken(grant, users)
        following = NOTICE_DAYS[told.notices] if told.notices < len(NOTICE_DAYS) else NOTICE_DAYS[-1] + 1
        # Never two mails within a day, also when the first one was late.
        self._grants.visited(told, max(broken_at + timedelta(days=following), now + timedelta(days=1)))

    def _keep_alive(self, grant: Grant, *, soon: bool) -> None:
        now = self._clock()
        refreshed_at = grant.refreshed_at or now
        idle, life = now - refreshed_at, (grant.lapses_at or datetime.max.replace(tzinfo=UTC)) - refreshed_at
        try:
            is_idle = idle >= min(KEEP_ALIVE_AFTER, life / 2)
            if isinstance(self._providers.get(grant.provider), OAuthProvider) and (is_idle or grant.refused_at):
                self._tokens.access_token(grant, rejected=self._tokens.open(grant).access_token)
        except ReconnectNeeded:
            return  # Broken now, and due again for its owners to be told.
        except ClientRefused:
            pass  # The operator must act first: tomorrow is soon enough.
        except ProviderError:
            soon = True
        self._grants.visited(grant, now + (_RETRY if soon else LOOK_EVERY))


def _report_broken(grant: Grant, users: list[Connection]) -> None:
    """Log and count each user whose connection the grant was."""
    for user in users:
        reason = grant.broken_reason
        log.info("a connection is broken", workspace_id=user.workspace_id, provider=grant.provider, reason=reason)
    count("ConnectionsBroken", len(users))
