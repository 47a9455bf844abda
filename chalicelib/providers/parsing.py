"""What a provider tells of a meeting, made fit to be kept.

A value of another type, or of any size, would make a row that can be written or read never again.
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
_LONGEST_OF_A_PHONE = 64
_MOST_PHONES = 100


class Phone(Struct, frozen=True):
    """A number to join by phone as the provider sends it, of any type."""

    number: Any
    code: Any = None
    """What the phone sends when the bridge answers, followed by `#`: the meeting's number."""
    country: Any = None
    city: Any = None
    passcode: Any = None
    """What the phone sends when the bridge asks for a passcode, between `*` and `#`."""


def parse_meeting(
    provider: str, meeting_id: Any, link: Any, *, passcode: Any = None, phones: Iterable[Phone] = ()
) -> ProviderMeeting:
    """The meeting. Raises `Ambiguous` without an id and a link: it may be there all the same.

    Whatever else cannot be kept is left out: people can join without.
    """
    known_id, known_link = parse_text(meeting_id, LONGEST_ID), parse_text(link, _LONGEST_LINK)
    # The link is put on pages: one of another scheme, such as `javascript:`, would run there.
    if known_id is None or known_link is None or not isinstance(link, str) or not is_web_address(known_link):
        raise Ambiguous(FailedCall(provider, "a meeting without an id and a link that can be kept"))
    numbers = dict.fromkeys(number for phone in phones if (number := _dial_in(phone)))
    return ProviderMeeting(known_id, known_link, parse_text(passcode, _LONGEST_PASSCODE), tuple(numbers)[:_MOST_PHONES])


def parse_text(value: Any, longest: int) -> str | None:
    """`value` as text of 1 to `longest` characters, from text or a whole number; None if it is neither.

    Half a surrogate pair, which JSON can escape, has no UTF-8; it is not printable, as control characters are not.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    fits = isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()
    return value if fits else None


def parse_objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _dial_in(phone: Phone) -> DialIn | None:
    number, code, country, city, passcode = (
        parse_text(value, _LONGEST_OF_A_PHONE)
        for value in (phone.number, phone.code, phone.country, phone.city, phone.passcode)
    )
    if not number:
        return None
    digits = re.sub(r"[^0-9]", "", code or "")
    sent = f",,{digits}#" if digits else ""
    if sent and passcode and passcode.isascii() and passcode.isdigit():
        sent += f",,,,*{passcode}#"
    return DialIn(number + sent, country, city)
