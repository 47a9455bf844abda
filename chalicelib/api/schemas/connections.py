"""Connections, connect links and providers: what callers send and receive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from chalicelib.api.pagination import PageQuery
from chalicelib.api.schemas.fields import (
    ConnectionReasonName,
    Email,
    Name,
    NextCursor,
    Timestamp,
    Url,
    format_optional_timestamp,
    format_timestamp,
)
from chalicelib.domain.connection import ConnectionState, ConnectionStatus
from chalicelib.domain.guest_experience import GuestEntry, Moderator
from chalicelib.domain.guest_experience import GuestExperience as DomainGuestExperience

if TYPE_CHECKING:
    from chalicelib.providers.base import Provider as VideoProvider
    from chalicelib.usecases.bookings import UpcomingMeeting as DomainUpcomingMeeting
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

    provider: Annotated[str, Meta(max_length=64)] | None = None
    return_to: Annotated[str, Meta(max_length=2000)] | None = None
    email: Annotated[Email | None, Meta(examples=["host@example.com"])] = None
    name: Name | None = None


class DisconnectQuery(Struct, forbid_unknown_fields=True):
    """`dry_run` only reports what would happen. `meetings=delete` first deletes upcoming meetings at the provider."""

    dry_run: Literal["true", "false"] | None = None
    meetings: Literal["keep", "delete"] | None = None


class ConnectionsQuery(PageQuery):
    """Which connections to list."""

    state: ConnectionState | None = None
    provider: Annotated[str, Meta(max_length=64, description="A provider's name", examples=["zoom"])] | None = None


class Account(Struct):
    """The account at the provider."""

    id: Annotated[str, Meta(examples=["zoom-user-1"])]
    email: Annotated[str, Meta(examples=["host@example.com"])]


class Connection(Struct):
    """A user's connection to a provider account."""

    user_id: Annotated[str, Meta(examples=["u-1"])]
    state: Annotated[ConnectionState, Meta(examples=["connected"])]
    reason: Annotated[ConnectionReasonName | None, Meta(examples=[None])]
    provider: Annotated[str | None, Meta(examples=["zoom"])]
    account: Account | None
    connected_at: Timestamp | None
    last_meeting_at: Annotated[
        Timestamp | None,
        Meta(description="When a meeting was last created, RFC 3339 in UTC. It is up to ten minutes behind"),
    ]


class ConnectionPage(Struct):
    items: list[Connection]
    next_cursor: NextCursor


class ConnectLink(Struct):
    """A single-use link that opens the settings page for one user."""

    url: Annotated[str, Meta(examples=["https://meetlink.example/connect/Fut22_JwO"])]
    expires_at: Timestamp


class UpcomingMeeting(Struct):
    booking_id: Annotated[str, Meta(examples=["b-42"])]
    starts_at: Timestamp
    join_url: Url


class DisconnectPreview(Struct):
    """Upcoming meetings that could no longer be changed after disconnecting."""

    upcoming: list[UpcomingMeeting]


class CheckStep(Struct):
    step: Annotated[str, Meta(examples=["token"])]
    ok: bool
    detail: Annotated[str | None, Meta(description="What to do, if the step failed", examples=[None])]


class GuestExperience(Struct):
    """What guests experience when they open a meeting's link."""

    admission: Annotated[
        GuestEntry,
        Meta(
            description="`direct`: they enter at once. `host_first`: they wait until the host has joined. `knock`: "
            "they wait until someone in the meeting admits them. `blocked`: the account's settings keep them out. "
            "`account_settings`: the account's settings at the provider decide; the provider did not report them.",
            examples=["direct"],
        ),
    ]
    moderator: Annotated[
        Moderator,
        Meta(
            description="`host_account`: the person signed in to the connected account. `host_link`: the person with "
            "the link in the host's invitation. `first_to_sign_in` and `first_to_arrive`: that person.",
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

    ok: bool
    steps: list[CheckStep]
    guest_experience: Annotated[GuestExperience | None, Meta(description="Null if no meeting could be created")]


class Provider(Struct):
    name: Annotated[str, Meta(examples=["zoom"])]
    display_name: Annotated[str, Meta(examples=["Zoom"])]
    needs: Annotated[str, Meta(description="What an account needs", examples=["A Zoom account"])]
    limits: Annotated[str, Meta(description="Limits of the provider, or empty", examples=[""])]
    configured: Annotated[bool, Meta(description="Whether this deployment has credentials for it")]


class ProviderPage(Struct):
    items: list[Provider]
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


def format_disconnect_preview(meetings: list[DomainUpcomingMeeting]) -> DisconnectPreview:
    return DisconnectPreview(
        [UpcomingMeeting(m.booking_id, format_timestamp(m.starts_at), m.join_url) for m in meetings]
    )


def format_check(report: Report) -> Check:
    steps = [CheckStep(step.name, step.ok, step.detail) for step in report.steps]
    experience = report.guest_experience
    return Check(report.is_ok, steps, None if experience is None else _format_guest_experience(experience))


def format_provider(provider: VideoProvider, *, configured: bool) -> Provider:
    return Provider(provider.name, provider.display_name, provider.needs, provider.limits, configured)


def _format_guest_experience(experience: DomainGuestExperience) -> GuestExperience:
    return GuestExperience(
        experience.admission,
        experience.moderator,
        experience.time_limit_minutes,
        list(experience.notes),
        experience.is_observed,
    )
