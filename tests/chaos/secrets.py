"""Canaries: every secret of a run, looked for wherever the product writes something, as it writes it."""

from __future__ import annotations

import base64
import io
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from functools import cache
from typing import Any

from chalicelib.observability import log

_KNOWN = re.compile(r"canary-|zak=|start_url|startUrl|hostKey")


class Canaries:
    """`basic` are pairs that are sent as HTTP Basic credentials (RFC 7617). `leaks` tells where a secret was seen."""

    def __init__(self, basic: Iterable[tuple[str, str]]) -> None:
        self._secrets = {base64.b64encode(f"{name}:{secret}".encode()).decode() for name, secret in basic}
        self.leaks: list[str] = []

    def add(self, *secrets: str | None) -> None:
        """Tokens and codes, of every issuer."""
        self._secrets.update(secret for secret in secrets if secret)

    def look(self, place: str, text: str) -> None:
        """Search what was written at `place`."""
        if _KNOWN.search(text) or any(secret in text for secret in self._secrets):
            self.leaks.append(f"a secret stands in {place}")


def text_of(item: Mapping[str, Any]) -> str:
    """A row as pynamodb sends it, in one text."""
    return "\n".join(_text(kind, content) for value in item.values() for kind, content in value.items())


def _text(kind: str, content: Any) -> str:
    return content.decode("latin-1") if kind == "B" else str(content)


class _Listener(io.TextIOBase):
    """Takes the product's log lines. It keeps none: many runs share it."""

    heard_by: Callable[[str], None] | None = None

    def write(self, text: str) -> int:
        if self.heard_by is not None:
            self.heard_by(text)
        return len(text)


@cache
def listener() -> _Listener:
    """Stands where the product's log went, and under other libraries' as far as Lambda shows it (warnings)."""
    with redirect_stdout(io.StringIO()):
        log.info("begun")  # The logger is made with its first line.
    stream = _Listener()
    product = logging.getLogger("meetlink")
    own = logging.StreamHandler(stream)
    own.setFormatter(product.handlers[0].formatter)
    for handler in list(product.handlers):
        if type(handler) is logging.StreamHandler:  # pytest's own, which may stand here as well, is a kind of these.
            product.removeHandler(handler)
    product.addHandler(own)
    others = logging.StreamHandler(stream)
    others.setLevel(logging.WARNING)
    logging.getLogger().addHandler(others)
    return stream
