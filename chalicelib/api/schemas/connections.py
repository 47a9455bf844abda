"""Connections, connect links and providers: what callers send and receive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from chalicelib.api.pagination import PageQuery
from chalicelib.api.schemas.fields import (
    BookingId,
    ConnectionReasonName,
    Email,
    JoinUrl,
    Name,
    NextCursor,
    ProviderName,
    Timestamp,
    UserId,
    format_optional_timestamp,
    format_timestamp,
)
from chalicelib.api.schemas.meeting_settings import PossibleSettings, format_possible_settings
from chalicelib.domain.connection import ConnectionState, ConnectionStatus
from chalicelib.domain.guest_experience import GuestEntry, Moderator
from chalicelib.domain.guest_experience import GuestExperience as DomainGuestExperience

if TYPE_CHECKING:
    from chalicelib.providers.base import Provider as VideoProvider
    from chalicelib.store.booking_records import Record
    from chalicelib.usecases.connection_check import Report


class ConfirmBody(Struct, forbid_unknown_fields=True):
    """`POST /v1/users/{user_id}/connection/confirm`"""

    account_id: Annotated[
        str,
        Meta(
            max_length=600, description="`account.id` of the connection, as you received it", examples=["zoom-user-1"]
        ),
    ]


class ConnectLinkBody(Struct, forbid_unknown_fields=True):
    """`POST /v1/users/{user_id}/connect-links`"""

    provider: Annotated[
        Annotated[str, Meta(max_length=64, examples=["zoom"])] | None,
        Meta(description="A `name` of `GET /v1/providers`: the link leads straight to the sign-in there"),
    ] = None
    return_to: Annotated[
        Annotated[str, Meta(max_length=2000, examples=["https://shop.example.com/settings"])] | None,
        Meta(description="Where the user returns to: one of the addresses that the operator listed"),
    ] = None
    email: Annotated[
        Email | None, Meta(description="The user's address, for the page and notices", examples=["host@example.com"])
    ] = None
    name: Annotated[Name | None, Meta(description="The user's name, for the page. Cut at 200 characters")] = None


class DisconnectQuery(Struct, forbid_unknown_fields=True):
    """`dry_run` only reports what would happen. `meetings=delete` first deletes upcoming meetings at the provider."""

    dry_run: Annotated[
        Literal["true", "false"] | None,
        Meta(description="`true`: only list what could no longer be changed. `false`, the default: disconnect"),
    ] = None
    meetings: Annotated[
        Literal["keep", "delete"] | None,
        Meta(
            description="`delete`: first delete the upcoming meetings at the provider. `keep`, the default: "
            "their links stay valid"
        ),
    ] = None


class ConnectionsQuery(PageQuery):
    """Which connections to list."""

    state: Annotated[ConnectionState | None, Meta(description="Connections in this state")] = None
    provider: Annotated[str, Meta(max_length=64, description="A provider's name", examples=["zoom"])] | None = None


class Account(Struct):
    """The account at the provider."""

    id: Annotated[str, Meta(description="The provider's id of the account", examples=["zoom-user-1"])]
    email: Annotated[
        str, Meta(description="The address of the account, or another name of it", examples=["host@example.com"])
    ]


class Connection(Struct):
    """A user's connection to a provider account."""

    user_id: UserId
    state: Annotated[ConnectionState, Meta(description="Whether bookings get links", examples=["connected"])]
    reason: Annotated[ConnectionReasonName | None, Meta(description="Why it is not usable", examples=[None])]
    provider: ProviderName | None
    account: Annotated[Account | None, Meta(description="The connected account")]
    connected_at: Annotated[Timestamp | None, Meta(description="When the account was connected, RFC 3339 in UTC")]
    last_meeting_at: Annotated[
        Timestamp | None,
        Meta(description="When a meeting was last created, RFC 3339 in UTC. It is up to ten minutes behind"),
    ]


class ConnectionPage(Struct):
    """A page of connections."""

    items: Annotated[list[Connection], Meta(description="The connections of this page")]
    next_cursor: NextCursor


class ConnectLink(Struct):
    """A single-use link that opens the settings page for one user."""

    url: Annotated[
        str, Meta(description="Send the user's browser there", examples=["https://meetlink.example/connect/Fut22_JwO"])
    ]
    expires_at: Annotated[Timestamp, Meta(description="Ten minutes after it was created, RFC 3339 in UTC")]


class UpcomingMeeting(Struct):
    """A meeting that takes place later."""

    booking_id: BookingId
    starts_at: Annotated[Timestamp, Meta(description="The start, RFC 3339 in UTC")]
    join_url: Annotated[JoinUrl, Meta(description="The link to join with, which stays valid")]


class DisconnectPreview(Struct):
    """Upcoming meetings that could no longer be changed after disconnecting."""

    upcoming: Annotated[list[UpcomingMeeting], Meta(description="The meetings, by start")]


class CheckStep(Struct):
    """One step of the check."""

    step: Annotated[str, Meta(description="What was tried", examples=["token"])]
    ok: Annotated[bool, Meta(description="Whether it worked")]
    detail: Annotated[str | None, Meta(description="What to do, if the step failed", examples=[None])]


class GuestExperience(Struct):
    """What guests experience when they open a meeting's link."""

    admission: Annotated[
        GuestEntry,
        Meta(
            description="How guests get in",
            examples=["direct"],
        ),
    ]
    moderator: Annotated[
        Moderator,
        Meta(
            description="Who moderates",
            examples=["host_account"],
        ),
    ]
    time_limit_minutes: Annotated[
        int | None,
        Meta(description="The plan's limit; null if it has none, or if the plan is unknown", examples=[None]),
    ]
    notes: Annotated[
        list[str],
        Meta(description="For the host: what the account's policy forbids, and how to change it", examples=[[]]),
    ]
    observed: Annotated[
        bool, Meta(description="True: read from the meeting of this check. False: what the provider documents")
    ]


class Check(Struct):
    """The steps of the check, up to the first that failed."""

    ok: Annotated[bool, Meta(description="Whether bookings get links")]
    steps: Annotated[list[CheckStep], Meta(description="In the order in which they were tried")]
    guest_experience: Annotated[GuestExperience | None, Meta(description="Null if no meeting could be created")]


class Provider(Struct):
    """A video provider."""

    name: Annotated[str, Meta(description="The name in this API", examples=["zoom"])]
    display_name: Annotated[str, Meta(description="The name for people", examples=["Zoom"])]
    needs: Annotated[str, Meta(description="What an account needs", examples=["A Zoom account"])]
    limits: Annotated[str, Meta(description="Limits of the provider, or empty", examples=[""])]
    configured: Annotated[bool, Meta(description="Whether this deployment has credentials for it")]
    settings: Annotated[PossibleSettings, Meta(description="What `location.settings` of a calendar can be")]


class ProviderPage(Struct):
    """Every video provider."""

    items: Annotated[list[Provider], Meta(description="The providers")]
    next_cursor: NextCursor


def format_connection(user_id: str, status: ConnectionStatus) -> Connection:
    connection = status.connection
    return Connection(
        user_id=user_id,
        state=status.state,
        reason=status.reason if status.state is not ConnectionState.CONNECTED else None,
        provider=connection.provider if connection else None,
        account=Account(connection.account.id, connection.account.label) if connection else None,
        connected_at=format_timestamp(connection.connected_at) if connection else None,
        last_meeting_at=format_optional_timestamp(connection.last_meeting_at) if connection else None,
    )


def format_disconnect_preview(records: list[Record]) -> DisconnectPreview:
    return DisconnectPreview(
        [
            UpcomingMeeting(
                record.booking.booking_id,
                format_timestamp(record.booking.appointment.starts_at),
                str(record.settlement.meeting.join_url),
            )
            for record in records
        ]
    )


def format_check(report: Report) -> Check:
    steps = [CheckStep(step.name, step.ok, step.detail) for step in report.steps]
    experience = report.guest_experience
    return Check(report.is_ok, steps, None if experience is None else _format_guest_experience(experience))


def format_provider(provider: VideoProvider, *, configured: bool) -> Provider:
    settings = format_possible_settings(provider.possible_settings)
    return Provider(provider.name, provider.display_name, provider.needs, provider.limits, configured, settings)


def _format_guest_experience(experience: DomainGuestExperience) -> GuestExperience:
    return GuestExperience(
        experience.admission,
        experience.moderator,
        experience.time_limit_minutes,
        list(experience.notes),
        experience.is_observed,
    )
