"""The part of a page that its script loads again every few seconds."""

from __future__ import annotations

from typing import Any

REFRESH_SECONDS = 2.0


def live_part(html: str, *, page: str = "", again_in_seconds: float = REFRESH_SECONDS) -> dict[str, Any]:
    """Return the part and when it is loaded again. The script loads the whole page again when `page` changes."""
    return {"html": html, "again_in_seconds": again_in_seconds, "page": page}
