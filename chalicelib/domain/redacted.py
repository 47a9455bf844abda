"""Values that must not appear in logs."""

from __future__ import annotations

from msgspec import Struct


class Redacted(Struct, frozen=True):
    """A struct with secrets. Its `repr` is only its class name, because logs, errors and tracebacks contain reprs."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
