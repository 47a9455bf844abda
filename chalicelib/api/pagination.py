"""Pages of a list. A cursor names the last item of a page, so later insertions do not shift the next page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from chalicelib.validation import requires

T = TypeVar("T")
_PAGE_BYTES = 2_500_000
"""Lambda returns at most 6,291,556 bytes, in which the body is a JSON string: escaping can double it."""

# A string, because a number would also accept 1e1 and 5.0.
Limit = Annotated[
    str,
    Meta(
        pattern=r"^([1-9][0-9]?|100)$(?!\n)",
        description="Maximum number of items, 1 to 100. Default: 50",
        examples=[50],
        extra_json_schema={"minimum": 1, "maximum": 100},
    ),
    requires(expected="a whole number from 1 to 100"),
]


def _decode_cursor(cursor: str) -> str | None:
    """Return the key in a cursor; None for an invalid cursor."""
    try:
        key = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except ValueError:
        return None
    return key if key and key.isprintable() and len(key) <= 300 else None


def _cursor_flaw(cursor: str) -> str | None:
    return None if _decode_cursor(cursor) else "This must be the `next_cursor` of a list."


Cursor = Annotated[str, Meta(max_length=500, description="`next_cursor` of the previous page"), requires(_cursor_flaw)]


class PageQuery(Struct, forbid_unknown_fields=True):
    """The query parameters of every list."""

    limit: Limit = "50"
    cursor: Cursor | None = None

    @property
    def size(self) -> int:
        """Return the maximum number of items."""
        return int(self.limit)

    @property
    def after(self) -> str | None:
        """Return the key that the page starts after."""
        return _decode_cursor(self.cursor) if self.cursor is not None else None


def fit_page(items: Sequence[tuple[T, str]], after: str | None) -> tuple[list[T], str | None]:
    """Return the first items, each given with its key, that fit into a response, and the key that continues the list.

    `after` continues it if all of them fit.
    """
    fitting: list[T] = []
    size, last_key = 0, after
    for item, key in items:
        size += len(msgspec.json.encode(item))
        if fitting and size > _PAGE_BYTES:
            return fitting, last_key
        fitting.append(item)
        last_key = key
    return fitting, after


def encode_cursor(after: str | None) -> str | None:
    """Return the cursor of the page that starts after this key."""
    return base64.urlsafe_b64encode(after.encode()).decode() if after else None
