"""The references table: the booking of a provider's meeting, and the workspaces that an address is a member of."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import datetime

from pynamodb.expressions.update import Action

from chalicelib.domain.members import member_digest
from chalicelib.errors import LostRace
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import FORMAT, ReferenceItem


class ReferenceStore:
    """The references table. Writing a meeting's row twice is harmless: its later one is equal or lives longer."""

    def put(self, key: str, workspace_id: str, booking_id: str, expires_at: datetime | None) -> None:
        """Store the booking of `key`. None: the row is kept forever, like its booking."""
        item = ReferenceItem(key, workspace_id=workspace_id, booking_id=booking_id, expires_at=expires_at)
        with translated_errors():
            item.save()

    def find(self, key: str) -> tuple[str, str] | None:
        """Return the (workspace, booking) ids that `key` belongs to; None if it belongs to no booking."""
        item = ReferenceItem.find(key)
        return (item.workspace_id, item.booking_id) if item and item.workspace_id and item.booking_id else None

    def add_member(self, email: str, workspace_id: str) -> None:
        """Store that the workspace has a member with this address. Repeating it is harmless."""
        actions: list[Action] = [ReferenceItem.workspace_ids.add({workspace_id}), ReferenceItem.format.set(FORMAT)]
        with translated_errors():
            ReferenceItem(member_key(email)).update(actions)

    def remove_member(self, email: str, workspace_id: str) -> None:
        """Remove the workspace from those of the address. Repeating it is harmless."""
        self.leave(member_key(email), workspace_id)

    def leave(self, key: str, workspace_id: str) -> None:
        """Remove the workspace from a member's row, and the row if that was the last one."""
        item = ReferenceItem(key)
        with translated_errors():
            item.update([ReferenceItem.workspace_ids.delete({workspace_id})])
        if not item.workspace_ids:
            with suppress(LostRace), translated_errors():
                item.delete(condition=ReferenceItem.workspace_ids.does_not_exist())

    def list_workspaces(self, email: str) -> list[str]:
        """Return the ids of the workspaces that may have a member with this address. The workspaces decide."""
        item = ReferenceItem.find(member_key(email))
        return sorted(item.workspace_ids or ()) if item else []


def meeting_key(provider: str, meeting_id: str) -> str:
    """Return the key of a provider's meeting."""
    return f"meeting#{provider}#{meeting_id}"


def member_key(email: str) -> str:
    """Return the key of a member's address."""
    return f"member#{member_digest(email)}"


def uid_key(uid: str) -> str:
    """Return the key of a calendar entry, which answers of calendars name by its UID."""
    return f"uid#{hashlib.sha256(uid.encode()).hexdigest()[:32]}"
