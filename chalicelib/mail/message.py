"""An invitation as a complete mail (iMIP, RFC 6047)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.domain.invitation import Invite, Role
from chalicelib.domain.plain_text import clean_lines
from chalicelib.errors import MailRejected
from chalicelib.mail.addresses import ascii_address, header_text, is_mailable, mailbox, sending_address
from chalicelib.mail.content import content
from chalicelib.mail.icalendar_object import written
from chalicelib.mail.sanitize import SHORT, USUAL, Limits, cleaned
from chalicelib.mail.sender import Mail, Sender
from chalicelib.mail.wording import in_language

if TYPE_CHECKING:
    from jinja2 import Environment


class _Headers(HeaderRegistry):
    """Python makes a class for each header of each mail, a seventh of all composing. There are few kinds of them."""

    @cache  # noqa: B019 — there is one registry, and it lives as long as the process
    def __getitem__(self, name: str) -> type:
        return super().__getitem__(name)


# SES wants 7-bit parts: docs.aws.amazon.com/ses/latest/APIReference-V2/API_RawMessage.html
_POLICY = SMTP.clone(cte_type="7bit", header_factory=_Headers())
_NOTICE_SUBJECT = 240
LARGEST = 100_000
"""Octets of a mail: Gmail cuts off what is longer than 102 kB of HTML, and some gateways are as strict."""

_REPLY_TO_LENGTH = 4000


def compose(invite: Invite, sender: Sender) -> Mail:
    """The mail to `invite.recipient`, in that person's language and time zone.

    Raises `MailRejected` for an unusable address. What people typed is cut where the mail would be too large.
    """
    mail = _composed(invite, sender, USUAL)
    return mail if len(mail.raw) <= LARGEST else _composed(invite, sender, SHORT)


def _composed(invite: Invite, sender: Sender, limits: Limits) -> Mail:
    clean = cleaned(invite, limits)
    words = in_language(clean.recipient.language)
    to, address = ascii_address(clean.recipient.email), clean.sender or sender.address
    if to.casefold() == sending_address(address).casefold():
        raise MailRejected("The recipient is the address that invitations are sent from.")
    said = content(clean, sender, words, guests_named=limits.guests)
    entry = written(clean, address)

    message = _started(clean.host.name or clean.brand.name or sender.name, address)
    message["To"] = mailbox(clean.recipient.name, to)
    message["Subject"] = said.subject
    message["Date"] = clean.stamped_at
    if reply_to := _reply_to(clean):
        message["Reply-To"] = reply_to
    page = {"said": said, "words": words}
    message.set_content(templates().get_template("invitation.txt").render(page))
    message.add_alternative(templates().get_template("invitation.html").render(page), subtype="html")
    # Last, in base64, without Content-Disposition, and with the object's own method: only so do Gmail and Outlook
    # offer buttons instead of a file (github.com/PHPMailer/PHPMailer/issues/175).
    message.add_alternative(
        entry, maintype="text", subtype="calendar", params={"charset": "UTF-8", "method": clean.method.value}
    )
    message.add_attachment(entry, maintype="application", subtype="ics", filename="invite.ics")
    return Mail(to=to, subject=said.subject, raw=message.as_bytes())


def compose_notice(to: str, subject: str, text: str, html: str, sender: Sender) -> Mail:
    """A mail of the service itself, without a calendar object. Raises `MailRejected` for an unusable address."""
    to, subject = ascii_address(to), header_text(subject, _NOTICE_SUBJECT)
    message = _started(sender.name, sender.address)
    message["To"] = mailbox("", to)
    message["Subject"] = subject
    message["Date"] = datetime.now(UTC)
    message.set_content(clean_lines(text, len(text)) + "\n")
    message.add_alternative(clean_lines(html, len(html)) + "\n", subtype="html")
    return Mail(to=to, subject=subject, raw=message.as_bytes())


def _started(name: str, address: str) -> EmailMessage:
    """An empty mail from `address` under `name`, marked so that no absence note answers it (RFC 3834)."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = mailbox(name, sending_address(address))
    message["Auto-Submitted"] = "auto-generated"
    return message


def _reply_to(invite: Invite) -> list[Address]:
    """A guest's reply goes to the host; the host's goes to every guest, or to as many as the header has room for."""
    wanted = Role.GUEST if invite.recipient.role is Role.HOST else Role.HOST
    parties = [party for party in invite.attendees if party.role is wanted and is_mailable(party.email)]
    mailboxes = [mailbox(party.name if len(parties) == 1 else "", party.email) for party in parties]
    ends = accumulate(len(str(mailbox)) + len(", ") for mailbox in mailboxes)
    return [mailbox for mailbox, end in zip(mailboxes, ends, strict=True) if end <= _REPLY_TO_LENGTH]


@cache
def templates() -> Environment:
    """The mails' templates; HTML ones escape what is put into them."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=select_autoescape(["html"], default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
