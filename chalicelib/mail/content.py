"""The content of an invitation email, before layout: the plain text and the HTML show the same `Content`."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.answers import Choice
from chalicelib.domain.calendar import Location, LocationType
from chalicelib.domain.colors import ink_on, readable_on
from chalicelib.domain.invitation import Announcement, EntryOwner, Invite, Method, Party, Role
from chalicelib.domain.meeting import DialIn
from chalicelib.domain.plain_text import clean_line
from chalicelib.domain.workspace import Brand
from chalicelib.mail.addresses import header_text, shown_address
from chalicelib.mail.times import format_span, format_start
from chalicelib.mail.web_calendars import GOOGLE_CALENDAR, web_calendar_links
from chalicelib.wording import Wording
from chalicelib.wording.catalogue import InvitationText

DEFAULT_COLOR = "#1f5fd6"
_WHITE, _DARK_CARD = "#ffffff", "#1c212b"
"""Cards in `invitation.html` and `notice.html`."""
_NIGHT_ACCENT = "#8fb4ff"
"""The default colour in dark mode."""
_TITLE_LENGTH = 120
_ADDRESS_LENGTH = 320


class Line(Struct, frozen=True):
    """A line of text."""

    text: str
    href: str | None = None
    """Makes the line a link in HTML."""


class Row(Struct, frozen=True):
    """A label with its lines."""

    label: str
    lines: tuple[Line, ...]
    before: str | None = None
    """What the last email said instead. It is struck through."""


class EarlierValues(Struct, frozen=True):
    """What the last email said, where this one says something else."""

    title: str | None = None
    when: str | None = None
    place: str | None = None
    host: str | None = None
    join_url: str | None = None


class Look(Struct, frozen=True):
    """The parts of a brand that only the HTML shows."""

    name: str | None
    logo_url: str | None
    button: str
    """The button's colour, as `#rrggbb`."""
    ink: str
    """Black or white, whichever is more readable on the button."""
    accent: str
    """The colour of links, readable on white."""
    night_accent: str
    """The colour of links in dark mode, readable on the dark card."""


class Content(Struct, frozen=True):
    """Everything an invitation email contains, in the order of the layout."""

    subject: str
    label: str
    """The kind of email in one word, such as `Invitation`."""
    title: str
    intro: str
    is_cancelled: bool
    when: str
    facts: tuple[Row, ...]
    """The place and the other people."""
    join_url: str | None
    access: tuple[Row, ...]
    """Passcode and dial-in numbers."""
    answers: tuple[Line, ...]
    """Links that answer the invitation: yes, maybe, no."""
    details: tuple[str, ...]
    """The lines of the booking's description."""
    changes: tuple[Line, ...]
    """Links to reschedule and cancel, or a sentence that says how."""
    entries: tuple[Line, ...]
    """Links that add the booking to a web calendar."""
    event_note: str | None
    """Instead of `entries`: what happens to the provider's event in the recipient's calendar."""
    footer: tuple[str, ...]
    look: Look
    earlier: EarlierValues


def build_content(invite: Invite, wording: Wording, *, service_name: str, listed_guests: int) -> Content:
    """Build the content of the email to `invite.recipient`.

    `invite` is sanitized. Guests beyond `listed_guests` are only counted.
    """
    text = _invitation_text(invite, wording)
    earlier = _earlier_values(invite, wording)
    title = invite.title or wording.untitled
    start = format_start(invite.starts_at, invite.recipient.time_zone, wording)
    subject = text.subject.format(title=header_text(title, _TITLE_LENGTH), when=start)
    return Content(
        subject=header_text(subject, 2 * _TITLE_LENGTH),
        label=text.label,
        title=title,
        intro=_intro(invite, text, wording),
        is_cancelled=invite.method is Method.CANCEL,
        when=_span(invite, invite.recipient, wording),
        facts=(
            Row(wording.where, (Line(describe_place(invite, wording)),), earlier.place),
            *_people(invite, wording, listed_guests, earlier.host),
        ),
        join_url=invite.join_url,
        access=access_rows(invite, wording),
        answers=_answer_links(invite, wording),
        details=tuple(invite.description.split("\n")) if invite.description else (),
        changes=change_links(invite, wording) or _change_by_reply(invite, wording),
        entries=_calendar_links(invite, title, wording),
        event_note=_event_note(invite, wording),
        footer=_footer(invite, service_name, wording),
        look=look_of(invite.brand),
        earlier=earlier,
    )


def _earlier_values(invite: Invite, wording: Wording) -> EarlierValues:
    before = invite.before
    if before is None or not invite.is_update:
        return EarlierValues()
    when = _span(before, invite.recipient, wording)
    return EarlierValues(
        title=before.title if before.title != invite.title else None,
        when=when if when != _span(invite, invite.recipient, wording) else None,
        place=_earlier_place(before.location, invite, wording),
        host=before.host if before.host != invite.host.name else None,
        join_url=before.join_url if invite.join_url != before.join_url else None,
    )


def _earlier_place(location: Location, invite: Invite, wording: Wording) -> str | None:
    if location == invite.location:
        return None
    is_video = location.type is LocationType.VIDEO
    return wording.video if is_video else describe_place(replace(invite, location=location), wording)


def _span(times: Invite | Announcement, recipient: Party, wording: Wording) -> str:
    return format_span(times.starts_at, times.ends_at, recipient.time_zone, wording)


def describe_place(invite: Invite, wording: Wording) -> str:
    """Describe where the booking takes place. The join link is shown separately."""
    location_type, detail = invite.location.type, invite.location.detail
    if location_type is LocationType.PHONE:
        return f"{wording.by_phone}: {detail}" if detail else wording.by_phone
    if location_type is LocationType.IN_PERSON:
        return detail or wording.in_person
    if location_type is LocationType.CUSTOM_LINK:
        return wording.online
    if invite.join_url or invite.method is Method.CANCEL:
        return wording.video
    if invite.link_follows:
        return wording.link_follows
    return wording.no_link_host if invite.recipient.role is Role.HOST else wording.no_link_guest


def access_rows(invite: Invite, wording: Wording) -> tuple[Row, ...]:
    """Return rows for the passcode and the dial-in numbers, if there are any."""
    rows = []
    if invite.passcode:
        rows.append(Row(wording.passcode, (Line(invite.passcode),)))
    if invite.dial_in:
        rows.append(Row(wording.dial_in, tuple(_dial_in_line(number) for number in invite.dial_in)))
    return tuple(rows)


def change_links(invite: Invite, wording: Wording) -> tuple[Line, ...]:
    """Return links to the caller's pages for rescheduling and cancelling, if there are any."""
    pages = ((wording.reschedule, invite.links.reschedule), (wording.cancel, invite.links.cancel))
    return tuple(Line(label, link) for label, link in pages if link)


def _invitation_text(invite: Invite, wording: Wording) -> InvitationText:
    if invite.method is Method.CANCEL:
        return wording.cancelled
    if invite.withdraws:
        return wording.handed_over
    if invite.is_reminder:
        return wording.reminder
    return wording.updated if invite.is_update else wording.invited


def _intro(invite: Invite, text: InvitationText, wording: Wording) -> str:
    is_host = invite.recipient.role is Role.HOST
    intro = text.to_host if is_host else text.to_guest.format(host=invite.host.name or _email(invite.host))
    if invite.is_event_current:
        return intro
    return wording.gap.join((intro, wording.event_outdated.format(email=_email(invite.recipient))))


def _change_by_reply(invite: Invite, wording: Wording) -> tuple[Line, ...]:
    # A host changes a booking in their own system; a guest only has this email.
    if invite.method is Method.CANCEL or invite.recipient.role is Role.HOST:
        return ()
    return (Line(wording.change_by_reply),)


def _answer_links(invite: Invite, wording: Wording) -> tuple[Line, ...]:
    if invite.answer_url is None:
        return ()
    texts = wording.answer_page
    return tuple(Line(texts.choices[choice], f"{invite.answer_url}?answer={choice.value}") for choice in Choice)


def _calendar_links(invite: Invite, title: str, wording: Wording) -> tuple[Line, ...]:
    """Return links for recipients of email programs that ignore invitations. A reminder has no entry to add."""
    if invite.method is Method.CANCEL or invite.entry_owner is EntryOwner.PROVIDER or invite.is_reminder:
        return ()
    passcode = f"{wording.passcode}: {invite.passcode}" if invite.passcode else ""
    details = "\n".join(line for line in (invite.join_url, passcode) if line)
    links = web_calendar_links(invite, title, details)
    names = {GOOGLE_CALENDAR: wording.google_calendar}
    return (*(Line(names.get(name, name), link) for name, link in links.items()), Line(wording.entry_file))


def _event_note(invite: Invite, wording: Wording) -> str | None:
    email = _email(invite.recipient)
    if invite.entry_owner is EntryOwner.OURS:
        return None
    if invite.method is Method.CANCEL:
        return wording.event_removed.format(email=email)
    is_in_intro = invite.withdraws or not invite.is_event_current
    return None if is_in_intro else wording.event_in_calendar.format(email=email)


def _footer(invite: Invite, service_name: str, wording: Wording) -> tuple[str, ...]:
    name = header_text(invite.brand.name or service_name, _TITLE_LENGTH)
    brand_footer = invite.brand.footer.split("\n") if invite.brand.footer else []
    return (*brand_footer, wording.footer.format(service=name))


@lru_cache(maxsize=128)
def look_of(brand: Brand) -> Look:
    """Return how the HTML shows the brand."""
    color = brand.color or DEFAULT_COLOR
    night = readable_on(color, _DARK_CARD) if brand.color else _NIGHT_ACCENT
    return Look(brand.name, brand.logo_url, color, ink_on(color), readable_on(color, _WHITE), night)


def _people(invite: Invite, wording: Wording, listed_guests: int, earlier_host: str | None) -> tuple[Row, ...]:
    """Return rows for the hosts and guests other than the recipient."""
    others = [party for party in invite.attendees if party.email != invite.recipient.email]
    hosts = tuple(_person_line(party) for party in others if party.role is Role.HOST)
    guests = tuple(_person_line(party) for party in others if party.role is Role.GUEST)
    if len(guests) > listed_guests:
        guests = (*guests[:listed_guests], Line(wording.count(wording.and_more, len(guests) - listed_guests)))
    rows = (Row(wording.host, hosts, earlier_host), Row(wording.guests, guests))
    return tuple(row for row in rows if row.lines)


def _person_line(party: Party) -> Line:
    return Line(f"{party.name} ({_email(party)})" if party.name else _email(party))


def _email(party: Party) -> str:
    return clean_line(shown_address(party.email), _ADDRESS_LENGTH)


def _dial_in_line(dial_in: DialIn) -> Line:
    where = ", ".join(part for part in (dial_in.city, dial_in.country) if part)
    digits = re.sub(r"[^0-9+,#*]", "", dial_in.number).replace("#", "%23")
    return Line(f"{dial_in.number} ({where})" if where else dial_in.number, f"tel:{digits}" if digits else None)
