"""Write the calendar object of an invitation (RFC 5545, 5546, 7986)."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.calendar import LocationType
from chalicelib.domain.invitation import NEEDS_ACTION, Invite, Method, Party, address_key
from chalicelib.mail.addresses import mailable_address, mailto, sending_address
from chalicelib.mail.content import access_rows, change_links, describe_place
from chalicelib.mail.sanitize import sanitize_invite
from chalicelib.wording import Wording, in_language

if TYPE_CHECKING:
    from icalendar import Alarm, Event, vCalAddress

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
    from icalendar import Calendar

    if invite.withdraws:
        invite = sanitize_invite(replace(invite, method=Method.CANCEL))
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", invite.method.value)
    calendar.add_component(_build_event(invite, organizer, in_language(invite.recipient.language)))
    content: bytes = calendar.to_ical()
    return content


def _build_event(invite: Invite, organizer: str, wording: Wording) -> Event:
    from icalendar import Event

    event = Event()
    event.add("uid", invite.uid)
    event.add("sequence", invite.sequence)
    event.add("dtstamp", invite.stamped_at.astimezone(UTC))
    event.add("dtstart", invite.starts_at.astimezone(UTC))
    event.add("dtend", invite.ends_at.astimezone(UTC))
    event.add("status", "CANCELLED" if invite.method is Method.CANCEL else "CONFIRMED")
    event.add("transp", "OPAQUE")
    event.add("summary", _escape_text(invite.title or wording.untitled))
    event.add("organizer", _build_address(invite.host.name, organizer))
    for party in invite.attendees:
        # Skip an unusable address, so that the other guests still get the invitation.
        if address := mailable_address(party.email):
            event.add("attendee", _build_attendee(party, address, _partstat(invite, party)))
    _add_place(event, invite, wording)
    if invite.withdraws:
        event.add("comment", _escape_text(wording.entry_replaced))
    description = _build_description(invite, wording)
    if description:
        event.add("description", _escape_text(description))
    if invite.reminder_minutes is not None and invite.method is not Method.CANCEL:
        event.add_component(_build_reminder(invite.reminder_minutes, invite.title or wording.untitled))
    return event


def _build_reminder(minutes: int, text: str) -> Alarm:
    from icalendar import Alarm

    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("trigger", timedelta(minutes=-minutes))
    alarm.add("description", _escape_text(text))
    return alarm


def _add_place(event: Event, invite: Invite, wording: Wording) -> None:
    """Add the place. Outlook, macOS and Thunderbird ignore CONFERENCE, so a link is also in LOCATION and URL."""
    from icalendar.prop.conference import Conference

    location_type = invite.location.type
    if invite.join_url:
        feature = "VIDEO" if location_type is LocationType.VIDEO else None
        event.add("location", invite.join_url)
        event.add("url", invite.join_url)
        event.add("conference", Conference(invite.join_url, feature=feature, label=wording.join).to_uri())
        if location_type is LocationType.VIDEO and invite.provider in _PROVIDER_PROPERTIES:
            event.add(_PROVIDER_PROPERTIES[invite.provider], invite.join_url)
    elif location_type in (LocationType.PHONE, LocationType.IN_PERSON) and invite.location.detail:
        event.add("location", _escape_text(invite.location.detail))


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


def _build_attendee(party: Party, address: str, partstat: str) -> vCalAddress:
    attendee = _build_address(party.name, address)
    attendee.params.update(ROLE="REQ-PARTICIPANT", PARTSTAT=partstat, RSVP="TRUE")
    return attendee


def _partstat(invite: Invite, party: Party) -> str:
    """Return the recipient's answer. Those of the others are not for the recipient to see."""
    is_recipient = address_key(party.email) == address_key(invite.recipient.email)
    return invite.partstat if is_recipient and invite.method is Method.REQUEST else NEEDS_ACTION


def _build_address(name: str, ascii_address: str) -> vCalAddress:
    from icalendar import vCalAddress

    address = vCalAddress(mailto(ascii_address))
    if name:
        # RFC 6868 encodes `"` as `^'` and `^` as `^^`, which older clients do not decode.
        address.params["CN"] = name.replace('"', "'").replace("^", "").replace("\\", "/")
    return address


def _escape_text(text: str) -> str:
    # icalendar reads `\N` (as in `C:\New`) as a line break; an invisible word joiner between the two prevents this.
    return text.replace("\\N", "\\\u2060N")
