"""Store a new connection together with its grant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from chalicelib.domain.connection import Account, Connection, Grant, Tokens, grant_id
from chalicelib.errors import LostRace
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.grants import GrantStore
from chalicelib.store.workspaces import WorkspaceStore
from chalicelib.usecases.access_tokens import AccessTokens
from chalicelib.usecases.bookings import Bookings
from chalicelib.usecases.connect_links import ConnectLinks, Session, Visitor

REVOKE_AFTER = timedelta(seconds=5)
"""How long to wait before an unused grant is revoked: the index of connections by grant lags behind the table."""
_FIRST_CHECK_AFTER = timedelta(days=1)
_TRIES = 3


class ConnectionSetup:
    """Stores what the OAuth flow or the key form obtained from a provider."""

    def __init__(
        self,
        connections: ConnectionStore,
        grants: GrantStore,
        workspaces: WorkspaceStore,
        tokens: AccessTokens,
        links: ConnectLinks,
        bookings: Bookings,
        clock: Callable[[], datetime],
    ) -> None:
        self._connections = connections
        self._grants = grants
        self._workspaces = workspaces
        self._tokens = tokens
        self._links = links
        self._bookings = bookings
        self._clock = clock

    def establish(
        self,
        session: Session,
        provider_name: str,
        account: Account,
        tokens: Tokens,
        base_url: str,
        *,
        flow_key: str | None = None,
    ) -> Connection:
        """Store the connection and the grant in one write.

        The same write deletes the flow at `flow_key` and ends the user's other links and sessions. Raises `LostRace`
        if the flow was deleted already, or if the grant or connection changes on every try.
        """
        for _ in range(_TRIES):
            previous = self._connections.get(session.visitor.workspace_id, session.visitor.user_id)
            connection = self._new_connection(session.visitor, provider_name, account, previous, base_url)
            try:
                self._write(session, connection, tokens, flow_key)
            except LostRace:
                continue  # Another process refreshed or connected the same account at the same time.
            self._follow_up(connection, previous)
            return connection
        raise LostRace("the grant changes too fast")

    def _new_connection(
        self, visitor: Visitor, provider_name: str, account: Account, previous: Connection | None, base_url: str
    ) -> Connection:
        workspace = self._workspaces.get(visitor.workspace_id)
        new = Connection(
            workspace_id=visitor.workspace_id,
            user_id=visitor.user_id,
            provider=provider_name,
            grant_id=grant_id(provider_name, account.id),
            account=account,
            connected_at=self._clock(),
            user_email=visitor.email,
            user_name=visitor.name,
            confirmed=not (workspace and workspace.confirms_connections),
            base_url=base_url,
        )
        return _repaired(previous, new)

    def _write(self, session: Session, connection: Connection, tokens: Tokens, flow_key: str | None) -> None:
        now, current = self._clock(), self._grants.get(connection.grant_id)
        grant = Grant(
            connection.provider,
            connection.account,
            version=current.version + 1 if current else 1,
            sealed_tokens=None,
            authorized_at=now,
            due_at=now + _FIRST_CHECK_AFTER,
            reported_at=current.reported_at if current else None,
        )
        sealed, ended = self._tokens.seal(grant, tokens), self._links.entries_to_end_others(session)
        self._connections.establish(connection, sealed, flow_key=flow_key, also=ended)

    def _follow_up(self, connection: Connection, previous: Connection | None) -> None:
        """Schedule the revocation of the previous grant and wake the bookings that wait for the new one."""
        if previous is not None and previous.grant_id != connection.grant_id:
            self._grants.set_due(previous.grant_id, self._clock() + REVOKE_AFTER)
        user = (connection.workspace_id, connection.user_id)
        # Other users can share the grant, and their bookings may wait for it too.
        for workspace_id, user_id in {user, *self._connections.list_by_grant(connection.grant_id)}:
            self._bookings.wake_waiting(workspace_id, user_id)


def _repaired(previous: Connection | None, new: Connection) -> Connection:
    """Return `new`, with what stays valid when the same account is connected again.

    Bookings made since the account was first connected still get meetings from it, and a confirmation stays valid.
    """
    if previous is None or previous.grant_id != new.grant_id or previous.ended_reason:
        return new
    return replace(
        new,
        connected_at=previous.connected_at,
        user_email=new.user_email or previous.user_email,
        user_name=new.user_name or previous.user_name,
        last_meeting_at=previous.last_meeting_at,
        confirmed=previous.confirmed or new.confirmed,
    )
