"""Tickets of join links, and the links that contain them.

A ticket contains the booking and its recipient: the host, one guest, or no one in particular (the link in the API,
which the caller may hand out). A recipient who is not invited any more is refused.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.grant_access import GrantAccess
from chalicelib.domain.invitation import Party, Role
from chalicelib.domain.meeting import Meeting, ProviderMeeting
from chalicelib.store.deployment_secrets import LinkKey
from chalicelib.usecases.tickets import Ticket, guest_part, host_part, read_ticket, write_ticket

VISITOR_ID_BYTES = 16


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

    def host_link(self, base_url: str, booking: Booking, user_id: str | None = None) -> str:
        """Return the link of the booking's host, or of the co-host with this id."""
        return self._link(base_url, booking, *host_part(user_id or booking.host.user_id))

    def guest_link(self, base_url: str, booking: Booking, email: str) -> str:
        """Return the link of one guest."""
        return self._link(base_url, booking, *guest_part(email))

    def personal_link(self, booking: Booking, meeting: Meeting, to: Party) -> str | None:
        """Return the link to mail to `to`; None if the meeting's links are its provider's."""
        if meeting.host_url is None:
            return None
        base_url = _base_of(meeting.host_url)
        if to.role is Role.HOST:
            return self.host_link(base_url, booking, to.user_id)
        return self.guest_link(base_url, booking, to.email)

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

    def host_id(self, booking: Booking, user_id: str) -> str:
        """Return a host's id for providers: the same until the link keys are rotated, and meaningless to others."""
        host = f"{booking.workspace_id}\0{user_id}".encode()
        digest = hmac.new(self._keys()[0].key, b"host at a provider\0" + host, hashlib.sha256).digest()
        return digest[:VISITOR_ID_BYTES].hex()

    def read(self, ticket: str) -> Ticket | None:
        """Return what the ticket contains; None if this deployment did not make it, or its key was retired."""
        return read_ticket(self._keys(), ticket)

    def _link(self, base_url: str, booking: Booking, *recipient: str) -> str:
        return f"{self._public_base_url or base_url}/j/{write_ticket(self._keys()[0], booking, recipient)}"


def _base_of(link: str) -> str:
    return link.rpartition("/j/")[0]
