"""The texts of emails and pages by language, a module each. To add a language, see `catalogue`."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from msgspec.structs import replace

from chalicelib.wording.catalogue import Wording
from chalicelib.wording.formats import TAGS, read_formats

__all__ = ["LANGUAGES", "Wording", "find_tag", "in_language"]

LANGUAGES = tuple(sorted(tag for tag in TAGS if "-" not in tag))
DEFAULT = "en"


def find_tag(tag: str) -> str | None:
    """Return the closest of our tags for a BCP 47 tag (`de` for `de-AT`); None if the language has no texts."""
    parts = tag.split("-")
    language, region = parts[0].lower(), f"{parts[0].lower()}-{parts[-1].upper()}"
    return region if region in TAGS else language if language in TAGS else None


def in_language(tag: str) -> Wording:
    """Return the texts for a BCP 47 tag, in English if there is no such language."""
    return _load(find_tag(tag) or DEFAULT)


@cache
def _load(tag: str) -> Wording:
    """Import the language's module on first use: a process serves few languages."""
    language, _, region = tag.partition("-")
    if region:
        return replace(_load(language), language=tag, formats=read_formats(tag))
    wording: Wording = import_module(f"chalicelib.wording.{language}").WORDING
    return wording
