"""The calendar object of an invitation (RFC 5545, 5546, 7986)."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from chalicelib.domain.calendar import LocationType
from chalicelib.domain.invitation import Invite, Method, Party
from chalicelib.mail.addresses import is_mailable, mailto, sending_address
from chalicelib.mail.content import access, changes, place
from chalicelib.mail.sanitize import cleaned
from chalicelib.mail.wording import Wording, in_language

if TYPE_CHECKING:
    from icalendar import Alarm, Event, vCalAddress

_PRODUCT = "-//meetlink//meetlink//EN"
_PROVIDERS_OWN = {"google_meet": "X-GOOGLE-CONFERENCE", "microsoft_teams": "X-MICROSOFT-SKYPETEAMSMEETINGURL"}
"""What makes a provider's own calendar offer its own button."""


def calendar_object(invite: Invite, sender: str) -> bytes:
    """One VCALENDAR with one VEVENT, times in UTC, for `invite.recipient`. Raises `MailRejected`.

    The address that the mail comes from, `sender` if the invitation names none, is the organizer: Outlook tells a
    recipient who is the organizer so, and saves nothing (github.com/ical4j/ical4j/issues/340). UTC needs no VTIMEZONE,
    which calendars read in different ways.
    """
    return written(cleaned(invite), sender)


def written(invite: Invite, sender: str) -> bytes:
    """`calendar_object` of an invitation that is clean already."""
    from icalendar import Calendar

    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", invite.method.value)
    calendar.add_component(_event(invite, invite.sender or sender, in_language(invite.recipient.language)))
    octets: bytes = calendar.to_ical()
    return octets


def _event(invite: Invite, sender: str, words: Wording) -> Event:
    from icalendar import Event

    event = Event()
    event.add("uid", invite.uid)
    event.add("sequence", invite.sequence)
    event.add("dtstamp", invite.stamped_at.astimezone(UTC))
    event.add("dtstart", invite.starts_at.astimezone(UTC))
    event.add("dtend", invite.ends_at.astimezone(UTC))
    event.add("status", "CANCELLED" if invite.method is Method.CANCEL else "CONFIRMED")
    event.add("transp", "OPAQUE")
    event.add("summary", _text(invite.title or words.untitled))
    event.add("organizer", _address(invite.host.name, sending_address(sender)))
    for party in invite.attendees:
        # One guest's unusable address does not cost the others their invitation.
        if is_mailable(party.email):
            event.add("attendee", _attendee(party))
    _add_place(event, invite, words)
    description = _description(invite, words)
    if description:
        event.add("description", _text(description))
    if invite.reminder_minutes is not None and invite.method is not Method.CANCEL:
        event.add_component(_reminder(invite.reminder_minutes, invite.title or words.untitled))
    return event


def _reminder(minutes: int, text: str) -> Alarm:
    from icalendar import Alarm

    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("trigger", timedelta(minutes=-minutes))
    alarm.add("description", _text(text))
    return alarm


def _add_place(event: Event, invite: Invite, words: Wording) -> None:
    """Outlook, macOS and Thunderbird ignore CONFERENCE, so the link stands in LOCATION and URL as well."""
    from icalendar.prop.conference import Conference

    kind = invite.location.type
    if invite.join_url:
        feature = "VIDEO" if kind is LocationType.VIDEO else None
        event.add("location", invite.join_url)
        event.add("url", invite.join_url)
        event.add("conference", Conference(invite.join_url, feature=feature, label=words.join).to_uri())
        if kind is LocationType.VIDEO and invite.provider in _PROVIDERS_OWN:
            event.add(_PROVIDERS_OWN[invite.provider], invite.join_url)
    elif kind in (LocationType.PHONE, LocationType.IN_PERSON) and invite.location.detail:
        event.add("location", _text(invite.location.detail))


def _description(invite: Invite, words: Wording) -> str:
    lines = []
    if invite.join_url:
        lines.append(words.join_at.format(link=invite.join_url))
    elif invite.location.type is LocationType.VIDEO and invite.method is not Method.CANCEL:
        lines.append(place(invite, words))
    for row in access(invite, words):
        lines += [f"{row.label}: {line.text}" for line in row.lines]
    if invite.method is not Method.CANCEL:
        lines += [f"{line.text}: {line.href}" for line in changes(invite, words)]
    return "\n\n".join(part for part in ("\n".join(lines), invite.description) if part)


def _attendee(party: Party) -> vCalAddress:
    attendee = _address(party.name, party.email)
    attendee.params.update(ROLE="REQ-PARTICIPANT", PARTSTAT="NEEDS-ACTION", RSVP="TRUE")
    return attendee


def _address(name: str, email: str) -> vCalAddress:
    from icalendar import vCalAddress

    address = vCalAddress(mailto(email))
    if name:
        # RFC 6868 writes `"` as `^'` and `^` as `^^`, which older clients show as they stand.
        address.params["CN"] = name.replace('"', "'").replace("^", "").replace("\\", "/")
    return address


def _text(text: str) -> str:
    # icalendar takes a typed `\N` (`C:\New`) for a line break; an invisible word joiner keeps the two apart.
    return text.replace("\\N", "\\\u2060N")
