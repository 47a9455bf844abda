"""Validate what a provider returns about a meeting before it is stored.

A value of an unexpected type or size could make a row that can never be written or read again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from chalicelib.domain.meeting import DialIn, ProviderMeeting
from chalicelib.domain.plain_text import is_web_address
from chalicelib.errors import Ambiguous, FailedCall

LONGEST_ID = 1024
_LONGEST_LINK = 2048
_LONGEST_PASSCODE = 255
_LONGEST_PHONE_FIELD = 64
_MOST_PHONES = 100


class Phone(Struct, frozen=True):
    """A dial-in number as the provider sends it. Each value may be of any type."""

    number: Any
    code: Any = None
    """The meeting's number, which the phone sends, followed by `#`, after the bridge picks up."""
    country: Any = None
    city: Any = None
    passcode: Any = None
    """The passcode for phones, which the phone sends between `*` and `#`."""


def parse_meeting(
    provider: str, meeting_id: Any, link: Any, *, passcode: Any = None, phones: Iterable[Phone] = ()
) -> ProviderMeeting:
    """Return the meeting. Raises `Ambiguous` without a valid id and link: the meeting may exist all the same.

    An invalid passcode or phone is left out, because people can join without it.
    """
    meeting_id, join_url = parse_text(meeting_id, LONGEST_ID), parse_text(link, _LONGEST_LINK)
    # The link is shown on pages, where another scheme such as `javascript:` would run.
    if meeting_id is None or join_url is None or not isinstance(link, str) or not is_web_address(join_url):
        raise Ambiguous(FailedCall(provider, "the meeting has no valid id and link"))
    numbers = dict.fromkeys(number for phone in phones if (number := _parse_dial_in(phone)))
    return ProviderMeeting(meeting_id, join_url, parse_text(passcode, _LONGEST_PASSCODE), tuple(numbers)[:_MOST_PHONES])


def parse_text(value: Any, longest: int) -> str | None:
    """Return a string or whole number as text; None for other types, control characters, or a wrong length.

    The length is 1 to `longest` characters. Unpaired surrogates, which JSON can escape but UTF-8 cannot encode, are
    not printable, so they are refused like control characters.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    is_valid = isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()
    return value if is_valid else None


def parse_objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list; an empty list if `value` is not a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _parse_dial_in(phone: Phone) -> DialIn | None:
    number, code, country, city, passcode = (
        parse_text(value, _LONGEST_PHONE_FIELD)
        for value in (phone.number, phone.code, phone.country, phone.city, phone.passcode)
    )
    if not number:
        return None
    digits = re.sub(r"[^0-9]", "", code or "")
    suffix = f",,{digits}#" if digits else ""
    if suffix and passcode and passcode.isascii() and passcode.isdigit():
        suffix += f",,,,*{passcode}#"
    return DialIn(number + suffix, country, city)
