"""Emails in the shapes in which calendars answer an invitation.

The shapes are those of Gmail, Outlook of Microsoft 365, Outlook.com, Apple's calendar and Thunderbird: their headers,
their nesting of parts, and what their calendar objects contain or lack.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from infra.local.console.mail_view import Event

ANSWERS = {"ACCEPTED": "Accept", "TENTATIVE": "Maybe", "DECLINED": "Decline"}
"""What a person can answer, and how buttons call it."""
_VERBS = {"ACCEPTED": "Accepted", "TENTATIVE": "Tentative", "DECLINED": "Declined"}
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Answer:
    """What a person answers to an invitation."""

    event: Event
    """The invitation's event."""
    email: str
    partstat: str
    """`ACCEPTED`, `TENTATIVE` or `DECLINED`."""
    at: datetime
    proposed: datetime | None = None
    """Another start that the person proposes."""

    @property
    def method(self) -> str:
        return "COUNTER" if self.proposed else "REPLY"

    @property
    def starts_at(self) -> datetime:
        return self.proposed or self.event.starts_at or self.at

    @property
    def ends_at(self) -> datetime:
        event = self.event
        length = event.ends_at - event.starts_at if event.starts_at and event.ends_at else timedelta(hours=1)
        return self.starts_at + length

    @property
    def organizer(self) -> str:
        return self.event.organizer.email if self.event.organizer else ""


def gmail(answer: Answer) -> bytes:
    """As Google Calendar answers: the object as the last alternative in 7-bit text, and again as a file."""
    lines = [
        "BEGIN:VCALENDAR",
        "PRODID:-//Google Inc//Google Calendar 70.9054//EN",
        "VERSION:2.0",
        "CALSCALE:GREGORIAN",
        f"METHOD:{answer.method}",
        "BEGIN:VEVENT",
        f"DTSTART:{_utc(answer.starts_at)}",
        f"DTEND:{_utc(answer.ends_at)}",
        f"DTSTAMP:{_utc(answer.at)}",
        f"ORGANIZER;CN={answer.organizer}:mailto:{answer.organizer}",
        f"UID:{answer.event.uid}",
        f"ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT={answer.partstat};CN={answer.email};X-NUM-GUESTS=0:"
        f"mailto:{answer.email}",
        f"CREATED:{_utc(answer.at)}",
        f"LAST-MODIFIED:{_utc(answer.at)}",
        f"SEQUENCE:{answer.event.sequence}",
        "STATUS:CONFIRMED",
        f"SUMMARY:{answer.event.summary}",
        "TRANSP:OPAQUE",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    calendar = _calendar(lines)
    headers = [
        "MIME-Version: 1.0",
        f"Reply-To: {answer.email}",
        "Sender: Google Calendar <calendar-notification@google.com>",
        "Auto-Submitted: auto-generated",
        f"Message-ID: <calendar-{_token(answer)}@google.com>",
        f"Date: {format_datetime(answer.at)}",
        f"Subject: {_VERBS[answer.partstat]}: {answer.event.summary} @ {answer.starts_at:%a %b %d, %Y}",
        f"From: Demo Guest <{answer.email}>",
        f"To: {answer.organizer}",
    ]
    texts = [
        _part('text/plain; charset="UTF-8"; format=flowed; delsp=yes', "I answered this invitation.\r\n"),
        _part('text/html; charset="UTF-8"', "<p>I answered this invitation.</p>\r\n"),
        _part(f'text/calendar; charset="UTF-8"; method={answer.method}', calendar, "Content-Transfer-Encoding: 7bit"),
    ]
    file = _part(
        'application/ics; name="invite.ics"',
        _base64(calendar),
        'Content-Disposition: attachment; filename="invite.ics"',
        "Content-Transfer-Encoding: base64",
    )
    alternatives = _multipart("alternative", "000000000000a1", texts)
    return _message(headers, _multipart("mixed", "000000000000a2", [alternatives, file]))


def outlook(answer: Answer) -> bytes:
    """As Outlook of Microsoft 365 answers: base64, local times, a time zone with a Windows name."""
    local = ZoneInfo("Europe/Berlin")
    lines = [
        "BEGIN:VCALENDAR",
        f"METHOD:{answer.method}",
        "PRODID:Microsoft Exchange Server 2010",
        "VERSION:2.0",
        "BEGIN:VTIMEZONE",
        "TZID:W. Europe Standard Time",
        "BEGIN:STANDARD",
        "DTSTART:16010101T030000",
        "TZOFFSETFROM:+0200",
        "TZOFFSETTO:+0100",
        "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10",
        "END:STANDARD",
        "BEGIN:DAYLIGHT",
        "DTSTART:16010101T020000",
        "TZOFFSETFROM:+0100",
        "TZOFFSETTO:+0200",
        "RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3",
        "END:DAYLIGHT",
        "END:VTIMEZONE",
        "BEGIN:VEVENT",
        f"ORGANIZER;CN={answer.organizer}:mailto:{answer.organizer}",
        f"ATTENDEE;PARTSTAT={answer.partstat};CN=Demo Guest:mailto:{answer.email}",
        "COMMENT;LANGUAGE=en-US:\\n",
        f"UID:{answer.event.uid}",
        f"SUMMARY;LANGUAGE=en-US:{_VERBS[answer.partstat]}: {answer.event.summary}",
        f"DTSTART;TZID=W. Europe Standard Time:{answer.starts_at.astimezone(local):%Y%m%dT%H%M%S}",
        f"DTEND;TZID=W. Europe Standard Time:{answer.ends_at.astimezone(local):%Y%m%dT%H%M%S}",
        "CLASS:PUBLIC",
        "PRIORITY:5",
        f"DTSTAMP:{_utc(answer.at)}",
        "TRANSP:OPAQUE",
        "STATUS:CONFIRMED",
        f"SEQUENCE:{answer.event.sequence}",
        "X-MICROSOFT-CDO-APPT-SEQUENCE:0",
        "X-MICROSOFT-CDO-OWNERAPPTID:0",
        "X-MICROSOFT-CDO-BUSYSTATUS:BUSY",
        "X-MICROSOFT-DISALLOW-COUNTER:FALSE",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return _exchange(answer, lines)


def outlook_com(answer: Answer) -> bytes:
    """As Outlook.com answers: without ORGANIZER (github.com/nextcloud/server/issues/53948)."""
    lines = [
        "BEGIN:VCALENDAR",
        f"METHOD:{answer.method}",
        "PRODID:Microsoft Exchange Server 2010",
        "VERSION:2.0",
        "BEGIN:VEVENT",
        f"ATTENDEE;PARTSTAT={answer.partstat};CN=Demo Guest:MAILTO:{answer.email}",
        f"UID:{answer.event.uid}",
        f"SUMMARY;LANGUAGE=en-US:{_VERBS[answer.partstat]}: {answer.event.summary}",
        f"DTSTART;TZID=UTC:{answer.starts_at.astimezone(UTC):%Y%m%dT%H%M%S}",
        f"DTEND;TZID=UTC:{answer.ends_at.astimezone(UTC):%Y%m%dT%H%M%S}",
        f"DTSTAMP:{_utc(answer.at)}",
        f"SEQUENCE:{answer.event.sequence}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return _exchange(answer, lines)


def apple(answer: Answer) -> bytes:
    """As Apple's calendar answers: quoted-printable, and the address repeated as a parameter."""
    lines = [
        "BEGIN:VCALENDAR",
        "CALSCALE:GREGORIAN",
        "PRODID:-//Apple Inc.//macOS 15.5//EN",
        "VERSION:2.0",
        f"METHOD:{answer.method}",
        "BEGIN:VEVENT",
        f'ATTENDEE;CN="Demo Guest";CUTYPE=INDIVIDUAL;EMAIL="{answer.email}";PARTSTAT={answer.partstat};'
        f"ROLE=REQ-PARTICIPANT:mailto:{answer.email}",
        f"DTEND:{_utc(answer.ends_at)}",
        f"DTSTAMP:{_utc(answer.at)}",
        f"DTSTART:{_utc(answer.starts_at)}",
        f"LAST-MODIFIED:{_utc(answer.at)}",
        f"ORGANIZER:mailto:{answer.organizer}",
        f"SEQUENCE:{answer.event.sequence}",
        f"SUMMARY:{answer.event.summary}",
        f"UID:{answer.event.uid}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    headers = [
        f"From: Demo Guest <{answer.email}>",
        f"To: {answer.organizer}",
        f"Subject: {_VERBS[answer.partstat]}: {answer.event.summary}",
        f"Date: {format_datetime(answer.at)}",
        f"Message-Id: <{_token(answer)}@apple.com>",
        "Mime-Version: 1.0 (Mac OS X Mail 16.0 \\(3826.600.51.1.1\\))",
        "X-Mailer: Apple Mail (2.3826.600.51.1.1)",
    ]
    parts = [
        _part("text/plain; charset=us-ascii", "Demo Guest answered your invitation.\r\n"),
        _part(
            f'text/calendar; method={answer.method}; name="iCal-{_token(answer)}.ics"; charset=utf-8',
            _calendar(lines).replace("=", "=3D"),
            "Content-Transfer-Encoding: quoted-printable",
        ),
    ]
    return _message(headers, _multipart("alternative", "Apple-Mail=_A1", parts))


def thunderbird(answer: Answer) -> bytes:
    """As Thunderbird answers: the properties of the invitation, with an answer, and its own time of receipt."""
    lines = [
        "BEGIN:VCALENDAR",
        "PRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN",
        "VERSION:2.0",
        f"METHOD:{answer.method}",
        "BEGIN:VEVENT",
        f"CREATED:{_utc(answer.at)}",
        f"LAST-MODIFIED:{_utc(answer.at)}",
        f"DTSTAMP:{_utc(answer.at)}",
        f"UID:{answer.event.uid}",
        f"SUMMARY:{answer.event.summary}",
        "STATUS:CONFIRMED",
        f"ORGANIZER;CN=Demo Host:mailto:{answer.organizer}",
        f"ATTENDEE;RSVP=TRUE;CN=Demo Guest;PARTSTAT={answer.partstat};ROLE=REQ-PARTICIPANT:mailto:{answer.email}",
        f"X-MOZ-RECEIVED-SEQUENCE:{answer.event.sequence}",
        f"X-MOZ-RECEIVED-DTSTAMP:{_utc(answer.at)}",
        f"DTSTART:{_utc(answer.starts_at)}",
        f"DTEND:{_utc(answer.ends_at)}",
        f"SEQUENCE:{answer.event.sequence}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    headers = [
        "MIME-version: 1.0",
        "Message-ID: <" + _token(answer) + "@example.com>",
        f"From: Demo Guest <{answer.email}>",
        f"To: {answer.organizer}",
        f"Subject: Event Invitation Reply ({_VERBS[answer.partstat]}): {answer.event.summary}",
        f"Date: {format_datetime(answer.at)}",
    ]
    parts = [
        _part("text/plain; charset=UTF-8; format=flowed", f"{answer.email} has answered your event invitation.\r\n"),
        _part(
            f"text/calendar; method={answer.method}; charset=UTF-8",
            _base64(_calendar(lines)),
            "Content-Transfer-Encoding: base64",
        ),
    ]
    return _message(headers, _multipart("mixed", "Boundary_(ID_thunderbird)", parts))


@dataclass(frozen=True)
class Program:
    """A calendar program."""

    name: str
    write: Callable[[Answer], bytes]
    """Write the email by which it answers."""


PROGRAMS = {
    "gmail": Program("Gmail", gmail),
    "outlook": Program("Outlook (Microsoft 365)", outlook),
    "outlook_com": Program("Outlook.com", outlook_com),
    "apple": Program("Apple", apple),
    "thunderbird": Program("Thunderbird", thunderbird),
}


def _exchange(answer: Answer, lines: list[str]) -> bytes:
    headers = [
        f'From: "{answer.email}" <{answer.email}>',
        f"To: <{answer.organizer}>",
        f"Subject: {_VERBS[answer.partstat]}: {answer.event.summary}",
        "Thread-Topic: Introduction",
        f"Date: {format_datetime(answer.at)}",
        f"Message-ID: <{_token(answer)}@EURP192.PROD.OUTLOOK.COM>",
        "X-MS-Has-Attach:",
        "MIME-Version: 1.0",
    ]
    parts = [
        _part('text/plain; charset="us-ascii"', "\r\n"),
        _part(
            f'text/calendar; charset="utf-8"; method={answer.method}',
            _base64(_calendar(lines)),
            "Content-Transfer-Encoding: base64",
        ),
    ]
    return _message(headers, _multipart("alternative", "_000_outlook_", parts))


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).strftime(_STAMP)


def _token(answer: Answer) -> str:
    return f"{answer.event.uid.partition('@')[0][:12]}-{answer.at:%H%M%S}"


def _calendar(lines: list[str]) -> str:
    """Return the lines folded at 75 characters, as every program folds them."""
    folded = (
        "\r\n ".join([line[:74], *(line[start : start + 73] for start in range(74, len(line), 73))]) for line in lines
    )
    return "\r\n".join(folded) + "\r\n"


def _base64(text: str) -> str:
    return base64.encodebytes(text.encode()).decode().replace("\n", "\r\n")


def _part(content_type: str, body: str, *headers: str) -> str:
    return "\r\n".join([f"Content-Type: {content_type}", *headers, "", body])


def _multipart(kind: str, boundary: str, parts: list[str]) -> str:
    content = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n{content}--{boundary}--\r\n'


def _message(headers: list[str], body: str) -> bytes:
    return ("\r\n".join(headers) + "\r\n" + body).encode()
