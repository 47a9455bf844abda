"""What a mail says, before it is laid out: the plain text and the HTML are two views of one `Content`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chalicelib.domain.calendar import LocationType
from chalicelib.domain.invitation import Invite, Method, Party, Role
from chalicelib.domain.meeting import DialIn
from chalicelib.domain.text import clean_line
from chalicelib.mail.addresses import header_text
from chalicelib.mail.sender import Sender
from chalicelib.mail.times import span_in_words, start_in_short
from chalicelib.mail.wording import Occasion, Wording

_SUBJECT_TITLE = 120
_ADDRESS = 320


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text; `href` makes it a link in HTML."""

    text: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """`facts` come before the link, `access` (passcode, dial-in) after it."""

    subject: str
    label: str
    title: str
    intro: str
    is_cancelled: bool
    when: str
    facts: tuple[Row, ...]
    join_url: str | None
    access: tuple[Row, ...]
    details: tuple[str, ...]
    footer: str


def content(invite: Invite, sender: Sender, words: Wording) -> Content:
    """What the mail to `invite.recipient` says. `invite` is clean."""
    occasion = _occasion(invite, words)
    zone = invite.recipient.time_zone
    title = invite.title or words.untitled
    is_host = invite.recipient.role is Role.HOST
    subject = occasion.subject.format(
        title=header_text(title, _SUBJECT_TITLE), when=start_in_short(invite.starts_at, zone, words)
    )
    return Content(
        subject=header_text(subject, 2 * _SUBJECT_TITLE),
        label=occasion.label,
        title=title,
        intro=occasion.to_host if is_host else occasion.to_guest.format(host=invite.host.name or _email(invite.host)),
        is_cancelled=invite.method is Method.CANCEL,
        when=span_in_words(invite.starts_at, invite.ends_at, zone, words),
        facts=(Row(words.where, (Line(place(invite, words)),)), *_company(invite, words)),
        join_url=invite.join_url,
        access=access(invite, words),
        details=tuple(invite.description.split("\n")) if invite.description else (),
        footer=words.footer.format(service=header_text(sender.name, _SUBJECT_TITLE)),
    )


def place(invite: Invite, words: Wording) -> str:
    """Where the booking takes place, in words; the link itself stands elsewhere."""
    kind, detail = invite.location.type, invite.location.detail
    if kind is LocationType.PHONE:
        return f"{words.by_phone}: {detail}" if detail else words.by_phone
    if kind is LocationType.IN_PERSON:
        return detail or words.in_person
    if kind is LocationType.CUSTOM_LINK:
        return words.online
    if invite.join_url or invite.method is Method.CANCEL:
        return words.video
    if invite.link_follows:
        return words.link_follows
    return words.no_link_host if invite.recipient.role is Role.HOST else words.no_link_guest


def access(invite: Invite, words: Wording) -> tuple[Row, ...]:
    """Passcode and dial-in numbers, as far as there are any."""
    rows = []
    if invite.passcode:
        rows.append(Row(words.passcode, (Line(invite.passcode),)))
    if invite.dial_in:
        rows.append(Row(words.dial_in, tuple(_number(number) for number in invite.dial_in)))
    return tuple(rows)


def _occasion(invite: Invite, words: Wording) -> Occasion:
    if invite.method is Method.CANCEL:
        return words.cancelled
    return words.updated if invite.is_update else words.invited


def _company(invite: Invite, words: Wording) -> tuple[Row, ...]:
    others = [party for party in invite.attendees if party.email != invite.recipient.email]
    hosts = tuple(_person(party) for party in others if party.role is Role.HOST)
    guests = tuple(_person(party) for party in others if party.role is Role.GUEST)
    return tuple(Row(label, lines) for label, lines in ((words.host, hosts), (words.guests, guests)) if lines)


def _person(party: Party) -> Line:
    return Line(f"{party.name} ({_email(party)})" if party.name else _email(party))


def _email(party: Party) -> str:
    return clean_line(party.email, _ADDRESS)


def _number(dial_in: DialIn) -> Line:
    where = ", ".join(part for part in (dial_in.city, dial_in.country) if part)
    digits = re.sub(r"[^0-9+]", "", dial_in.number)
    return Line(f"{dial_in.number} ({where})" if where else dial_in.number, f"tel:{digits}" if digits else None)
