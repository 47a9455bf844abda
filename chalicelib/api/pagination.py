"""Pages of a list: a cursor names the last item that was seen, so what is inserted meanwhile moves nothing."""

from __future__ import annotations

import base64
from typing import Annotated

from msgspec import Meta, Struct

from chalicelib.validation import requires

# Text, because a number would also be read from 1e1 and 5.0.
Limit = Annotated[
    str,
    Meta(
        pattern=r"^([1-9][0-9]?|100)$(?!\n)",
        description="Maximum number of items, 1 to 100; 50 without it",
        examples=["50"],
    ),
    requires(expected="a whole number from 1 to 100"),
]


def _place(cursor: str) -> str | None:
    """The place that a cursor names, None if it is no cursor."""
    try:
        place = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except ValueError:
        return None
    return place if place and place.isprintable() and len(place) <= 300 else None


def _cursor_flaw(cursor: str) -> str | None:
    return None if _place(cursor) else "This must be the next_cursor of a list."


Cursor = Annotated[str, Meta(max_length=500, description="`next_cursor` of the page before"), requires(_cursor_flaw)]


class PageQuery(Struct, forbid_unknown_fields=True):
    """The parameters of every list."""

    limit: Limit = "50"
    cursor: Cursor | None = None

    @property
    def size(self) -> int:
        """How many items a page has at most."""
        return int(self.limit)

    @property
    def after(self) -> str | None:
        """The place that the cursor names."""
        return _place(self.cursor) if self.cursor is not None else None


def cursor(after: str | None) -> str | None:
    """An opaque place in a list."""
    return base64.urlsafe_b64encode(after.encode()).decode() if after else None
