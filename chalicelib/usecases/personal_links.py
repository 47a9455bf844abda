"""Put a recipient's own links into an invitation: to join the meeting, and to answer."""

from __future__ import annotations

from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Invite, Method
from chalicelib.domain.meeting import Meeting
from chalicelib.usecases.answer_links import AnswerTickets
from chalicelib.usecases.join_tickets import JoinTickets


class PersonalLinks:
    """`Invite.content` omits these links, so a new link key emails no one."""

    def __init__(self, join_tickets: JoinTickets, answer_tickets: AnswerTickets) -> None:
        self._join_tickets = join_tickets
        self._answer_tickets = answer_tickets

    def add(self, booking: Booking, meeting: Meeting, invite: Invite) -> Invite:
        """Return the invite with the recipient's links."""
        to = invite.recipient
        join_url = self._join_tickets.personal_link(booking, meeting, to) if invite.join_url else None
        answer_url = self._answer_tickets.link(booking, to) if invite.method is Method.REQUEST else None
        return replace(invite, join_url=join_url or invite.join_url, answer_url=answer_url)
