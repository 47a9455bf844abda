"""Text that people typed, made safe for mails, calendars and providers."""

from __future__ import annotations

import unicodedata

_LINE_BREAKS = str.maketrans(
    {"\r\n": "\n", "\r": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n", "\v": "\n", "\f": "\n"}
)


def clean_lines(text: str, limit: int) -> str:
    """`text` with line feeds as the only control characters, at most `limit` characters.

    Control, surrogate and non-character code points make `EmailMessage` raise, and a NUL makes an attendee vanish
    from calendars; they carry no meaning in a title or description, so they go.
    """
    text = text.replace("\r\n", "\n").translate(_LINE_BREAKS)
    kept = "".join(c for c in text if c == "\n" or c == "\t" or not _is_control(c))
    return kept.strip()[:limit].rstrip()


def clean_line(text: str, limit: int) -> str:
    """`text` on one line, without control characters and with single spaces, at most `limit` characters."""
    return " ".join(clean_lines(text, len(text)).split())[:limit].rstrip()


def _is_control(character: str) -> bool:
    # Cc: controls; Cs: lone surrogates, which UTF-8 cannot carry; Cn: U+FFFF and other non-characters.
    # Bidirectional overrides reorder what follows them, so one name could disguise the rest of a mail.
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Cn")
        or character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
