"""The small tables: calendars, workspaces, and what lives only for minutes (links, flows, sessions)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.calendar import Calendar, Host
from chalicelib.domain.workspace import WORKSPACE_ID, Workspace
from chalicelib.errors import LostRace
from chalicelib.store.tables import CalendarItem, EphemeralItem, WorkspaceItem, dynamo, translated

T = TypeVar("T")
_RECENT = timedelta(seconds=60)


class CalendarStore:
    """The calendars table."""

    def get(self, workspace_id: str, calendar_id: str) -> Calendar | None:
        with translated():
            try:
                item = CalendarItem.get(workspace_id, calendar_id, consistent_read=True)
            except CalendarItem.DoesNotExist:
                return None
        return calendar_of(item)

    def put(self, calendar: Calendar) -> None:
        """Create or replace."""
        document = msgspec.json.encode(calendar).decode()
        with translated():
            CalendarItem(calendar.workspace_id, calendar.calendar_id, document=document).save()

    def hosted_by(self, workspace_id: str, user_id: str) -> list[Calendar]:
        """The user's calendars, in order of id."""
        with translated():
            calendars = [calendar_of(item) for item in CalendarItem.query(workspace_id, consistent_read=True)]
        return [calendar for calendar in calendars if calendar.host.user_id == user_id]

    def newest_host(self, workspace_id: str, user_id: str) -> Host | None:
        """Return the user as the host of the calendar that was changed last, or None if the user hosts none."""
        hosted = self.hosted_by(workspace_id, user_id)
        return max(hosted, key=lambda calendar: calendar.updated_at).host if hosted else None

    def delete(self, workspace_id: str, calendar_id: str) -> bool:
        """Whether there was such a calendar."""
        item = CalendarItem(workspace_id, calendar_id)
        try:
            with translated():
                item.delete(condition=CalendarItem.calendar_id.exists())
        except LostRace:
            return False
        return True

    def page(self, workspace_id: str, *, limit: int, after: str | None) -> tuple[list[Calendar], str | None]:
        """At most `limit` calendars in order of id, after the id `after`; with the next such id, if there are more."""
        beyond = CalendarItem.calendar_id > after if after else None
        with translated():
            items = list(CalendarItem.query(workspace_id, beyond, limit=limit + 1, consistent_read=True))
        calendars = [calendar_of(item) for item in items[:limit]]
        return calendars, calendars[-1].calendar_id if len(items) > limit else None


class WorkspaceStore:
    """The workspaces table: profiles and hashed API keys."""

    def get(self, workspace_id: str) -> Workspace | None:
        if WORKSPACE_ID.fullmatch(workspace_id) is None:
            return None  # Suppressed addresses are in this table too, under keys that are no workspace's id.
        with translated():
            try:
                item = WorkspaceItem.get(workspace_id, consistent_read=True)
            except WorkspaceItem.DoesNotExist:
                return None
        return workspace_of(item)

    def put(self, workspace: Workspace) -> None:
        """Create (version 0) or replace the version that was read. Raises `LostRace` if somebody else wrote."""
        document = msgspec.json.encode(workspace).decode()
        item = WorkspaceItem(workspace.workspace_id, document=document, version=workspace.version + 1)
        is_new = workspace.version == 0
        unread = WorkspaceItem.workspace_id.does_not_exist()
        condition: Condition = unread if is_new else WorkspaceItem.version == workspace.version
        with translated():
            item.save(condition=condition)


class RecentWorkspaces:
    """Workspaces as they were at most a minute ago: settling a booking then costs no read of its workspace."""

    def __init__(self, store: WorkspaceStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[datetime, Workspace | None]] = {}

    def get(self, workspace_id: str) -> Workspace | None:
        now = self._clock()
        read_at, workspace = self._known.get(workspace_id, (None, None))
        if read_at is None or now - read_at > _RECENT:
            workspace = self._store.get(workspace_id)
            self._known[workspace_id] = (now, workspace)
        return workspace


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


def calendar_of(item: CalendarItem) -> Calendar:
    return msgspec.json.decode(item.document, type=Calendar)


def workspace_of(item: WorkspaceItem) -> Workspace:
    return replace(msgspec.json.decode(item.document, type=Workspace), version=int(item.version))


def _encode(document: Any) -> str:
    return msgspec.json.encode(document).decode()
