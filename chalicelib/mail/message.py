"""Compose complete emails: invitations with a calendar object (iMIP, RFC 6047), and notices."""

from __future__ import annotations

from base64 import encodebytes
from binascii import b2a_qp
from datetime import UTC, datetime
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage, Message
from email.policy import SMTP, compat32
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.domain.invitation import Invite, Role
from chalicelib.domain.plain_text import clean_lines
from chalicelib.errors import MailRejected
from chalicelib.mail.addresses import (
    SenderAddress,
    ascii_address,
    header_text,
    mailable_address,
    mailbox,
    sending_address,
)
from chalicelib.mail.content import Content, build_content
from chalicelib.mail.icalendar_object import write_calendar
from chalicelib.mail.sanitize import SHORT, USUAL, Limits, sanitize_invite
from chalicelib.wording import Wording, in_language

if TYPE_CHECKING:
    from jinja2 import Environment


class Mail(Struct, frozen=True):
    """One email to one recipient."""

    sender: str
    """The bare address, in ASCII."""
    to: str
    """The bare address, in ASCII."""
    subject: str
    raw: bytes
    """The complete message (RFC 5322)."""


class _Headers(HeaderRegistry):
    """Caches header classes: Python creates one for each header of each email, a seventh of the time of composing."""

    @cache  # noqa: B019 — there is one registry, and it lives as long as the process
    def __getitem__(self, name: str) -> type:
        return super().__getitem__(name)


_POLICY = SMTP.clone(header_factory=_Headers())
_PART_POLICY = compat32.clone(linesep=SMTP.linesep)
"""The body's headers contain no caller's text. Without header objects, an email is composed in half the time."""
_NOTICE_SUBJECT_LENGTH = 240
LARGEST = 100_000
"""In bytes. Gmail cuts off more than 102 kB of HTML, and some gateways are as strict."""
_REPLY_TO_LENGTH = 4000


def compose(invite: Invite, sender: SenderAddress) -> Mail:
    """Compose the email to `invite.recipient`, in the recipient's language and time zone.

    Raises `MailRejected` if an address is unusable. Shortens the callers' texts if the email would be too large.
    """
    address = sending_address(invite.sender or sender.address)
    mail = _compose_within(invite, sender.name, address, USUAL)
    return mail if len(mail.raw) <= LARGEST else _compose_within(invite, sender.name, address, SHORT)


def compose_notice(to: str, subject: str, text: str, html: str, sender: SenderAddress) -> Mail:
    """Compose a notice, without a calendar object. Raises `MailRejected` if an address is unusable."""
    address, to = sending_address(sender.address), ascii_address(to)
    subject = header_text(subject, _NOTICE_SUBJECT_LENGTH)
    message = _new_message(sender.name, address, mailbox("", to), subject, datetime.now(UTC))
    body = _alternatives(clean_lines(text, len(text)) + "\n", clean_lines(html, len(html)) + "\n")
    return Mail(sender=address, to=to, subject=subject, raw=_as_bytes(message, body))


def _compose_within(invite: Invite, service_name: str, sender: str, limits: Limits) -> Mail:
    """Compose the email with texts within `limits`. `sender` is a result of `sending_address`."""
    invite = sanitize_invite(invite, limits)
    wording = in_language(invite.recipient.language)
    to = ascii_address(invite.recipient.email)
    if to.casefold() == sender.casefold():
        raise MailRejected("The recipient is the address that invitations are sent from.")
    content = build_content(invite, wording, service_name=service_name, listed_guests=limits.guests)
    sender_name = invite.host.name or invite.brand.name or service_name
    message = _new_message(sender_name, sender, mailbox(invite.recipient.name, to), content.subject, invite.stamped_at)
    if reply_to := _reply_to(invite):
        message["Reply-To"] = reply_to
    body = _texts(content, wording)
    if invite.calendar_method is not None:
        body = _with_calendar(body, write_calendar(invite, sender), invite.calendar_method.value)
    return Mail(sender=sender, to=to, subject=content.subject, raw=_as_bytes(message, body))


def _new_message(name: str, sender: str, to: Address, subject: str, date: datetime) -> EmailMessage:
    """Return a message without a body. `Auto-Submitted` prevents automatic replies (RFC 3834)."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = mailbox(name, sender)
    message["Auto-Submitted"] = "auto-generated"
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = date
    message["MIME-Version"] = "1.0"
    return message


def _texts(content: Content, wording: Wording) -> Message:
    values = {"content": content, "wording": wording}
    text = templates().get_template("invitation.txt").render(values)
    html = templates().get_template("invitation.html").render(values)
    return _alternatives(text, html)


def _alternatives(text: str, html: str) -> Message:
    parts = [_text_part("plain", text), _text_part("html", html)]
    return _multipart("alternative", parts)


def _with_calendar(alternatives: Message, calendar: bytes, method: str) -> Message:
    """Add the calendar object as the last alternative, and as a file.

    Gmail and Outlook show buttons instead of a file only if it is in base64, has no Content-Disposition and has the
    object's own method (github.com/PHPMailer/PHPMailer/issues/175).
    """
    encoded = encodebytes(calendar)
    alternatives.attach(_part(f'text/calendar; charset="UTF-8"; method="{method}"', "base64", encoded))
    file = _part("application/ics", "base64", encoded)
    file["Content-Disposition"] = 'attachment; filename="invite.ics"'
    return _multipart("mixed", [alternatives, file])


def _text_part(subtype: str, text: str) -> Message:
    """Encode a text in 7 bits, as SES requires, in the shorter way.

    docs.aws.amazon.com/ses/latest/APIReference-V2/API_RawMessage.html
    """
    data = text.encode()
    encodings = ("quoted-printable", b2a_qp(data, istext=True)), ("base64", encodebytes(data))
    return _part(f'text/{subtype}; charset="utf-8"', *min(encodings, key=lambda pair: len(pair[1])))


def _part(content_type: str, encoding: str, encoded: bytes) -> Message:
    part = Message(policy=_PART_POLICY)
    part["Content-Type"] = content_type
    part["Content-Transfer-Encoding"] = encoding
    part.set_payload(encoded.decode("ascii"))
    return part


def _multipart(subtype: str, parts: list[Message]) -> Message:
    """Return the parts in one. Neither of the encodings of parts can contain `=_`, so the boundary is in none."""
    message = Message(policy=_PART_POLICY)
    message["Content-Type"] = f'multipart/{subtype}; boundary="=_{subtype}"'
    for part in parts:
        message.attach(part)
    return message


def _as_bytes(message: EmailMessage, body: Message) -> bytes:
    """Return the message's headers and the body, which has headers of its own."""
    headers = message.as_bytes().removesuffix(SMTP.linesep.encode())
    return headers + body.as_bytes(policy=_PART_POLICY)


def _reply_to(invite: Invite) -> list[Address]:
    """Return the host for a guest's reply, and for the host's as many guests as the header has room for."""
    role = Role.GUEST if invite.recipient.role is Role.HOST else Role.HOST
    parties = [party for party in invite.attendees if party.role is role]
    addresses = [(party.name, address) for party in parties if (address := mailable_address(party.email))]
    mailboxes = [mailbox(name if len(addresses) == 1 else "", address) for name, address in addresses]
    ends = accumulate(len(str(mailbox)) + len(", ") for mailbox in mailboxes)
    return [mailbox for mailbox, end in zip(mailboxes, ends, strict=True) if end <= _REPLY_TO_LENGTH]


@cache
def templates() -> Environment:
    """Return the templates of all emails. HTML templates escape their values."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=select_autoescape(["html"], default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
