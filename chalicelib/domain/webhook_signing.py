"""Signatures of Standard Webhooks 1.0 (`v1`: HMAC-SHA256 under a `whsec_` secret), made and checked.

Our own, and not the library's: standardwebhooks 1.1.0 raises errors it does not declare on a bare `v1`, on bad base64
and on bodies that are not UTF-8, and parses what it has verified with a parser that takes NaN and names given twice.
Verifying is a few lines over bytes; parsing is the edge's own business.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from chalicelib.domain.redacted import Redacted

PREFIX = "whsec_"
TOLERANCE = timedelta(minutes=5)
"""How far a sender's clock, or a captured request, may be from now."""
_NEW_KEY_BYTES = 32
_KEY_BYTES = range(24, 65)
_MOST_SIGNATURES = 20


class SigningSecret(Redacted, frozen=True):
    """One secret of several that are valid at once. `sealed` is the `whsec_` text, encrypted: signing needs it back."""

    secret_id: str
    sealed: bytes
    created_at: datetime
    expires_at: datetime | None = None
    note: str = ""

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


def new_secret() -> str:
    """A fresh secret of 256 random bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_NEW_KEY_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret stands for, with or without its prefix. Raises `ValueError` unless 24 to 64 bytes."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the secret is not base64") from None
    if len(key) not in _KEY_BYTES:
        raise ValueError("the secret must have 24 to 64 bytes")
    return key


def signed_headers(keys: Iterable[bytes], message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a message that is sent now, signed under each of the keys."""
    timestamp = str(int(now.timestamp()))
    signatures = [_signature(key, message_id, timestamp, body) for key in keys]
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def is_timely(headers: Mapping[str, str], now: datetime) -> bool:
    """Whether the three headers are there, and the time in them is within `TOLERANCE` of now. Never raises."""
    timestamp = headers.get("webhook-timestamp") or ""
    if not headers.get("webhook-id") or not headers.get("webhook-signature"):
        return False
    if re.fullmatch(r"[0-9]{1,12}", timestamp) is None:
        return False
    return abs(now.timestamp() - int(timestamp)) <= TOLERANCE.total_seconds()


def verify(keys: Iterable[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether one of the keys signed these raw bytes, within `TOLERANCE` of now. Never raises."""
    if not is_timely(headers, now):
        return False
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    given = headers["webhook-signature"].split(" ")[:_MOST_SIGNATURES]
    # As text: base64 has several forms for the same bytes, and a form that nobody signed is not a signature.
    expected = [_signature(key, message_id, timestamp, body).encode() for key in keys]
    matches = [hmac.compare_digest(e, g.encode("utf-8", "replace")) for e in expected for g in given]
    return any(matches)


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode("utf-8", "replace") + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
