"""Open the join links of meetings: `/j/<ticket>` admits its visitor at the right time.

They replace the links of providers that are secrets, because they would admit anyone at any time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.connection import Grant
from chalicelib.domain.grant_access import AccessState, grant_access
from chalicelib.domain.invitation import Party, Role
from chalicelib.domain.meeting import Meeting, MeetingState, NoEntry, Visit
from chalicelib.errors import (
    MeetingGone,
    NotFound,
    ProviderError,
    ReconnectNeeded,
    Rejected,
    StoreError,
    TokenRejected,
)
from chalicelib.observability import count, log
from chalicelib.store.booking_records import Record
from chalicelib.store.bookings import BookingStore
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.usecases.join_tickets import VISITOR_ID_BYTES, JoinTickets

if TYPE_CHECKING:
    from chalicelib.providers.base import Provider
    from chalicelib.usecases.access_tokens import AccessTokens

OPENS_BEFORE = timedelta(minutes=15)
CLOSES_AFTER = timedelta(hours=1)
ADDRESS_LIFE = timedelta(seconds=5)
"""How long an address is reused for visits with the same ticket. It contains a token, so it is not stored."""
WINDOW = timedelta(seconds=10)
VISITS = 60
"""How many visits of one booking may request an address from its provider in one window."""
_ADDRESSES = 1000


class Early(Struct, frozen=True):
    """The visitor is too early."""

    booking: Booking
    opens_at: datetime
    recipient: Party | None
    """The recipient of the ticket; None: the link names no one."""


class Closed(Struct, frozen=True):
    """There is no meeting to join, or not any more."""

    booking: Booking
    why: NoEntry
    recipient: Party | None
    """The recipient of the ticket; None: the link names no one."""


class Unready(Struct, frozen=True):
    """The meeting is being created, or waits for its provider or its host. The visitor should try again."""

    booking: Booking
    recipient: Party | None
    is_crowded: bool = False
    """The provider was not called, because there were too many visits."""


class Open(Struct, frozen=True):
    """Where to send the visitor's browser: a secret for this visit, or the link that the meeting has by now."""

    address: str


class _CachedAddress(Struct, frozen=True):
    address: str
    until: datetime


class AddressCache:
    """The addresses of the last seconds, in this process's memory only, so that a reload does not call the provider."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._cache: dict[object, _CachedAddress] = {}
        self._lock = Lock()

    def get(self, key: object) -> str | None:
        """Return the address that is cached under `key`; None if there is none."""
        with self._lock:
            cached = self._cache.get(key)
        return cached.address if cached is not None and self._clock() < cached.until else None

    def put(self, key: object, address: str) -> None:
        """Cache `address` for `ADDRESS_LIFE`, and remove older ones."""
        now = self._clock()
        with self._lock:
            self._cache = {key: cached for key, cached in self._cache.items() if now < cached.until}
            if len(self._cache) < _ADDRESSES:
                self._cache[key] = _CachedAddress(address, now + ADDRESS_LIFE)


class JoinLinks:
    """Decides where a visitor with a ticket goes."""

    def __init__(
        self,
        tickets: JoinTickets,
        bookings: BookingStore,
        connections: ConnectionStore,
        tokens: AccessTokens,
        providers: Mapping[str, Provider],
        counter: EphemeralStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._tickets = tickets
        self._bookings = bookings
        self._connections = connections
        self._tokens = tokens
        self._providers = providers
        self._counter = counter
        self._clock = clock
        self._addresses = AddressCache(clock)

    def resolve(self, ticket: str) -> Early | Closed | Unready | Open:
        """Return where the visitor goes now.

        Raises `NotFound` for an unknown ticket, `Forbidden` for a recipient who is not invited any more.
        """
        record, recipient = self.find(ticket)
        booking, now = record.booking, self._clock()
        if booking.is_cancelled:
            return Closed(booking, NoEntry.CANCELLED, recipient)
        host = recipient if recipient is not None and recipient.role is Role.HOST else None
        host_id = self._tickets.host_id(booking, host.user_id or booking.host.user_id) if host else None
        visit = Visit(
            is_host=host is not None,
            visitor_id=host_id or secrets.token_hex(VISITOR_ID_BYTES),
            name=host.name if host else None,
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

    def find(self, ticket: str) -> tuple[Record, Party | None]:
        """Return the booking of a ticket, and its recipient if it names one. Raises as `resolve` does."""
        contents = self._tickets.read(ticket)
        record = self._bookings.get(contents.workspace_id, contents.booking_id) if contents else None
        if contents is None or record is None:
            raise NotFound("There is no booking behind this ticket.")
        return record, contents.recipient(record.booking)

    def _enter(
        self, booking: Booking, meeting: Meeting, visit: Visit, ticket: str, unready: Unready
    ) -> NoEntry | Unready | Open:
        """Return where to send the visitor, or why there is no way in.

        A pending or failed change of the meeting does not keep visitors out.
        """
        if not booking.wants_video:
            return NoEntry.NOT_VIDEO
        if meeting.is_fallback and meeting.join_url is not None:
            return Open(meeting.join_url)
        if meeting.id is None or meeting.grant_id is None:
            return unready if meeting.is_under_way else _without_meeting(meeting)
        if meeting.join_url is not None and meeting.host_url is None:
            return Open(meeting.join_url)  # The booking moved to a provider with links that are not secrets.
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
        """Return where the provider admits the visitor, or why it does not; None if there were too many visits."""
        key = (ticket, meeting_id, grant.id, visit.opens_at, visit.closes_at)
        cached = self._addresses.get(key)
        if cached is not None:
            return Open(cached)
        if not self._may_call_provider(booking):
            return None
        try:
            address = provider.create_join_link(self._tokens.access_token(grant), meeting_id, visit)
        except MeetingGone:
            return NoEntry.REMOVED
        except (TokenRejected, ReconnectNeeded, Rejected):
            return NoEntry.REFUSED
        self._addresses.put(key, address)
        return Open(address)

    def _may_call_provider(self, booking: Booking) -> bool:
        """Count one call of the provider. If the count is unavailable, the call is allowed."""
        name = f"visits#{booking.workspace_id}#{booking.booking_id}"
        try:
            is_allowed = self._counter.count_in_window(name, self._clock(), WINDOW) <= VISITS
        except StoreError as error:
            log.warning("the count of visits is unavailable", error=type(error).__name__)
            return True
        if not is_allowed:
            count("VisitsDelayed")
        return is_allowed


def _without_meeting(meeting: Meeting) -> NoEntry:
    return NoEntry.NOT_MADE if meeting.state is MeetingState.FAILED else NoEntry.NOT_CONNECTED
