"""Clean text that users entered, for emails, calendars and providers."""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LINE_BREAKS = str.maketrans(dict.fromkeys("\r\v\f\x85\u2028\u2029", "\n"))
# Overrides and isolates reorder the text after them, so a name could disguise the rest of an email.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_lines(text: str, limit: int) -> str:
    """Return `text` with line feeds and tabs as the only control characters, cut at `limit` characters.

    Control, surrogate and non-character code points are removed: they make `EmailMessage` raise, and calendars drop an
    attendee with a NUL in the name. They have no meaning in a title or description.
    """
    text = text.replace("\r\n", "\n").translate(_LINE_BREAKS)
    if not text.replace("\n", "").isprintable():  # Nearly every text is, and has nothing to remove.
        text = "".join(c for c in text if c in "\n\t" or not _is_harmful(c))
    return text.strip()[:limit].rstrip()


def clean_line(text: str, limit: int) -> str:
    """Return `text` on one line with single spaces and without control characters, cut at `limit` characters."""
    return " ".join(clean_lines(text, len(text)).split())[:limit].rstrip()


def is_web_address(text: str) -> bool:
    """Return whether `text` can be a link on a page: an https address, or an http address of this machine."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return False
    if not host or not text.isprintable() or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


def _is_harmful(character: str) -> bool:
    # Cc: control characters; Cs: lone surrogates, which UTF-8 cannot encode.
    if unicodedata.category(character) in ("Cc", "Cs") or character in _BIDI_CONTROLS:
        return True
    return 0xFDD0 <= ord(character) <= 0xFDEF or ord(character) & 0xFFFE == 0xFFFE  # non-characters
