"""The workspaces table: profiles and hashed API keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace
from pynamodb.expressions.condition import Condition

from chalicelib.domain.ids import is_id
from chalicelib.domain.workspace import Workspace
from chalicelib.store.tables import WorkspaceItem, translated

_RECENT = timedelta(seconds=60)


class WorkspaceStore:
    """The workspaces table: profiles and hashed API keys."""

    def get(self, workspace_id: str) -> Workspace | None:
        if not is_id(workspace_id):
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


def workspace_of(item: WorkspaceItem) -> Workspace:
    return replace(msgspec.json.decode(item.document, type=Workspace), version=int(item.version))
