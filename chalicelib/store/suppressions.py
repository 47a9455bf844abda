"""Addresses that a workspace must not mail: they bounced for good, or complained.

SES keeps such a list for the whole account. This one belongs to the workspace, so that its operators can see why
somebody gets no mail, and lift it. The rows lie in the workspaces table, under keys that no workspace can have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.domain.invitation import Trouble, address_key
from chalicelib.errors import LostRace
from chalicelib.store.tables import WorkspaceItem, translated


class SuppressionStore:
    """One row an address."""

    def add(self, workspace_id: str, email: str, trouble: Trouble, now: datetime) -> None:
        """Mail the address no more. Twice is as good as once."""
        document = msgspec.json.encode({"reason": trouble, "since": now}).decode()
        with translated():
            WorkspaceItem(_key(workspace_id, email), document=document).save()

    def find(self, workspace_id: str, email: str) -> dict[str, str] | None:
        """Why and since when the address must not be mailed."""
        with translated():
            try:
                item = WorkspaceItem.get(_key(workspace_id, email), consistent_read=True)
            except WorkspaceItem.DoesNotExist:
                return None
        # A later release may have noted more.
        known = msgspec.json.decode(item.document, type=dict[str, Any])
        return {"reason": str(known["reason"]), "since": str(known["since"])}

    def holds(self, workspace_id: str, email: str) -> bool:
        """Whether the address must not be mailed."""
        return self.find(workspace_id, email) is not None

    def among(self, workspace_id: str, emails: Iterable[str]) -> frozenset[str]:
        """Those of the addresses that must not be mailed, asked for in one call."""
        by_key = {_key(workspace_id, email): email for email in emails}
        with translated():
            found = (
                [item.workspace_id for item in WorkspaceItem.batch_get(by_key, consistent_read=True)] if by_key else []
            )
        return frozenset(by_key[key] for key in found)

    def lift(self, workspace_id: str, email: str) -> bool:
        """Let the address be mailed again; whether it had been suppressed."""
        try:
            with translated():
                WorkspaceItem(_key(workspace_id, email), document="").delete(
                    condition=WorkspaceItem.workspace_id.exists()
                )
        except LostRace:
            return False
        return True


def _key(workspace_id: str, email: str) -> str:
    return f"{workspace_id}#no-mail#{hashlib.sha256(address_key(email).encode()).hexdigest()}"
