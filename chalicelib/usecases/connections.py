"""Show, confirm and end the connections of users."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from chalicelib.domain.connection import Connection, ConnectionStatus, Grant, Reason, connection_status, grant_id
from chalicelib.errors import Conflict, LostRace, ReconnectNeeded, StoreUnavailable, TokenRejected
from chalicelib.store.booking_records import Record
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.grants import GrantStore
from chalicelib.usecases.access_tokens import AccessTokens
from chalicelib.usecases.bookings import Bookings
from chalicelib.usecases.connect_links import ConnectLinks, Session
from chalicelib.usecases.connection_setup import REVOKE_AFTER
from chalicelib.usecases.offered_providers import OfferedProviders

_TRIES = 3
_CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far the provider's clock may be from ours. Some providers also cut their times to the second."""


class Connections:
    """Connections of all workspaces, by workspace and user."""

    def __init__(
        self,
        connections: ConnectionStore,
        grants: GrantStore,
        bookings: Bookings,
        links: ConnectLinks,
        tokens: AccessTokens,
        providers: OfferedProviders,
        clock: Callable[[], datetime],
    ) -> None:
        self._connections = connections
        self._grants = grants
        self._bookings = bookings
        self._links = links
        self._tokens = tokens
        self._providers = providers
        self._clock = clock

    def status(self, workspace_id: str, user_id: str) -> ConnectionStatus:
        """Return the user's connection as it is now."""
        connection = self._connections.get(workspace_id, user_id)
        return connection_status(connection, self._grants.get(connection.grant_id) if connection else None)

    def preview_disconnect(self, workspace_id: str, user_id: str) -> list[Record]:
        """Return the upcoming bookings whose meetings could no longer be changed after disconnecting."""
        return self._bookings.list_with_meetings(workspace_id, user_id)

    def confirm(self, workspace_id: str, user_id: str, account_id: str) -> ConnectionStatus:
        """Confirm that the account is the user's: bookings made from now on get their meetings from it.

        Raises `Conflict` without a connection, or if it is to another account than `account_id`.
        """
        connection = self._connections.get(workspace_id, user_id)
        if connection is None or connection.ended_reason:
            raise Conflict("There is no connection to confirm.", reason="not_connected")
        is_same_account = connection.account.id == account_id
        if is_same_account and not connection.confirmed:
            confirmed = replace(connection, confirmed=True, connected_at=self._clock())
            is_same_account = self._connections.replace(confirmed)
        if not is_same_account:
            raise Conflict(
                "Another account is connected by now. Look at GET …/connection, then confirm that account or "
                "disconnect.",
                reason="account_changed",
            )
        return self.status(workspace_id, user_id)

    def disconnect(
        self, workspace_id: str, user_id: str, *, delete_meetings: bool = False, session: Session | None = None
    ) -> None:
        """End the connection and every link and session of the user except `session`, which requested it.

        The schedule revokes the grant at the provider. With `delete_meetings` the upcoming meetings are removed first;
        until then the connection is kept for that purpose only.
        """
        if session is not None:
            self._links.end_others(session)
        else:
            self._links.end_all(workspace_id, user_id)
        connection = self._connections.get(workspace_id, user_id)
        if connection is None:
            return
        if delete_meetings:
            self._connections.replace(connection.ended(Reason.DISCONNECTED, self._clock()))
            self._schedule_revocation(connection)
            self._bookings.give_up_meetings(workspace_id, user_id)
            return
        # The grant becomes due before the row is deleted: after a crash between the two, the schedule still checks it.
        self._schedule_revocation(connection)
        self._connections.delete(workspace_id, user_id)
        self._bookings.wake_waiting(workspace_id, user_id)

    def deauthorize(self, provider_name: str, account_id: str, at: datetime) -> None:
        """Handle the provider's notice that the account's owner revoked the access at `at`.

        Deletes the tokens in one write; the schedule then deletes what is stored about the owner. A late or repeated
        notice about an earlier authorization changes nothing. Where the two clocks cannot decide which came first, the
        provider is asked whether it still accepts the tokens. Raises `ProviderUnavailable` or `Ambiguous` if it does
        not respond; the sender must then send the notice again.
        """
        for _ in range(_TRIES):
            grant = self._grants.get(grant_id(provider_name, account_id))
            if grant is None or self._was_authorized_after(grant, at):
                return
            grant = self._grants.get(grant.id) or grant
            ended = replace(grant, sealed_tokens=None, broken_reason=Reason.DEAUTHORIZED, broken_at=self._clock())
            try:
                self._grants.write(ended)
            except LostRace:
                continue
            self._grants.set_due(grant.id, self._clock())
            return
        raise StoreUnavailable("the grant changes too fast")

    def _was_authorized_after(self, grant: Grant, at: datetime) -> bool:
        """Return whether the grant is from an authorization after `at`. May call the provider."""
        if grant.authorized_at is None:
            return False
        elapsed = at - grant.authorized_at
        if elapsed < -_CLOCK_TOLERANCE:
            return True
        return elapsed <= _CLOCK_TOLERANCE and self._is_accepted(grant)

    def _is_accepted(self, grant: Grant) -> bool:
        """Return whether the provider accepts the grant's tokens now."""
        provider, rejected = self._providers.find(grant.provider), None
        if provider is None:
            return False
        for _ in range(2):  # An access token can be revoked alone; the refresh token decides.
            try:
                token = self._tokens.access_token(grant, rejected=rejected)
                provider.read_account(token)
            except TokenRejected:
                rejected = token
            except ReconnectNeeded:
                return False
            else:
                return True
        return False

    def _schedule_revocation(self, connection: Connection) -> None:
        self._grants.set_due(connection.grant_id, self._clock() + REVOKE_AFTER)
