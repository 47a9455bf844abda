"""A user's connection to a provider account, and the grant (the tokens) behind it.

Tokens belong to the grant because providers count by account: at Zoom, authorizing an account again kills its
earlier tokens, so two connections to one account must share one pair.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.redacted import Redacted

ACCESS_TOKEN_MARGIN_SECONDS = 120
"""An access token this close to its end counts as expired: it must outlive the call that it is fetched for."""

LAST_MEETING_PRECISION = timedelta(minutes=10)
"""How much later than `Connection.last_meeting_at` the last meeting may have been made: not each one is a write."""


class ConnectionState(StrEnum):
    NONE = "none"
    PENDING = "pending"
    CONNECTED = "connected"
    BROKEN = "broken"


class Reason(StrEnum):
    """Why a connection or grant is not usable; machine-readable in the API."""

    NOT_CONNECTED = "not_connected"
    NOT_CONFIRMED = "not_confirmed"
    RECONNECT_NEEDED = "reconnect_needed"
    DEAUTHORIZED = "deauthorized"
    DISCONNECTED = "disconnected"


class SignInProblem(StrEnum):
    """Why signing in at a provider connected nothing; closed list, the `problem` in the settings page's address."""

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


class Tokens(Redacted, frozen=True):
    """What a token endpoint answered, or a key that was typed in: without refresh token and without end.

    Secret: `repr` hides it, and it is stored only encrypted. `lapses_at` is when the refresh token ends unless it is
    used, where the provider says so.
    """

    access_token: str
    refresh_token: str | None
    expires_at: datetime
    scopes: tuple[str, ...] = ()
    lapses_at: datetime | None = None

    def is_fresh(self, now: datetime) -> bool:
        """Whether the access token outlives a call that starts now."""
        return (self.expires_at - now).total_seconds() > ACCESS_TOKEN_MARGIN_SECONDS


class Account(Struct, frozen=True):
    """Whose account it is. `id` identifies it for good; the address is for people, empty where nobody signs in.

    `organization` is the provider's id of the company that the account belongs to, where it tells one.
    """

    id: str
    email: str
    organization: str | None = None

    @property
    def label(self) -> str:
        """What people know the account by; one that is connected by a key has no address."""
        return self.email or self.organization or self.id


class Grant(Redacted, frozen=True):
    """One authorization of one provider account. `version` rises with every write and fences stale writers.

    `sealed_tokens` are encrypted: whoever only wants to know the grant's health never sees a token. `authorized_at`
    is when its owner last consented, `refreshed_at` when it last got tokens, `lapses_at` when they end unless they are
    used (None: the provider does not say), `notices` how often its owners were told
    that it is broken, `due_at` when the schedule looks at it next. `refused_at` is when the provider began to answer
    refreshes with a code that means either this grant or the operator's client id; None after a refresh that worked.
    """

    provider: str
    account: Account
    version: int
    sealed_tokens: bytes | None
    broken_reason: str | None = None
    broken_at: datetime | None = None
    authorized_at: datetime | None = None
    refreshed_at: datetime | None = None
    lapses_at: datetime | None = None
    notices: int = 0
    due_at: datetime | None = None
    refused_at: datetime | None = None

    @property
    def is_usable(self) -> bool:
        """Whether its tokens are believed to work."""
        return self.sealed_tokens is not None and self.broken_reason is None

    @property
    def id(self) -> str:
        return grant_id(self.provider, self.account.id)


def tokens_of_key(key: str) -> Tokens:
    """A key as tokens: it serves until it is taken back."""
    return Tokens(key, None, datetime.max.replace(tzinfo=UTC))


def grant_id(provider: str, account_id: str) -> str:
    """The grant's key: at most one grant per provider account."""
    return f"{provider}#{account_id}"


class Connection(Struct, frozen=True):
    """(workspace, user) → grant. `ended_reason` is set when it ended and the row stays: to tell why, or for as long as
    meetings are being removed under it. `base_url` is this deployment's address as the user's browser knows it. An
    unconfirmed connection waits for the word of the caller's backend.
    """

    workspace_id: str
    user_id: str
    provider: str
    grant_id: str
    account: Account
    connected_at: datetime
    ended_reason: str | None = None
    user_email: str | None = None
    user_name: str | None = None
    last_meeting_at: datetime | None = None
    confirmed: bool = True
    base_url: str | None = None
    ended_at: datetime | None = None

    @property
    def serves_new_bookings(self) -> bool:
        """Whether a booking made now may get its meeting from it."""
        return self.confirmed and self.ended_reason is None

    def ended(self, reason: str, at: datetime) -> Connection:
        """The row as it stays after the end; of a deauthorized account nothing personal stays."""
        if reason != Reason.DEAUTHORIZED:
            return replace(self, ended_reason=reason, ended_at=at)
        return replace(self, ended_reason=reason, ended_at=at, account=Account("", ""), user_email=None, user_name=None)


class ConnectionStatus(Struct, frozen=True):
    """A connection as callers see it."""

    state: ConnectionState
    reason: str | None = None
    connection: Connection | None = None


def status(connection: Connection | None, grant: Grant | None) -> ConnectionStatus:
    """The state that callers see: the connection's own end first, then its grant's health."""
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
