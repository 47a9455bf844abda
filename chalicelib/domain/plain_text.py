"""Text that people typed, made safe for mails, calendars and providers."""

from __future__ import annotations

import unicodedata
from urllib.parse import urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LINE_BREAKS = str.maketrans(dict.fromkeys("\r\v\f\x85\u2028\u2029", "\n"))
# Overrides and isolates reorder what follows them: one name could disguise the rest of a mail.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_lines(text: str, limit: int) -> str:
    """`text` with line feeds as the only control characters, at most `limit` characters.

    Control, surrogate and non-character code points make `EmailMessage` raise, and a NUL makes an attendee vanish
    from calendars; they carry no meaning in a title or description, so they go.
    """
    text = text.replace("\r\n", "\n").translate(_LINE_BREAKS)
    kept = "".join(c for c in text if c in "\n\t" or not _is_harmful(c))
    return kept.strip()[:limit].rstrip()


def clean_line(text: str, limit: int) -> str:
    """`text` on one line, without control characters and with single spaces, at most `limit` characters."""
    return " ".join(clean_lines(text, len(text)).split())[:limit].rstrip()


def is_web_address(text: str) -> bool:
    """Whether `text` may be a link on a page: an https address, or an http address on this machine."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return False
    if not host or not text.isprintable() or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


def _is_harmful(character: str) -> bool:
    # Cc: controls; Cs: lone surrogates, which UTF-8 cannot carry.
    if unicodedata.category(character) in ("Cc", "Cs") or character in _BIDI_CONTROLS:
        return True
    return 0xFDD0 <= ord(character) <= 0xFDEF or ord(character) & 0xFFFE == 0xFFFE  # non-characters
