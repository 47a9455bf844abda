"""Read the emails by which calendars answer an invitation: iTIP REPLY and COUNTER (RFC 5546) in an email (RFC 6047).

The emails come from strangers. So a small part of the calendar object is parsed: the properties of its first event that
matter here. Time zones that it defines are ignored, because a rule such as `FREQ=SECONDLY` takes hours to expand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import policy
from email.message import Message
from email.parser import BytesParser
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib.domain.answers import Choice
from chalicelib.mail.addresses import is_same_mailbox
from chalicelib.mail.mail_authentication import is_authentic, sender_of_mail
from chalicelib.mail.received_mail import ReceivedMail

if TYPE_CHECKING:
    from icalendar import Event

MAX_BYTES = 256 * 1024
"""Of the whole email. Answers of calendars have less than 30 kB, even with the invitation's text."""
_MAX_PARTS = 50
_MAX_LINES = 500
"""Lines that are parsed: an answer may repeat all guests."""
_MAX_UID_LENGTH = 512
_MAX_ADDRESS_LENGTH = 320
_MAX_SEQUENCE = 2**31 - 1
_PROPERTIES = frozenset({"UID", "SEQUENCE", "DTSTAMP", "DTSTART", "ATTENDEE"})
_EVENT = ["VCALENDAR", "VEVENT"]
_CHOICES = {"ACCEPTED": Choice.ACCEPTED, "TENTATIVE": Choice.TENTATIVE, "DECLINED": Choice.DECLINED}


class DropReason(StrEnum):
    """Why an email changes nothing. A closed list: it is a dimension of a metric."""

    TOO_LARGE = "too_large"
    EXPIRED = "expired"
    """It was deleted from the bucket before it was read."""
    NO_ANSWER = "no_answer"
    """It is not an answer of a calendar."""
    UNREADABLE = "unreadable"
    FORGED = "forged"
    """The domain in From does not confirm it."""
    NOT_THE_ATTENDEE = "not_the_attendee"
    """It answers for another address than the one in From."""
    UNKNOWN_UID = "unknown_uid"
    ENDED = "ended"
    """The booking is cancelled or over."""
    NOT_INVITED = "not_invited"
    TOO_MANY = "too_many"


class UnusableReply(Exception):
    """The email changes nothing, for a `reason`."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class CalendarReply(Struct, frozen=True):
    """What one person answered."""

    email: str
    """The address in From, which is the ATTENDEE."""
    uid: str
    sequence: int
    """The SEQUENCE of the invitation that was answered."""
    choice: Choice | None
    """None: a COUNTER, which proposes another time."""
    stamped_at: datetime | None
    starts_at: datetime | None
    """The start that was answered to, or that is proposed; None: unknown."""

    @property
    def is_counter(self) -> bool:
        return self.choice is None


def read_reply(raw: bytes, received: ReceivedMail) -> CalendarReply:
    """Read a raw email. Raises `UnusableReply` and nothing else, for any content."""
    if len(raw) > MAX_BYTES:
        raise UnusableReply(DropReason.TOO_LARGE)
    try:
        return _read(raw, received)
    except UnusableReply:
        raise
    except Exception as error:
        # Python's and icalendar's parsers raise errors of many classes for broken input, `RecursionError` among them.
        raise UnusableReply(DropReason.UNREADABLE) from error


def _read(raw: bytes, received: ReceivedMail) -> CalendarReply:
    message = BytesParser(policy=policy.compat32).parsebytes(raw)
    method, lines = _find_answer(message)
    sender = sender_of_mail(message)
    if sender is None or not is_authentic(message, received, sender):
        raise UnusableReply(DropReason.FORGED)
    event = _parse(lines)
    attendees = list(_attendees(event, sender))
    if not attendees:
        raise UnusableReply(DropReason.NOT_THE_ATTENDEE)
    choice = None if method == "COUNTER" else _choice(attendees)
    uid, sequence, starts_at = str(event.get("UID", "")), int(event.get("SEQUENCE", 0)), _time(event, "DTSTART")
    is_complete = 0 < len(uid) <= _MAX_UID_LENGTH and 0 <= sequence <= _MAX_SEQUENCE
    if not is_complete or (choice is None and starts_at is None):
        raise UnusableReply(DropReason.UNREADABLE)
    return CalendarReply(sender, uid, sequence, choice, _time(event, "DTSTAMP"), starts_at)


def _find_answer(message: Message) -> tuple[str, list[str]]:
    """Return the method of the first calendar object that is an answer, and the lines of its event."""
    for number, part in enumerate(message.walk()):
        if number >= _MAX_PARTS:
            break
        if part.get_content_type() == "text/calendar":
            method, lines = _select_lines(_text(part))
            if method in ("REPLY", "COUNTER"):
                return method, lines
    raise UnusableReply(DropReason.NO_ANSWER)


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def _select_lines(text: str) -> tuple[str, list[str]]:
    """Return the object's METHOD and the lines of the first event's own properties."""
    method, lines, path, is_first = "", [], [], True
    for line in _unfolded(text):
        name, value = re.split("[;:]", line, maxsplit=1)[0].strip().upper(), line.rpartition(":")[2].strip().upper()
        if name == "BEGIN":
            path.append(value)
        elif name == "END":
            is_first = is_first and path != _EVENT
            del path[-1:]
        elif path == _EVENT[:1] and name == "METHOD":
            method = value
        elif path == _EVENT and name in _PROPERTIES and is_first:
            lines.append(line)
    return method, lines


def _unfolded(text: str) -> Iterator[str]:
    yield from re.sub(r"\n[ \t]", "", text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")


def _parse(lines: list[str]) -> Event:
    from icalendar import Event

    if len(lines) > _MAX_LINES:
        raise UnusableReply(DropReason.UNREADABLE)
    event = Event.from_ical("\r\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT", ""]))
    if not isinstance(event, Event):
        raise UnusableReply(DropReason.UNREADABLE)
    return event


def _choice(attendees: list[Any]) -> Choice:
    """Return what the sender answered."""
    stated = {str(attendee.params.get("PARTSTAT", "")).upper() for attendee in attendees}
    choices = [_CHOICES[text] for text in stated if text in _CHOICES]
    if len(stated) != 1 or not choices:
        raise UnusableReply(DropReason.UNREADABLE)
    return choices[0]


def _attendees(event: Event, sender: str) -> Iterator[Any]:
    """Yield the ATTENDEE properties with the sender's address: some calendars repeat all guests, with their answers."""
    properties = event.get("ATTENDEE", [])
    for attendee in properties if isinstance(properties, list) else [properties]:
        scheme, _, address = str(attendee).partition(":")
        is_address = scheme.lower() == "mailto" and len(address) <= _MAX_ADDRESS_LENGTH
        if is_address and is_same_mailbox(address.strip(), sender):
            yield attendee


def _time(event: Event, name: str) -> datetime | None:
    """Return a time with a known zone; None for a day, and for a zone that only the object defines."""
    time = getattr(event.get(name), "dt", None)
    return time.astimezone(UTC) if isinstance(time, datetime) and time.tzinfo is not None else None
