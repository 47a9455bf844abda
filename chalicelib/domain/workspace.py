"""A tenant: its name, its API keys, who administers it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.ids import is_id
from chalicelib.domain.webhook_signing import SigningSecret

KEY_PREFIX = "meetlink"
_KEY_ID = re.compile(r"[0-9a-f]{1,32}")


class ApiKey(Struct, frozen=True):
    """One key of a workspace. Only the SHA-256 of its secret is kept: 256 random bits need no slow hash."""

    key_id: str
    digest: str
    created_at: datetime
    note: str = ""


class Brand(Struct, frozen=True):
    """How a workspace's mails look. `color` is `#rrggbb`; `logo_url` the only picture that a mail ever loads.

    `sender` is an address of the workspace's own, verified with SES; bookings keep the one they were first mailed from.
    """

    name: str | None = None
    color: str | None = None
    logo_url: str | None = None
    footer: str | None = None
    sender: str | None = None


PLAIN = Brand()


class Workspace(Struct, frozen=True):
    """`return_to` is the exact list of addresses that the settings page may send a browser back to.

    `allowed_origins` are the origins whose pages may call the API from a browser, `frame_ancestors` those that may
    show the settings page in a frame.

    An invitation waits `hold_minutes` for a link that a provider cannot give now. Calendars remind their owners
    `reminder_minutes` before a booking; with None they do as they always do. With `confirms_connections` a connection
    counts only after the caller's backend has confirmed it.
    """

    workspace_id: str
    name: str
    created_at: datetime
    keys: tuple[ApiKey, ...] = ()
    admin_emails: tuple[str, ...] = ()
    return_to: tuple[str, ...] = ()
    hold_minutes: int = 15
    confirms_connections: bool = False
    allowed_origins: tuple[str, ...] = ()
    frame_ancestors: tuple[str, ...] = ()
    reminder_minutes: int | None = None
    brand: Brand = PLAIN
    inbound_secrets: tuple[SigningSecret, ...] = ()
    version: int = 0


def issue_key(workspace: Workspace, *, now: datetime, note: str = "") -> tuple[Workspace, str]:
    """The workspace with one more key, and the key itself, which is never to be seen again."""
    key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    key = ApiKey(key_id, _digest(secret), now, note)
    text = ".".join((KEY_PREFIX, workspace.workspace_id, key_id, secret))
    return replace(workspace, keys=(*workspace.keys, key)), text


def revoke_key(workspace: Workspace, key_id: str) -> Workspace:
    """The workspace without that key; unchanged if it has none such."""
    return replace(workspace, keys=tuple(key for key in workspace.keys if key.key_id != key_id))


def workspace_of_key(text: str) -> str | None:
    """The workspace that a key names; None if the text cannot be a key. Says nothing about the key being valid."""
    parts = _parts(text)
    return parts[0] if parts else None


def id_of_key(text: str) -> str | None:
    """The id that a key names; None if the text cannot be a key. Says nothing about the key being valid."""
    parts = _parts(text)
    return parts[1] if parts else None


def _parts(text: str) -> list[str] | None:
    prefix, _, rest = text.partition(".")
    parts = rest.rsplit(".", 2)
    if prefix != KEY_PREFIX or len(parts) != 3 or not parts[2]:
        return None
    is_key = is_id(parts[0]) and _KEY_ID.fullmatch(parts[1])
    return parts if is_key else None


def accepts(workspace: Workspace, text: str) -> bool:
    """Whether `text` is one of the workspace's keys."""
    _, key_id, secret = text.rsplit(".", 2)
    digest = _digest(secret)
    return any(k.key_id == key_id and hmac.compare_digest(k.digest, digest) for k in workspace.keys)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
