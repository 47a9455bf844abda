"""Decide whether an email is from the address in its From header, by what SES found out when it received the email."""

from __future__ import annotations

import re
from email.message import Message

from chalicelib.mail.received_mail import ReceivedMail

_ADDRESS = r"[^\s<>@,;:\"()\\]{1,64}@[A-Za-z0-9.-]{1,253}"
_BARE = re.compile(rf"\s*({_ADDRESS})\s*")
_NAMED = re.compile(rf"[^<>]*<({_ADDRESS})>\s*")
# In quotes, a name may contain the address itself, as Outlook writes it.
# It takes quadratic time if the closing quote is missing, so the header's length is limited.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SES, _RECEIPT = "amazonses.com", "x-ses-receipt"
_DKIM = re.compile(r"dkim=pass header\.i=@([A-Za-z0-9.-]+)")
_DMARC = re.compile(r"dmarc=pass(?: \([^()]*\))? header\.from=([A-Za-z0-9.-]+)")
_MIN_LABELS = 2
_MAX_LENGTH = 2000
"""Of From, in characters. A line of an email has at most 998 (RFC 5322, section 2.1.1), a name in From far fewer."""


def sender_of_mail(message: Message) -> str | None:
    """Return the address in From; None unless there is exactly one.

    SES checks the domain of this address. A header that can be read in two ways is refused, because SES might have read
    it in the other one.
    """
    headers = message.get_all("From", [])
    header = _unfold(headers[0]) if len(headers) == 1 else ""
    text = _QUOTED.sub("", header) if len(header) <= _MAX_LENGTH else ""
    match = _BARE.fullmatch(text) or _NAMED.fullmatch(text)
    if match is None or text.count("@") != text.count(match[1]):  # Some programs repeat the address as the name.
        return None
    return match[1]


def is_authentic(message: Message, received: ReceivedMail, sender: str) -> bool:
    """Return whether the domain of `sender`, a result of `sender_of_mail`, confirms the email.

    It does by DMARC, or by a valid signature of its own or of a domain above it: many domains that sign have no DMARC
    record.
    """
    domain, results = sender.rpartition("@")[2].lower(), _results(message)
    if received.passed_dmarc:
        checked = [match[1].lower() for result in results if (match := _DMARC.fullmatch(result))]
        return checked in ([], [domain])
    signers = [match[1].lower() for result in results if (match := _DKIM.fullmatch(result))]
    return received.passed_dkim and any(_is_aligned(domain, signer) for signer in signers)


def _is_aligned(domain: str, signer: str) -> bool:
    is_above = domain.endswith(f".{signer}") and len(signer.split(".")) >= _MIN_LABELS
    return domain == signer or is_above


def _results(message: Message) -> list[str]:
    """Return the results in the header that SES added; empty if it added none.

    It is the topmost, and above SES's own X-SES-RECEIPT; the sender may have added others below. A header with quotes
    is not used: the sender's envelope address, which it contains, could forge results in quotes.
    """
    names = [name.lower() for name in message.keys()]  # noqa: SIM118 — iterating over a message yields no names
    if _RECEIPT not in names or "authentication-results" not in names[: names.index(_RECEIPT)]:
        return []
    topmost = _unfold(message.values()[names.index("authentication-results")])
    server, *results = topmost.split(";")
    if server.strip() != _SES or '"' in topmost or "\\" in topmost:
        return []
    return [" ".join(result.split()) for result in results]


def _unfold(header: object) -> str:
    return re.sub(r"\r?\n(?=[ \t])", "", str(header))
