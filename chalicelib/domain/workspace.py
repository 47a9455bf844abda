"""Workspaces (tenants) and their API keys."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.emails import UNDECIDED, Emails
from chalicelib.domain.ids import is_id
from chalicelib.domain.reminder import Reminder
from chalicelib.domain.webhook_signing import SigningSecret

KEY_PREFIX = "meetlink"
TEST_PROVIDER = "test"
"""The provider of test workspaces, which no other workspace can have."""
_KEY_ID = re.compile(r"[0-9a-f]{1,32}")


class ApiKey(Struct, frozen=True):
    """One key of a workspace. Only the SHA-256 of its secret is stored: 256 random bits need no slow hash."""

    key_id: str
    digest: str
    created_at: datetime
    note: str = ""


class MemberRole(StrEnum):
    """What a member may do on the workspace's pages. A closed list, part of the API."""

    ADMIN = "admin"
    SUPPORT = "support"
    """Reads, retries and resends."""


class Member(Struct, frozen=True):
    """A person who may open the workspace's pages."""

    email: str
    role: MemberRole


class Brand(Struct, frozen=True):
    """How a workspace's emails and pages look."""

    name: str | None = None
    color: str | None = None
    """As `#rrggbb`."""
    logo_url: str | None = None
    """The only image that an email loads, and that a page loads from elsewhere."""
    footer: str | None = None
    sender: str | None = None
    """The workspace's sender address, verified with SES. A booking keeps the sender of its first email."""


PLAIN = Brand()


class Workspace(Struct, frozen=True):
    """A tenant with its settings."""

    workspace_id: str
    name: str
    created_at: datetime
    keys: tuple[ApiKey, ...] = ()
    admin_emails: tuple[str, ...] = ()
    """Who is notified of broken connections, besides the users."""
    members: tuple[Member, ...] | None = None
    """Who may open the workspace's pages; None: those in `admin_emails`. See `domain.members`."""
    return_to: tuple[str, ...] = ()
    """The exact addresses that the settings page may send a browser back to."""
    hold_minutes: int = 15
    """How long an invitation waits for a link that the provider cannot create now."""
    meetings_at_once: int | None = None
    """How many meetings a host's account can run at a time, where the provider limits it; None: its usual number."""
    confirms_connections: bool = False
    """Whether a connection is used only after the caller's backend has confirmed it."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of the pages that may call the API from a browser."""
    frame_ancestors: tuple[str, ...] = ()
    """Origins that may show the settings page in a frame."""
    providers: tuple[str, ...] = ()
    """Names of the providers that users may connect, the default first; empty: all of the deployment."""
    reminder_minutes: int | None = None
    """How long before a booking calendars remind; None: the calendar's default."""
    reminders: tuple[Reminder, ...] | None = None
    """The reminders of new bookings, unless their calendar has its own; None: the default."""
    brand: Brand = PLAIN
    language: str | None = None
    """BCP 47: the language of pages and notices where neither the reader's nor the host's is known, and of emails about
    new bookings to people without one."""
    emails: Emails = UNDECIDED
    """Copied to each booking when it is created."""
    inbound_secrets: tuple[SigningSecret, ...] = ()
    version: int = 0

    @property
    def is_test(self) -> bool:
        """Whether this is a test workspace: its meetings are simulated, and only its members get emails."""
        return TEST_PROVIDER in self.providers


def issue_key(workspace: Workspace, *, now: datetime, note: str = "") -> tuple[Workspace, str]:
    """Return the workspace with a new key, and the key, which is not stored."""
    key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    key = ApiKey(key_id, _digest(secret), now, note)
    text = ".".join((KEY_PREFIX, workspace.workspace_id, key_id, secret))
    return replace(workspace, keys=(*workspace.keys, key)), text


def revoke_key(workspace: Workspace, key_id: str) -> Workspace:
    """Return the workspace without the key; unchanged if it has no such key."""
    return replace(workspace, keys=tuple(key for key in workspace.keys if key.key_id != key_id))


def workspace_of_key(text: str) -> str | None:
    """Return the workspace id in a key; None if the text is not a key. The key may be invalid."""
    parts = _parts(text)
    return parts[0] if parts else None


def id_of_key(text: str) -> str | None:
    """Return the key id in a key; None if the text is not a key. The key may be invalid."""
    parts = _parts(text)
    return parts[1] if parts else None


def _parts(text: str) -> list[str] | None:
    prefix, _, rest = text.partition(".")
    parts = rest.rsplit(".", 2)
    if prefix != KEY_PREFIX or len(parts) != 3 or not parts[2]:
        return None
    is_key = is_id(parts[0]) and _KEY_ID.fullmatch(parts[1])
    return parts if is_key else None


def accepts_key(workspace: Workspace, text: str) -> bool:
    """Return whether `text` is one of the workspace's keys."""
    _, key_id, secret = text.rsplit(".", 2)
    digest = _digest(secret)
    return any(k.key_id == key_id and hmac.compare_digest(k.digest, digest) for k in workspace.keys)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
