"""Who reads a page: the language, and the workspace."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.domain.workspace import Workspace

if TYPE_CHECKING:
    from chalicelib.api.calls import Call
    from chalicelib.wording import Wording

_MAX_RANGES = 20
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9-]*)?)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?")


class Audience(Struct, frozen=True):
    """The reader of a page."""

    wording: Wording
    workspace: Workspace | None = None
    """None: it is not known which workspace's page this is."""
    return_to: str | None = None
    """The page that the reader came from."""


def audience_of(call: Call, workspace: Workspace | None = None, languages: Iterable[str | None] = ()) -> Audience:
    """Return the audience of a page of `workspace`.

    The browser's language comes first, then those in `languages`, which are read only if they are needed, then the
    workspace's, then English.
    """
    from chalicelib.wording import DEFAULT, find_tag, in_language

    own = (workspace.language,) if workspace else ()
    wanted = chain((browser_language(call.header("accept-language")),), languages, own)
    tags = (find_tag(language) for language in wanted if language)
    return Audience(in_language(next((tag for tag in tags if tag), DEFAULT)), workspace)


def browser_language(accept_language: str | None) -> str | None:
    """Return the language that a browser prefers (RFC 9110, 12.5.4), as one of our tags; None if we have none of it."""
    from chalicelib.wording import find_tag

    matches = (_RANGE.fullmatch(part) for part in (accept_language or "").split(",")[:_MAX_RANGES])
    ranges = [(match[1], float(match[2] or 1)) for match in matches if match]
    tags = (find_tag(tag) for tag, weight in sorted(ranges, key=lambda item: -item[1]) if weight)
    return next((tag for tag in tags if tag), None)
