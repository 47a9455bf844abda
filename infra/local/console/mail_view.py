"""A mail as its reader sees it: the text, the HTML, and the calendar event in readable form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from icalendar import Calendar

from infra.local.console.mailbox import Mail


@dataclass(frozen=True, slots=True)
class Attendee:
    """A person named in an event. `answer` is iCalendar's PARTSTAT, in lower case."""

    name: str
    email: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """The calendar object of an iMIP mail (RFC 5545, 6047). Times are in UTC, None where the object has none."""

    method: str
    sequence: int
    status: str
    summary: str
    starts_at: datetime | None
    ends_at: datetime | None
    organizer: Attendee | None
    attendees: tuple[Attendee, ...]
    location: str
    link: str
    description: str
    uid: str


@dataclass(frozen=True, slots=True)
class MailView:
    """A mail taken apart; a part that the mail lacks is None. `event_error` says why an event cannot be shown."""

    sender: str
    reply_to: str
    text: str | None
    html: str | None
    calendar: bytes | None
    event: Event | None
    event_error: str | None


def read(mail: Mail) -> MailView:
    """Take a mail apart; a broken part never raises."""
    message = message_from_bytes(mail.source, policy=policy.default)
    calendar = _bytes(message, "text/calendar")
    event, event_error = None, None
    if calendar is not None:
        try:
            event = read_event(calendar)
        except ValueError as error:
            event_error = str(error)
    return MailView(
        sender=str(message.get("From", "")),
        reply_to=str(message.get("Reply-To", "")),
        text=_text(message, "text/plain"),
        html=_text(message, "text/html"),
        calendar=calendar,
        event=event,
        event_error=event_error,
    )


def read_event(calendar: bytes) -> Event:
    """The first event of a calendar object; raises ValueError if there is none or it cannot be read."""
    try:
        parsed = Calendar.from_ical(calendar)
    except (ValueError, KeyError, IndexError) as error:
        raise ValueError(f"not a calendar object: {error}") from error
    events = parsed.walk("VEVENT")
    if not events:
        raise ValueError("the calendar object holds no event")
    event: Any = events[0]
    organizer = event.get("ORGANIZER")
    return Event(
        method=str(parsed.get("METHOD", "")),
        sequence=int(event.get("SEQUENCE", 0)),
        status=str(event.get("STATUS", "")),
        summary=str(event.get("SUMMARY", "")),
        starts_at=_instant(event.get("DTSTART")),
        ends_at=_instant(event.get("DTEND")),
        organizer=_attendee(organizer) if organizer is not None else None,
        attendees=tuple(_attendee(attendee) for attendee in _listed(event.get("ATTENDEE"))),
        location=str(event.get("LOCATION", "")),
        link=str(event.get("URL", "") or event.get("CONFERENCE", "")),
        description=str(event.get("DESCRIPTION", "")),
        uid=str(event.get("UID", "")),
    )


def _part(message: EmailMessage, content_type: str) -> EmailMessage | None:
    parts = [part for part in message.walk() if part.get_content_type() == content_type]
    return next((part for part in parts if not part.is_attachment()), None)


def _bytes(message: EmailMessage, content_type: str) -> bytes | None:
    part = _part(message, content_type)
    if part is None:
        return None
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(message: EmailMessage, content_type: str) -> str | None:
    part, payload = _part(message, content_type), _bytes(message, content_type)
    if part is None or payload is None:
        return None
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:  # An unknown charset.
        return payload.decode("utf-8", "replace")


def _instant(value: Any) -> datetime | None:
    moment: date | None = getattr(value, "dt", None)
    # Floating times and whole days are no instants: nothing honest can be shown for them.
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        return None
    return moment.astimezone(UTC)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _attendee(address: Any) -> Attendee:
    email = str(address)
    if email.lower().startswith("mailto:"):
        email = email[len("mailto:") :]
    parameters = address.params
    answer = str(parameters.get("PARTSTAT", "")).lower().replace("-", " ")
    return Attendee(str(parameters.get("CN", "")) or email, email, answer)
