"""The connections table, and what is read or written together with a connection's grant."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

import msgspec
from msgspec.structs import replace
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactGet, TransactWrite

from chalicelib.decoding import decode_json
from chalicelib.domain.connection import Connection, Grant
from chalicelib.errors import LostRace
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.ephemeral import Entry, ephemeral_item
from chalicelib.store.grants import grant_item, grant_of
from chalicelib.store.tables import ConnectionItem, EphemeralItem, GrantItem


class ConnectionStore:
    """The connections table."""

    def get(self, workspace_id: str, user_id: str) -> Connection | None:
        """Read a connection consistently."""
        item = ConnectionItem.find(workspace_id, user_id)
        return connection_of(item) if item else None

    def get_all(self, workspace_id: str, user_ids: Iterable[str]) -> dict[str, Connection]:
        """Read a workspace's connections consistently, by user id. Those that do not exist are left out."""
        keys = [(workspace_id, user_id) for user_id in user_ids]
        if not keys:
            return {}
        with translated_errors():
            return {item.user_id: connection_of(item) for item in ConnectionItem.batch_get(keys, consistent_read=True)}

    def get_with_grant(self, workspace_id: str, user_id: str, grant_id: str) -> tuple[Connection | None, Grant | None]:
        """Read the user's connection and a grant as of one moment, in one call. They need not belong together."""
        with translated_errors(), TransactGet(connection=ConnectionItem.shared_connection()) as transaction:
            connection_future = transaction.get(ConnectionItem, workspace_id, user_id)
            grant_future = transaction.get(GrantItem, grant_id)
        connection: Connection | None = None
        grant: Grant | None = None
        with suppress(ConnectionItem.DoesNotExist):
            connection = connection_of(connection_future.get())
        with suppress(GrantItem.DoesNotExist):
            grant = grant_of(grant_future.get())
        return connection, grant

    def establish(
        self, connection: Connection, grant: Grant, *, flow_key: str | None, also: Iterable[Entry] = ()
    ) -> None:
        """Store grant, connection and the entries `also`, and delete the OAuth flow at `flow_key`: all or nothing.

        `grant.version` is the version to write; the version before it must be current (1: the grant is new).
        Raises `LostRace` if the flow was used up or the grant changed in the meantime.
        """
        is_new, is_current = GrantItem.grant_id.does_not_exist(), GrantItem.version == grant.version - 1
        with translated_errors(), TransactWrite(connection=ConnectionItem.shared_connection()) as transaction:
            if flow_key is not None:
                transaction.delete(EphemeralItem(flow_key), EphemeralItem.key.exists())
            transaction.save(connection_item(connection))
            for entry in also:
                transaction.save(ephemeral_item(entry))
            transaction.save(grant_item(grant), is_new if grant.version == 1 else is_current)

    def replace(self, connection: Connection) -> bool:
        """Store a changed connection. Return False if it was deleted or belongs to another account by now."""
        item = ConnectionItem(connection.workspace_id, connection.user_id)
        actions: list[Action] = [ConnectionItem.document.set(_encode(connection))]
        try:
            with translated_errors():
                item.update(actions, condition=ConnectionItem.grant_id == connection.grant_id)
        except LostRace:
            return False
        return True

    def set_last_meeting_at(self, connection: Connection, at: datetime) -> None:
        """Record when a meeting was last created under the connection, unless it was replaced in the meantime."""
        item = ConnectionItem(connection.workspace_id, connection.user_id)
        with suppress(LostRace), translated_errors():
            item.update(
                [ConnectionItem.last_meeting_at.set(at)], condition=ConnectionItem.grant_id == connection.grant_id
            )

    def delete(self, workspace_id: str, user_id: str) -> None:
        """Delete a connection, if it exists."""
        with translated_errors():
            ConnectionItem(workspace_id, user_id).delete()

    def list_by_workspace(self, workspace_id: str) -> list[Connection]:
        """Read a workspace's connections consistently, in order of user id."""
        with translated_errors():
            return [connection_of(item) for item in ConnectionItem.query(workspace_id, consistent_read=True)]

    def page(self, workspace_id: str, *, limit: int, after: str | None) -> tuple[list[Connection], str | None]:
        """Return at most `limit` connections in order of user id, after the id `after`; and the next id, if any."""
        beyond = ConnectionItem.user_id > after if after else None
        with translated_errors():
            items = list(ConnectionItem.query(workspace_id, beyond, limit=limit + 1, consistent_read=True))
        connections = [connection_of(item) for item in items[:limit]]
        return connections, connections[-1].user_id if len(items) > limit else None

    def list_by_grant(self, grant_id: str) -> list[tuple[str, str]]:
        """Return (workspace, user) ids of the connections that use a grant.

        The index is eventually consistent, usually within a second.
        """
        with translated_errors():
            return [(item.workspace_id, item.user_id) for item in ConnectionItem.by_grant.query(grant_id)]


def connection_item(connection: Connection) -> ConnectionItem:
    """Encode a connection as a row."""
    document = _encode(connection)
    return ConnectionItem(connection.workspace_id, connection.user_id, grant_id=connection.grant_id, document=document)


def connection_of(item: ConnectionItem) -> Connection:
    """Decode a row."""
    connection = decode_json(item.document, Connection)
    return replace(connection, last_meeting_at=item.last_meeting_at)


def _encode(connection: Connection) -> str:
    return msgspec.json.encode(connection).decode()
