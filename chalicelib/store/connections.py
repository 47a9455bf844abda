"""Connections and the grants behind them. Tokens stay sealed here; `usecases.tokens` opens them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactGet, TransactWrite

from chalicelib.domain.connection import Account, Connection, Grant
from chalicelib.errors import LostRace
from chalicelib.store.ephemeral import Entry, ephemeral_item
from chalicelib.store.tables import (
    ConnectionItem,
    EphemeralItem,
    GrantItem,
    due_shard,
    dynamo,
    from_milliseconds,
    milliseconds,
    translated,
)

REFRESH_LEASE = timedelta(seconds=90)
"""Longer than a token call's longest time. A refresher that dies delays the others by at most this."""


class _GrantDocument(Struct, frozen=True):
    provider: str
    account: Account
    broken_reason: str | None = None
    broken_at: datetime | None = None
    authorized_at: datetime | None = None
    refreshed_at: datetime | None = None
    lapses_at: datetime | None = None
    notices: int = 0
    refused_at: datetime | None = None


class ConnectionStore:
    """The connections table, and reads that need the grant with it."""

    def get(self, workspace_id: str, user_id: str) -> Connection | None:
        with translated():
            try:
                item = ConnectionItem.get(workspace_id, user_id, consistent_read=True)
            except ConnectionItem.DoesNotExist:
                return None
        return connection_of(item)

    def with_grant(self, workspace_id: str, user_id: str, grant_id: str) -> tuple[Connection | None, Grant | None]:
        """The user's connection and a grant, as of one moment, in one call. The two need not belong together."""
        with translated(), TransactGet(connection=dynamo()) as transaction:
            connection = transaction.get(ConnectionItem, workspace_id, user_id)
            grant = transaction.get(GrantItem, grant_id)
        try:
            found = connection_of(connection.get())
        except ConnectionItem.DoesNotExist:
            found = None
        try:
            return found, _grant(grant.get())
        except GrantItem.DoesNotExist:
            return found, None

    def establish(
        self, connection: Connection, grant: Grant, *, flow_key: str | None, now: datetime, also: Iterable[Entry] = ()
    ) -> None:
        """Store grant, connection and the documents `also`, and use up the OAuth flow, if one led here, all or nothing.

        `grant.version` is the version to write; its predecessor must still be current (1: there is none).
        Raises `LostRace` when the flow is used up or the grant changed meanwhile.
        """
        item = _grant_item(grant)
        with translated(), TransactWrite(connection=dynamo()) as transaction:
            if flow_key is not None:
                transaction.delete(EphemeralItem(flow_key, document="", expires_at=0), EphemeralItem.key.exists())
            transaction.save(connection_item(connection))
            for entry in also:
                transaction.save(ephemeral_item(entry))
            fresh = GrantItem.grant_id.does_not_exist()
            transaction.save(item, fresh if grant.version == 1 else GrantItem.version == grant.version - 1)

    def replace(self, connection: Connection) -> bool:
        """Store a changed row; False if it is gone or belongs to another account by now."""
        item = ConnectionItem(connection.workspace_id, connection.user_id)
        actions: list[Action] = [ConnectionItem.document.set(_document_of(connection))]
        try:
            with translated():
                item.update(actions, condition=ConnectionItem.grant_id == connection.grant_id)
        except LostRace:
            return False
        return True

    def note_meeting(self, connection: Connection, at: datetime) -> None:
        """Remember when the connection last made a meeting, unless it was replaced meanwhile."""
        item = ConnectionItem(connection.workspace_id, connection.user_id)
        same = ConnectionItem.grant_id == connection.grant_id
        with suppress(LostRace), translated():
            item.update([ConnectionItem.last_meeting_at.set(milliseconds(at))], condition=same)

    def delete(self, workspace_id: str, user_id: str) -> None:
        with translated():
            ConnectionItem(workspace_id, user_id, grant_id="", document="").delete()

    def of_workspace(self, workspace_id: str) -> list[Connection]:
        """In order of user id, read consistently."""
        with translated():
            return [connection_of(item) for item in ConnectionItem.query(workspace_id, consistent_read=True)]

    def users_of(self, grant_id: str) -> list[tuple[str, str]]:
        """(workspace, user) of every connection that uses the grant. Eventually consistent, usually within a second."""
        with translated():
            return [(item.workspace_id, item.user_id) for item in ConnectionItem.by_grant.query(grant_id)]


class GrantStore:
    """The grants table. Every write of tokens is fenced by `version`."""

    def get(self, grant_id: str) -> Grant | None:
        with translated():
            try:
                item = GrantItem.get(grant_id, consistent_read=True)
            except GrantItem.DoesNotExist:
                return None
        return _grant(item)

    def lease_refresh(self, grant: Grant, now: datetime) -> Grant:
        """Become the one who refreshes; the answer carries the version to write under.

        Raises `LostRace` if the grant changed or somebody else is refreshing.
        """
        item = GrantItem(grant.id)
        free = GrantItem.lease_until.does_not_exist() | (GrantItem.lease_until < milliseconds(now))
        actions: list[Action] = [
            GrantItem.version.set(GrantItem.version + 1),
            GrantItem.lease_until.set(milliseconds(now + REFRESH_LEASE)),
        ]
        with translated():
            item.update(actions, condition=(GrantItem.version == grant.version) & free)
        return _grant(item)

    def write(self, grant: Grant) -> Grant:
        """Store the grant over the version that was read or leased, and end the lease.

        Raises `LostRace` if it is not current any more: a stale refresher's late write changes nothing.
        """
        newer = replace(grant, version=grant.version + 1)
        actions: list[Action] = [
            GrantItem.version.set(newer.version),
            GrantItem.document.set(_document(newer)),
            GrantItem.lease_until.remove(),
            GrantItem.tokens.remove() if newer.sealed_tokens is None else GrantItem.tokens.set(newer.sealed_tokens),
        ]
        with translated():
            GrantItem(grant.id).update(actions, condition=GrantItem.version == grant.version)
        return newer

    def release(self, grant: Grant) -> None:
        """End a lease without a result, so that the next may try at once."""
        with suppress(LostRace), translated():
            GrantItem(grant.id).update([GrantItem.lease_until.remove()], condition=GrantItem.version == grant.version)

    def set_due(self, grant_id: str, at: datetime) -> None:
        """Have the schedule look at the grant at `at`; a grant that is gone stays so."""
        actions: list[Action] = [GrantItem.due_shard.set(due_shard(grant_id)), GrantItem.due_at.set(milliseconds(at))]
        with suppress(LostRace), translated():
            GrantItem(grant_id).update(actions, condition=GrantItem.grant_id.exists())

    def visited(self, grant: Grant, again_at: datetime) -> None:
        """The schedule looked; it looks again at `again_at`, unless somebody asked for a look since it began."""
        seen = GrantItem.due_at == milliseconds(grant.due_at) if grant.due_at else GrantItem.due_at.does_not_exist()
        actions: list[Action] = [
            GrantItem.due_shard.set(due_shard(grant.id)),
            GrantItem.due_at.set(milliseconds(again_at)),
        ]
        with suppress(LostRace), translated():
            GrantItem(grant.id).update(actions, condition=seen)

    def delete(self, grant: Grant) -> None:
        """Forget the grant, unless it changed meanwhile (somebody connected the account again)."""
        with suppress(LostRace), translated():
            _grant_item(grant).delete(condition=GrantItem.version == grant.version)

    def due(self, shard: int, now: datetime, limit: int) -> list[str]:
        """Ids of grants in one partition whose time has come."""
        with translated():
            found = GrantItem.due.query(str(shard), GrantItem.due_at <= milliseconds(now), limit=limit)
            return [item.grant_id for item in found]


def connection_item(connection: Connection) -> ConnectionItem:
    document = _document_of(connection)
    return ConnectionItem(connection.workspace_id, connection.user_id, grant_id=connection.grant_id, document=document)


def _document_of(connection: Connection) -> str:
    return msgspec.json.encode(connection).decode()


def connection_of(item: ConnectionItem) -> Connection:
    connection = msgspec.json.decode(item.document, type=Connection)
    made = from_milliseconds(item.last_meeting_at) if item.last_meeting_at is not None else None
    return replace(connection, last_meeting_at=made)


def _document(grant: Grant) -> str:
    known = _GrantDocument(
        provider=grant.provider,
        account=grant.account,
        broken_reason=grant.broken_reason,
        broken_at=grant.broken_at,
        authorized_at=grant.authorized_at,
        refreshed_at=grant.refreshed_at,
        lapses_at=grant.lapses_at,
        notices=grant.notices,
        refused_at=grant.refused_at,
    )
    return msgspec.json.encode(known).decode()


def _grant_item(grant: Grant) -> GrantItem:
    due: dict[str, Any] = {}
    if grant.due_at is not None:
        due = {"due_shard": due_shard(grant.id), "due_at": milliseconds(grant.due_at)}
    document = _document(grant)
    return GrantItem(grant.id, version=grant.version, document=document, tokens=grant.sealed_tokens, **due)


def _grant(item: GrantItem) -> Grant:
    known = msgspec.json.decode(item.document, type=_GrantDocument)
    return Grant(
        provider=known.provider,
        account=known.account,
        version=int(item.version),
        sealed_tokens=item.tokens,
        broken_reason=known.broken_reason,
        broken_at=known.broken_at,
        authorized_at=known.authorized_at,
        refreshed_at=known.refreshed_at,
        lapses_at=known.lapses_at,
        notices=known.notices,
        refused_at=known.refused_at,
        due_at=from_milliseconds(item.due_at) if item.due_at is not None else None,
    )
