"""A strict judge of invitation mails: MIME (RFC 2045, 5322), iMIP (RFC 6047), iTIP (RFC 5546) and calendars' habits.

It shares nothing with `chalicelib.mail`, so that a mistake there cannot hide here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from html import unescape
from urllib.parse import unquote

from icalendar import Calendar, Component

_HEADERS = {"from", "to", "subject", "date", "reply-to", "auto-submitted", "mime-version", "content-type"}
_SINGLE = ("From", "To", "Subject", "Date", "MIME-Version", "Content-Type")
_LARGEST = 100_000
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_ADDRESS = re.compile(r"mailto:[^\s<>\"]+@[^\s<>\"@]+", re.I)


def check_mail(raw: bytes, *, previous: bytes | None = None, is_plain: bool = False) -> list[str]:
    """What is wrong with an invitation mail; nothing, if it is good.

    `previous` is the mail that this one follows, to the same recipient about the same booking. A plain mail must have
    no calendar part: its recipient has the entry already.
    """
    message = message_from_bytes(raw, policy=policy.SMTP)
    assert isinstance(message, EmailMessage)
    problems = [*_wire(raw), *_headers(message), *(_plain(message) if is_plain else _structure(message))]
    if problems or is_plain:
        return problems
    problems += _calendar_lines(_calendar_bytes(message))
    try:
        calendar = _parse(message)
        problems += [*_object(calendar, message), *_links(calendar, message)]
        if previous is not None:
            before = message_from_bytes(previous, policy=policy.SMTP)
            assert isinstance(before, EmailMessage)
            problems += _succession(_event(calendar), _event(_parse(before)))
    except (ValueError, KeyError, AttributeError, IndexError) as error:
        problems.append(f"the calendar object cannot be read: {error!r}")
    return problems


def has_calendar(raw: bytes) -> bool:
    """Whether a mail has a calendar part, or any other part that a mail program may take for one."""
    parts = message_from_bytes(raw, policy=policy.SMTP).walk()
    return any(part.get_content_maintype() not in ("multipart", "text") or _is_calendar(part) for part in parts)


def calendar_of(raw: bytes) -> bytes:
    """The calendar object inside an invitation mail."""
    message = message_from_bytes(raw, policy=policy.SMTP)
    assert isinstance(message, EmailMessage)
    return _calendar_bytes(message)


def texts_of(raw: bytes) -> tuple[str, str]:
    """The plain text and the HTML of a mail."""
    message = message_from_bytes(raw, policy=policy.SMTP)
    assert isinstance(message, EmailMessage)
    return _text(message, "plain"), _text(message, "html")


def _wire(raw: bytes) -> Iterator[str]:
    if _BARE.search(raw):
        yield "a line of the mail does not end in CRLF"
    if not raw.isascii() or _CONTROLS.search(raw):
        yield "the mail is not 7-bit text"
    if len(raw) > _LARGEST:
        yield f"the mail is larger than {_LARGEST} octets"
    if any(len(line) > 998 for line in raw.split(b"\r\n")):
        yield "a line of the mail is longer than 998 octets"


def _headers(message: EmailMessage) -> Iterator[str]:
    for name in _SINGLE:
        if len(message.get_all(name, [])) != 1:
            yield f"there is not exactly one {name}"
            return
    for name in {name.lower() for name in message} - _HEADERS:
        yield f"unexpected header {name}"
    for name in ("From", "To"):
        if message[name] is not None and (len(message[name].addresses) != 1 or message[name].defects):
            yield f"{name} is not exactly one address"
    if message["Reply-To"] is not None and (not message["Reply-To"].addresses or message["Reply-To"].defects):
        yield "Reply-To is not a list of addresses"
    for part in message.walk():
        if part.defects:
            yield f"{part.get_content_type()} is malformed: {part.defects}"


def _structure(message: EmailMessage) -> Iterator[str]:
    shape = [part.get_content_type() for part in message.walk()]
    alternatives = ["text/plain", "text/html", "text/calendar"]
    if shape != ["multipart/mixed", "multipart/alternative", *alternatives, "application/ics"]:
        yield f"wrong structure: {shape}"
        return
    inline, attachment = _part(message, "text/calendar"), _part(message, "application/ics")
    if inline["Content-Disposition"] is not None:
        yield "the calendar part has a Content-Disposition"
    if str(inline["Content-Transfer-Encoding"]).lower() != "base64":
        yield "the calendar part is not in base64"
    if str(inline.get_param("charset")).lower() != "utf-8":
        yield "the calendar part does not say charset=UTF-8"
    if not inline.get_param("method"):
        yield "the calendar part names no method"
    if attachment.get_filename() != "invite.ics" or attachment.get_content_disposition() != "attachment":
        yield "the attachment is not invite.ics"
    if attachment.get_payload(decode=True) != _calendar_bytes(message):
        yield "the attachment differs from the calendar part"


def _plain(message: EmailMessage) -> Iterator[str]:
    shape = [part.get_content_type() for part in message.walk()]
    if shape != ["multipart/alternative", "text/plain", "text/html"]:
        yield f"wrong structure: {shape}"
        return
    text, html = _text(message, "plain"), unescape(_text(message, "html"))
    if "invite.ics" in text or "invite.ics" in html:
        yield "the mail names a file that it does not have"
    if "calendar.google.com" in html or "outlook." in html:
        yield "the mail offers to add a second entry"
    if any(link not in html for link in re.findall(r"https?://\S+", text)):
        yield "a link of the text is absent from html"


def _is_calendar(part: Message) -> bool:
    return part.get_content_type() == "text/calendar"


def _calendar_lines(octets: bytes) -> Iterator[str]:
    if not octets.startswith(b"BEGIN:VCALENDAR\r\n") or not octets.endswith(b"END:VCALENDAR\r\n"):
        yield "the calendar object is not one VCALENDAR"
    if _BARE.search(octets):
        yield "a calendar line does not end in CRLF"
    if _CONTROLS.search(octets):
        yield "the calendar object holds control characters"
    for line in octets.split(b"\r\n"):
        if len(line) > 75:
            yield "a calendar line is longer than 75 octets"
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            yield "a calendar line is not UTF-8 by itself"


def _object(calendar: Calendar, message: EmailMessage) -> Iterator[str]:
    event = _event(calendar)
    method = str(calendar.get("METHOD"))
    if method not in ("REQUEST", "CANCEL") or _part(message, "text/calendar").get_param("method") != method:
        yield f"METHOD {method} is unknown or not the calendar part's"
    if "METHOD" in event:
        yield "METHOD stands in VEVENT"
    if (str(event.get("STATUS")) == "CANCELLED") != (method == "CANCEL"):
        yield "STATUS contradicts METHOD"
    if calendar.errors or event.errors:
        yield f"unreadable properties: {calendar.errors} {event.errors}"
    for name in ("UID", "SEQUENCE", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "ORGANIZER"):
        if name not in event or isinstance(event[name], list):
            yield f"there is not exactly one {name}"
            return
    yield from _times(calendar, event)
    yield from _people(event, message)


def _times(calendar: Calendar, event: Component) -> Iterator[str]:
    zones = {str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")}
    for name in ("DTSTAMP", "DTSTART", "DTEND"):
        zone = event[name].params.get("TZID")
        if zone is not None and zone not in zones:
            yield f"{name} has a TZID without VTIMEZONE"
        elif not event[name].to_ical().endswith(b"Z"):
            yield f"{name} is not in UTC"
    start, end = event["DTSTART"].dt, event["DTEND"].dt
    if start.utcoffset() is not None and end.utcoffset() is not None and not end > start:
        yield "DTEND is not after DTSTART"


def _people(event: Component, message: EmailMessage) -> Iterator[str]:
    (sender,), (recipient,) = message["From"].addresses, message["To"].addresses
    attendees = event.get("ATTENDEE", [])
    attendees = attendees if isinstance(attendees, list) else [attendees]
    if not all(_ADDRESS.fullmatch(str(address)) for address in [event["ORGANIZER"], *attendees]):
        yield "ORGANIZER or ATTENDEE is not a bare mailto:"
    organizer = _address(event["ORGANIZER"])
    if "+" in organizer:  # Apple's calendar server drops what follows it.
        yield "a plus sign in ORGANIZER"
    if organizer != sender.addr_spec.lower():
        yield "ORGANIZER is not From"
    if organizer == recipient.addr_spec.lower():
        yield "ORGANIZER is the recipient"
    if recipient.addr_spec.lower() not in [_address(attendee) for attendee in attendees]:
        yield "the recipient is not an ATTENDEE"
    for attendee in attendees:
        wanted = {"PARTSTAT": "NEEDS-ACTION", "RSVP": "TRUE", "ROLE": "REQ-PARTICIPANT"}
        if {name: str(attendee.params.get(name)) for name in wanted} != wanted:
            yield "an ATTENDEE is not asked for an answer"


def _links(calendar: Calendar, message: EmailMessage) -> Iterator[str]:
    event = _event(calendar)
    if str(calendar.get("METHOD")) == "CANCEL":
        yield from (f"a cancelled entry has a {name}" for name in ("URL", "CONFERENCE") if name in event)
        return
    location = str(event.get("LOCATION", ""))
    places = {name: str(event.get(name, "")) for name in ("URL", "CONFERENCE", "DESCRIPTION")}
    places |= {"LOCATION": location, "text": _text(message, "plain"), "html": unescape(_text(message, "html"))}
    named = re.findall(r"^Join the meeting: ?\s*(https?://\S+)", f"{places['text']}\n{places['DESCRIPTION']}", re.M)
    for link in {value for value in (places["URL"], places["CONFERENCE"], *named) if value}:
        yield from (f"the link is absent from {name}" for name, value in places.items() if link not in value)
    if ("://" in location and not re.fullmatch(r"https?://\S+", location)) or location.startswith("integrations:"):
        yield "LOCATION is not a link"


def _succession(event: Component, before: Component) -> Iterator[str]:
    if str(event["UID"]) != str(before["UID"]):
        yield "UID changed"
    if _address(event["ORGANIZER"]) != _address(before["ORGANIZER"]):
        yield "ORGANIZER changed"
    if not int(event["SEQUENCE"]) > int(before["SEQUENCE"]):
        yield "SEQUENCE was not raised"


def _parse(message: EmailMessage) -> Calendar:
    calendar = Calendar.from_ical(_calendar_bytes(message))
    assert isinstance(calendar, Calendar)
    return calendar


def _event(calendar: Calendar) -> Component:
    events = calendar.walk("VEVENT")
    if len(events) != 1:
        raise ValueError("there is not exactly one VEVENT")
    return events[0]


def _part(message: EmailMessage, content_type: str) -> EmailMessage:
    (part,) = (part for part in message.walk() if part.get_content_type() == content_type)
    return part


def _calendar_bytes(message: EmailMessage) -> bytes:
    return bytes(_part(message, "text/calendar").get_payload(decode=True))


def _text(message: EmailMessage, subtype: str) -> str:
    return str(_part(message, f"text/{subtype}").get_content())


def _address(value: object) -> str:
    return unquote(str(value)).removeprefix("mailto:").lower()
