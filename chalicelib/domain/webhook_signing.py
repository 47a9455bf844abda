"""Sign and verify webhooks as Standard Webhooks 1.0 specifies (`v1`: HMAC-SHA256 under a `whsec_` secret).

The library standardwebhooks 1.1.0 is not used: it raises undeclared errors for a bare `v1`, bad base64 and bodies that
are not UTF-8, and its JSON parser accepts NaN and duplicate names.
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
"""How far a request's time may be from now: the sender's clock can differ, and a captured request is older."""
_NEW_KEY_BYTES = 32
_KEY_BYTES = range(24, 65)
_MAX_SIGNATURES = 20


class SigningSecret(Redacted, frozen=True):
    """One of several secrets that can be valid at once."""

    secret_id: str
    sealed: bytes
    """The `whsec_` text, encrypted rather than hashed, because signing needs it."""
    created_at: datetime
    expires_at: datetime | None = None
    note: str = ""

    def is_valid(self, now: datetime) -> bool:
        """Return whether the secret has not expired."""
        return self.expires_at is None or now < self.expires_at


def new_secret() -> str:
    """Return a new secret of 256 random bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_NEW_KEY_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """Return the key in a secret with or without prefix. Raises `ValueError` if it is not 24 to 64 bytes in base64."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the secret is not base64") from None
    if len(key) not in _KEY_BYTES:
        raise ValueError("the secret must have 24 to 64 bytes")
    return key


def signed_headers(keys: Iterable[bytes], message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers of a message that is sent now, signed with each of the keys."""
    timestamp = str(int(now.timestamp()))
    signatures = [_signature(key, message_id, timestamp, body) for key in keys]
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def is_timely(headers: Mapping[str, str], now: datetime) -> bool:
    """Return whether all three headers are present and their time is within `TOLERANCE` of now. Never raises."""
    timestamp = headers.get("webhook-timestamp") or ""
    if not headers.get("webhook-id") or not headers.get("webhook-signature"):
        return False
    if re.fullmatch(r"[0-9]{1,12}", timestamp) is None:
        return False
    return abs(now.timestamp() - int(timestamp)) <= TOLERANCE.total_seconds()


def verify(keys: Iterable[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Return whether one of the keys signed these raw bytes, within `TOLERANCE` of now. Never raises."""
    if not is_timely(headers, now):
        return False
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    signatures = headers["webhook-signature"].split(" ")[:_MAX_SIGNATURES]
    # Compared as text: base64 has several forms of the same bytes, and only the form that was sent is accepted.
    expected = [_signature(key, message_id, timestamp, body).encode() for key in keys]
    # Every pair is compared, so that the time taken does not depend on which one matches.
    matches = [hmac.compare_digest(e, s.encode("utf-8", "replace")) for e in expected for s in signatures]
    return any(matches)


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode("utf-8", "replace") + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
