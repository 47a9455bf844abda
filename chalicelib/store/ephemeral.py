"""The ephemeral table: documents that live for minutes (links, flows, sessions) and counters."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.errors import LostRace
from chalicelib.store.tables import EphemeralItem, dynamo, translated

T = TypeVar("T")


class Entry(Struct, frozen=True):
    """A short-lived document to be written together with other rows."""

    key: str
    document: Any
    expires_at: datetime


class EphemeralStore:
    """Short-lived documents by key. Expired ones are absent, whether or not DynamoDB has deleted them."""

    def put(self, key: str, document: Any, expires_at: datetime) -> None:
        """Store a new document. Raises `LostRace` if the key is taken."""
        item = EphemeralItem(key, document=_encode(document), expires_at=int(expires_at.timestamp()))
        with translated():
            item.save(condition=EphemeralItem.key.does_not_exist())

    def hold(self, key: str, until: datetime, now: datetime) -> bool:
        """Take the key until then; True for the one caller that gets it."""
        item = EphemeralItem(key, document="", expires_at=int(until.timestamp()))
        free = EphemeralItem.key.does_not_exist() | (EphemeralItem.expires_at <= int(now.timestamp()))
        try:
            with translated():
                item.save(condition=free)
        except LostRace:
            return False
        return True

    def get(self, key: str, kind: type[T], now: datetime) -> T | None:
        with translated():
            try:
                item = EphemeralItem.get(key, consistent_read=True)
            except EphemeralItem.DoesNotExist:
                return None
        return None if item.expires_at <= now.timestamp() else msgspec.json.decode(item.document, type=kind)

    def put_all(self, entries: Iterable[Entry]) -> None:
        """Store or replace all of the documents, or none."""
        with translated(), TransactWrite(connection=dynamo()) as transaction:
            for entry in entries:
                transaction.save(ephemeral_item(entry))

    def keep(self, entry: Entry, kind: type[T]) -> T:
        """Store the document unless the key has one; return the one that is stored, which lives at least as long."""
        item = EphemeralItem(entry.key)
        actions: list[Action] = [
            EphemeralItem.document.set(EphemeralItem.document | _encode(entry.document)),
            EphemeralItem.expires_at.set(int(entry.expires_at.timestamp())),
        ]
        with translated():
            item.update(actions)
        return msgspec.json.decode(item.document, type=kind)

    def load(self, key: str, kind: type[T], now: datetime) -> tuple[T | None, int]:
        """A document that `swap` wrote, None if it is absent or has expired; and the version to swap it by."""
        with translated():
            try:
                item = EphemeralItem.get(key, consistent_read=True)
            except EphemeralItem.DoesNotExist:
                return None, 0
        has_expired = item.expires_at <= now.timestamp()
        return None if has_expired else msgspec.json.decode(item.document, type=kind), int(item.counted or 0)

    def swap(self, key: str, document: Any, expires_at: datetime, version: int) -> None:
        """Replace the document of that version, 0 for an absent one. Raises `LostRace` if there is another by now."""
        actions: list[Action] = [
            EphemeralItem.counted.set(version + 1),
            EphemeralItem.document.set(_encode(document)),
            EphemeralItem.expires_at.set(int(expires_at.timestamp())),
        ]
        unchanged = EphemeralItem.counted == version if version else EphemeralItem.counted.does_not_exist()
        with translated():
            EphemeralItem(key).update(actions, condition=unchanged)

    def count(self, key: str, by: int, expires_at: datetime) -> int:
        """Add to a counter; what it has then, with what others added."""
        item = EphemeralItem(key)
        actions: list[Action] = [
            EphemeralItem.counted.add(by),
            EphemeralItem.document.set(""),
            EphemeralItem.expires_at.set(int(expires_at.timestamp())),
        ]
        with translated():
            item.update(actions)
        return int(item.counted or 0)

    def take(self, key: str) -> bool:
        """Delete; True for the one caller that did. This is what makes links and states single use."""
        item = EphemeralItem(key, document="", expires_at=0)
        try:
            with translated():
                item.delete(condition=EphemeralItem.key.exists())
        except LostRace:
            return False
        return True


def ephemeral_item(entry: Entry) -> EphemeralItem:
    return EphemeralItem(entry.key, document=_encode(entry.document), expires_at=int(entry.expires_at.timestamp()))


def _encode(document: Any) -> str:
    return msgspec.json.encode(document).decode()
