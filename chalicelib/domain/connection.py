"""A user's connection to a provider account, and the grant with its tokens.

Tokens belong to the grant because providers issue them per account: at Zoom, authorizing an account again revokes its
earlier tokens, so two connections to one account must share one pair.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.redacted import Redacted

ACCESS_TOKEN_MARGIN_SECONDS = 120
"""An access token that expires this soon counts as expired: it must be valid until the end of the call."""

LAST_MEETING_PRECISION = timedelta(minutes=10)
"""How much later than `Connection.last_meeting_at` the last meeting may have been created: not each one is a write."""


class ConnectionState(StrEnum):
    """The state of a user's connection; a closed list, part of the API."""

    NONE = "none"
    PENDING = "pending"
    CONNECTED = "connected"
    BROKEN = "broken"


class Reason(StrEnum):
    """Why a connection or grant is not usable; a closed list, part of the API."""

    NOT_CONNECTED = "not_connected"
    NOT_CONFIRMED = "not_confirmed"
    RECONNECT_NEEDED = "reconnect_needed"
    DEAUTHORIZED = "deauthorized"
    DISCONNECTED = "disconnected"


class SignInProblem(StrEnum):
    """Why a sign-in connected nothing; a closed list, the `problem` in the settings page's address."""

    CANCELLED = "cancelled"
    NEEDS_APPROVAL = "needs_approval"
    APP_DISABLED = "app_disabled"
    CREDENTIALS_REFUSED = "credentials_refused"
    UNKNOWN_PERMISSION = "unknown_permission"
    MISSING_SCOPES = "missing_scopes"
    NO_LASTING_ACCESS = "no_lasting_access"
    UNUSABLE_ACCOUNT = "unusable_account"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    NOT_COMPLETED = "not_completed"
    TOO_LATE = "too_late"
    NOT_STARTED_HERE = "not_started_here"


class KeyProblem(StrEnum):
    """Why a key connected nothing."""

    TOO_LONG = "too_long"
    NOT_ACCEPTED = "not_accepted"
    REFUSED = "refused"
    NOT_CHECKED = "not_checked"


class StepProblem(StrEnum):
    """Why a step of the connection check failed, where the provider has no advice of its own."""

    NO_ACCOUNT = "no_account"
    NOT_CONFIRMED = "not_confirmed"
    NOT_OFFERED = "not_offered"
    MISSING_SCOPES = "missing_scopes"
    RECONNECT = "reconnect"
    NOT_COMPLETED = "not_completed"


class Tokens(Redacted, frozen=True):
    """The response of a token endpoint, or a key that a user entered. Stored only encrypted."""

    access_token: str
    refresh_token: str | None
    """None for a key."""
    expires_at: datetime
    scopes: tuple[str, ...] = ()
    lapses_at: datetime | None = None
    """When the refresh token expires unless it is used; None if the provider does not say."""

    def is_fresh(self, now: datetime) -> bool:
        """Return whether the access token is valid until the end of a call that starts now."""
        return (self.expires_at - now).total_seconds() > ACCESS_TOKEN_MARGIN_SECONDS


class Account(Struct, frozen=True):
    """An account at a provider."""

    id: str
    """Never changes."""
    email: str
    """For people; empty for an account that is connected by a key."""
    organization: str | None = None
    """The provider's id of the company that the account belongs to; None if the provider does not say."""

    @property
    def label(self) -> str:
        """The name of the account for people."""
        return self.email or self.organization or self.id


class Grant(Redacted, frozen=True):
    """One authorization of one provider account."""

    provider: str
    account: Account
    version: int
    """Rises with every write, so that a stale writer's condition fails."""
    sealed_tokens: bytes | None
    """The tokens, encrypted: code that only needs the state of the grant sees no token."""
    broken_reason: str | None = None
    broken_at: datetime | None = None
    authorized_at: datetime | None = None
    """When the owner last consented."""
    refreshed_at: datetime | None = None
    """When the grant last got tokens."""
    lapses_at: datetime | None = None
    """When the tokens expire unless they are used; None if the provider does not say."""
    notices: int = 0
    """How often the owners were notified that the grant is broken."""
    due_at: datetime | None = None
    """When the schedule checks the grant next."""
    reported_at: datetime | None = None
    """When the provider last sent an event about a meeting of this account, exact to a day."""
    refused_at: datetime | None = None
    """Since when the provider refuses refreshes with a code that means either this grant or the operator's client id.
    None after a successful refresh."""

    @property
    def is_usable(self) -> bool:
        """Whether the tokens should work."""
        return self.sealed_tokens is not None and self.broken_reason is None

    @property
    def id(self) -> str:
        return grant_id(self.provider, self.account.id)


def tokens_of_key(key: str) -> Tokens:
    """Return a key as tokens that do not expire."""
    return Tokens(key, None, datetime.max.replace(tzinfo=UTC))


def grant_id(provider: str, account_id: str) -> str:
    """Return the grant's key: there is at most one grant per provider account."""
    return f"{provider}#{account_id}"


class Connection(Struct, frozen=True):
    """The grant that a user of a workspace uses."""

    workspace_id: str
    user_id: str
    provider: str
    grant_id: str
    account: Account
    connected_at: datetime
    ended_reason: str | None = None
    """Set if the connection ended and its row stays: to show why, or until its meetings are removed."""
    user_email: str | None = None
    user_name: str | None = None
    last_meeting_at: datetime | None = None
    confirmed: bool = True
    """False until the caller's backend confirms the connection, in workspaces that require it."""
    base_url: str | None = None
    """This deployment's address in the user's browser."""
    ended_at: datetime | None = None

    @property
    def serves_new_bookings(self) -> bool:
        """Whether a new booking may get its meeting from the connection."""
        return self.confirmed and self.ended_reason is None

    def ended(self, reason: str, at: datetime) -> Connection:
        """Return the connection as it is stored after its end; without personal data if it was deauthorized."""
        if reason != Reason.DEAUTHORIZED:
            return replace(self, ended_reason=reason, ended_at=at)
        return replace(self, ended_reason=reason, ended_at=at, account=Account("", ""), user_email=None, user_name=None)


class ConnectionStatus(Struct, frozen=True):
    """A connection as callers see it."""

    state: ConnectionState
    reason: str | None = None
    connection: Connection | None = None


def connection_status(connection: Connection | None, grant: Grant | None) -> ConnectionStatus:
    """Return the state that callers see. The end of the connection takes precedence over the state of its grant."""
    if connection is None:
        return ConnectionStatus(ConnectionState.NONE, Reason.NOT_CONNECTED)
    if connection.ended_reason == Reason.DISCONNECTED:
        return ConnectionStatus(ConnectionState.NONE, Reason.NOT_CONNECTED)
    if connection.ended_reason or (grant and grant.broken_reason == Reason.DEAUTHORIZED):
        return ConnectionStatus(ConnectionState.NONE, Reason.DEAUTHORIZED)
    if not connection.confirmed:
        return ConnectionStatus(ConnectionState.PENDING, Reason.NOT_CONFIRMED, connection)
    if grant is None or not grant.is_usable:
        reason = (grant and grant.broken_reason) or Reason.RECONNECT_NEEDED
        return ConnectionStatus(ConnectionState.BROKEN, reason, connection)
    return ConnectionStatus(ConnectionState.CONNECTED, None, connection)
