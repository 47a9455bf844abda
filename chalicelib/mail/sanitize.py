"""An invitation whose texts can do no harm in a header, a calendar line or a page."""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import NO_LINKS, Links
from chalicelib.domain.calendar import Location
from chalicelib.domain.invitation import Invite, Method, Party
from chalicelib.domain.meeting import DialIn
from chalicelib.domain.plain_text import clean_line, clean_lines
from chalicelib.domain.workspace import Brand
from chalicelib.mail.links import real_link

_PLACE, _UID, _NUMBERS = 500, 255, 20
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")


class Limits(Struct, frozen=True):
    """How long texts may be, in octets of UTF-8. `link` is for the caller's pages and the logo, `guests` a number."""

    name: int
    title: int
    footer: int
    description: int
    link: int
    guests: int


# A text stands up to four times in a mail, encoded, and the mail may have 100 kB.
USUAL = Limits(name=400, title=800, footer=2000, description=6000, link=1000, guests=20)
SHORT = Limits(name=16, title=120, footer=120, description=200, link=300, guests=5)
"""For fifty guests with the longest addresses there can be. The calendar entry still names all of them."""


def cleaned(invite: Invite, limits: Limits = USUAL) -> Invite:
    """`invite` with clean texts of bounded length and no link but a real one; a cancelled one has nothing to join."""
    takes_place = invite.method is not Method.CANCEL
    return replace(
        invite,
        uid=clean_line(invite.uid, _UID),
        recipient=_party(invite.recipient, limits),
        host=_party(invite.host, limits),
        attendees=tuple(_party(party, limits) for party in invite.attendees),
        title=_line(invite.title, limits.title),
        description=_description(invite.description, limits.description),
        location=_location(invite.location),
        join_url=real_link(invite.join_url) if takes_place else None,
        passcode=(_line(invite.passcode or "", limits.name) or None) if takes_place else None,
        dial_in=tuple(_dial_in(number, limits) for number in invite.dial_in[:_NUMBERS]) if takes_place else (),
        link_follows=invite.link_follows and takes_place,
        links=_links(invite.links, limits) if takes_place else NO_LINKS,
        brand=_brand(invite.brand, limits),
    )


def _links(links: Links, limits: Limits) -> Links:
    return Links(_link(links.reschedule, limits), _link(links.cancel, limits))


def _link(link: str | None, limits: Limits) -> str | None:
    real = real_link(link)
    return real if real and len(real) <= limits.link else None


def _brand(brand: Brand, limits: Limits) -> Brand:
    return replace(
        brand,
        name=_line(brand.name or "", limits.name) or None,
        color=brand.color if _COLOR.fullmatch(brand.color or "") else None,
        logo_url=_link(brand.logo_url, limits),
        footer=_cut(clean_lines(brand.footer or "", limits.footer), limits.footer) or None,
    )


def _party(party: Party, limits: Limits) -> Party:
    # Not the address: without its control characters it might be somebody else's.
    return replace(party, name=_line(party.name, limits.name))


def _location(location: Location) -> Location:
    return Location(location.type, clean_line(location.detail or "", _PLACE) or None)


def _dial_in(number: DialIn, limits: Limits) -> DialIn:
    country, city = _line(number.country or "", limits.name), _line(number.city or "", limits.name)
    return DialIn(_line(number.number, limits.name), country or None, city or None)


def _description(text: str, octets: int) -> str:
    lines = re.sub(r"\n{3,}", "\n\n", clean_lines(text, octets))
    return lines if len(lines.encode()) <= octets else _cut(lines, octets) + "…"


def _line(text: str, octets: int) -> str:
    return _cut(clean_line(text, octets // 2), octets)


def _cut(text: str, octets: int) -> str:
    return text.encode()[:octets].decode("utf-8", "ignore").rstrip()
