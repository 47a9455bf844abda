"""Sanitize an invitation, so that its texts and links are harmless in headers, calendar lines and pages."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import NO_LINKS, Links
from chalicelib.domain.calendar import Location
from chalicelib.domain.colors import is_color
from chalicelib.domain.invitation import Announcement, Invite, Method, Party
from chalicelib.domain.meeting import DialIn
from chalicelib.domain.plain_text import clean_line, clean_lines
from chalicelib.domain.workspace import Brand
from chalicelib.errors import MailRejected
from chalicelib.mail.addresses import ascii_domain

_PLACE, _UID, _NUMBERS = 500, 255, 20
_LONGEST_LINK = 1000
"""An email contains a link up to ten times, and is limited to 100 kB."""
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_URI_CHARACTERS = "%:/?#[]@!$&'()*+,;=-._~"  # RFC 3986, 2.2 and 2.3; `%` because links are already encoded


class Limits(Struct, frozen=True):
    """The maximum length of each text, in bytes of UTF-8."""

    name: int
    title: int
    footer: int
    description: int
    link: int
    """For the caller's pages and the logo."""
    guests: int
    """How many guests are listed by name."""


# An email contains each text up to four times, encoded, and is limited to 100 kB.
USUAL = Limits(name=400, title=800, footer=2000, description=6000, link=1000, guests=20)
SHORT = Limits(name=16, title=120, footer=120, description=200, link=300, guests=5)
"""Fits fifty guests with addresses of maximum length. The calendar entry still lists all of them."""


def sanitize_invite(invite: Invite, limits: Limits = USUAL) -> Invite:
    """Return `invite` with clean, short texts and safe links. A cancellation has no link, passcode or numbers."""
    takes_place = invite.method is not Method.CANCEL
    return replace(
        invite,
        uid=clean_line(invite.uid, _UID),
        recipient=_clean_party(invite.recipient, limits),
        host=_clean_party(invite.host, limits),
        attendees=tuple(_clean_party(party, limits) for party in invite.attendees),
        title=_cut_line(invite.title, limits.title),
        description=_clean_description(invite.description, limits.description),
        location=_clean_location(invite.location),
        join_url=safe_link(invite.join_url) if takes_place else None,
        answer_url=safe_link(invite.answer_url) if takes_place else None,
        passcode=(_cut_line(invite.passcode or "", limits.name) or None) if takes_place else None,
        dial_in=tuple(_clean_dial_in(number, limits) for number in invite.dial_in[:_NUMBERS]) if takes_place else (),
        link_follows=invite.link_follows and takes_place,
        links=_clean_links(invite.links, limits) if takes_place else NO_LINKS,
        brand=clean_brand(invite.brand, limits),
        before=_clean_before(invite.before, limits) if invite.before and takes_place else None,
    )


def _clean_before(before: Announcement, limits: Limits) -> Announcement:
    return replace(
        before,
        title=_cut_line(before.title, limits.title),
        host=_cut_line(before.host, limits.name),
        location=_clean_location(before.location),
        join_url=_short_link(before.join_url, limits),
    )


def _clean_links(links: Links, limits: Limits) -> Links:
    return Links(_short_link(links.reschedule, limits), _short_link(links.cancel, limits))


def _short_link(link: str | None, limits: Limits) -> str | None:
    url = safe_link(link)
    return url if url and len(url) <= limits.link else None


def clean_brand(brand: Brand, limits: Limits = USUAL) -> Brand:
    """Return the brand with short texts, a color that is one, and a safe link to the logo."""
    return replace(
        brand,
        name=_cut_line(brand.name or "", limits.name) or None,
        color=brand.color if is_color(brand.color) else None,
        logo_url=_short_link(brand.logo_url, limits),
        footer=_cut(clean_lines(brand.footer or "", limits.footer), limits.footer) or None,
    )


def _clean_party(party: Party, limits: Limits) -> Party:
    # Keep the address unchanged: without its control characters it could be another person's.
    return replace(party, name=_cut_line(party.name, limits.name))


def _clean_location(location: Location) -> Location:
    return Location(location.type, clean_line(location.detail or "", _PLACE) or None)


def _clean_dial_in(number: DialIn, limits: Limits) -> DialIn:
    country, city = _cut_line(number.country or "", limits.name), _cut_line(number.city or "", limits.name)
    return DialIn(_cut_line(number.number, limits.name), country or None, city or None)


def _clean_description(text: str, size: int) -> str:
    lines = re.sub(r"\n{3,}", "\n\n", clean_lines(text, size))
    return lines if len(lines.encode()) <= size else _cut(lines, size) + "…"


def _cut_line(text: str, size: int) -> str:
    return _cut(clean_line(text, size // 2), size)


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode("utf-8", "ignore").rstrip()


def safe_link(link: str | None) -> str | None:
    """Return an http(s) URL, with characters encoded that RFC 3986 does not allow; None for any other link.

    Calendars show a button for any LOCATION, so another value would lead nowhere:
    github.com/calcom/cal.diy/issues/22962
    """
    if link is None or not link.isprintable():
        return None
    try:
        parts = urlsplit(link.strip())
        host, port = parts.hostname or "", parts.port
        if not host.isascii():
            host = ascii_domain(host)
            parts = parts._replace(netloc=f"{host}:{port}" if port else host)
    except (ValueError, MailRejected):
        return None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return None
    url = quote(urlunsplit(parts) if parts.netloc not in link else link.strip(), safe=_URI_CHARACTERS)
    return url if len(url) <= _LONGEST_LINK else None
