"""Bookings: what callers send and receive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from chalicelib.api.pagination import PageQuery
from chalicelib.api.schemas.booking_emails import (
    BookingEmails,
    EmailsWaiting,
    Invitation,
    OtherAnswer,
    format_emails,
    format_invitations,
    format_other_answers,
    format_wait,
)
from chalicelib.api.schemas.calendars import (
    CohostsBody,
    EmailsBody,
    Fallback,
    Host,
    Location,
    find_repeated_hosts,
    format_fallback,
    format_host,
    format_location,
    parse_emails,
    parse_hosts,
)
from chalicelib.api.schemas.fields import (
    END,
    BookingId,
    CalendarId,
    DateTime,
    Email,
    EmailAddress,
    EndTimestamp,
    Id,
    JoinUrl,
    Language,
    LanguageTag,
    Link,
    MeetingReasonName,
    Metadata,
    Name,
    NextCursor,
    Passcode,
    ProviderName,
    Revision,
    Text,
    Timestamp,
    Title,
    UserId,
    Version,
    Zone,
    ZoneName,
    format_optional_timestamp,
    format_timestamp,
    requires_year,
)
from chalicelib.api.schemas.meeting_settings import SettingName, Settings, format_settings
from chalicelib.api.schemas.reminders import Reminder, format_reminders
from chalicelib.domain.attendance import Attendance
from chalicelib.domain.booking import DESCRIPTION_LENGTH, NO_LINKS, TITLE_LENGTH, Appointment, BookingStatus
from chalicelib.domain.booking import Guest as DomainGuest
from chalicelib.domain.booking import Links as DomainLinks
from chalicelib.domain.calendar import Host as DomainHost
from chalicelib.domain.cohost import CohostState
from chalicelib.domain.cohost_plan import cohost_result
from chalicelib.domain.host_load import HostLoad
from chalicelib.domain.meeting import Meeting as DomainMeeting
from chalicelib.domain.meeting import MeetingReason, MeetingState
from chalicelib.domain.plain_text import clean_line, clean_lines
from chalicelib.store.booking_records import Record
from chalicelib.validation import requires

_MAX_DURATION = timedelta(days=7)
_Moment = Annotated[DateTime, requires_year(2000, 2100)]
_ListMoment = Annotated[DateTime, requires_year(1900, 2200)]
_STATES = "|".join(MeetingState)
MeetingStates = Annotated[
    str,
    Meta(
        pattern=rf"^({_STATES})(,({_STATES}))*{END}",
        description="One or several states of the meeting, separated by commas",
        examples=["waiting,failed"],
    ),
    requires(expected=f"one or several of {', '.join(MeetingState)}, separated by commas"),
]
_GUEST = {"name": "Demo Guest", "email": "guest@example.com", "time_zone": "America/New_York"}


class GuestBody(Struct, forbid_unknown_fields=True):
    """A guest."""

    email: Email
    name: Annotated[Name, Meta(description="For display, by default the address", examples=["Demo Guest"])] = ""
    time_zone: Annotated[
        Zone | None, Meta(description="IANA time zone of the times in the guest's emails, by default the booking's")
    ] = None
    language: Language | None = None


class LinksBody(Struct, forbid_unknown_fields=True):
    """Your own pages for moving and cancelling a booking. The host and every guest see them."""

    reschedule: Annotated[Link | None, Meta(description="Emails show it as the button *Reschedule*")] = None
    cancel: Annotated[Link | None, Meta(description="Emails show it as the button *Cancel*")] = None


class BookingBody(Struct, forbid_unknown_fields=True):
    """`PUT /v1/bookings/{booking_id}`, `POST /v1/bookings`"""

    calendar_id: Annotated[Id, Meta(description="The calendar that is booked", examples=["c-1"])]
    starts_at: Annotated[_Moment, Meta(description="The start, RFC 3339 with an offset")]
    ends_at: Annotated[
        _Moment, Meta(description="The end, at most seven days after the start", examples=["2027-01-05T15:30:00Z"])
    ]
    time_zone: Zone
    title: Title = ""
    description: Text = ""
    guests: Annotated[list[GuestBody], Meta(max_length=50, description="At most 50", examples=[[_GUEST]])] = []
    metadata: Metadata = {}
    version: Version | None = None
    links: Annotated[LinksBody | None, Meta(description="Buttons of the emails. Null: none")] = None
    emails: Annotated[
        EmailsBody | None,
        Meta(description="Null: the calendar's setting for a new booking, else no change"),
    ] = None
    cohosts: Annotated[
        CohostsBody | None, Meta(description="Null: the calendar's for a new booking, else no change")
    ] = None
    host_id: Annotated[
        Id | None,
        Meta(
            description="`user_id` of one of the calendar's hosts. Null: its `host` for a new booking, else no change",
            examples=["u-1"],
        ),
    ] = None

    @staticmethod
    def check_together(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield (name, detail) for fields that are valid, but not together."""
        if fields.keys() >= {"starts_at", "ends_at"}:
            duration = fields["ends_at"] - fields["starts_at"]
            if duration <= timedelta():
                yield "ends_at", "The end must come after the start."
            if duration > _MAX_DURATION:
                yield "ends_at", "A booking can last at most seven days."
        yield from find_repeated_hosts(fields, "cohosts")


class BookingsQuery(PageQuery):
    """Which bookings to list, by start: from `from` until before `to`."""

    starts_from: Annotated[_ListMoment | None, Meta(description="Bookings that start then or later")] = field(
        default=None, name="from"
    )
    starts_before: Annotated[_ListMoment | None, Meta(description="Bookings that start earlier")] = field(
        default=None, name="to"
    )
    calendar_id: Annotated[Id | None, Meta(description="Bookings on this calendar")] = None
    user_id: Annotated[Id | None, Meta(description="The host")] = None
    status: Annotated[BookingStatus | None, Meta(description="Confirmed or cancelled bookings")] = None
    meeting_state: MeetingStates | None = None
    reason: Annotated[MeetingReason | None, Meta(description="Why the meeting is in its state")] = None
    guest_email: Annotated[Email | None, Meta(description="The exact address of the first guest")] = None

    @property
    def meeting_states(self) -> frozenset[MeetingState]:
        return frozenset(MeetingState(name) for name in (self.meeting_state or "").split(",") if name)


class Guest(Struct):
    """A guest."""

    name: Annotated[str, Meta(description="The name for display", examples=["Demo Guest"])]
    email: EmailAddress
    time_zone: Annotated[ZoneName | None, Meta(examples=["America/New_York"])]
    language: Annotated[LanguageTag | None, Meta(examples=["en-US"])]


class Links(Struct):
    """Your own pages for moving and cancelling the booking."""

    reschedule: Annotated[
        str | None,
        Meta(description="Where to move the booking", examples=["https://shop.example.com/bookings/b-42/reschedule"]),
    ]
    cancel: Annotated[
        str | None,
        Meta(description="Where to cancel the booking", examples=["https://shop.example.com/bookings/b-42/cancel"]),
    ]


class DialIn(Struct):
    """A number to join by phone. `,,`, a code and `#` follow it if the phone must send a code."""

    number: Annotated[str, Meta(description="The number to dial", examples=["+49 69 0000 0000"])]
    country: Annotated[str | None, Meta(description="ISO 3166-1 alpha-2", examples=["DE"])]
    city: Annotated[
        str | None, Meta(description="The city of the number, if the provider reports it", examples=["Frankfurt"])
    ]


class Meeting(Struct):
    """The provider's meeting of a booking. `reason` is for programs, `detail` for people."""

    state: Annotated[MeetingState, Meta(description="Where the meeting is", examples=["ready"])]
    reason: Annotated[MeetingReasonName | None, Meta(description="Why it is in this state", examples=[None])]
    detail: Annotated[str | None, Meta(description="The reason in words, and what to do", examples=[None])]
    provider: ProviderName | None
    join_url: JoinUrl | None
    passcode: Passcode | None
    dial_in: Annotated[list[DialIn], Meta(description="Phone numbers to join by")]
    attendance: Annotated[Attendance, Meta(description="Who came: decided 15 minutes after the end", examples=["both"])]
    settings: Annotated[
        Settings | None,
        Meta(description="What the provider reports of `location.settings`. A policy may have locked another value"),
    ]
    settings_ignored: Annotated[
        list[SettingName], Meta(description="Those of `location.settings` that the provider does not support")
    ]
    fallback_from: Annotated[
        ProviderName | None, Meta(description="`join_url` is the calendar's fallback, in place of this provider's")
    ]
    fallback_reason: Annotated[MeetingReasonName | None, Meta(description="Why the provider's meeting is missing")]
    attempts: Annotated[int, Meta(description="Failed attempts in a row", examples=[0])]
    next_attempt_at: Annotated[
        Timestamp | None, Meta(description="When it is tried again; null: it is not", examples=[None])
    ]


class HostBusy(Struct):
    """The host's account cannot run all meetings of this time."""

    meetings_at_once: Annotated[int, Meta(description="How many it can run at a time", examples=[1])]
    booking_ids: Annotated[list[BookingId], Meta(description="The host's other bookings then, at most ten")]


class Cohost(Struct):
    """A co-host of a booking, and how they join its meeting."""

    user_id: UserId
    name: Annotated[str, Meta(description="The name for display", examples=["Demo Co-host"])]
    email: Annotated[EmailAddress, Meta(examples=["cohost@example.com"])]
    time_zone: ZoneName | None
    language: LanguageTag | None
    state: Annotated[
        CohostState | None,
        Meta(description="How the co-host joins; null: there is no meeting", examples=["host"]),
    ]
    reason: Annotated[MeetingReason | None, Meta(description="Why it failed: `provider_rejected`", examples=[None])]
    detail: Annotated[str | None, Meta(description="What to do, if it failed", examples=[None])]


class Booking(Struct):
    """An appointment, its meeting and its invitations."""

    id: BookingId
    revision: Revision
    status: Annotated[BookingStatus, Meta(description="Whether it takes place", examples=["confirmed"])]
    calendar_id: CalendarId
    host: Host
    cohosts: Annotated[list[Cohost], Meta(description="They are invited as hosts")]
    location: Location
    fallback: Annotated[Fallback | None, Meta(description="The link for when the meeting is not created in time")]
    host_busy: Annotated[HostBusy | None, Meta(description="Null: not that we know", examples=[None])]
    starts_at: Annotated[Timestamp, Meta(description="The start, RFC 3339 in UTC")]
    ends_at: EndTimestamp
    time_zone: Annotated[str, Meta(description="IANA time zone, for display", examples=["Europe/Berlin"])]
    title: Annotated[str, Meta(description="The title of invitation and meeting", examples=["Introduction"])]
    description: Annotated[
        str, Meta(description="The text in the invitation", examples=["We will look at your questions."])
    ]
    guests: Annotated[list[Guest], Meta(description="Who booked, and who else was invited")]
    guests_see_each_other: Annotated[
        bool, Meta(description="Whether each guest's email names the other guests", examples=[False])
    ]
    links: Links
    emails: BookingEmails
    metadata: Metadata
    version: Annotated[int | None, Meta(description="Your own counter, if you sent one", examples=[None])]
    meeting: Meeting
    invitations: Annotated[list[Invitation], Meta(description="The last invitation of each person")]
    other_answers: Annotated[
        list[OtherAnswer], Meta(description="Answers from addresses that the booking does not have")
    ]
    emails_waiting: Annotated[
        EmailsWaiting | None, Meta(description="Why emails wait; null: they do not", examples=[None])
    ]
    reminders: Annotated[list[Reminder], Meta(description="As its calendar or workspace had them when it was created")]
    created_at: Annotated[Timestamp, Meta(description="When it was booked, RFC 3339 in UTC")]
    updated_at: Annotated[Timestamp, Meta(description="When you last changed it, RFC 3339 in UTC")]


class BookingPage(Struct):
    """A page of bookings."""

    items: Annotated[list[Booking], Meta(description="The bookings of this page")]
    next_cursor: NextCursor


def parse_appointment(body: BookingBody) -> Appointment:
    """Return the body as an appointment. Titles, names and descriptions are cleaned, never refused."""
    guests = (DomainGuest(clean_line(g.name, 200) or g.email, g.email, g.time_zone, g.language) for g in body.guests)
    return Appointment(
        calendar_id=body.calendar_id,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        time_zone=body.time_zone,
        title=clean_line(body.title, TITLE_LENGTH),
        description=clean_lines(body.description, DESCRIPTION_LENGTH),
        guests=tuple(guests),
        metadata=body.metadata,
        links=DomainLinks(body.links.reschedule, body.links.cancel) if body.links else NO_LINKS,
        emails=parse_emails(body.emails),
        cohosts=None if body.cohosts is None else parse_hosts(body.cohosts),
        host_id=body.host_id,
    )


def format_booking(record: Record) -> Booking:
    """Return a booking with its meeting and invitations."""
    booking, appointment = record.booking, record.booking.appointment
    return Booking(
        id=booking.booking_id,
        revision=booking.revision,
        status=booking.status,
        calendar_id=appointment.calendar_id,
        host=format_host(booking.host),
        cohosts=[_format_cohost(record, cohost) for cohost in booking.cohosts],
        location=format_location(booking.location, booking.meeting_settings),
        fallback=format_fallback(booking.fallback),
        host_busy=_format_load(record.settlement.host_load),
        starts_at=format_timestamp(appointment.starts_at),
        ends_at=format_timestamp(appointment.ends_at),
        time_zone=appointment.time_zone,
        title=appointment.title,
        description=appointment.description,
        guests=[Guest(g.name, g.email, g.time_zone, g.language) for g in appointment.guests],
        guests_see_each_other=booking.guests_see_each_other,
        links=Links(appointment.links.reschedule, appointment.links.cancel),
        emails=format_emails(booking),
        metadata=appointment.metadata,
        version=booking.version,
        meeting=_format_meeting(record.current_meeting, record.current_attendance),
        invitations=format_invitations(record),
        other_answers=format_other_answers(record),
        emails_waiting=format_wait(record.settlement.emails_wait_until),
        reminders=format_reminders(booking.reminders),
        created_at=format_timestamp(booking.created_at),
        updated_at=format_timestamp(booking.updated_at),
    )


def _format_load(load: HostLoad | None) -> HostBusy | None:
    return HostBusy(load.meetings_at_once, list(load.booking_ids)) if load else None


def _format_cohost(record: Record, cohost: DomainHost) -> Cohost:
    result = cohost_result(record.booking, record.current_meeting, cohost)
    return Cohost(
        user_id=cohost.user_id,
        name=cohost.name,
        email=cohost.email,
        time_zone=cohost.time_zone,
        language=cohost.language,
        state=result.state if result else None,
        reason=MeetingReason.PROVIDER_REJECTED if result and result.state is CohostState.FAILED else None,
        detail=result.detail if result else None,
    )


def _format_meeting(meeting: DomainMeeting, attendance: Attendance) -> Meeting:
    return Meeting(
        state=meeting.state,
        reason=meeting.reason,
        detail=meeting.detail,
        provider=meeting.provider,
        join_url=meeting.join_url,
        passcode=meeting.passcode,
        dial_in=[DialIn(d.number, d.country, d.city) for d in meeting.dial_in],
        attendance=attendance,
        settings=format_settings(meeting.settings),
        settings_ignored=list(meeting.settings_ignored),
        fallback_from=meeting.fallback_from,
        fallback_reason=meeting.fallback_reason,
        attempts=meeting.attempts,
        next_attempt_at=format_optional_timestamp(meeting.next_attempt_at),
    )
