"""Values that nobody must see."""

from __future__ import annotations

from msgspec import Struct


class Redacted(Struct, frozen=True):
    """Holds secrets. Its `repr` tells its kind alone: reprs get into logs, errors and tracebacks."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
