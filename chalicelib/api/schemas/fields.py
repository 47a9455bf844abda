"""Field types that several schemas share. They validate requests, and the OpenAPI document is built from them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from string import punctuation
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from msgspec import Meta

from chalicelib.domain.connection import Reason as ConnectionReason
from chalicelib.domain.ids import ID_PATTERN, ID_RULE, is_id
from chalicelib.domain.meeting import MeetingReason
from chalicelib.domain.plain_text import clean_line
from chalicelib.errors import InvalidInput
from chalicelib.validation import requires

# `$` alone also matches before a line feed at the end in Python; in JavaScript (JSON Schema) the rest changes nothing.
END = r"$(?!\n)"
# RFC 5646, 2.1, without the grandfathered tags: language, script, region, variants, extensions, private use.
LANGUAGE_PATTERN = (
    r"^[A-Za-z]{2,8}(-[A-Za-z]{3}){0,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"
    r"(-[A-WY-Za-wy-z0-9](-[A-Za-z0-9]{2,8})+)*(-[Xx](-[A-Za-z0-9]{1,8})+)?" + END
)
# ASCII before the @, as SES requires; the domain may be international and is mailed in its ASCII form (RFC 5891).
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W_][\w-]{0,61}[^\W_]")
_EMAIL_LIMIT = 254


def _email_flaw(text: str) -> str | None:
    if _EMAIL.fullmatch(text) is None or ".." in text or text.startswith(".") or ".@" in text:
        return "This is not an e-mail address."
    return None


def is_email(text: str) -> bool:
    """Return whether the text is an address that `Email` accepts."""
    return len(text) <= _EMAIL_LIMIT and _email_flaw(text) is None


def _zone_flaw(name: str) -> str | None:
    return None if name in _zones() else "This is not an IANA time zone, such as Europe/Berlin."


@cache
def _zones() -> frozenset[str]:
    """Return IANA's own list. The operating system's also has names that other systems lack, such as `localtime`."""
    from importlib.resources import files

    names = files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    return frozenset(names) - {"Factory"}


def _link_flaw(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        host = re.fullmatch(r"[\w.:-]+", parts.hostname or "")
        bad = parts.scheme not in ("http", "https") or host is None or parts.username is not None or parts.port == 0
    except ValueError:
        bad = True
    if len(quote(text, safe=punctuation, errors="replace")) > 1000:
        return "An address may have at most 1,000 characters after percent-encoding."
    if bad or clean_line(text, 2000) != text or " " in text:
        return "This is not an http or https address."
    return None


def requires_year(first: int, last: int) -> Meta:
    """Return an annotation that limits the year of a date and time."""

    def check(moment: datetime) -> str | None:
        return None if first <= moment.year <= last else f"The year must be between {first} and {last}."

    return requires(check)


Id = Annotated[
    str, Meta(pattern=rf"^{ID_PATTERN}{END}", description=ID_RULE, examples=["b-42"]), requires(expected=ID_RULE)
]
DateTime = Annotated[datetime, Meta(tz=True, description="RFC 3339, with an offset", examples=["2027-01-05T15:00:00Z"])]
Zone = Annotated[
    str,
    Meta(max_length=64, description="IANA time zone, for display", examples=["Europe/Berlin"]),
    requires(_zone_flaw),
]
Email = Annotated[
    str,
    Meta(max_length=_EMAIL_LIMIT, description="An e-mail address", examples=["guest@example.com"]),
    requires(_email_flaw),
]
Name = Annotated[str, Meta(description="A name for display. Cut at 200 characters", examples=["Demo Host"])]
Title = Annotated[
    str,
    Meta(
        description="The title of invitation and meeting. Empty: the calendar's template. Cut at 200 characters",
        examples=["Introduction"],
    ),
]
Text = Annotated[
    str,
    Meta(
        description="Text for the invitation. Empty: the calendar's template. Cut at 5000 characters",
        examples=["We will look at your questions."],
    ),
]
Link = Annotated[
    str,
    Meta(
        max_length=1000,
        description="An http or https address. Emails show it",
        examples=["https://shop.example.com/bookings/b-42"],
    ),
    requires(_link_flaw),
]
Language = Annotated[
    str,
    Meta(
        pattern=LANGUAGE_PATTERN,
        max_length=64,
        description="BCP 47. Emails are in English if they do not support the language",
        examples=["de"],
    ),
    requires(expected="a language tag (BCP 47), such as de or de-AT"),
]
Version = Annotated[
    int,
    Meta(ge=0, le=2**53, description="Your own counter. Changes with a lower version are ignored", examples=[7]),
]
Metadata = Annotated[
    dict[str, Any],
    Meta(
        description="Your own data: any JSON object. Responses and webhooks contain it unchanged",
        examples=[{"order": "4711"}],
        # Without this, some client generators allow no member at all.
        extra_json_schema={"additionalProperties": True},
    ),
]

Timestamp = Annotated[
    str,
    Meta(description="RFC 3339, in UTC", examples=["2027-01-05T15:00:00Z"], extra_json_schema={"format": "date-time"}),
]
"""A time in a response; `format_timestamp` writes it."""
BookingId = Annotated[str, Meta(description="The id of the booking", examples=["b-42"])]
CalendarId = Annotated[str, Meta(description="The id of the calendar", examples=["c-1"])]
UserId = Annotated[str, Meta(description="Your id of the user who hosts", examples=["u-1"])]
Revision = Annotated[int, Meta(description="Increases with every change of the booking", examples=[1])]
EndTimestamp = Annotated[
    str,
    Meta(
        description="The end, RFC 3339 in UTC",
        examples=["2027-01-05T15:30:00Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
EmailAddress = Annotated[str, Meta(description="The e-mail address", examples=["guest@example.com"])]
ZoneName = Annotated[str, Meta(description="IANA time zone of the times in emails", examples=["Europe/Berlin"])]
LanguageTag = Annotated[str, Meta(description="BCP 47: the language of emails", examples=["de"])]
ProviderName = Annotated[str, Meta(description="The provider's `name` in `GET /v1/providers`", examples=["zoom"])]
JoinUrl = Annotated[
    str,
    Meta(
        description="The link to join with; null: there is none",
        examples=["https://zoom.us/j/11576318513?pwd=oOVguuiy"],
    ),
]
Passcode = Annotated[
    str, Meta(description="The passcode, for people who join by phone or by hand", examples=["482913"])
]
CalendarFilePath = Annotated[
    str,
    Meta(
        description="Where to get the person's calendar file: a path of this API",
        examples=["/v1/bookings/b-42/invite.ics?for=guest@example.com"],
    ),
]
MeetingReasonName = Annotated[
    str, Meta(extra_json_schema={"enum": [*MeetingReason]}, examples=["provider_unavailable"])
]
ConnectionReasonName = Annotated[str, Meta(extra_json_schema={"enum": [*ConnectionReason]}, examples=["not_connected"])]
NextCursor = Annotated[
    str | None, Meta(description="Request the next page with `?cursor=`; null on the last page", examples=[None])
]


def check_id(value: str, name: str) -> str:
    """Return an id from the path. Raises `InvalidInput`."""
    if not is_id(value):
        raise InvalidInput(f"The {name} must be {ID_RULE}", reason="invalid_id")
    return value


def format_timestamp(value: datetime) -> str:
    """Write a time as RFC 3339 in UTC."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds" if value.microsecond else "seconds")[:-6] + "Z"


def format_optional_timestamp(value: datetime | None) -> str | None:
    return None if value is None else format_timestamp(value)
