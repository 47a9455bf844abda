"""One invitation, and a bare build of the same content with icalendar and EmailMessage.

The bare build is what a short script would do: the same calendar object, the same texts, the same parts, but no
cleaning, no layout and no words to choose.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.policy import SMTP

from icalendar import Alarm, Calendar, Event, vCalAddress
from icalendar.prop.conference import Conference
from msgspec.structs import replace

from chalicelib.mail.message import compose
from infra.local.console.mail_cases import INVITATIONS, SENDER

INVITE = INVITATIONS["guest"]


def bare(subject: str, text: str, html: str, description: str) -> bytes:
    """The same mail, its texts given."""
    event = Event()
    event.add("uid", INVITE.uid)
    event.add("sequence", INVITE.sequence)
    event.add("dtstamp", INVITE.stamped_at.astimezone(UTC))
    event.add("dtstart", INVITE.starts_at.astimezone(UTC))
    event.add("dtend", INVITE.ends_at.astimezone(UTC))
    event.add("status", "CONFIRMED")
    event.add("transp", "OPAQUE")
    event.add("summary", INVITE.title)
    organizer = vCalAddress(f"mailto:{SENDER.address}")
    organizer.params["CN"] = INVITE.host.name
    event.add("organizer", organizer)
    for party in INVITE.attendees:
        attendee = vCalAddress(f"mailto:{party.email}")
        wanted = {"CN": party.name, "ROLE": "REQ-PARTICIPANT", "PARTSTAT": "NEEDS-ACTION", "RSVP": "TRUE"}
        attendee.params.update(wanted)
        event.add("attendee", attendee)
    event.add("location", INVITE.join_url)
    event.add("url", INVITE.join_url)
    event.add("conference", Conference(INVITE.join_url, feature="VIDEO", label="Join the meeting").to_uri())
    event.add("description", description)
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("trigger", timedelta(minutes=-15))
    alarm.add("description", INVITE.title)
    event.add_component(alarm)
    calendar = Calendar()
    calendar.add("prodid", "-//bare//bare//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "REQUEST")
    calendar.add_component(event)
    entry = calendar.to_ical()

    message = _bare_email(subject, text, html)
    message.add_alternative(
        entry, maintype="text", subtype="calendar", params={"charset": "UTF-8", "method": "REQUEST"}
    )
    message.add_attachment(entry, maintype="application", subtype="ics", filename="invite.ics")
    return message.as_bytes()


def _bare_email(subject: str, text: str, html: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    message["From"] = f"{INVITE.host.name} <{SENDER.address}>"
    message["To"] = f"{INVITE.recipient.name} <{INVITE.recipient.email}>"
    message["Reply-To"] = f"{INVITE.host.name} <{INVITE.host.email}>"
    message["Subject"] = subject
    message["Date"] = INVITE.stamped_at
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message


def reminder_sides() -> tuple[Callable[[], object], Callable[[], object]]:
    """One reminder as the product composes it, and a bare email with the same texts."""
    reminder = replace(INVITE, is_reminder=True)
    mail = compose(reminder, SENDER)
    message = message_from_bytes(mail.raw, policy=policy.default)
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    return lambda: compose(reminder, SENDER), lambda: _bare_email(mail.subject, text, html).as_bytes()


def sides() -> tuple[Callable[[], object], Callable[[], object]]:
    """One invitation as the product composes it, and the bare build of the same."""
    mail = compose(INVITE, SENDER)
    message = message_from_bytes(mail.raw, policy=policy.default)
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    calendar = Calendar.from_ical(next(p for p in message.walk() if p.get_content_subtype() == "ics").get_content())
    description = str(calendar.walk("VEVENT")[0]["DESCRIPTION"])
    return lambda: compose(INVITE, SENDER), lambda: bare(mail.subject, text, html, description)
