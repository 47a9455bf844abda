"""The calendar files of a booking's recipients, for callers who email them themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.answers import partstat_of
from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import EntryOwner, Invite, Method
from chalicelib.domain.invitation_plan import current_invite
from chalicelib.domain.meeting import Meeting
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import NotFound
from chalicelib.store.booking_records import Record
from chalicelib.usecases.invitations import in_style, sender_of, uid_of


class CalendarFile(Struct, frozen=True):
    """A calendar object (RFC 5545) with one entry."""

    method: Method
    content: bytes


class CalendarFiles:
    """Writes the calendar files that invitations attach, or would attach. It stores nothing."""

    def __init__(
        self,
        add_links: Callable[[Booking, Meeting, Invite], Invite],
        mail_from: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._add_links = add_links
        self._mail_from = mail_from
        self._clock = clock

    def write(self, record: Record, workspace: Workspace, email: str | None = None) -> CalendarFile:
        """Return the file of the recipient with this address; without one, the host's, also beside a provider's event.

        Raises `NotFound` if the address has no part in the booking, or has the provider's event as its entry.
        """
        from chalicelib.mail.icalendar_object import build_calendar_file

        invite = self._invite(record, workspace, email or record.booking.host.email)
        if email is None:
            invite = replace(invite, entry_owner=EntryOwner.OURS, withdraws=False)
        method = invite.calendar_method
        if method is None:
            raise NotFound("The video provider wrote this person's calendar entry. A calendar file would add another.")
        invite = self._add_links(record.booking, record.settlement.meeting, invite)
        content = build_calendar_file(in_style(invite, workspace), str(invite.sender))
        return CalendarFile(method, content)

    def _invite(self, record: Record, workspace: Workspace, email: str) -> Invite:
        booking, settlement = record.booking, record.settlement
        sender = sender_of(settlement, workspace, self._mail_from)
        uid, settled = settlement.uid or uid_of(booking, sender), record.settled_revision
        invite = current_invite(booking, settlement, email, uid=uid, settled_revision=settled, now=self._clock())
        if invite is None:
            raise NotFound("This address has no part in the booking. `for` takes the host's or a guest's address.")
        return replace(invite, sender=sender, partstat=partstat_of(booking, record.answers, email))
