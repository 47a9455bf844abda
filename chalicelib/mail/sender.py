"""Who mails are from, and a mail that is ready to be handed over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sender:
    """The service's sending identity: a verified address that accepts replies, and the service's name."""

    address: str
    name: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one recipient. `to` is the bare address, ASCII; `raw` the whole message (RFC 5322)."""

    to: str
    subject: str
    raw: bytes
