"""Whether a booking may use a grant."""

from __future__ import annotations

from datetime import datetime
from enum import Enum, auto

from msgspec import Struct

from chalicelib.domain.connection import Connection, Grant, Reason
from chalicelib.domain.meeting import MeetingReason


class AccessState(Enum):
    """Whether a booking may use a grant."""

    OPEN = auto()
    BROKEN = auto()
    """Not until the account is reconnected."""
    ENDED = auto()
    """Never again."""


class GrantAccess(Struct, frozen=True):
    """A booking's access to a grant."""

    state: AccessState
    grant: Grant | None = None
    connection: Connection | None = None
    reason: MeetingReason = MeetingReason.DISCONNECTED
    """Why the access ended."""


def grant_access(
    connection: Connection | None, grant: Grant | None, grant_id: str, connected_at: datetime | None
) -> GrantAccess:
    """Return the access that `connection` gives to the grant `grant_id`.

    `connected_at` is when the connection must have been established: an older booking gets no meeting from a newer
    connection. None: the meeting exists already, and is only to be changed or deleted.
    """
    if connection is None or connection.grant_id != grant_id:
        return GrantAccess(AccessState.ENDED)
    if connection.ended_reason == Reason.DEAUTHORIZED or (grant and grant.broken_reason == Reason.DEAUTHORIZED):
        return GrantAccess(AccessState.ENDED, reason=MeetingReason.DEAUTHORIZED)
    # A connection that is ending may still delete its meetings, and nothing else.
    if connected_at is not None and (connection.connected_at != connected_at or connection.ended_reason):
        return GrantAccess(AccessState.ENDED)
    if grant is None or not grant.is_usable:
        return GrantAccess(AccessState.BROKEN, grant, connection)
    return GrantAccess(AccessState.OPEN, grant, connection)
