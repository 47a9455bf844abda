"""The ephemeral table: documents that live for minutes (links, flows, sessions) and counters."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.decoding import decode_json
from chalicelib.errors import LostRace
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import EphemeralItem

T = TypeVar("T")
_EPOCH = datetime.fromtimestamp(0, UTC)
_TRIES = 3


class Entry(Struct, frozen=True):
    """A short-lived document that is written together with other rows."""

    key: str
    document: Any
    expires_at: datetime


class EphemeralStore:
    """Short-lived documents by key. An expired one is absent, whether or not DynamoDB has deleted it."""

    def put(self, key: str, document: Any, expires_at: datetime) -> None:
        """Store a new document. Raises `LostRace` if the key is taken."""
        with translated_errors():
            ephemeral_item(Entry(key, document, expires_at)).save(condition=EphemeralItem.key.does_not_exist())

    def put_all(self, entries: Iterable[Entry]) -> None:
        """Store or replace all of the documents, or none."""
        with translated_errors(), TransactWrite(connection=EphemeralItem.shared_connection()) as transaction:
            for entry in entries:
                transaction.save(ephemeral_item(entry))

    def get(self, key: str, cls: type[T], now: datetime) -> T | None:
        """Read a document consistently."""
        return self.load(key, cls, now)[0]

    def get_or_put(self, entry: Entry, cls: type[T]) -> T:
        """Store the document unless the key has one. Return the stored one, which then lives at least as long."""
        item = EphemeralItem(entry.key)
        actions: list[Action] = [
            EphemeralItem.document.set(EphemeralItem.document | _encode(entry.document)),
            EphemeralItem.expires_at.set(entry.expires_at),
        ]
        with translated_errors():
            item.update(actions)
        return decode_json(item.document, cls)

    def consume(self, key: str) -> bool:
        """Delete a document. Return True for exactly one caller, which makes links and states single use."""
        try:
            with translated_errors():
                EphemeralItem(key).delete(condition=EphemeralItem.key.exists())
        except LostRace:
            return False
        return True

    def acquire(self, key: str, until: datetime, now: datetime) -> bool:
        """Take a key until `until`. Return True for the one caller that gets it."""
        item = EphemeralItem(key, document="", expires_at=until)
        is_free = EphemeralItem.key.does_not_exist() | (EphemeralItem.expires_at <= now)
        try:
            with translated_errors():
                item.save(condition=is_free)
        except LostRace:
            return False
        return True

    def load(self, key: str, cls: type[T], now: datetime) -> tuple[T | None, int]:
        """Return a document that `swap` wrote, None if it is absent or expired, and the version to swap it by."""
        item = EphemeralItem.find(key)
        if item is None:
            return None, 0
        has_expired = item.expires_at <= now
        return None if has_expired else decode_json(item.document, cls), int(item.counted or 0)

    def swap(self, key: str, document: Any, expires_at: datetime, version: int) -> None:
        """Replace the document of that version (0: absent). Raises `LostRace` if another version is stored by now."""
        actions: list[Action] = [
            EphemeralItem.counted.set(version + 1),
            EphemeralItem.document.set(_encode(document)),
            EphemeralItem.expires_at.set(expires_at),
        ]
        is_current = EphemeralItem.counted == version if version else EphemeralItem.counted.does_not_exist()
        with translated_errors():
            EphemeralItem(key).update(actions, condition=is_current)

    def add_usage(self, workspace_id: str, amount: timedelta, now: datetime, *, is_idle: bool) -> None:
        """Move the time until which the workspace's rate is used by `amount`: from then on, or from now if it is past.

        `is_idle` is what the caller expects of the two: the first write succeeds if it is right.
        """
        item, start = EphemeralItem(usage_key(workspace_id)), (now - _EPOCH) // timedelta(milliseconds=1)
        step, expires_at = amount // timedelta(milliseconds=1), EphemeralItem.expires_at.set(now + timedelta(hours=1))
        is_past = EphemeralItem.counted.does_not_exist() | (EphemeralItem.counted < start)
        for _ in range(_TRIES):
            used_until = EphemeralItem.counted.set(start + step) if is_idle else EphemeralItem.counted.add(step)
            actions: list[Action] = [used_until, EphemeralItem.document.set(""), expires_at]
            with suppress(LostRace), translated_errors():
                item.update(actions, condition=is_past if is_idle else EphemeralItem.counted >= start)
                return
            is_idle = not is_idle

    def take_usage(
        self, key: str, amount: timedelta, now: datetime, burst: timedelta, *, is_idle: bool
    ) -> tuple[bool, datetime]:
        """Move the time of a usage as `add_usage` does, unless it is further ahead than `burst`.

        Return whether it was moved, and the time.
        """
        item, start = EphemeralItem(key), (now - _EPOCH) // timedelta(milliseconds=1)
        step, limit = max(1, amount // timedelta(milliseconds=1)), start + burst // timedelta(milliseconds=1)
        is_past = EphemeralItem.counted.does_not_exist() | (EphemeralItem.counted < start)
        is_near = (EphemeralItem.counted >= start) & (EphemeralItem.counted < limit)
        expires_at = EphemeralItem.expires_at.set(now + burst + amount + timedelta(hours=1))
        for _ in range(2):
            used_until = EphemeralItem.counted.set(start + step if is_idle else EphemeralItem.counted + step)
            actions: list[Action] = [used_until, EphemeralItem.document.set(""), expires_at]
            with suppress(LostRace), translated_errors():
                item.update(actions, condition=is_past if is_idle else is_near)
                return True, used_until_of(item)
            is_idle = not is_idle
        stored = EphemeralItem.find(key)
        # A time that is near was moved by other processes between these calls: none of them would wait.
        return stored is None or int(stored.counted or 0) < limit, used_until_of(stored) if stored else now

    def expiry(self, key: str) -> datetime | None:
        """Return when a document or counter expires; None if it is absent."""
        item = EphemeralItem.find(key)
        return item.expires_at if item else None

    def count_in_window(self, name: str, now: datetime, window: timedelta) -> int:
        """Count an event of this name. Return how many there were since the last whole multiple of `window`."""
        number = int(now.timestamp() / window.total_seconds())
        return self.increment(f"{name}#{number}", 1, now + window)

    def increment(self, key: str, amount: int, expires_at: datetime) -> int:
        """Add to a counter. Return its value, with what other callers have added."""
        item = EphemeralItem(key)
        actions: list[Action] = [
            EphemeralItem.counted.add(amount),
            EphemeralItem.document.set(""),
            EphemeralItem.expires_at.set(expires_at),
        ]
        with translated_errors():
            item.update(actions)
        return int(item.counted or 0)


def usage_key(workspace_id: str) -> str:
    """Return the key of a workspace's row in which `EphemeralStore.add_usage` counts."""
    return f"usage#{workspace_id}"


def used_until_of(item: EphemeralItem) -> datetime:
    """Decode a row that `EphemeralStore.add_usage` wrote."""
    return _EPOCH + timedelta(milliseconds=int(item.counted or 0))


def ephemeral_item(entry: Entry) -> EphemeralItem:
    """Encode an entry as a row."""
    return EphemeralItem(entry.key, document=_encode(entry.document), expires_at=entry.expires_at)


def _encode(document: Any) -> str:
    return msgspec.json.encode(document).decode()
