"""An invitation whose texts can do no harm in a header, a calendar line or a page."""

from __future__ import annotations

import re
from dataclasses import replace

from chalicelib.domain.calendar import Location
from chalicelib.domain.invitation import Invite, Method, Party
from chalicelib.domain.meeting import DialIn
from chalicelib.domain.text import clean_line, clean_lines
from chalicelib.mail.links import real_link

_NAME, _TITLE, _PLACE, _UID, _NUMBERS = 100, 200, 500, 255, 20
# In octets: a description stands four times in a mail, encoded, and the mail may have 100 kB.
_DESCRIPTION = 6000


def cleaned(invite: Invite) -> Invite:
    """`invite` with clean texts of bounded length and no link but a real one; a cancelled one has nothing to join."""
    takes_place = invite.method is not Method.CANCEL
    return replace(
        invite,
        uid=clean_line(invite.uid, _UID),
        recipient=_party(invite.recipient),
        host=_party(invite.host),
        attendees=tuple(_party(party) for party in invite.attendees),
        title=clean_line(invite.title, _TITLE),
        description=_description(invite.description),
        location=_location(invite.location),
        join_url=real_link(invite.join_url) if takes_place else None,
        passcode=(clean_line(invite.passcode or "", _NAME) or None) if takes_place else None,
        dial_in=tuple(_dial_in(number) for number in invite.dial_in[:_NUMBERS]) if takes_place else (),
        link_follows=invite.link_follows and takes_place,
    )


def _party(party: Party) -> Party:
    # Not the address: without its control characters it might be somebody else's.
    return replace(party, name=clean_line(party.name, _NAME))


def _location(location: Location) -> Location:
    return Location(location.type, clean_line(location.detail or "", _PLACE) or None)


def _dial_in(number: DialIn) -> DialIn:
    country, city = clean_line(number.country or "", _NAME), clean_line(number.city or "", _NAME)
    return DialIn(clean_line(number.number, _NAME), country or None, city or None)


def _description(text: str) -> str:
    lines = re.sub(r"\n{3,}", "\n\n", clean_lines(text, _DESCRIPTION))
    octets = lines.encode()
    if len(octets) <= _DESCRIPTION:
        return lines
    return octets[:_DESCRIPTION].decode("utf-8", "ignore").rstrip() + "…"
