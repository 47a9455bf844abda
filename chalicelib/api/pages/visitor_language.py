"""The language of a page: the visitor's browser decides."""

from __future__ import annotations

import re

from chalicelib.wording import find_tag

_MAX_RANGES = 20
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9-]*)?)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?")


def browser_language(accept_language: str | None) -> str | None:
    """Return the language that a browser prefers (RFC 9110, 12.5.4), as one of our tags; None if we have none of it."""
    matches = (_RANGE.fullmatch(part) for part in (accept_language or "").split(",")[:_MAX_RANGES])
    ranges = [(match[1], float(match[2] or 1)) for match in matches if match]
    tags = (find_tag(tag) for tag, weight in sorted(ranges, key=lambda item: -item[1]) if weight)
    return next((tag for tag in tags if tag), None)
