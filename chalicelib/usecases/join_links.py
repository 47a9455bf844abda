"""Join links of meetings whose own links would be secrets: `/j/<ticket>` lets its visitor in at the right time.

A ticket contains the booking and its recipient: the host, one guest, or no one in particular (the link in the API,
which the caller may hand out). A recipient who is not invited any more does not get in. Tickets are stored nowhere.
They are encrypted (AES-SIV, RFC 5297), so no one can guess one, make one, or read in it whose booking it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.connection import Grant
from chalicelib.domain.grant_access import AccessState, GrantAccess, grant_access
from chalicelib.domain.invitation import Party, Role, address_key, parties
from chalicelib.domain.meeting import Meeting, MeetingState, ProviderMeeting, Visit
from chalicelib.errors import (
    Forbidden,
    MeetingGone,
    NotFound,
    ProviderError,
    ReconnectNeeded,
    Rejected,
    StoreError,
    TokenRejected,
)
from chalicelib.observability import count, log
from chalicelib.store.bookings import BookingStore
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.deployment_secrets import LinkKey
from chalicelib.usecases.rate_limit import Counter

if TYPE_CHECKING:
    from chalicelib.providers.base import Provider
    from chalicelib.usecases.access_tokens import AccessTokens

OPENS_BEFORE = timedelta(minutes=15)
CLOSES_AFTER = timedelta(hours=1)
KEPT_FOR = timedelta(seconds=5)
"""How long a visit's address serves further visits with the same ticket. It contains a token: it is stored nowhere."""
WINDOW = timedelta(seconds=10)
VISITS = 60
"""How many visits of one booking may ask its provider for an address in one window."""
_ADDRESSES = 1000
_VISITOR_ID_BYTES = 16
_LONGEST_TICKET = 768
"""More than the 543 characters of three ids of 128."""
_HOST, _GUEST = "h", "g"


class JoinTicket(Struct, frozen=True):
    """What a ticket contains. At most one of `host_id` and `guest` is set."""

    workspace_id: str
    booking_id: str
    host_id: str | None = None
    """The user who got it as the booking's host."""
    guest: str | None = None
    """A digest of the address of the guest who got it."""

    def recipient(self, booking: Booking) -> Party | None:
        """Return who got this ticket, None if it names no one. Raise `Forbidden` if that person is uninvited."""
        if self.host_id is None and self.guest is None:
            return None
        for party in parties(booking):
            if party.role is Role.HOST and self.host_id == booking.host.user_id:
                return party
            if party.role is Role.GUEST and self.guest == _guest_digest(party.email):
                return party
        raise Forbidden("The ticket's recipient is not invited.", reason="uninvited")


class JoinTickets:
    """Write and read tickets.

    `keys` returns the deployment's link keys, newest first: the first one encrypts, all of them decrypt.
    `public_base_url` is the address that new links begin with, None for the address that the host connected at.
    """

    def __init__(self, keys: Callable[[], Sequence[LinkKey]], public_base_url: str | None = None) -> None:
        self._keys = keys
        self._public_base_url = public_base_url

    def shared_link(self, base_url: str, booking: Booking) -> str:
        """Return the link that names no recipient: the one in the API."""
        return self._link(base_url, booking)

    def host_link(self, base_url: str, booking: Booking) -> str:
        """Return the link of the booking's host."""
        return self._link(base_url, booking, _HOST, booking.host.user_id)

    def guest_link(self, base_url: str, booking: Booking, email: str) -> str:
        """Return the link of one guest."""
        return self._link(base_url, booking, _GUEST, _guest_digest(email))

    def personal_link(self, booking: Booking, meeting: Meeting, to: Party) -> str | None:
        """Return the link to mail to `to`; None if the meeting's links are its provider's."""
        if meeting.host_url is None:
            return None
        base_url = _base_of(meeting.host_url)
        is_host = to.role is Role.HOST
        return self.host_link(base_url, booking) if is_host else self.guest_link(base_url, booking, to.email)

    def renewed(self, booking: Booking, meeting: Meeting) -> tuple[str, str] | None:
        """Return the shared and the host's link as they are made now; None if the links are the provider's."""
        if meeting.host_url is None:
            return None
        base_url = _base_of(meeting.host_url)
        return self.shared_link(base_url, booking), self.host_link(base_url, booking)

    def with_links(
        self, access: GrantAccess, booking: Booking, meeting: ProviderMeeting
    ) -> tuple[ProviderMeeting, str | None]:
        """Return the meeting with a join link, and the host's own link if it is different.

        They are this deployment's links where the provider's would be secrets.
        """
        if meeting.join_url is not None:
            return meeting, None
        base_url = (access.connection and access.connection.base_url) or ""
        shared_link = self.shared_link(base_url, booking)
        return replace(meeting, join_url=shared_link), self.host_link(base_url, booking)

    def host_id(self, booking: Booking) -> str:
        """Return a host's id for providers: the same until the link keys are rotated, and meaningless to others."""
        whose = f"{booking.workspace_id}\0{booking.host.user_id}".encode()
        digest = hmac.new(self._keys()[0].key, b"host at a provider\0" + whose, hashlib.sha256).digest()
        return digest[:_VISITOR_ID_BYTES].hex()

    def read(self, ticket: str) -> JoinTicket | None:
        """Return what the ticket contains; None if this deployment did not make it, or its key was retired."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        key_id, _, text = ticket.partition(".")
        key = next((key for key in self._keys() if key.key_id == key_id), None)
        if key is None or len(ticket) > _LONGEST_TICKET:
            return None
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            workspace_id, booking_id, *recipient = AESSIV(key.key).decrypt(sealed, None).decode().split("\0")
        except (binascii.Error, ValueError, InvalidTag):
            return None
        match recipient:
            case [role, host_id] if role == _HOST:
                return JoinTicket(workspace_id, booking_id, host_id=host_id)
            case [role, guest] if role == _GUEST:
                return JoinTicket(workspace_id, booking_id, guest=guest)
        return JoinTicket(workspace_id, booking_id)

    def _link(self, base_url: str, booking: Booking, *recipient: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        key = self._keys()[0]
        plain = "\0".join((booking.workspace_id, booking.booking_id, *recipient)).encode()
        text = base64.urlsafe_b64encode(AESSIV(key.key).encrypt(plain, None)).decode().rstrip("=")
        return f"{self._public_base_url or base_url}/j/{key.key_id}.{text}"


def _guest_digest(email: str) -> str:
    return hashlib.sha256(address_key(email).encode()).hexdigest()[:16]


def _base_of(link: str) -> str:
    return link.rpartition("/j/")[0]


class NoEntry(StrEnum):
    """Why there is no way into a meeting (any more)."""

    CANCELLED = "cancelled"
    OVER = "over"
    NOT_VIDEO = "not_video"
    NOT_MADE = "not_made"
    NOT_CONNECTED = "not_connected"
    REMOVED = "removed"
    REFUSED = "refused"


class Early(Struct, frozen=True):
    """The door is not open yet."""

    booking: Booking
    opens_at: datetime
    recipient: Party | None
    """Whose ticket it was; None for the link that names no one."""


class Closed(Struct, frozen=True):
    """There is no meeting behind this door (any more)."""

    booking: Booking
    why: NoEntry
    recipient: Party | None
    """Whose ticket it was; None for the link that names no one."""


class Unready(Struct, frozen=True):
    """The meeting is being made, or waits for its provider or its host: the visitor is to come again.

    `is_crowded`: more visits came than the provider may be asked for, and it was not called.
    """

    booking: Booking
    recipient: Party | None
    is_crowded: bool = False


class Open(Struct, frozen=True):
    """Where to send the visitor's browser: a secret made for this visit, or the link that the meeting has by now."""

    address: str


class _Kept(Struct, frozen=True):
    address: str
    until: datetime


class Addresses:
    """The addresses of the last seconds, in this process's memory alone: a reload does not call the provider."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._kept: dict[object, _Kept] = {}
        self._lock = Lock()

    def get(self, key: object) -> str | None:
        """Return the address kept under `key`; None if there is none, or no longer."""
        with self._lock:
            kept = self._kept.get(key)
        return kept.address if kept is not None and self._clock() < kept.until else None

    def keep(self, key: object, address: str) -> None:
        """Keep `address` for `KEPT_FOR`, and forget what is older."""
        now = self._clock()
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if now < kept.until}
            if len(self._kept) < _ADDRESSES:
                self._kept[key] = _Kept(address, now + KEPT_FOR)


class JoinLinks:
    """Decides what a visitor with a ticket meets."""

    def __init__(
        self,
        tickets: JoinTickets,
        bookings: BookingStore,
        connections: ConnectionStore,
        tokens: AccessTokens,
        providers: Mapping[str, Provider],
        counter: Counter,
        clock: Callable[[], datetime],
    ) -> None:
        self._tickets = tickets
        self._bookings = bookings
        self._connections = connections
        self._tokens = tokens
        self._providers = providers
        self._counter = counter
        self._clock = clock
        self._addresses = Addresses(clock)

    def knock(self, ticket: str) -> Early | Closed | Unready | Open:
        """Return what is behind the door now.

        Raise `NotFound` for an unknown ticket, `Forbidden` for a recipient who is uninvited.
        """
        read = self._tickets.read(ticket)
        record = self._bookings.get(read.workspace_id, read.booking_id) if read else None
        if read is None or record is None:
            raise NotFound("There is no booking behind this ticket.")
        booking, now = record.booking, self._clock()
        recipient = read.recipient(booking)
        if booking.is_cancelled:
            return Closed(booking, NoEntry.CANCELLED, recipient)
        is_host = recipient is not None and recipient.role is Role.HOST
        visit = Visit(
            is_host=is_host,
            visitor_id=self._tickets.host_id(booking) if is_host else secrets.token_hex(_VISITOR_ID_BYTES),
            name=booking.host.name if is_host else None,
            title=booking.appointment.title,
            opens_at=booking.appointment.starts_at - OPENS_BEFORE,
            closes_at=booking.appointment.ends_at + CLOSES_AFTER,
        )
        if now >= visit.closes_at:
            return Closed(booking, NoEntry.OVER, recipient)
        if now < visit.opens_at:
            return Early(booking, visit.opens_at, recipient)
        unready = Unready(booking, recipient)
        try:
            entry = self._enter(booking, record.settlement.meeting, visit, ticket, unready)
        except ProviderError as error:
            log.failure("joining failed", error)
            return unready
        return Closed(booking, entry, recipient) if isinstance(entry, NoEntry) else entry

    def _enter(
        self, booking: Booking, meeting: Meeting, visit: Visit, ticket: str, unready: Unready
    ) -> NoEntry | Unready | Open:
        """Return where to send the visitor, or why there is no way in.

        A change of the meeting that waits or failed keeps no one out.
        """
        if not booking.wants_video:
            return NoEntry.NOT_VIDEO
        if meeting.id is None or meeting.grant_id is None:
            return unready if meeting.is_under_way else _without_meeting(meeting)
        if meeting.join_url is not None and meeting.host_url is None:
            return Open(meeting.join_url)  # The booking moved to a provider whose links are no secrets.
        connection, grant = self._connections.get_with_grant(
            booking.workspace_id, str(meeting.user_id), meeting.grant_id
        )
        access = grant_access(connection, grant, meeting.grant_id, None)
        provider = self._providers.get(meeting.provider or "")
        if access.state is not AccessState.OPEN or grant is None or provider is None:
            return NoEntry.NOT_CONNECTED
        entry = self._address(booking, provider, grant, meeting.id, visit, ticket)
        return replace(unready, is_crowded=True) if entry is None else entry

    def _address(
        self, booking: Booking, provider: Provider, grant: Grant, meeting_id: str, visit: Visit, ticket: str
    ) -> Open | NoEntry | None:
        """Return where the provider lets the visitor in, or why it does not; None if too many visits asked it."""
        key = (ticket, meeting_id, grant.id, visit.opens_at, visit.closes_at)
        kept = self._addresses.get(key)
        if kept is not None:
            return Open(kept)
        if not self._may_ask(booking):
            return None
        try:
            address = provider.create_join_link(self._tokens.access_token(grant), meeting_id, visit)
        except MeetingGone:
            return NoEntry.REMOVED
        except (TokenRejected, ReconnectNeeded, Rejected):
            return NoEntry.REFUSED
        self._addresses.keep(key, address)
        return Open(address)

    def _may_ask(self, booking: Booking) -> bool:
        """Count one call of the provider. If the count is unavailable, the call is allowed."""
        now = self._clock()
        window = int(now.timestamp() / WINDOW.total_seconds())
        key = f"visits#{booking.workspace_id}#{booking.booking_id}#{window}"
        try:
            is_allowed = self._counter.increment(key, 1, now + timedelta(minutes=1)) <= VISITS
        except StoreError as error:
            log.warning("the count of visits is unavailable", error=type(error).__name__)
            return True
        if not is_allowed:
            count("VisitsDelayed")
        return is_allowed


def _without_meeting(meeting: Meeting) -> NoEntry:
    return NoEntry.NOT_MADE if meeting.state is MeetingState.FAILED else NoEntry.NOT_CONNECTED
