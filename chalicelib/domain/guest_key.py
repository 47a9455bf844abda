"""The key by which bookings are found by the address of their first guest."""

from __future__ import annotations

import base64
import hashlib
import hmac

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import address_key

_DIGEST_BYTES = 20


def guest_key(tag_secret: bytes, workspace_id: str, email: str) -> str:
    """Return the key of a guest's address in a workspace. Without the secret, addresses cannot be guessed from keys.

    `tag_secret` never changes. After a forced change, `operate backfill` computes the keys of all rows again.
    """
    key = hmac.new(tag_secret, b"guest addresses", hashlib.sha256).digest()
    message = f"{workspace_id}\0{address_key(email)}".encode()
    digest = hmac.new(key, message, hashlib.sha256).digest()[:_DIGEST_BYTES]
    return f"{workspace_id}#{base64.b32hexencode(digest).decode().lower()}"


def first_guest_key(tag_secret: bytes, booking: Booking) -> str | None:
    """Return the key of the booking's first guest; None without a guest."""
    guests = booking.appointment.guests
    return guest_key(tag_secret, booking.workspace_id, guests[0].email) if guests else None
