"""Lists of a workspace's connections with their current states."""

from __future__ import annotations

from msgspec import Struct

from chalicelib.domain.connection import Connection, ConnectionState, ConnectionStatus, Reason, connection_status
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.grants import GrantStore

_MAX_QUERIES = 10
"""How many queries a page makes at most; then it ends with a cursor."""
_ROWS = 100
"""How many connections one query of a filtered list reads."""


class ConnectionFilter(Struct, frozen=True):
    """Which connections to list; None: any."""

    state: ConnectionState | None = None
    provider: str | None = None

    def matches(self, connection: Connection, status: ConnectionStatus) -> bool:
        """Return whether to list the connection. One that a user ended is not listed while its row remains."""
        return (
            connection.ended_reason != Reason.DISCONNECTED
            and self.state in (None, status.state)
            and self.provider in (None, connection.provider)
        )


class ConnectionLists:
    """Pages of connections in order of user id. The state of each depends on its grant, which is read too."""

    def __init__(self, connections: ConnectionStore, grants: GrantStore) -> None:
        self._connections = connections
        self._grants = grants

    def page(
        self, workspace_id: str, wanted: ConnectionFilter, *, limit: int, after: str | None
    ) -> tuple[list[tuple[str, ConnectionStatus]], str | None]:
        """Return at most `limit` (user id, connection) after the user id `after`, and the next user id.

        A page can be shorter than `limit`, even empty, and still have a next user id.
        """
        listed: list[tuple[str, ConnectionStatus]] = []
        for _ in range(_MAX_QUERIES):
            size = _ROWS if wanted != ConnectionFilter() else limit
            connections, rest = self._connections.page(workspace_id, limit=size, after=after)
            for connection, status in self._with_status(connections):
                if len(listed) == limit:
                    return listed, after
                after = connection.user_id
                if wanted.matches(connection, status):
                    listed.append((connection.user_id, status))
            if rest is None:
                return listed, None
        return listed, after

    def _with_status(self, connections: list[Connection]) -> list[tuple[Connection, ConnectionStatus]]:
        grants = self._grants.get_all({connection.grant_id for connection in connections})
        return [(c, connection_status(c, grants.get(c.grant_id))) for c in connections]
