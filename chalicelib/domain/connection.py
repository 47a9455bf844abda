"""A user's connection to a provider account, and the grant (the tokens) behind it.

Tokens belong to the grant because providers count by account: at Zoom, authorizing an account again kills its
earlier tokens, so two connections to one account must share one pair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

ACCESS_TOKEN_MARGIN_SECONDS = 120
"""An access token this close to its end counts as expired: it must outlive the call that it is fetched for."""


class ConnectionState(StrEnum):
    NONE = "none"
    PENDING = "pending"
    CONNECTED = "connected"
    BROKEN = "broken"


class Reason(StrEnum):
    """Why a connection or grant is not usable; machine-readable in the API."""

    NOT_CONNECTED = "not_connected"
    RECONNECT_NEEDED = "reconnect_needed"
    DEAUTHORIZED = "deauthorized"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint answered. Secret: `repr` hides it, and it is stored only encrypted."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: datetime
    scopes: tuple[str, ...] = ()

    def is_fresh(self, now: datetime) -> bool:
        """Whether the access token outlives a call that starts now."""
        return (self.expires_at - now).total_seconds() > ACCESS_TOKEN_MARGIN_SECONDS


@dataclass(frozen=True, slots=True)
class Account:
    """Who signed in at the provider. `id` identifies the account for good; the address is for people.

    `organization` is the provider's id of the company that the account belongs to, where it tells one.
    """

    id: str
    email: str
    organization: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """One authorization of one provider account. `version` rises with every write and fences stale writers.

    `sealed_tokens` are encrypted: whoever only wants to know the grant's health never sees a token.
    """

    provider: str
    account: Account
    version: int
    sealed_tokens: bytes | None = field(repr=False)
    broken_reason: str | None = None
    broken_at: datetime | None = None

    @property
    def id(self) -> str:
        return grant_id(self.provider, self.account.id)


def grant_id(provider: str, account_id: str) -> str:
    """The grant's key: at most one grant per provider account."""
    return f"{provider}#{account_id}"


@dataclass(frozen=True, slots=True)
class Connection:
    """(workspace, user) → grant. `ended_reason` is set when the provider ended it; the row then stays to tell why."""

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


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """A connection as callers see it."""

    state: ConnectionState
    reason: str | None = None
    connection: Connection | None = None


def status(connection: Connection | None, grant: Grant | None) -> ConnectionStatus:
    """The state that callers see: the connection's own end first, then its grant's health."""
    if connection is None:
        return ConnectionStatus(ConnectionState.NONE, Reason.NOT_CONNECTED)
    if connection.ended_reason:
        return ConnectionStatus(ConnectionState.NONE, connection.ended_reason)
    if grant is None or grant.sealed_tokens is None or grant.broken_reason:
        reason = (grant and grant.broken_reason) or Reason.RECONNECT_NEEDED
        return ConnectionStatus(ConnectionState.BROKEN, reason, connection)
    return ConnectionStatus(ConnectionState.CONNECTED, None, connection)
