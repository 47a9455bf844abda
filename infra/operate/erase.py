"""Deleting what is known of a person or a workspace, without leaving a meeting, a mail or a token behind.

What has to be undone in the world first is begun here and done by the product: bookings to come are cancelled,
accounts are disconnected, their tokens revoked. So the command may have to be run again a few minutes later; it says
what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from chalicelib.domain.booking import BookingStatus
from chalicelib.domain.invitation import address_key
from chalicelib.wiring import Services
from infra.operate.rows import Row, Tables
from infra.operate.subjects import OneWorkspace, Person, find

_ORDER = (
    "bookings",
    "connections",
    "grants",
    "calendars",
    "ephemeral",
    "endpoints",
    "deliveries",
    "audit",
    "workspaces",
)
"""A workspace's own row last: what is still to be mailed looks as it says."""


@dataclass
class Outcome:
    """How many rows went, by table, and what is left, with the reason."""

    erased: Counter[str] = field(default_factory=Counter)
    left: list[dict[str, Any]] = field(default_factory=list)

    def keep(self, row: Row, why: str) -> None:
        self.left.append({"table": row.table, **row.key, "why": why})


class Eraser:
    """`cancels` lets bookings be cancelled that are still to come; otherwise they are left."""

    def __init__(self, tables: Tables, services: Services, subject: Person | OneWorkspace, *, cancels: bool) -> None:
        self._tables = tables
        self._services = services
        self._subject = subject
        self._cancels = cancels
        self._outcome = Outcome()

    def erase(self) -> Outcome:
        """Delete what can be deleted now."""
        if isinstance(self._subject, OneWorkspace):
            self._close(self._subject.workspace_id)
        found = find(self._tables, self._subject)
        acts: dict[str, Callable[[Row], None]] = {
            "bookings": self._booking,
            "connections": self._connection,
            "grants": self._grant,
            "calendars": self._calendar,
            "endpoints": self._of_the_workspace,
            "workspaces": self._workspace,
        }
        for table in _ORDER:
            for row in (row for row in found if row.table == table):
                acts.get(table, self._delete)(row)
        return self._outcome

    def _close(self, workspace_id: str) -> None:
        """Nobody writes any more: callers' keys and webhook secrets end."""
        workspace = self._services.workspace_store.get(workspace_id)
        if workspace is not None and (workspace.keys or workspace.inbound_secrets):
            self._services.workspace_store.put(replace(workspace, keys=(), inbound_secrets=()))

    def _delete(self, row: Row) -> None:
        self._tables.delete(row)
        self._outcome.erased[row.table] += 1

    def _booking(self, row: Row) -> None:
        desired = row.content["desired"]
        is_over = datetime.fromisoformat(desired["appointment"]["ends_at"]) <= self._services.clock()
        if desired["status"] == BookingStatus.CONFIRMED.value and not is_over:
            if not self._cancels:
                self._outcome.keep(row, "still to come: cancel it, or say --cancel")
                return
            self._services.bookings.cancel(row.key["workspace_id"], row.key["booking_id"])
            self._outcome.keep(row, "being cancelled")
        elif "due_shard" in row.content or not self._tables.delete(row, unless="due_shard"):
            self._outcome.keep(row, "something is still to be done about it")
        else:
            self._outcome.erased[row.table] += 1

    def _connection(self, row: Row) -> None:
        self._services.connections.disconnect(row.key["workspace_id"], row.key["user_id"])
        self._outcome.erased[row.table] += 1

    def _grant(self, row: Row) -> None:
        grant_id = row.key["grant_id"]
        if any(
            self._services.connection_store.get(*user)
            for user in self._services.connection_store.list_by_grant(grant_id)
        ):
            if isinstance(self._subject, Person) and self._subject.workspace_id is None:
                self._outcome.keep(row, "another connection uses it")
            return  # What other workspaces have is theirs.
        self._services.grant_store.set_due(grant_id, self._services.clock())
        self._outcome.keep(row, "the schedule revokes and deletes it")

    def _calendar(self, row: Row) -> None:
        if isinstance(self._subject, Person) and not self._subject.hosts(row):
            self._outcome.keep(row, "names the person; it is somebody else's calendar")
        else:
            self._delete(row)

    def _of_the_workspace(self, row: Row) -> None:
        if isinstance(self._subject, Person):
            self._outcome.keep(row, "names the person; it is the workspace's")
        else:
            self._delete(row)

    def _workspace(self, row: Row) -> None:
        if "#" in row.key["workspace_id"]:
            self._delete(row)  # An address that must not be mailed.
        elif isinstance(self._subject, Person):
            self._no_administrator(row, self._subject)
        elif self._outcome.left:
            self._outcome.keep(row, "comes last")
        else:
            self._delete(row)

    def _no_administrator(self, row: Row, person: Person) -> None:
        workspace = self._services.workspace_store.get(row.key["workspace_id"])
        email = address_key(person.email or "")
        kept = tuple(a for a in workspace.admin_emails if address_key(a) != email) if workspace else ()
        if workspace is None or kept == workspace.admin_emails:
            self._outcome.keep(row, "names the person elsewhere than among its administrators")
            return
        self._services.workspace_store.put(replace(workspace, admin_emails=kept))
        self._outcome.erased["workspaces: administrator"] += 1


def summary(rows: Iterable[Row]) -> dict[str, int]:
    """How many rows of each table."""
    return dict(Counter(row.table for row in rows))
