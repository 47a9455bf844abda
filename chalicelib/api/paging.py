"""Pages of a list: a cursor names the last item that was seen, so what is inserted meanwhile moves nothing."""

from __future__ import annotations

import base64
from typing import Annotated

from msgspec import Meta, Struct

from chalicelib.errors import InvalidInput

# Text, because a number would also be read from 1e1 and 5.0.
Limit = Annotated[
    str,
    Meta(
        pattern=r"^([1-9][0-9]?|100)$(?!\n)",
        description="Maximum number of items, 1 to 100; 50 without it",
        examples=["50"],
    ),
]
Cursor = Annotated[str, Meta(max_length=500, description="`next_cursor` of the page before")]


class PageQuery(Struct):
    """The parameters of every list."""

    limit: Limit = "50"
    cursor: Cursor | None = None

    @property
    def size(self) -> int:
        """How many items a page has at most."""
        return int(self.limit)

    @property
    def after(self) -> str | None:
        """The place that the cursor names. Raises `InvalidInput`."""
        if self.cursor is None:
            return None
        try:
            place = base64.b64decode(self.cursor, altchars=b"-_", validate=True).decode()
        except ValueError:
            place = ""
        if not place or not place.isprintable() or len(place) > 300:
            raise InvalidInput("cursor must be a next_cursor that a list answered with.")
        return place


def cursor(after: str | None) -> str | None:
    """An opaque place in a list."""
    return base64.urlsafe_b64encode(after.encode()).decode() if after else None
