"""Write the calendar object of an invitation (RFC 5545, 5546, 7986)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from chalicelib.domain.calendar import LocationType
from chalicelib.domain.invitation import NEEDS_ACTION, Invite, Method, Party, address_key
from chalicelib.mail.addresses import mailable_address, mailto, sending_address
from chalicelib.mail.content import access_rows, change_links, describe_place
from chalicelib.mail.content_lines import escape_text, format_utc, quote_text, write_line
from chalicelib.mail.sanitize import sanitize_invite
from chalicelib.wording import Wording, in_language

_PRODUCT = "-//meetlink//meetlink//EN"
_PROVIDER_PROPERTIES = {"google_meet": "X-GOOGLE-CONFERENCE", "microsoft_teams": "X-MICROSOFT-SKYPETEAMSMEETINGURL"}
"""Properties that make the provider's own calendar show a button to join."""


def build_calendar_file(invite: Invite, sender: str) -> bytes:
    """Return the calendar file for `invite.recipient`, as the invitation email attaches it.

    `sender` is the deployment's own address, for invitations that name none. Raises `MailRejected` if it is unusable.
    """
    return write_calendar(sanitize_invite(invite), sending_address(invite.sender or sender))


def write_calendar(invite: Invite, organizer: str) -> bytes:
    """Write one VCALENDAR with one VEVENT for a sanitized invitation.

    `organizer` is the address that the email comes from, a result of `sending_address`. It cannot be the host:
    Outlook does not save an event if its recipient is the organizer (github.com/ical4j/ical4j/issues/340).
    Times are in UTC, which needs no VTIMEZONE; calendars read VTIMEZONE in different ways.
    """
    if invite.withdraws:
        invite = sanitize_invite(replace(invite, method=Method.CANCEL))
    return b"".join(
        (
            write_line("BEGIN", "VCALENDAR"),
            write_line("VERSION", "2.0"),
            write_line("PRODID", _PRODUCT),
            write_line("CALSCALE", "GREGORIAN"),
            write_line("METHOD", invite.method.value),
            *_event_lines(invite, organizer, in_language(invite.recipient.language)),
            write_line("END", "VCALENDAR"),
        )
    )


def _event_lines(invite: Invite, organizer: str, wording: Wording) -> Iterator[bytes]:
    title, is_cancelled = escape_text(invite.title or wording.untitled), invite.method is Method.CANCEL
    yield write_line("BEGIN", "VEVENT")
    yield write_line("SUMMARY", title)
    yield write_line("DTSTART", format_utc(invite.starts_at))
    yield write_line("DTEND", format_utc(invite.ends_at))
    yield write_line("DTSTAMP", format_utc(invite.stamped_at))
    yield write_line("UID", escape_text(invite.uid))
    yield write_line("SEQUENCE", str(invite.sequence))
    yield write_line("ORGANIZER", mailto(organizer), **_common_name(invite.host.name))
    yield from _attendee_lines(invite)
    yield from _place_lines(invite, wording)
    if invite.withdraws:
        yield write_line("COMMENT", escape_text(wording.entry_replaced))
    if description := _build_description(invite, wording):
        yield write_line("DESCRIPTION", escape_text(description))
    yield write_line("STATUS", "CANCELLED" if is_cancelled else "CONFIRMED")
    yield write_line("TRANSP", "OPAQUE")
    if invite.reminder_minutes is not None and not is_cancelled:
        yield from _reminder_lines(invite.reminder_minutes, title)
    yield write_line("END", "VEVENT")


def _reminder_lines(minutes: int, title: str) -> Iterator[bytes]:
    yield write_line("BEGIN", "VALARM")
    yield write_line("ACTION", "DISPLAY")
    yield write_line("DESCRIPTION", title)
    yield write_line("TRIGGER", f"-PT{minutes}M")
    yield write_line("END", "VALARM")


def _place_lines(invite: Invite, wording: Wording) -> Iterator[bytes]:
    """Yield the place. Outlook, macOS and Thunderbird ignore CONFERENCE, so a link is also in LOCATION and URL."""
    link, location = invite.join_url, invite.location
    if link:
        feature = {"FEATURE": "VIDEO"} if location.type is LocationType.VIDEO else {}
        yield write_line("LOCATION", escape_text(link))
        yield write_line("URL", link)
        yield write_line("CONFERENCE", link, **feature, LABEL=quote_text(wording.join), VALUE="URI")
        if feature and invite.provider in _PROVIDER_PROPERTIES:
            yield write_line(_PROVIDER_PROPERTIES[invite.provider], link)
    elif location.type in (LocationType.PHONE, LocationType.IN_PERSON) and location.detail:
        yield write_line("LOCATION", escape_text(location.detail))


def _build_description(invite: Invite, wording: Wording) -> str:
    lines = [wording.entry_replaced] if invite.withdraws else []
    if invite.join_url:
        lines.append(wording.join_at.format(link=invite.join_url))
    elif invite.location.type is LocationType.VIDEO and invite.method is not Method.CANCEL:
        lines.append(describe_place(invite, wording))
    for row in access_rows(invite, wording):
        lines += [f"{row.label}: {line.text}" for line in row.lines]
    if invite.method is not Method.CANCEL:
        lines += [f"{line.text}: {line.href}" for line in change_links(invite, wording)]
    return "\n\n".join(part for part in ("\n".join(lines), invite.description) if part)


def _attendee_lines(invite: Invite) -> Iterator[bytes]:
    for party in invite.attendees:
        # Skip an unusable address, so that the other guests still get the invitation.
        if address := mailable_address(party.email):
            status = {"PARTSTAT": _partstat(invite, party), "ROLE": "REQ-PARTICIPANT", "RSVP": "TRUE"}
            yield write_line("ATTENDEE", mailto(address), **_common_name(party.name), **status)


def _partstat(invite: Invite, party: Party) -> str:
    """Return the recipient's answer. Those of the others are not for the recipient to see."""
    is_recipient = address_key(party.email) == address_key(invite.recipient.email)
    return invite.partstat if is_recipient and invite.method is Method.REQUEST else NEEDS_ACTION


def _common_name(name: str) -> dict[str, str]:
    return {"CN": quote_text(name)} if name else {}
