"""The workspaces table: profiles and hashed API keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace
from pynamodb.expressions.condition import Condition

from chalicelib.decoding import decode_json
from chalicelib.domain.ids import is_id
from chalicelib.domain.workspace import Workspace
from chalicelib.store.dynamodb import read_together, translated_errors
from chalicelib.store.ephemeral import usage_key, used_until_of
from chalicelib.store.tables import EphemeralItem, WorkspaceItem

_CACHED_FOR = timedelta(seconds=60)


class WorkspaceStore:
    """The workspaces table."""

    def get(self, workspace_id: str) -> Workspace | None:
        """Read a workspace consistently."""
        if not is_id(workspace_id):
            return None  # Suppressed addresses are in this table too, under keys that no workspace can have.
        item = WorkspaceItem.find(workspace_id)
        return workspace_of(item) if item else None

    def get_with_usage(self, workspace_id: str) -> tuple[Workspace | None, datetime | None]:
        """Read a workspace and the time until which its rate is used, in one call. Each is None if it is absent."""
        if not is_id(workspace_id):
            return None, None
        keys = [(WorkspaceItem, workspace_id, None), (EphemeralItem, usage_key(workspace_id), None)]
        items = read_together(keys, optional=EphemeralItem)
        workspace, usage = items.get(WorkspaceItem), items.get(EphemeralItem)
        return workspace_of(workspace) if workspace else None, used_until_of(usage) if usage else None

    def put(self, workspace: Workspace) -> None:
        """Create (version 0) or replace the version that was read.

        Raises `LostRace` if another process wrote in the meantime.
        """
        document = msgspec.json.encode(workspace).decode()
        item = WorkspaceItem(workspace.workspace_id, document=document, version=workspace.version + 1)
        is_new, is_current = WorkspaceItem.workspace_id.does_not_exist(), WorkspaceItem.version == workspace.version
        condition: Condition = is_current if workspace.version else is_new
        with translated_errors():
            item.save(condition=condition)


class RecentWorkspaces:
    """Workspaces that may be up to a minute old, so that settling a booking needs no read of its workspace."""

    def __init__(self, store: WorkspaceStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._cache: dict[str, tuple[datetime, Workspace | None]] = {}

    def get(self, workspace_id: str) -> Workspace | None:
        """Return a workspace from the cache, or read it."""
        now = self._clock()
        read_at, workspace = self._cache.get(workspace_id, (None, None))
        if read_at is None or now - read_at > _CACHED_FOR:
            workspace = self._store.get(workspace_id)
            self._cache[workspace_id] = (now, workspace)
        return workspace


def workspace_of(item: WorkspaceItem) -> Workspace:
    """Decode a row."""
    return replace(decode_json(item.document, Workspace), version=int(item.version))
