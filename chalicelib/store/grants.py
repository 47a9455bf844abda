"""The grants table. Tokens are stored encrypted; `usecases.access_tokens` decrypts them."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace
from pynamodb.expressions.update import Action

from chalicelib.decoding import decode_json
from chalicelib.domain.connection import Grant
from chalicelib.errors import LostRace
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import GRANT_PARTITIONS, GrantItem, choose_partition

REFRESH_LEASE = timedelta(seconds=90)
"""Longer than the longest token call. A process that is killed while refreshing delays the others by at most this."""

_REPORT_PRECISION = timedelta(days=1)


class GrantStore:
    """The grants table. Every write of tokens is fenced by `version`."""

    def get(self, grant_id: str) -> Grant | None:
        """Read a grant consistently."""
        item = GrantItem.find(grant_id)
        return grant_of(item) if item else None

    def get_all(self, grant_ids: Collection[str]) -> dict[str, Grant]:
        """Read grants consistently, by id. Those that do not exist are left out."""
        if not grant_ids:
            return {}
        with translated_errors():
            return {item.grant_id: grant_of(item) for item in GrantItem.batch_get(grant_ids, consistent_read=True)}

    def lease_refresh(self, grant: Grant, now: datetime) -> Grant:
        """Become the only process that refreshes the tokens. Return the grant with the version to write under.

        Raises `LostRace` if the grant changed or another process is refreshing.
        """
        item = GrantItem(grant.id)
        is_free = GrantItem.lease_until.does_not_exist() | (GrantItem.lease_until < now)
        actions: list[Action] = [
            GrantItem.version.set(GrantItem.version + 1),
            GrantItem.lease_until.set(now + REFRESH_LEASE),
        ]
        with translated_errors():
            item.update(actions, condition=(GrantItem.version == grant.version) & is_free)
        return grant_of(item)

    def write(self, grant: Grant) -> Grant:
        """Replace the version that was read or leased, and end the lease.

        Raises `LostRace` if that version is not current: the late write of a stale refresher changes nothing.
        """
        newer = replace(grant, version=grant.version + 1)
        actions: list[Action] = [
            GrantItem.version.set(newer.version),
            GrantItem.document.set(_encode(newer)),
            GrantItem.lease_until.remove(),
            GrantItem.tokens.remove() if newer.sealed_tokens is None else GrantItem.tokens.set(newer.sealed_tokens),
        ]
        with translated_errors():
            GrantItem(grant.id).update(actions, condition=GrantItem.version == grant.version)
        return newer

    def release_refresh(self, grant: Grant) -> None:
        """End a lease without a result, so that another process may refresh now."""
        with suppress(LostRace), translated_errors():
            GrantItem(grant.id).update([GrantItem.lease_until.remove()], condition=GrantItem.version == grant.version)

    def set_due(self, grant_id: str, at: datetime) -> None:
        """Make the schedule process the grant at `at`. Ignore a grant that was deleted."""
        with suppress(LostRace), translated_errors():
            GrantItem(grant_id).update(_set_due(grant_id, at), condition=GrantItem.grant_id.exists())

    def reschedule(self, grant: Grant, at: datetime) -> None:
        """Make a processed grant due again at `at`, unless another time was set since the grant was read."""
        is_unchanged = GrantItem.due_at == grant.due_at if grant.due_at else GrantItem.due_at.does_not_exist()
        with suppress(LostRace), translated_errors():
            GrantItem(grant.id).update(_set_due(grant.id, at), condition=is_unchanged)

    def note_report(self, grant: Grant, now: datetime) -> None:
        """Record that the provider reports meetings of the account, once a day. Ignore a grant that was deleted."""
        if grant.reported_at is not None and now - grant.reported_at < _REPORT_PRECISION:
            return
        with suppress(LostRace), translated_errors():
            GrantItem(grant.id).update([GrantItem.reported_at.set(now)], condition=GrantItem.grant_id.exists())

    def delete(self, grant: Grant) -> None:
        """Delete the grant, unless it changed in the meantime, for example because the account was connected again."""
        with suppress(LostRace), translated_errors():
            GrantItem(grant.id).delete(condition=GrantItem.version == grant.version)

    def due(self, partition: str, now: datetime, limit: int) -> list[str]:
        """Return ids of grants that are due in one of `GRANT_PARTITIONS`, longest overdue first."""
        return [item.grant_id for item in GrantItem.due.find(partition, now, limit)]


def grant_item(grant: Grant) -> GrantItem:
    """Encode a grant as a row."""
    return GrantItem(
        grant.id,
        version=grant.version,
        document=_encode(grant),
        tokens=grant.sealed_tokens,
        due_shard=choose_partition(GRANT_PARTITIONS, grant.id) if grant.due_at else None,
        due_at=grant.due_at,
        reported_at=grant.reported_at,
    )


def grant_of(item: GrantItem) -> Grant:
    """Decode a row."""
    return replace(
        decode_json(item.document, Grant),
        version=int(item.version),
        sealed_tokens=item.tokens,
        due_at=item.due_at,
        reported_at=item.reported_at,
    )


def _encode(grant: Grant) -> str:
    """Encode everything that is not an attribute of its own."""
    return msgspec.json.encode(replace(grant, sealed_tokens=None, due_at=None, reported_at=None)).decode()


def _set_due(grant_id: str, at: datetime) -> list[Action]:
    return [GrantItem.due_shard.set(choose_partition(GRANT_PARTITIONS, grant_id)), GrantItem.due_at.set(at)]
