"""Message tags: how SES's events (bounce, complaint) find their way back to a booking."""

from __future__ import annotations

import re

_CODES = {"_": "__", ".": "_d", ":": "_c"}
_CHARACTERS = {code: character for character, code in _CODES.items()}
_LONGEST = 256


def tag_value(text: str) -> str:
    """`text` in what SES allows in a tag: ASCII letters, digits, `_` and `-`, at most 256.

    An id (1–128 of `A-Z a-z 0-9 . _ : -`) always fits and is read back by `untag`; other characters are lost.
    docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html
    """
    known = "".join(_CODES.get(character, character) for character in text)
    return re.sub(r"[^A-Za-z0-9_-]", "-", known)[:_LONGEST] or "-"


def untag(value: str) -> str:
    """The id that `tag_value` made `value` from."""
    return re.sub(r"_[_dc]", lambda code: _CHARACTERS[code.group()], value)
