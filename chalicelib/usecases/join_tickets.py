"""Tickets of join links, and the links that contain them.

A ticket contains the booking and its recipient: the host, one guest, or no one in particular (the link in the API,
which the caller may hand out). A recipient who is not invited any more is refused. Tickets are not stored. They are
encrypted (AES-SIV, RFC 5297), so no one can guess a ticket, create one, or read which booking it is for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.grant_access import GrantAccess
from chalicelib.domain.invitation import Party, Role, address_key, parties
from chalicelib.domain.meeting import Meeting, ProviderMeeting
from chalicelib.errors import Forbidden
from chalicelib.store.deployment_secrets import LinkKey

VISITOR_ID_BYTES = 16
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

    def renew_links(self, booking: Booking, meeting: Meeting) -> tuple[str, str] | None:
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
        host = f"{booking.workspace_id}\0{booking.host.user_id}".encode()
        digest = hmac.new(self._keys()[0].key, b"host at a provider\0" + host, hashlib.sha256).digest()
        return digest[:VISITOR_ID_BYTES].hex()

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
