"""Validate and format email addresses the way SES and calendars accept them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from chalicelib.domain.plain_text import clean_line
from chalicelib.errors import MailRejected

if TYPE_CHECKING:
    from email.headerregistry import Address

_NAME_LENGTH = 64
_LINE_LENGTH = 78
# RFC 5321 atoms, but with dots anywhere: mobile carriers have assigned addresses such as `a..b@` and `a.@`.
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.I)
_URI_SAFE = "!$&'*+/=~"
_LOOKALIKES = "\u0131\u0138\u013a\u013c\u013e\u0140\u0142\u017f"
"""Latin letters that look like i, k, l and s."""
_SPECIALS = re.compile(r"[()<>\[\]:;@,.\s]+")


class SenderAddress(Struct, frozen=True):
    """The address and the name that this deployment sends from."""

    address: str
    """Verified at SES, and able to receive replies."""
    name: str
    """The name of the service."""


def ascii_address(address: str) -> str:
    """Return `address` with its domain in ASCII (IDNA 2008). Raises `MailRejected` if it cannot receive email.

    SES accepts no local part beyond ASCII, and domains in Punycode only:
    docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html
    """
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        domain = ascii_domain(domain)
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise MailRejected("This address cannot receive email.")
    return f"{local}@{domain}"


def ascii_domain(domain: str) -> str:
    """Return `domain` in Punycode. Raises `MailRejected` if it is not a domain name."""
    import idna  # The standard library's codec is IDNA 2003, which turns `faß.de` into a different domain, `fass.de`.

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise MailRejected("The address's domain is not a domain name.") from error


def shown_address(address: str) -> str:
    """Return `address` for people to read, with its domain in Punycode if it contains a misleading letter.

    Accented Latin letters stay. Other letters could imitate a domain, such as `аpple.com` with a Cyrillic `а`.
    """
    local, _, domain = address.rpartition("@")
    if all(c.isascii() or ("\u00df" <= c <= "\u017f" and c not in _LOOKALIKES) for c in domain.casefold()):
        return address
    try:
        return f"{local}@{ascii_domain(domain)}"
    except MailRejected:
        return address


def sending_address(address: str) -> str:
    """Return the sender's `address` like `ascii_address`. Raises `MailRejected` also if it contains a `+`.

    Apple's calendar server removes what follows the `+` of an organizer:
    github.com/apple/ccs-calendarserver/issues/541
    """
    if "+" in address:
        raise MailRejected("Invitations cannot be sent from an address with a plus sign.")
    return ascii_address(address)


def mailable_address(address: str) -> str | None:
    """Return `address` like `ascii_address`; None if it cannot receive email."""
    try:
        return ascii_address(address)
    except MailRejected:
        return None


def is_same_mailbox(address: str, other: str) -> bool:
    """Whether both are spellings of the same address, international or in ASCII."""
    first, second = mailable_address(address), mailable_address(other)
    return first is not None and second is not None and first.casefold() == second.casefold()


def mailto(address: str) -> str:
    """Return the `mailto:` URI (RFC 6068) of a result of `ascii_address`."""
    local, _, domain = address.rpartition("@")
    return f"mailto:{quote(local, safe=_URI_SAFE)}@{domain}"


def mailbox(name: str, address: str) -> Address:
    """Return `name <address>` for a header; `address` is a result of `ascii_address`."""
    from email.headerregistry import Address

    local, _, domain = address.rpartition("@")
    return Address(_display_name(name, len(local) + len(domain)), local, domain)


def header_text(text: str, limit: int) -> str:
    """Return `text` in a form that is safe for a header of `EmailMessage`.

    `EmailMessage` decodes encoded words (RFC 2047), so `=?utf-8?q?=0D=0ABcc:…?=` would add a header.
    """
    return clean_line(text, limit).replace("=?", "= ?")


def _display_name(name: str, address_length: int) -> str:
    name = header_text(name, _NAME_LENGTH).replace('"', "'").replace("\\", "/")
    if name.isascii() and len(name) + address_length > _LINE_LENGTH - len('Reply-To: "" <@>'):
        # CPython omits the quotes when it folds a name, so a comma in the name would start another address:
        # github.com/python/cpython/issues/121284
        name = _SPECIALS.sub(" ", name).strip()
    return name
