"""Links of our own, for meetings whose own links would be secrets: they let their visitor in at the right time.

A ticket is made of nothing but the booking, so its address never changes and is stored nowhere. It is encrypted
(AES-SIV, RFC 5297): nobody can guess one, make one, or read in it whose booking it is.
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
from chalicelib.domain.meeting import MeetingState, Visit
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
_LONGEST_TICKET = 512


class Tickets:
    """Writes and reads tickets. `secret` gives the deployment's secret; their key is derived from it."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    def address(self, base_url: str, booking: Booking, *, is_host: bool) -> str:
        """The link of a booking's host, or the one of everybody else."""
        plain = "\0".join(("h" if is_host else "g", booking.workspace_id, booking.booking_id)).encode()
        ticket = base64.urlsafe_b64encode(self._cipher().encrypt(plain, None)).decode().rstrip("=")
        return f"{base_url}/j/{ticket}"

    def read(self, ticket: str) -> tuple[bool, str, str] | None:
        """(is host, workspace id, booking id); None if we have not made it."""
        from cryptography.exceptions import InvalidTag

        if len(ticket) > _LONGEST_TICKET:
            return None
        try:
            sealed = base64.b64decode(ticket + "=" * (-len(ticket) % 4), altchars=b"-_", validate=True)
            role, workspace_id, booking_id = self._cipher().decrypt(sealed, None).decode().split("\0")
        except (binascii.Error, ValueError, InvalidTag):
            return None
        return role == "h", workspace_id, booking_id

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


class Open(Struct, frozen=True):
    """Where to send the visitor's browser; a secret, made for this visit."""

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

    def knock(self, ticket: str) -> Early | Closed | Open:
        """What is behind the door now. Raises `NotFound` for a ticket that is not ours, and `ProviderError`."""
        read = self._tickets.read(ticket)
        record = self._bookings.get(read[1], read[2]) if read else None
        if read is None or record is None:
            raise NotFound("This link is not complete. Open it again from your invitation.")
        booking, meeting, now = record.booking, record.settlement.meeting, self._clock()
        appointment = booking.appointment
        if booking.is_cancelled:
            return Closed(booking, "This meeting was cancelled.")
        opens_at, closes_at = appointment.starts_at - OPENS_BEFORE, appointment.ends_at + CLOSES_AFTER
        if now >= closes_at:
            return Closed(booking, "This meeting is over.")
        if now < opens_at:
            return Early(booking, opens_at)
        if meeting.state is not MeetingState.READY or meeting.id is None or meeting.grant_id is None:
            return Closed(booking, "This meeting has another link now. Look for the newest invitation.")
        connection, grant = self._connections.with_grant(booking.workspace_id, str(meeting.user_id), meeting.grant_id)
        access = reach(connection, grant, meeting.grant_id, None)
        provider = self._providers.get(meeting.provider or "")
        if access.access is not Access.OPEN or grant is None or provider is None:
            return Closed(booking, "The host's video account is not connected any more. Please ask the host.")
        visit = Visit(
            is_host=read[0],
            name=booking.host.name if read[0] else None,
            title=appointment.title,
            opens_at=opens_at,
            closes_at=closes_at,
        )
        try:
            return Open(provider.join(self._tokens.access_token(grant), meeting.id, visit))
        except MeetingGone:
            return Closed(booking, "This meeting was removed at its provider. Please ask the host.")
        except (TokenRejected, ReconnectNeeded, Rejected):
            return Closed(booking, "The host's video account does not let anybody in. Please ask the host.")
