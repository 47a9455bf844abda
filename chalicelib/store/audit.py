"""The audit trail: who changed what about a workspace, kept for 400 days."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from chalicelib.decoding import decode_json
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import AuditItem

LIFE = timedelta(days=400)
DEPLOYMENT = "*"
"""In place of a workspace's id, for actions that concern all of them. No workspace has this id."""


class AuditEntry(Struct, frozen=True):
    """One administrative action, written before it is carried out."""

    workspace_id: str
    at: datetime
    verb: str
    caller: str
    """The API, the function `operate`, or the ARN of the person at the command line."""
    key_id: str | None = None
    """The API key that was used, or that was created or revoked."""
    link_key_id: str | None = None
    """The API key that created the link by which the caller came to the workspace's pages."""


class AuditStore:
    """The audit table. Entries are added and read, never changed."""

    def add(self, entry: AuditEntry) -> None:
        """Append an entry."""
        name = f"{entry.at.isoformat(timespec='milliseconds')}#{secrets.token_hex(8)}"
        document = msgspec.json.encode(entry).decode()
        with translated_errors():
            AuditItem(entry.workspace_id, name, document=document, expires_at=entry.at + LIFE).save()

    def newest(self, workspace_id: str, limit: int) -> list[AuditEntry]:
        """Return at most `limit` entries, newest first."""
        with translated_errors():
            items = list(AuditItem.query(workspace_id, scan_index_forward=False, limit=limit))
        return [decode_json(item.document, AuditEntry) for item in items]

    def page(self, workspace_id: str, limit: int, after: str | None) -> tuple[list[AuditEntry], str | None]:
        """Return at most `limit` entries, newest first, after the entry named `after`; and the next name."""
        before = AuditItem.entry_name < after if after else None
        with translated_errors():
            items = list(AuditItem.query(workspace_id, before, scan_index_forward=False, limit=limit + 1))
        entries = [decode_json(item.document, AuditEntry) for item in items[:limit]]
        return entries, items[limit - 1].entry_name if len(items) > limit else None
