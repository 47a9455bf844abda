"""Digests that are stored. They hash named values, so renaming a class or reordering its fields changes no digest."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

_UNSET: tuple[Any, ...] = (None, "", (), [], {})


def set_values(**values: Any) -> dict[str, Any]:
    """Return the values that are set. A new field adds nothing to a digest as long as it is unset (or False)."""
    return {name: value for name, value in values.items() if value is not False and value not in _UNSET}


def digest(values: dict[str, Any], *, length: int) -> str:
    """Return `length` hexadecimal digits of a SHA-256 over the JSON of `values`. Equal instants are equal."""
    text = json.dumps(values, sort_keys=True, default=_as_utc)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _as_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
