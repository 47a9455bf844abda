"""Erase the data of a person or a workspace, including meetings, pending emails and tokens.

Some effects take a few minutes: the product cancels upcoming bookings, disconnects accounts and revokes their tokens.
The outcome lists rows that cannot be deleted yet, so the command can be run again later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from chalicelib.domain.booking import BookingStatus
from chalicelib.domain.members import without_member
from chalicelib.wiring import Services
from infra.operate.rows import Row, Tables
from infra.operate.subjects import OneWorkspace, Person, find
from infra.progress import Progress

_ORDER = (
    "bookings",
    "references",
    "provider_events",
    "connections",
    "grants",
    "calendars",
    "ephemeral",
    "endpoints",
    "deliveries",
    "audit",
    "daily_counts",
    "workspaces",
)
"""A workspace's own row comes last: pending emails use its brand."""


@dataclass
class Outcome:
    """The outcome of an erasure."""

    erased: Counter[str] = field(default_factory=Counter)
    """How many rows were deleted, by table."""
    left: list[dict[str, Any]] = field(default_factory=list)
    """Rows that were not deleted, each with its reason."""

    def keep(self, row: Row, reason: str) -> None:
        self.left.append({"table": row.table, **row.key, "reason": reason})


class Eraser:
    """Erases the data of one person or workspace."""

    def __init__(self, tables: Tables, services: Services, subject: Person | OneWorkspace, *, cancels: bool) -> None:
        """`cancels` allows to cancel upcoming bookings; otherwise they are left."""
        self._tables = tables
        self._services = services
        self._subject = subject
        self._cancels = cancels
        self._outcome = Outcome()
        self._erase_by_table: dict[str, Callable[[Row], None]] = {
            "bookings": self._erase_booking,
            "references": self._erase_reference,
            "connections": self._disconnect,
            "grants": self._revoke_grant,
            "calendars": self._erase_calendar,
            "endpoints": self._erase_endpoint,
            "workspaces": self._erase_workspace,
        }

    def erase(self) -> Outcome:
        """Delete the rows that can be deleted now."""
        if isinstance(self._subject, OneWorkspace):
            self._revoke_keys(self._subject.workspace_id)
        rows = [row for row in find(self._tables.scan_all(), self._subject) if row.table in _ORDER]
        with Progress("rows erased", len(rows)) as progress:
            for row in progress.track(sorted(rows, key=lambda row: _ORDER.index(row.table))):
                self._erase_by_table.get(row.table, self._delete)(row)
        return self._outcome

    def _revoke_keys(self, workspace_id: str) -> None:
        """Revoke API keys and webhook secrets, so that no caller writes to the workspace any more."""
        workspace = self._services.workspace_store.get(workspace_id)
        if workspace is not None and (workspace.keys or workspace.inbound_secrets):
            self._services.workspace_store.put(replace(workspace, keys=(), inbound_secrets=()))

    def _delete(self, row: Row) -> None:
        self._tables.delete(row)
        self._outcome.erased[row.table] += 1

    def _erase_booking(self, row: Row) -> None:
        desired = row.content["desired"]
        is_over = datetime.fromisoformat(desired["appointment"]["ends_at"]) <= self._services.clock()
        if desired["status"] == BookingStatus.CONFIRMED.value and not is_over:
            if not self._cancels:
                self._outcome.keep(row, "it is upcoming: cancel it, or pass --cancel")
                return
            self._services.bookings.cancel(row.key["workspace_id"], row.key["booking_id"])
            self._outcome.keep(row, "it is being cancelled")
        elif "due_shard" in row.content or not self._tables.delete(row, unless="due_shard"):
            self._outcome.keep(row, "it has pending work")
        else:
            self._outcome.erased[row.table] += 1

    def _erase_reference(self, row: Row) -> None:
        """Delete the row. Of a member's row, only the subject's workspace, if the subject has one."""
        if not row.member_of or self._subject.workspace_id is None:
            self._delete(row)
            return
        self._services.reference_store.leave(row.key["key"], self._subject.workspace_id)
        self._outcome.erased[row.table] += 1

    def _disconnect(self, row: Row) -> None:
        self._services.connections.disconnect(row.key["workspace_id"], row.key["user_id"])
        self._outcome.erased[row.table] += 1

    def _revoke_grant(self, row: Row) -> None:
        grant_id = row.key["grant_id"]
        if any(
            self._services.connection_store.get(*user)
            for user in self._services.connection_store.list_by_grant(grant_id)
        ):
            if isinstance(self._subject, Person) and self._subject.workspace_id is None:
                self._outcome.keep(row, "another connection uses it")
            return  # Other workspaces' connections stay.
        self._services.grant_store.set_due(grant_id, self._services.clock())
        self._outcome.keep(row, "the schedule revokes and deletes it")

    def _erase_calendar(self, row: Row) -> None:
        if isinstance(self._subject, Person) and not self._subject.hosts(row):
            self._outcome.keep(row, "it contains the person, but is another host's calendar")
        else:
            self._delete(row)

    def _erase_endpoint(self, row: Row) -> None:
        if isinstance(self._subject, Person):
            self._outcome.keep(row, "it contains the person, but belongs to the workspace")
        else:
            self._delete(row)

    def _erase_workspace(self, row: Row) -> None:
        if "#" in row.key["workspace_id"]:
            self._delete(row)  # A suppressed address.
        elif isinstance(self._subject, Person):
            self._remove_member(row, self._subject)
        elif self._outcome.left:
            self._outcome.keep(row, "it is deleted after all other rows")
        else:
            self._delete(row)

    def _remove_member(self, row: Row, person: Person) -> None:
        workspace = self._services.workspace_store.get(row.key["workspace_id"])
        remaining = without_member(workspace, person.email or "") if workspace else None
        if remaining is None or remaining == workspace:
            self._outcome.keep(row, "it contains the person, but not as a member or administrator")
            return
        self._services.members.store(remaining)
        self._outcome.erased["workspaces: member"] += 1


def summary(rows: Iterable[Row]) -> dict[str, int]:
    """Count the rows by table."""
    return dict(Counter(row.table for row in rows))
