"""What a mail says, before it is laid out: the plain text and the HTML are two views of one `Content`."""

from __future__ import annotations

import re

from msgspec import Struct

from chalicelib.domain.calendar import LocationType
from chalicelib.domain.invitation import Invite, Method, Party, Role
from chalicelib.domain.meeting import DialIn
from chalicelib.domain.plain_text import clean_line
from chalicelib.mail.addresses import header_text, shown_address
from chalicelib.mail.colors import ACCENT, ink_on, readable
from chalicelib.mail.entries import google, outlook
from chalicelib.mail.sender import Sender
from chalicelib.mail.times import span_in_words, start_in_short
from chalicelib.mail.wording import Occasion, Wording

_SUBJECT_TITLE = 120
_ADDRESS = 320


class Line(Struct, frozen=True):
    """A line of text; `href` makes it a link in HTML."""

    text: str
    href: str | None = None


class Row(Struct, frozen=True):
    label: str
    lines: tuple[Line, ...]


class Look(Struct, frozen=True):
    """What only the HTML shows of a brand. `accent` can be read on white, `ink` on the button's colour."""

    name: str | None
    logo_url: str | None
    button: str
    ink: str
    accent: str


class Content(Struct, frozen=True):
    """`facts` come before the link; after it `access` (passcode, dial-in), and what else can be done.

    `changes` are links, or else a sentence that says how to reschedule or cancel; `entries` put the booking into a
    calendar.
    """

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
    changes: tuple[Line, ...]
    entries: tuple[Line, ...]
    footer: tuple[str, ...]
    look: Look


def content(invite: Invite, sender: Sender, words: Wording, guests_named: int) -> Content:
    """What the mail to `invite.recipient` says. `invite` is clean; guests beyond `guests_named` are only counted."""
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
        facts=(Row(words.where, (Line(place(invite, words)),)), *_company(invite, words, guests_named)),
        join_url=invite.join_url,
        access=access(invite, words),
        details=tuple(invite.description.split("\n")) if invite.description else (),
        changes=changes(invite, words) or _ask_for_changes(invite, words),
        entries=_entries(invite, title, words),
        footer=_footer(invite, sender, words),
        look=_look(invite),
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


def changes(invite: Invite, words: Wording) -> tuple[Line, ...]:
    """The caller's own pages for moving and cancelling the booking, as far as there are any."""
    pages = ((words.reschedule, invite.links.reschedule), (words.cancel, invite.links.cancel))
    return tuple(Line(label, link) for label, link in pages if link)


def _ask_for_changes(invite: Invite, words: Wording) -> tuple[Line, ...]:
    # The host's own calendar is where a host moves things; a guest has nothing but this mail.
    if invite.method is Method.CANCEL or invite.recipient.role is Role.HOST:
        return ()
    return (Line(words.change_by_reply),)


def _entries(invite: Invite, title: str, words: Wording) -> tuple[Line, ...]:
    if invite.method is Method.CANCEL:
        return ()
    passcode = f"{words.passcode}: {invite.passcode}" if invite.passcode else ""
    details = "\n".join(line for line in (invite.join_url, passcode) if line)
    return (
        Line("Google Calendar", google(invite, title, details)),
        Line("Outlook.com", outlook(invite, title, details)),
        Line(words.entry_file),
    )


def _footer(invite: Invite, sender: Sender, words: Wording) -> tuple[str, ...]:
    service = header_text(invite.brand.name or sender.name, _SUBJECT_TITLE)
    own = invite.brand.footer.split("\n") if invite.brand.footer else []
    return (*own, words.footer.format(service=service))


def _look(invite: Invite) -> Look:
    color = invite.brand.color or ACCENT
    return Look(invite.brand.name, invite.brand.logo_url, color, ink_on(color), readable(color))


def _occasion(invite: Invite, words: Wording) -> Occasion:
    if invite.method is Method.CANCEL:
        return words.cancelled
    return words.updated if invite.is_update else words.invited


def _company(invite: Invite, words: Wording, named: int) -> tuple[Row, ...]:
    others = [party for party in invite.attendees if party.email != invite.recipient.email]
    hosts = tuple(_person(party) for party in others if party.role is Role.HOST)
    guests = tuple(_person(party) for party in others if party.role is Role.GUEST)
    if len(guests) > named:
        guests = (*guests[:named], Line(words.and_more.format(count=len(guests) - named)))
    return tuple(Row(label, lines) for label, lines in ((words.host, hosts), (words.guests, guests)) if lines)


def _person(party: Party) -> Line:
    return Line(f"{party.name} ({_email(party)})" if party.name else _email(party))


def _email(party: Party) -> str:
    return clean_line(shown_address(party.email), _ADDRESS)


def _number(dial_in: DialIn) -> Line:
    where = ", ".join(part for part in (dial_in.city, dial_in.country) if part)
    digits = re.sub(r"[^0-9+,#*]", "", dial_in.number).replace("#", "%23")
    return Line(f"{dial_in.number} ({where})" if where else dial_in.number, f"tel:{digits}" if digits else None)
