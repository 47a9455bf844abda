"""Calendars: what callers send and receive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.api.schemas.fields import (
    CalendarId,
    ConnectionReasonName,
    Email,
    EmailAddress,
    Id,
    Language,
    LanguageTag,
    Link,
    Name,
    NextCursor,
    ProviderName,
    Timestamp,
    UserId,
    Zone,
    ZoneName,
    format_timestamp,
)
from chalicelib.api.schemas.meeting_settings import (
    PossibleSettings,
    Settings,
    SettingsBody,
    format_possible_settings,
    format_settings,
    parse_settings,
)
from chalicelib.api.schemas.reminders import Reminder, format_reminders
from chalicelib.domain.booking import DESCRIPTION_LENGTH, TITLE_LENGTH
from chalicelib.domain.calendar import Calendar as DomainCalendar
from chalicelib.domain.calendar import Fallback as DomainFallback
from chalicelib.domain.calendar import Host as DomainHost
from chalicelib.domain.calendar import Location as DomainLocation
from chalicelib.domain.calendar import LocationType, OnDecline
from chalicelib.domain.connection import ConnectionState, ConnectionStatus
from chalicelib.domain.emails import UNDECIDED
from chalicelib.domain.emails import Emails as DomainEmails
from chalicelib.domain.meeting import MeetingReason
from chalicelib.domain.meeting_settings import MeetingSettings
from chalicelib.domain.meeting_settings import PossibleSettings as DomainPossibleSettings
from chalicelib.domain.plain_text import clean_line, clean_lines
from chalicelib.domain.text_templates import TextTemplates, find_flaw
from chalicelib.errors import FieldError, InvalidInput
from chalicelib.usecases.reminder_settings import RemindersBody, parse_reminders
from chalicelib.validation import requires


class HostBody(Struct, forbid_unknown_fields=True):
    """The user who hosts."""

    user_id: Annotated[Id, Meta(description="Your id of the user", examples=["u-1"])]
    name: Name
    email: Annotated[Email, Meta(description="The address that gets the invitations", examples=["host@example.com"])]
    time_zone: Annotated[
        Zone | None, Meta(description="IANA time zone of the times in the host's emails, by default the booking's")
    ] = None
    language: Language | None = None


class VideoBody(Struct, tag_field="type", tag="video", forbid_unknown_fields=True):
    """A meeting in the host's connected video account."""

    settings: Annotated[
        SettingsBody | None, Meta(description="Of each meeting. Null: the host's account decides all of them")
    ] = None


class PhoneBody(Struct, tag_field="type", tag="phone", forbid_unknown_fields=True):
    """A phone call."""

    phone: Annotated[
        Annotated[str, Meta(max_length=2000, examples=["+49 69 0000 0000"])] | None,
        Meta(description="The number to call. Cut at 500 characters"),
    ] = None


class InPersonBody(Struct, tag_field="type", tag="in_person", forbid_unknown_fields=True):
    """A meeting at a place."""

    address: Annotated[
        Annotated[str, Meta(max_length=2000, examples=["Main Street 1"])] | None,
        Meta(description="The address of the place. Cut at 500 characters"),
    ] = None


class CustomLinkBody(Struct, tag_field="type", tag="custom_link", forbid_unknown_fields=True):
    """One address for all bookings of the calendar. `{booking_id}` in it is replaced by the booking's id."""

    url: Link


LocationBody = VideoBody | PhoneBody | InPersonBody | CustomLinkBody


class FallbackBody(Struct, forbid_unknown_fields=True):
    """A link for bookings whose meeting is `waiting` or `failed`. `{booking_id}` is replaced by the booking's id."""

    url: Annotated[Link, Meta(examples=["https://rooms.example.com/{booking_id}"])]
    after_minutes: Annotated[
        int, Meta(ge=1, le=10080, description="How long the meeting may be delayed. Default: 10", examples=[10])
    ] = 10
    before_start_minutes: Annotated[
        int, Meta(ge=0, le=10080, description="How long before the start it is used at the latest. Default: 10")
    ] = 10


class EmailsBody(Struct, forbid_unknown_fields=True):
    """Whether meetlink emails the guests and the host. You email those who are switched off."""

    guests: Annotated[bool | None, Meta(description="Email the guests. Null: not decided here")] = None
    host: Annotated[bool | None, Meta(description="Email the host. Null: not decided here")] = None


TitleTemplate = Annotated[
    str,
    Meta(
        max_length=TITLE_LENGTH,
        description="The title of bookings that have none. Replaced are {{guest.name}}, {{host.name}} and "
        "{{calendar.name}}",
        examples=["{{guest.name}} and {{host.name}}"],
    ),
    requires(find_flaw),
]
DescriptionTemplate = Annotated[
    str,
    Meta(
        max_length=DESCRIPTION_LENGTH,
        description="The description of bookings that have none, with the same variables",
        examples=["{{calendar.name}} with {{host.name}}"],
    ),
    requires(find_flaw),
]
CohostsBody = Annotated[
    list[HostBody],
    Meta(max_length=10, description="Invited as hosts, who may join as hosts where the provider can. At most 10"),
]


def find_repeated_hosts(fields: Mapping[str, Any], *names: str) -> Iterator[tuple[str, str]]:
    """Yield (name, detail) for each of these lists that names a person twice."""
    for name in names:
        hosts = fields.get(name) or []
        ids, emails = {host["user_id"] for host in hosts}, {host["email"].casefold() for host in hosts}
        if not len(ids) == len(emails) == len(hosts):
            yield name, "Each `user_id` and each `email` may be in the list once."


class CalendarBody(Struct, forbid_unknown_fields=True):
    """`PUT /v1/calendars/{calendar_id}`"""

    name: Annotated[
        Name, Meta(description="The name of the calendar. Cut at 200 characters", examples=["Introduction"])
    ]
    host: HostBody
    location: Annotated[LocationBody, Meta(description="Where its bookings take place")]
    guests_see_each_other: Annotated[
        bool, Meta(description="Whether each guest's email names the other guests. Default: false")
    ] = False
    emails: Annotated[
        EmailsBody | None, Meta(description="New bookings start with it. Null: the workspace's setting decides")
    ] = None
    on_decline: Annotated[
        OnDecline,
        Meta(description="`cancel`: when every guest declined, the booking is cancelled. Default: `notify`"),
    ] = OnDecline.NOTIFY
    reminders: RemindersBody | None = None
    fallback: Annotated[
        FallbackBody | None, Meta(description="For video only: a link for when the meeting is not created in time")
    ] = None
    title_template: TitleTemplate | None = None
    description_template: DescriptionTemplate | None = None
    cohosts: CohostsBody = []
    hosts: Annotated[
        list[HostBody],
        Meta(max_length=50, description="Further hosts. A booking can name one of them as `host_id`"),
    ] = []

    @staticmethod
    def check_together(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield (name, detail) for fields that are valid, but not together."""
        yield from find_repeated_hosts(fields, "cohosts", "hosts")


class Host(Struct):
    """The user who hosts."""

    user_id: UserId
    name: Annotated[str, Meta(description="The name for display", examples=["Demo Host"])]
    email: Annotated[EmailAddress, Meta(examples=["host@example.com"])]
    time_zone: ZoneName | None
    language: LanguageTag | None


class Location(Struct):
    """Where a booking takes place. Each of `settings`, `phone`, `address` and `url` is present on its own type only."""

    type: Annotated[LocationType, Meta(description="How people meet", examples=["video"])]
    settings: (
        Annotated[Settings | None, Meta(description="Of each meeting; null: the account decides all")] | UnsetType
    ) = UNSET
    phone: Annotated[str | None, Meta(description="The number to call")] | UnsetType = UNSET
    address: Annotated[str | None, Meta(description="The address of the place")] | UnsetType = UNSET
    url: Annotated[str | None, Meta(description="The link; `{booking_id}` is not replaced")] | UnsetType = UNSET


class Fallback(Struct):
    """A link for bookings whose meeting is not created in time."""

    url: Annotated[str, Meta(description="The link", examples=["https://rooms.example.com/b-42"])]
    after_minutes: Annotated[int, Meta(description="How long the meeting may be delayed", examples=[10])]
    before_start_minutes: Annotated[
        int, Meta(description="How long before the start it is used at the latest", examples=[10])
    ]


class CalendarEmails(Struct):
    """Whether meetlink emails the guests and the host of new bookings. Null: the workspace's setting decides."""

    guests: Annotated[bool | None, Meta(description="Whether meetlink emails the guests", examples=[None])]
    host: Annotated[bool | None, Meta(description="Whether meetlink emails the host", examples=[None])]


class Calendar(Struct):
    """What guests book on."""

    id: CalendarId
    name: Annotated[str, Meta(description="The name of the calendar", examples=["Introduction"])]
    host: Host
    location: Location
    guests_see_each_other: Annotated[
        bool, Meta(description="Whether each guest's email names the other guests", examples=[False])
    ]
    emails: CalendarEmails
    on_decline: Annotated[OnDecline, Meta(description="What happens when every guest declined", examples=["notify"])]
    reminders: Annotated[list[Reminder] | None, Meta(description="null: the workspace's")]
    fallback: Annotated[Fallback | None, Meta(description="The link for when the meeting is not created in time")]
    title_template: Annotated[
        str | None,
        Meta(description="The title of bookings that have none", examples=["{{guest.name}} and {{host.name}}"]),
    ]
    description_template: Annotated[
        str | None, Meta(description="The description of bookings that have none", examples=["{{calendar.name}}"])
    ]
    cohosts: Annotated[list[Host], Meta(description="Invited to each booking as hosts")]
    hosts: Annotated[list[Host], Meta(description="Further hosts: a booking can name one of them as `host_id`")]
    created_at: Annotated[Timestamp, Meta(description="When it was created, RFC 3339 in UTC")]
    updated_at: Annotated[Timestamp, Meta(description="When it was last changed, RFC 3339 in UTC")]


class CalendarPage(Struct):
    """A page of calendars."""

    items: Annotated[list[Calendar], Meta(description="The calendars of this page")]
    next_cursor: NextCursor


class AvailableLocation(Struct):
    """One location, and whether it can be chosen."""

    type: Annotated[LocationType, Meta(description="How people meet", examples=["video"])]
    available: Annotated[bool, Meta(description="Whether it can be chosen now", examples=[False])]
    reason: Annotated[ConnectionReasonName | None, Meta(description="Why it cannot be chosen")]
    provider: Annotated[ProviderName | None, Meta(description="The host's video provider")]
    settings: Annotated[
        PossibleSettings | None, Meta(description="What the host's provider supports. Null: it is not known yet")
    ]


class Locations(Struct):
    """The locations of a calendar."""

    locations: Annotated[list[AvailableLocation], Meta(description="Every location, also those that are unavailable")]


def parse_calendar(body: CalendarBody, workspace_id: str, calendar_id: str, now: datetime) -> DomainCalendar:
    """Return the calendar. Raises `InvalidInput` for a fallback without video."""
    if body.fallback is not None and not isinstance(body.location, VideoBody):
        detail = "Only a calendar with video can have a fallback."
        raise InvalidInput("The request is invalid; see `errors`.", errors=[FieldError("/fallback", detail)])
    return DomainCalendar(
        workspace_id,
        calendar_id,
        name=clean_line(body.name, 200) or calendar_id,
        host=_parse_host(body.host),
        location=_parse_location(body.location),
        created_at=now,
        updated_at=now,
        guests_see_each_other=body.guests_see_each_other,
        emails=parse_emails(body.emails),
        on_decline=body.on_decline,
        reminders=parse_reminders(body.reminders),
        fallback=_parse_fallback(body.fallback),
        templates=_parse_templates(body),
        cohosts=parse_hosts(body.cohosts),
        hosts=parse_hosts(body.hosts),
        meeting_settings=parse_settings(body.location.settings if isinstance(body.location, VideoBody) else None),
    )


def parse_emails(body: EmailsBody | None) -> DomainEmails:
    return DomainEmails(body.guests, body.host) if body else UNDECIDED


def _parse_fallback(body: FallbackBody | None) -> DomainFallback | None:
    return DomainFallback(body.url, body.after_minutes, body.before_start_minutes) if body else None


def format_fallback(fallback: DomainFallback | None) -> Fallback | None:
    return Fallback(fallback.url, fallback.after_minutes, fallback.before_start_minutes) if fallback else None


def _parse_templates(body: CalendarBody) -> TextTemplates:
    title = clean_line(body.title_template or "", TITLE_LENGTH) or None
    return TextTemplates(title, clean_lines(body.description_template or "", DESCRIPTION_LENGTH) or None)


def parse_hosts(bodies: list[HostBody]) -> tuple[DomainHost, ...]:
    return tuple(_parse_host(body) for body in bodies)


def _parse_host(body: HostBody) -> DomainHost:
    name = clean_line(body.name, 200) or body.email
    return DomainHost(body.user_id, name, body.email, body.time_zone, body.language)


def _parse_location(body: LocationBody) -> DomainLocation:
    match body:
        case PhoneBody():
            return DomainLocation(LocationType.PHONE, _clean_detail(body.phone))
        case InPersonBody():
            return DomainLocation(LocationType.IN_PERSON, _clean_detail(body.address))
        case CustomLinkBody():
            return DomainLocation(LocationType.CUSTOM_LINK, body.url)
    return DomainLocation(LocationType.VIDEO)


def format_calendar(calendar: DomainCalendar) -> Calendar:
    return Calendar(
        id=calendar.calendar_id,
        name=calendar.name,
        host=format_host(calendar.host),
        location=format_location(calendar.location, calendar.meeting_settings),
        guests_see_each_other=calendar.guests_see_each_other,
        emails=CalendarEmails(calendar.emails.guests, calendar.emails.host),
        on_decline=calendar.on_decline,
        reminders=None if calendar.reminders is None else format_reminders(calendar.reminders),
        fallback=format_fallback(calendar.fallback),
        title_template=calendar.templates.title,
        description_template=calendar.templates.description,
        cohosts=[format_host(cohost) for cohost in calendar.cohosts],
        hosts=[format_host(host) for host in calendar.hosts],
        created_at=format_timestamp(calendar.created_at),
        updated_at=format_timestamp(calendar.updated_at),
    )


def format_host(host: DomainHost) -> Host:
    return Host(host.user_id, host.name, host.email, host.time_zone, host.language)


def format_location(location: DomainLocation, settings: MeetingSettings) -> Location:
    """Return the location in the form that callers send."""
    kind, detail = location.type, location.detail
    return Location(
        kind,
        settings=format_settings(settings) if kind is LocationType.VIDEO else UNSET,
        phone=detail if kind is LocationType.PHONE else UNSET,
        address=detail if kind is LocationType.IN_PERSON else UNSET,
        url=detail if kind is LocationType.CUSTOM_LINK else UNSET,
    )


def format_available_locations(status: ConnectionStatus, possible: DomainPossibleSettings | None) -> Locations:
    """Return every location type, and whether it can be chosen with the host's connection.

    `possible` are the settings that the host's provider supports; None: there is no provider.
    """
    connected = status.state is ConnectionState.CONNECTED
    provider = status.connection.provider if status.connection else None
    # Never connected and deauthorized both mean that no account is connected now.
    reason = None if connected else status.reason or MeetingReason.NOT_CONNECTED
    settings = None if possible is None else format_possible_settings(possible)
    others = [kind for kind in LocationType if kind is not LocationType.VIDEO]
    return Locations(
        [
            AvailableLocation(LocationType.VIDEO, connected, reason, provider, settings),
            *(AvailableLocation(kind, True, None, None, None) for kind in others),
        ]
    )


def _clean_detail(text: str | None) -> str | None:
    return clean_line(text, 500) or None if text else None
