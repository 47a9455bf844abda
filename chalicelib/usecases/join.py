"""Links of our own, for meetings whose own links would be secrets: they let their visitor in at the right time.

A ticket is made of nothing but the booking, and a host's of its host as well: the guests' address never changes and is
stored nowhere, and whoever hosts the booking no more comes in as a guest. Tickets are encrypted (AES-SIV, RFC 5297):
nobody can guess one, make one, or read in it whose booking it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.domain.booking import Booking
from chalicelib.domain.meeting import Meeting, MeetingState, Visit
from chalicelib.domain.plan import Access, reach
from chalicelib.errors import MeetingGone, NotFound, ReconnectNeeded, Rejected, TokenRejected
from chalicelib.store.bookings import BookingStore
from chalicelib.store.connections import ConnectionStore

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    from chalicelib.providers.base import Provider
    from chalicelib.usecases.tokens import TokenKeeper

OPENS_BEFORE = timedelta(minutes=15)
CLOSES_AFTER = timedelta(hours=1)
_NOT_CONNECTED = "The host's video account is not connected any more. Please ask the host."
_LONGEST_TICKET = 768
"""More than the 540 characters of three ids of 128."""


class Ticket(Struct, frozen=True):
    """What a ticket says. `host_id` is the user who was given it as the host; None for everybody else's."""

    workspace_id: str
    booking_id: str
    host_id: str | None = None


class Tickets:
    """Writes and reads tickets. `secret` gives the deployment's secret; their key is derived from it."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    def address(self, base_url: str, booking: Booking, *, is_host: bool) -> str:
        """The link of a booking's host, or the one of everybody else."""
        whose = ("h" if is_host else "g", booking.workspace_id, booking.booking_id)
        plain = "\0".join((*whose, booking.host.user_id) if is_host else whose).encode()
        ticket = base64.urlsafe_b64encode(self._cipher().encrypt(plain, None)).decode().rstrip("=")
        return f"{base_url}/j/{ticket}"

    def read(self, ticket: str) -> Ticket | None:
        """What the ticket says; None if we have not made it."""
        from cryptography.exceptions import InvalidTag

        if len(ticket) > _LONGEST_TICKET:
            return None
        try:
            sealed = base64.b64decode(ticket + "=" * (-len(ticket) % 4), altchars=b"-_", validate=True)
            _, workspace_id, booking_id, *host = self._cipher().decrypt(sealed, None).decode().split("\0")
        except (binascii.Error, ValueError, InvalidTag):
            return None
        # Hosts' tickets did not always name the host: those let in as a guest.
        return Ticket(workspace_id, booking_id, host[0] if host else None)

    def _cipher(self) -> AESSIV:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        return AESSIV(hmac.new(self._secret(), b"tickets of meetings", hashlib.sha512).digest())


class Early(Struct, frozen=True):
    """The door is not open yet."""

    booking: Booking
    opens_at: datetime


class Closed(Struct, frozen=True):
    """There is no meeting behind this door (any more). `why` is for the visitor."""

    booking: Booking
    why: str


class Unready(Struct, frozen=True):
    """The meeting is being made, or waits for its provider or its host: the visitor is to come again."""


class Open(Struct, frozen=True):
    """Where to send the visitor's browser: a secret made for this visit, or the link that the meeting has by now."""

    address: str


class Door:
    """Decides what a visitor with a ticket meets."""

    def __init__(
        self,
        tickets: Tickets,
        bookings: BookingStore,
        connections: ConnectionStore,
        tokens: TokenKeeper,
        providers: Mapping[str, Provider],
        clock: Callable[[], datetime],
    ) -> None:
        self._tickets = tickets
        self._bookings = bookings
        self._connections = connections
        self._tokens = tokens
        self._providers = providers
        self._clock = clock

    def knock(self, ticket: str) -> Early | Closed | Unready | Open:
        """What is behind the door now. Raises `NotFound` for a ticket that is not ours, and `ProviderError`."""
        read = self._tickets.read(ticket)
        record = self._bookings.get(read.workspace_id, read.booking_id) if read else None
        if read is None or record is None:
            raise NotFound("This link is not complete. Open it again from your invitation.")
        booking, now = record.booking, self._clock()
        if booking.is_cancelled:
            return Closed(booking, "This meeting was cancelled.")
        is_host = read.host_id == booking.host.user_id
        visit = Visit(
            is_host=is_host,
            name=booking.host.name if is_host else None,
            title=booking.appointment.title,
            opens_at=booking.appointment.starts_at - OPENS_BEFORE,
            closes_at=booking.appointment.ends_at + CLOSES_AFTER,
        )
        if now >= visit.closes_at:
            return Closed(booking, "This meeting is over.")
        if now < visit.opens_at:
            return Early(booking, visit.opens_at)
        return self._enter(booking, record.settlement.meeting, visit)

    def _enter(self, booking: Booking, meeting: Meeting, visit: Visit) -> Closed | Unready | Open:
        """In time. That the meeting's last change waits or failed keeps nobody out: the room is there."""
        if not booking.wants_video:
            return Closed(booking, "This meeting is not held by video any more. Look for the newest invitation.")
        if meeting.id is None or meeting.grant_id is None:
            return _without_meeting(booking, meeting)
        if meeting.join_url is not None and meeting.host_url is None:
            return Open(meeting.join_url)  # The booking moved to a provider whose links are no secrets.
        connection, grant = self._connections.with_grant(booking.workspace_id, str(meeting.user_id), meeting.grant_id)
        access = reach(connection, grant, meeting.grant_id, None)
        provider = self._providers.get(meeting.provider or "")
        if access.access is not Access.OPEN or grant is None or provider is None:
            return Closed(booking, _NOT_CONNECTED)
        try:
            return Open(provider.join(self._tokens.access_token(grant), meeting.id, visit))
        except MeetingGone:
            return Closed(booking, "This meeting was removed at its provider. Please ask the host.")
        except (TokenRejected, ReconnectNeeded, Rejected):
            return Closed(booking, "The host's video account does not let anybody in. Please ask the host.")


def _without_meeting(booking: Booking, meeting: Meeting) -> Closed | Unready:
    if meeting.is_under_way:
        return Unready()
    if meeting.state is MeetingState.FAILED:
        return Closed(booking, "The video meeting could not be made. Please ask the host.")
    return Closed(booking, _NOT_CONNECTED)
