"""Compose complete emails: invitations with a calendar object (iMIP, RFC 6047), and notices."""

from __future__ import annotations

from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from email.utils import format_datetime
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


_NOTICE_SUBJECT_LENGTH = 240
LARGEST = 100_000
"""In bytes. Gmail cuts off more than 102 kB of HTML, and some gateways are as strict."""
_REPLY_TO_LENGTH = 4000
_LINE_LENGTH = 78
"""Longer headers are folded (RFC 5322, 2.1.1)."""


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
    headers = _headers(mailbox(sender.name, address), mailbox("", to), subject, datetime.now(UTC))
    texts = _text_parts(clean_lines(text, len(text)) + "\n", clean_lines(html, len(html)) + "\n")
    body = _multipart("alternative", texts)
    return Mail(sender=address, to=to, subject=subject, raw=_with_line_ends(headers + body))


def _compose_within(invite: Invite, service_name: str, sender: str, limits: Limits) -> Mail:
    """Compose the email with texts within `limits`. `sender` is a result of `sending_address`."""
    invite = sanitize_invite(invite, limits)
    wording = in_language(invite.recipient.language)
    to = ascii_address(invite.recipient.email)
    if to.casefold() == sender.casefold():
        raise MailRejected("The recipient is the address that invitations are sent from.")
    content = build_content(invite, wording, service_name=service_name, listed_guests=limits.guests)
    sender_name = invite.host.name or invite.brand.name or service_name
    recipient = mailbox(invite.recipient.name, to)
    headers = _headers(
        mailbox(sender_name, sender), recipient, content.subject, invite.stamped_at, reply_to=_reply_to(invite)
    )
    texts, method = _invitation_texts(content, wording), invite.calendar_method
    if method is None:
        body = _multipart("alternative", texts)
    else:
        body = _with_calendar(texts, write_calendar(invite, sender), method.value)
    return Mail(sender=sender, to=to, subject=content.subject, raw=_with_line_ends(headers + body))


def _headers(sender: Address, to: Address, subject: str, date: datetime, *, reply_to: Sequence[Address] = ()) -> bytes:
    """Return the headers of a message. `Auto-Submitted` prevents automatic replies (RFC 3834)."""
    fields = {
        "From": str(sender),
        "Auto-Submitted": "auto-generated",
        "To": str(to),
        "Subject": subject,
        "Date": format_datetime(date),
        "MIME-Version": "1.0",
    }
    if reply_to:
        fields["Reply-To"] = ", ".join(map(str, reply_to))
    return b"".join(_header(name, text) for name, text in fields.items())


def _header(name: str, text: str) -> bytes:
    """Return a header, folded and encoded. Most need neither, and `EmailMessage` takes long to find that out."""
    line = f"{name}: {text}"
    if len(line) <= _LINE_LENGTH and line.isascii() and line.isprintable():
        return f"{line}\n".encode()
    message = EmailMessage(policy=default)
    message[name] = text
    return message.as_bytes().removesuffix(b"\n")


def _invitation_texts(content: Content, wording: Wording) -> list[bytes]:
    values = {"content": content, "wording": wording}
    names = ("invitation.txt", "invitation.html")
    return _text_parts(*(templates().get_template(name).render(values) for name in names))


def _text_parts(text: str, html: str) -> list[bytes]:
    return [_text_part("plain", text), _text_part("html", html)]


def _with_calendar(texts: list[bytes], calendar: bytes, method: str) -> bytes:
    """Return the texts with the calendar object as the last alternative, and as a file.

    Gmail and Outlook show buttons instead of a file only if it is in base64, has no Content-Disposition and has the
    object's own method (github.com/PHPMailer/PHPMailer/issues/175).
    """
    encoded = encodebytes(calendar)
    entry = _part(f'text/calendar; charset="UTF-8"; method="{method}"', "base64", encoded)
    disposition = 'Content-Disposition: attachment; filename="invite.ics"'
    file = _part("application/ics", "base64", encoded, disposition)
    return _multipart("mixed", [_multipart("alternative", [*texts, entry]), file])


def _text_part(subtype: str, text: str) -> bytes:
    """Encode a text in 7 bits, as SES requires, in the shorter way.

    docs.aws.amazon.com/ses/latest/APIReference-V2/API_RawMessage.html
    """
    data = text.encode()
    encodings = ("quoted-printable", b2a_qp(data, istext=True)), ("base64", encodebytes(data))
    return _part(f'text/{subtype}; charset="utf-8"', *min(encodings, key=lambda pair: len(pair[1])))


def _part(content_type: str, encoding: str, encoded: bytes, *headers: str) -> bytes:
    lines = (f"Content-Type: {content_type}", f"Content-Transfer-Encoding: {encoding}", *headers, "\n")
    return "\n".join(lines).encode() + encoded


def _multipart(subtype: str, parts: list[bytes]) -> bytes:
    """Return the parts in one. Neither of the encodings of parts can contain `=_`, so the boundary is in none."""
    boundary = f"=_{subtype}"
    head, end = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\n'.encode(), f"\n--{boundary}--\n".encode()
    return head + b"".join(f"\n--{boundary}\n".encode() + part for part in parts) + end


def _with_line_ends(message: bytes) -> bytes:
    return message.replace(b"\n", b"\r\n")


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
