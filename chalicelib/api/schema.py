"""The forms of requests. They validate, and the API's description is made from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from string import punctuation
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from msgspec import Meta, Struct

from chalicelib.domain.booking import NO_LINKS, Appointment, Guest, Links
from chalicelib.domain.calendar import Host, Location, LocationType
from chalicelib.domain.ids import ID_PATTERN, ID_RULE, is_id
from chalicelib.domain.plain_text import clean_line, clean_lines
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
_LONGEST = timedelta(days=7)


def _email_flaw(text: str) -> str | None:
    if _EMAIL.fullmatch(text) is None or ".." in text or text.startswith(".") or ".@" in text:
        return "This is not an e-mail address."
    return None


def _zone_flaw(name: str) -> str | None:
    return None if name in _zones() else "This is not an IANA time zone, such as Europe/Berlin."


@cache
def _zones() -> frozenset[str]:
    """IANA's own list. The machine's database also has names that other systems do not know, such as `localtime`."""
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
        return "Addresses may have 1,000 characters, those that must be percent-encoded counted so."
    if bad or clean_line(text, 2000) != text or " " in text:
        return "This is not an http or https address."
    return None


def years(first: int, last: int) -> Meta:
    """For the annotation of a date and time."""

    def check(moment: datetime) -> str | None:
        return None if first <= moment.year <= last else f"The year must be between {first} and {last}."

    return requires(check)


Id = Annotated[
    str, Meta(pattern=rf"^{ID_PATTERN}{END}", description=ID_RULE, examples=["b-42"]), requires(expected=ID_RULE)
]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, with an offset", examples=["2027-01-05T15:00:00Z"])]
Zone = Annotated[
    str,
    Meta(max_length=64, description="IANA time zone, for display", examples=["Europe/Berlin"]),
    requires(_zone_flaw),
]
Email = Annotated[str, Meta(max_length=_EMAIL_LIMIT, examples=["guest@example.com"]), requires(_email_flaw)]
Name = Annotated[str, Meta(description="Cut at 200 characters")]
Title = Annotated[str, Meta(description="Cut at 200 characters", examples=["Introduction"])]
Text = Annotated[str, Meta(description="Cut at 5000 characters")]
Address = Annotated[str, Meta(max_length=2000)]
Link = Annotated[
    str, Meta(max_length=1000, description="An http or https address; mails repeat it"), requires(_link_flaw)
]
Language = Annotated[
    str,
    Meta(
        pattern=LANGUAGE_PATTERN,
        max_length=64,
        description="BCP 47; English serves a language that mails do not speak",
        examples=["de"],
    ),
    requires(expected="a language tag (BCP 47), such as de or de-AT"),
]
Version = Annotated[int, Meta(ge=0, le=2**53, description="The caller's own counter; older changes are ignored")]
Metadata = Annotated[
    dict[str, Any],
    Meta(
        description="Your own data: any JSON object. Answers and webhooks repeat it",
        examples=[{"order": "4711"}],
        # Without it some generators of clients allow no member at all.
        extra_json_schema={"additionalProperties": True},
    ),
]

_GUEST = {"name": "Demo Guest", "email": "guest@example.com", "time_zone": "America/New_York"}


class HostBody(Struct, forbid_unknown_fields=True):
    """The user who hosts."""

    user_id: Annotated[Id, Meta(examples=["u-1"])]
    name: Annotated[Name, Meta(examples=["Demo Host"])]
    email: Annotated[Email, Meta(examples=["host@example.com"])]
    time_zone: Zone | None = None
    language: Language | None = None


class VideoBody(Struct, tag_field="type", tag="video", forbid_unknown_fields=True):
    """A meeting of the host's connected video account."""


class PhoneBody(Struct, tag_field="type", tag="phone", forbid_unknown_fields=True):
    phone: Address | None = None


class InPersonBody(Struct, tag_field="type", tag="in_person", forbid_unknown_fields=True):
    address: Address | None = None


class CustomLinkBody(Struct, tag_field="type", tag="custom_link", forbid_unknown_fields=True):
    """One address for all of the calendar's bookings; `{booking_id}` in it becomes the booking's id."""

    url: Link


class CalendarBody(Struct, forbid_unknown_fields=True):
    """`PUT /v1/calendars/{calendar_id}`"""

    name: Annotated[Name, Meta(examples=["Introduction"])]
    host: HostBody
    location: VideoBody | PhoneBody | InPersonBody | CustomLinkBody
    guests_see_each_other: Annotated[bool, Meta(description="Each guest's mail names the others; false without it")] = (
        False
    )


class GuestBody(Struct, forbid_unknown_fields=True):
    email: Email
    name: Annotated[Name, Meta(examples=["Demo Guest"])] = ""
    time_zone: Zone | None = None
    language: Language | None = None


class LinksBody(Struct, forbid_unknown_fields=True):
    """The caller's own pages for moving and cancelling a booking. They are shown to the host and to every guest."""

    reschedule: Link | None = None
    cancel: Link | None = None


class BookingBody(Struct, forbid_unknown_fields=True):
    """`PUT /v1/bookings/{booking_id}`, `POST /v1/bookings`"""

    calendar_id: Annotated[Id, Meta(examples=["c-1"])]
    starts_at: Annotated[Moment, years(2000, 2100)]
    ends_at: Annotated[Moment, Meta(examples=["2027-01-05T15:30:00Z"]), years(2000, 2100)]
    time_zone: Zone
    title: Title = ""
    description: Text = ""
    guests: Annotated[list[GuestBody], Meta(max_length=50, examples=[[_GUEST]])] = []
    metadata: Metadata = {}
    version: Version | None = None
    links: LinksBody | None = None

    @staticmethod
    def check_together(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield (name, detail) for what is wrong between the fields that are valid each."""
        if fields.keys() >= {"starts_at", "ends_at"}:
            duration = fields["ends_at"] - fields["starts_at"]
            if duration <= timedelta():
                yield "ends_at", "The end must come after the start."
            if duration > _LONGEST:
                yield "ends_at", "A booking lasts at most seven days."


class ConfirmBody(Struct, forbid_unknown_fields=True):
    """`POST /v1/users/{user_id}/connection/confirm`"""

    account_id: Annotated[str, Meta(max_length=600, description="`account.id` as you saw it", examples=["zoom-user-1"])]


class ConnectLinkBody(Struct, forbid_unknown_fields=True):
    """`POST /v1/users/{user_id}/connect-links`"""

    provider: Annotated[str, Meta(max_length=64)] | None = None
    return_to: Annotated[str, Meta(max_length=2000)] | None = None
    email: Annotated[Email | None, Meta(examples=["host@example.com"])] = None
    name: Name | None = None


def host(body: HostBody) -> Host:
    name = clean_line(body.name, 200) or body.email
    return Host(body.user_id, name, body.email, body.time_zone, body.language)


def location(body: VideoBody | PhoneBody | InPersonBody | CustomLinkBody) -> Location:
    match body:
        case PhoneBody():
            return Location(LocationType.PHONE, _detail(body.phone))
        case InPersonBody():
            return Location(LocationType.IN_PERSON, _detail(body.address))
        case CustomLinkBody():
            return Location(LocationType.CUSTOM_LINK, body.url)
    return Location(LocationType.VIDEO)


def appointment(body: BookingBody) -> Appointment:
    """Titles, names and descriptions are cleaned, never refused."""
    return Appointment(
        calendar_id=body.calendar_id,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        time_zone=body.time_zone,
        title=clean_line(body.title, 200) or "Appointment",
        description=clean_lines(body.description, 5000),
        guests=tuple(Guest(clean_line(g.name, 200) or g.email, g.email, g.time_zone, g.language) for g in body.guests),
        metadata=body.metadata,
        links=Links(body.links.reschedule, body.links.cancel) if body.links else NO_LINKS,
    )


def check_id(value: str, what: str) -> str:
    """An id from a path. Raises `InvalidInput`."""
    if not is_id(value):
        raise InvalidInput(f"The {what} must be {ID_RULE}", reason="invalid_id")
    return value


def _detail(text: str | None) -> str | None:
    return clean_line(text, 500) or None if text else None
