"""Addresses that a workspace must not email: they bounced permanently or complained.

SES has such a list for the whole account. This one belongs to the workspace, so that its operators can see why an
address gets no email, and remove it from the list. The rows are in the workspaces table, under keys that no workspace
can have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.decoding import decode_json
from chalicelib.domain.invitation import Trouble, address_key
from chalicelib.domain.members import find_member
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import LostRace
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import WorkspaceItem


class SuppressionStore:
    """One row per address. In a test workspace, the addresses of others than its members are suppressed without one."""

    def __init__(self, find_workspace: Callable[[str], Workspace | None]) -> None:
        self._find_workspace = find_workspace

    def add(self, workspace_id: str, email: str, trouble: Trouble, now: datetime) -> None:
        """Suppress an address. Repeating it is harmless."""
        document = msgspec.json.encode({"reason": trouble, "since": now}).decode()
        with translated_errors():
            WorkspaceItem(_key(workspace_id, email), document=document).save()

    def find(self, workspace_id: str, email: str) -> dict[str, str] | None:
        """Return why and since when the address is suppressed, or None if it is not."""
        item = WorkspaceItem.find(_key(workspace_id, email))
        if item is None:
            return None
        document = decode_json(item.document, dict[str, Any])  # A later release may have added fields.
        return {"reason": str(document["reason"]), "since": str(document["since"])}

    def is_suppressed(self, workspace_id: str, email: str) -> bool:
        """Return whether the address must not be emailed."""
        return self.find(workspace_id, email) is not None or bool(self._outsiders(workspace_id, [email]))

    def select_allowed(self, workspace_id: str, emails: Iterable[str]) -> list[str]:
        """Return those of the few addresses that may be emailed, in order."""
        return [email for email in emails if not self.is_suppressed(workspace_id, email)]

    def find_suppressed(self, workspace_id: str, emails: Iterable[str]) -> frozenset[str]:
        """Return those of the addresses that must not be emailed, in one call."""
        by_key = {_key(workspace_id, email): email for email in emails}
        if not by_key:
            return frozenset()
        with translated_errors():
            keys = [item.workspace_id for item in WorkspaceItem.batch_get(by_key, consistent_read=True)]
        return frozenset(by_key[key] for key in keys) | self._outsiders(workspace_id, by_key.values())

    def _outsiders(self, workspace_id: str, emails: Iterable[str]) -> frozenset[str]:
        """Return those of the addresses that get no emails because the workspace is for tests."""
        workspace = self._find_workspace(workspace_id)
        if workspace is None or not workspace.is_test:
            return frozenset()
        return frozenset(email for email in emails if find_member(workspace, email) is None)

    def remove(self, workspace_id: str, email: str) -> bool:
        """Allow the address again. Return whether it was suppressed."""
        item = WorkspaceItem(_key(workspace_id, email))
        try:
            with translated_errors():
                item.delete(condition=WorkspaceItem.workspace_id.exists())
        except LostRace:
            return False
        return True


def _key(workspace_id: str, email: str) -> str:
    return f"{workspace_id}#no-mail#{hashlib.sha256(address_key(email).encode()).hexdigest()}"
