"""Mail addresses as SES and calendars accept them."""

from __future__ import annotations

import re
from email.headerregistry import Address
from urllib.parse import quote

from chalicelib.domain.plain_text import clean_line
from chalicelib.errors import MailRejected

_NAME_LENGTH = 64
_LINE_LENGTH = 78
# RFC 5321 atoms. Dots anywhere: mobile carriers gave out addresses such as `a..b@` and `a.@`.
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.I)
_URI_SAFE = "!$&'*+/=~"
_LOOKALIKES = "\u0131\u0138\u013a\u013c\u013e\u0140\u0142\u017f"
"""Latin letters that are easily taken for i, k, l and s."""
_SPECIALS = re.compile(r"[()<>\[\]:;@,.\s]+")


def ascii_address(address: str) -> str:
    """`address` with its domain in ASCII (IDNA 2008). Raises `MailRejected` when no mail can go there.

    SES takes no non-ASCII local part, and wants Punycode domains:
    docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html
    """
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        domain = ascii_domain(domain)
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise MailRejected("The address is not one that mail can be sent to.")
    return f"{local}@{domain}"


def ascii_domain(domain: str) -> str:
    """`domain` in Punycode. Raises `MailRejected` when it is no domain name."""
    import idna  # the standard library's codec is IDNA 2003: it turns `faß.de` into somebody else's `fass.de`

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise MailRejected("The address's domain is not a domain name.") from error


def shown_address(address: str) -> str:
    """`address` for people to read, its domain in Punycode where a letter could pass for another one.

    Accented Latin letters are left as they are: `аpple.com` with a Cyrillic `а` must not look like another domain.
    """
    local, _, domain = address.rpartition("@")
    if all(c.isascii() or ("\u00df" <= c <= "\u017f" and c not in _LOOKALIKES) for c in domain.casefold()):
        return address
    try:
        return f"{local}@{ascii_domain(domain)}"
    except MailRejected:
        return address


def sending_address(address: str) -> str:
    """The service's own `address`, as `ascii_address`. Raises `MailRejected` also for one with a `+`.

    Apple's calendar server drops what follows the `+` of an organizer: github.com/apple/ccs-calendarserver/issues/541
    """
    if "+" in address:
        raise MailRejected("Invitations cannot be sent from an address with a plus sign.")
    return ascii_address(address)


def is_mailable(address: str) -> bool:
    """Whether `ascii_address` accepts it."""
    try:
        ascii_address(address)
    except MailRejected:
        return False
    return True


def is_same_mailbox(address: str, other: str) -> bool:
    """Whether both are spellings of one address, international or in ASCII."""
    try:
        return ascii_address(address).casefold() == ascii_address(other).casefold()
    except MailRejected:
        return False


def mailto(address: str) -> str:
    """The bare `mailto:` URI of `address` (RFC 6068). Raises `MailRejected`."""
    local, _, domain = ascii_address(address).rpartition("@")
    return f"mailto:{quote(local, safe=_URI_SAFE)}@{domain}"


def mailbox(name: str, address: str) -> Address:
    """`name <address>` for a header. Raises `MailRejected`."""
    local, _, domain = ascii_address(address).rpartition("@")
    return Address(_display_name(name, len(local) + len(domain)), local, domain)


def header_text(text: str, limit: int) -> str:
    """`text` fit for a header of `EmailMessage`.

    It decodes encoded words (RFC 2047) in what it is given, and `=?utf-8?q?=0D=0ABcc:…?=` would become a header.
    """
    return clean_line(text, limit).replace("=?", "= ?")


def _display_name(name: str, address_length: int) -> str:
    name = header_text(name, _NAME_LENGTH).replace('"', "'").replace("\\", "/")
    if name.isascii() and len(name) + address_length > _LINE_LENGTH - len('Reply-To: "" <@>'):
        # CPython forgets the quotes when it folds a name, and a comma in it then starts another address:
        # github.com/python/cpython/issues/121284
        name = _SPECIALS.sub(" ", name).strip()
    return name
