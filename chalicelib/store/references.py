"""The references table: which booking something outside belongs to, such as a provider's meeting."""

from __future__ import annotations

from datetime import datetime

from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import ReferenceItem


class ReferenceStore:
    """The references table. Rows are replaced by equal or longer-lived ones, so writing one twice is harmless."""

    def put(self, key: str, workspace_id: str, booking_id: str, expires_at: datetime | None) -> None:
        """Store the booking of `key`. None: the row is kept forever, like its booking."""
        item = ReferenceItem(key, workspace_id=workspace_id, booking_id=booking_id, expires_at=expires_at)
        with translated_errors():
            item.save()

    def find(self, key: str) -> tuple[str, str] | None:
        """Return the (workspace, booking) ids that `key` belongs to; None if it belongs to no booking."""
        item = ReferenceItem.find(key)
        return (item.workspace_id, item.booking_id) if item else None


def meeting_key(provider: str, meeting_id: str) -> str:
    """Return the key of a provider's meeting."""
    return f"meeting#{provider}#{meeting_id}"
