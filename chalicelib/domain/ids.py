"""The ids that callers choose, and the ids that are derived from idempotency keys."""

from __future__ import annotations

import hashlib
import re

ID_RULE = "1 to 128 of A-Z a-z 0-9 . _ : -"
ID_PATTERN = r"[A-Za-z0-9._:\-]{1,128}"
"""A regular expression without anchors. Escaped for JSON Schema, where `-` in a class needs it."""
_ID = re.compile(ID_PATTERN)


def is_id(text: str) -> bool:
    """Return whether `text` can be the id of a workspace, booking, calendar or user."""
    return _ID.fullmatch(text) is not None


def booking_id_for(workspace_id: str, idempotency_key: str) -> str:
    """Return the booking id of a POST with this Idempotency-Key.

    A repeated request finds its booking by this id, so no record of keys is needed.
    """
    source = f"{workspace_id}\0{idempotency_key}".encode("utf-8", "surrogatepass")
    return "b-" + hashlib.sha256(source).hexdigest()[:32]
