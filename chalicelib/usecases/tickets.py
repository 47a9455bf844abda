"""Tickets in links: each contains a booking and its recipient, and is stored nowhere.

They are encrypted (AES-SIV, RFC 5297), so no one can guess a ticket, create one, or read which booking it is for. A
ticket of one kind is not a ticket of another: the kind is authenticated with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence

from msgspec import Struct

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Party, Role, address_key, parties
from chalicelib.errors import Forbidden
from chalicelib.store.deployment_secrets import LinkKey

_LONGEST_TICKET = 768
"""More than the 543 characters of three ids of 128."""
_HOST, _GUEST = "h", "g"


class Ticket(Struct, frozen=True):
    """What a ticket contains. At most one of `host_id` and `guest` is set."""

    workspace_id: str
    booking_id: str
    host_id: str | None = None
    """The user who got it as the booking's host or co-host."""
    guest: str | None = None
    """A digest of the address of the guest who got it."""

    def recipient(self, booking: Booking) -> Party | None:
        """Return who got this ticket, None if it names no one. Raise `Forbidden` if that person is uninvited."""
        if self.host_id is None and self.guest is None:
            return None
        for party in parties(booking):
            if party.role is Role.HOST and self.host_id == party.user_id:
                return party
            if party.role is Role.GUEST and self.guest == _guest_digest(party.email):
                return party
        raise Forbidden("The ticket's recipient is not invited.", reason="uninvited")


def host_part(user_id: str) -> tuple[str, str]:
    """Return the part of a ticket that names a host."""
    return _HOST, user_id


def guest_part(email: str) -> tuple[str, str]:
    """Return the part of a ticket that names a guest."""
    return _GUEST, _guest_digest(email)


def write_ticket(key: LinkKey, booking: Booking, recipient: Iterable[str] = (), *, kind: bytes | None = None) -> str:
    """Return a ticket of this kind. `recipient` is a result of `host_part` or `guest_part`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    plain = "\0".join((booking.workspace_id, booking.booking_id, *recipient)).encode()
    text = base64.urlsafe_b64encode(AESSIV(key.key).encrypt(plain, _authenticated(kind))).decode().rstrip("=")
    return f"{key.key_id}.{text}"


def read_ticket(keys: Sequence[LinkKey], ticket: str, *, kind: bytes | None = None) -> Ticket | None:
    """Return what the ticket contains; None if it is not of this kind and deployment, or its key was retired."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    key_id, _, text = ticket.partition(".")
    key = next((key for key in keys if key.key_id == key_id), None)
    if key is None or len(ticket) > _LONGEST_TICKET:
        return None
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        plain = AESSIV(key.key).decrypt(sealed, _authenticated(kind)).decode()
    except (binascii.Error, ValueError, InvalidTag):
        return None
    workspace_id, booking_id, *recipient = plain.split("\0")
    match recipient:
        case [role, host_id] if role == _HOST:
            return Ticket(workspace_id, booking_id, host_id=host_id)
        case [role, guest] if role == _GUEST:
            return Ticket(workspace_id, booking_id, guest=guest)
    return Ticket(workspace_id, booking_id)


def _authenticated(kind: bytes | None) -> list[bytes] | None:
    return None if kind is None else [kind]


def _guest_digest(email: str) -> str:
    return hashlib.sha256(address_key(email).encode()).hexdigest()[:16]
