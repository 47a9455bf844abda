"""The person or workspace of an export or erasure, and the rows that belong to it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from chalicelib.domain.invitation import address_key
from chalicelib.mail.addresses import ascii_address
from infra.operate.rows import Row, texts, values


class Subject(Protocol):
    """A person or a workspace."""

    def has(self, row: Row) -> bool:
        """Return whether the row contains data of the subject."""
        ...


@dataclass(frozen=True)
class OneWorkspace:
    """All data of one workspace."""

    workspace_id: str

    def has(self, row: Row) -> bool:
        return self.workspace_id in (row.workspace_id, *row.member_of)


@dataclass(frozen=True)
class Person:
    """A host or guest identified by address, or a user identified by id, or both."""

    email: str | None = None
    user_id: str | None = None
    """The user's id in `workspace_id`."""
    workspace_id: str | None = None
    """None: search for the address in all workspaces."""

    def has(self, row: Row) -> bool:
        if self.workspace_id is not None and row.workspace_id not in (self.workspace_id, None):
            return False
        if self.workspace_id is not None and row.member_of and self.workspace_id not in row.member_of:
            return False
        return self._is_user_of(row) or self._is_named_in(row)

    def hosts(self, row: Row) -> bool:
        """Return whether the person hosts the calendar of this row."""
        host: dict[str, str] = next(values(row.content, "host"), {})
        is_user = self.user_id is not None and host.get("user_id") == self.user_id
        return is_user or any(self._names(text) for text in texts(host.get("email", "")))

    def _is_user_of(self, row: Row) -> bool:
        if self.user_id is None or row.workspace_id != self.workspace_id:
            return False
        return self.user_id in values(row.content, "user_id")

    def _is_named_in(self, row: Row) -> bool:
        return self.email is not None and any(self._names(text) for text in texts(row.content))

    def _names(self, text: str) -> bool:
        return self._pattern.search(text) is not None or self._digest in text

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Matches the address, but not longer addresses that contain it. The domain may be Unicode or ASCII."""
        email = self.email or ""
        spellings = "|".join(re.escape(spelling) for spelling in {email, ascii_address(email)})
        return re.compile(rf"(?<![\w.+%-])(?:{spellings})(?![\w-]|\.\w)", re.IGNORECASE)

    @cached_property
    def _digest(self) -> str:
        """The address's digest in keys, which contain it in full or its first half."""
        return hashlib.sha256(address_key(self.email or "").encode()).hexdigest()[:32] if self.email else "\0"


@dataclass
class RelatedKeys:
    """Keys of related rows: what belongs to a booking, sign-ins of a session, tokens of a connection."""

    bookings: set[tuple[str, str]] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    grants: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> RelatedKeys:
        """Collect the keys from the subject's rows."""
        related = cls()
        for row in rows:
            if row.table == "bookings":
                related.bookings.add((row.key["workspace_id"], row.key["booking_id"]))
            elif row.table == "ephemeral":
                related.sessions.add(row.key["key"])
            elif row.table == "connections":
                related.grants.add(str(row.content["grant_id"]))
        return related

    def has(self, row: Row) -> bool:
        match row.table:
            case "grants":
                return row.key["grant_id"] in self.grants
            case "references" | "provider_events":
                return (row.workspace_id, row.content.get("booking_id")) in self.bookings
            case "deliveries":
                ids = values(row.content, "booking_id")
                return any((row.workspace_id, booking_id) in self.bookings for booking_id in ids)
            case "ephemeral":
                kind, _, name = row.key["key"].partition("#")
                if kind == "epoch":
                    return False  # Belongs to a user; `Person.has` finds it by the user's id.
                parts = name.split("#")
                return tuple(parts[:2]) in self.bookings or bool(self.sessions & set(texts(row.content["document"])))
        return False


def find(rows: Iterable[Row], subject: Subject) -> list[Row]:
    """Return the rows with data of the subject, and the rows related to those."""
    all_rows = list(rows)
    direct = [row for row in all_rows if subject.has(row)]
    related, direct_keys = RelatedKeys.of(direct), {(row.table, *row.key.values()) for row in direct}
    return direct + [row for row in all_rows if (row.table, *row.key.values()) not in direct_keys and related.has(row)]
