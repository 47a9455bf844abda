"""The forms of answers. Views build them, and the API's description is made from them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.api.schema import Metadata
from chalicelib.domain.booking import BookingStatus
from chalicelib.domain.calendar import LocationType
from chalicelib.domain.connection import ConnectionState
from chalicelib.domain.connection import Reason as ConnectionReason
from chalicelib.domain.guest_experience import GuestEntry, Moderator
from chalicelib.domain.invitation import InvitationState, Role, Trouble
from chalicelib.domain.meeting import MeetingReason, MeetingState

Moment = Annotated[
    str,
    Meta(description="RFC 3339, in UTC", examples=["2027-01-05T15:00:00Z"], extra_json_schema={"format": "date-time"}),
]
Url = Annotated[str, Meta(examples=["https://zoom.us/j/11576318513?pwd=oOVguuiy"])]
MeetingWhy = Annotated[str, Meta(extra_json_schema={"enum": [*MeetingReason]}, examples=["provider_unavailable"])]
ConnectionWhy = Annotated[str, Meta(extra_json_schema={"enum": [*ConnectionReason]}, examples=["not_connected"])]
Cursor = Annotated[
    str | None, Meta(description="Ask for the next page with `?cursor=`; null on the last one", examples=[None])
]


class Host(Struct):
    """The user who hosts."""

    user_id: Annotated[str, Meta(examples=["u-1"])]
    name: Annotated[str, Meta(examples=["Demo Host"])]
    email: Annotated[str, Meta(examples=["host@example.com"])]
    time_zone: Annotated[str | None, Meta(examples=["Europe/Berlin"])]
    language: Annotated[str | None, Meta(description="BCP 47", examples=["de"])]


class Location(Struct):
    """Where a booking takes place: `phone`, `address` and `url` stand on the type that has them."""

    type: Annotated[LocationType, Meta(examples=["video"])]
    phone: str | UnsetType | None = UNSET
    address: str | UnsetType | None = UNSET
    url: str | UnsetType | None = UNSET


class Guest(Struct):
    name: Annotated[str, Meta(examples=["Demo Guest"])]
    email: Annotated[str, Meta(examples=["guest@example.com"])]
    time_zone: Annotated[str | None, Meta(examples=["America/New_York"])]
    language: Annotated[str | None, Meta(description="BCP 47", examples=["en-US"])]


class Links(Struct):
    """The caller's own pages for moving and cancelling the booking."""

    reschedule: Annotated[str | None, Meta(examples=["https://shop.example.com/bookings/b-42/reschedule"])]
    cancel: Annotated[str | None, Meta(examples=["https://shop.example.com/bookings/b-42/cancel"])]


class DialIn(Struct):
    """A number to join by phone; `,,`, a code and `#` follow it where a phone has to send one."""

    number: Annotated[str, Meta(examples=["+49 69 0000 0000"])]
    country: Annotated[str | None, Meta(description="ISO 3166-1 alpha-2", examples=["DE"])]
    city: Annotated[str | None, Meta(examples=["Frankfurt"])]


class Meeting(Struct):
    """The provider's meeting behind a booking. `detail` says in words what `reason` says to programs."""

    state: Annotated[MeetingState, Meta(examples=["ready"])]
    reason: Annotated[MeetingWhy | None, Meta(examples=[None])]
    detail: Annotated[str | None, Meta(examples=[None])]
    provider: Annotated[str | None, Meta(examples=["zoom"])]
    join_url: Url | None
    passcode: Annotated[str | None, Meta(examples=["482913"])]
    dial_in: list[DialIn]
    attempts: Annotated[int, Meta(description="Failed tries in a row", examples=[0])]
    next_attempt_at: Annotated[Moment | None, Meta(examples=[None])]


class Invitation(Struct):
    """What one person was mailed last. `reason` says why it did not arrive, or not yet."""

    email: Annotated[str, Meta(examples=["guest@example.com"])]
    role: Role
    sequence: Annotated[int, Meta(description="iCalendar SEQUENCE (RFC 5545)", examples=[0])]
    state: Annotated[InvitationState, Meta(examples=["sent"])]
    reason: Annotated[Trouble | None, Meta(examples=[None])]
    sent_at: Moment | None


class Booking(Struct):
    """An appointment, its meeting and its invitations."""

    id: Annotated[str, Meta(examples=["b-42"])]
    revision: Annotated[int, Meta(description="Rises with every change", examples=[1])]
    status: Annotated[BookingStatus, Meta(examples=["confirmed"])]
    calendar_id: Annotated[str, Meta(examples=["c-1"])]
    host: Host
    location: Location
    starts_at: Moment
    ends_at: Annotated[Moment, Meta(examples=["2027-01-05T15:30:00Z"])]
    time_zone: Annotated[str, Meta(examples=["Europe/Berlin"])]
    title: Annotated[str, Meta(examples=["Introduction"])]
    description: Annotated[str, Meta(examples=["We will look at your questions."])]
    guests: list[Guest]
    guests_see_each_other: Annotated[bool, Meta(examples=[False])]
    links: Links
    metadata: Metadata
    version: Annotated[int | None, Meta(examples=[None])]
    meeting: Meeting
    invitations: list[Invitation]
    created_at: Moment
    updated_at: Moment


class BookingPage(Struct):
    items: list[Booking]
    next_cursor: Cursor


class Calendar(Struct):
    """What guests book on."""

    id: Annotated[str, Meta(examples=["c-1"])]
    name: Annotated[str, Meta(examples=["Introduction"])]
    host: Host
    location: Location
    guests_see_each_other: Annotated[bool, Meta(examples=[False])]
    created_at: Moment
    updated_at: Moment


class CalendarPage(Struct):
    items: list[Calendar]
    next_cursor: Cursor


class AvailableLocation(Struct):
    type: Annotated[LocationType, Meta(examples=["video"])]
    available: Annotated[bool, Meta(examples=[False])]
    reason: ConnectionWhy | None
    provider: Annotated[str | None, Meta(examples=["zoom"])]


class Locations(Struct):
    locations: list[AvailableLocation]


class Account(Struct):
    """The account at the provider."""

    id: Annotated[str, Meta(examples=["zoom-user-1"])]
    email: Annotated[str, Meta(examples=["host@example.com"])]


class Connection(Struct):
    """A user's connection to a provider account."""

    user_id: Annotated[str, Meta(examples=["u-1"])]
    state: Annotated[ConnectionState, Meta(examples=["connected"])]
    reason: Annotated[ConnectionWhy | None, Meta(examples=[None])]
    provider: Annotated[str | None, Meta(examples=["zoom"])]
    account: Account | None
    connected_at: Moment | None
    last_meeting_at: Annotated[
        Moment | None,
        Meta(description="When a meeting was last created, RFC 3339 in UTC; up to ten minutes later in fact"),
    ]


class ConnectLink(Struct):
    """A single-use link that opens the settings page for one user."""

    url: Annotated[str, Meta(examples=["https://meetlink.example/connect/Fut22_JwO"])]
    expires_at: Moment


class UpcomingMeeting(Struct):
    booking_id: Annotated[str, Meta(examples=["b-42"])]
    starts_at: Moment
    join_url: Url


class DisconnectPreview(Struct):
    """Coming meetings that nobody could change any more after disconnecting."""

    upcoming: list[UpcomingMeeting]


class CheckStep(Struct):
    step: Annotated[str, Meta(examples=["token"])]
    ok: bool
    detail: Annotated[str | None, Meta(description="What to do, where it failed", examples=[None])]


class GuestExperience(Struct):
    """What guests experience who open a meeting's link."""

    admission: Annotated[
        GuestEntry,
        Meta(
            description="`direct`: they enter at once. `host_first`: they wait until the host has joined. `knock`: "
            "they wait until someone in the meeting admits them. `blocked`: the account's settings keep them out. "
            "`account_settings`: the account's own settings at the provider decide, and were not reported.",
            examples=["direct"],
        ),
    ]
    moderator: Annotated[
        Moderator,
        Meta(
            description="`host_account`: who joins signed in to the connected account. `host_link`: who joins with the "
            "link in the host's own invitation. `first_to_sign_in` and `first_to_arrive`: that person.",
            examples=["host_account"],
        ),
    ]
    time_limit_minutes: Annotated[
        int | None,
        Meta(description="The plan's limit; null without one, or where the plan is not known", examples=[None]),
    ]
    notes: Annotated[
        list[str],
        Meta(description="For the host: what the account's policy forbids, and how to change it", examples=[[]]),
    ]
    observed: Annotated[
        bool, Meta(description="Read from the meeting of this check; otherwise what the provider documents")
    ]


class Check(Struct):
    """What was tried with the connection, up to the first step that failed."""

    ok: bool
    steps: list[CheckStep]
    guest_experience: Annotated[GuestExperience | None, Meta(description="Null where no meeting could be created")]


class Provider(Struct):
    name: Annotated[str, Meta(examples=["zoom"])]
    display_name: Annotated[str, Meta(examples=["Zoom"])]
    needs: Annotated[str, Meta(description="What an account needs", examples=["A Zoom account"])]
    limits: Annotated[str, Meta(description="What the provider does not do, or not often", examples=[""])]
    configured: Annotated[bool, Meta(description="Whether this deployment has credentials for it")]


class ProviderPage(Struct):
    items: list[Provider]
    next_cursor: Cursor


class Health(Struct):
    status: Literal["ok"]


class FieldProblem(Struct):
    """One thing that is wrong: `pointer` says where in the body, `parameter` which query parameter."""

    detail: Annotated[str, Meta(examples=["This is not an e-mail address."])]
    pointer: (
        Annotated[str, Meta(description="JSON pointer (RFC 6901) into the body", examples=["/guests/0/email"])]
        | UnsetType
    ) = UNSET
    parameter: Annotated[str, Meta(description="Name of the query parameter")] | UnsetType = UNSET


class Problem(Struct):
    """Problem details (RFC 9457). `type` is stable; `detail` is for people and may change."""

    type: Annotated[str, Meta(examples=["urn:meetlink:problem:not_found"])]
    title: Annotated[str, Meta(examples=["Not Found"])]
    status: Annotated[int, Meta(examples=[404])]
    detail: Annotated[str, Meta(examples=["There is no booking with this id in your workspace."])]
    errors: (
        Annotated[list[FieldProblem], Meta(description="Everything that is wrong with the request, at most 100")]
        | UnsetType
    ) = UNSET
