"""Who mails are from, and a mail that is ready to be handed over."""

from __future__ import annotations

from msgspec import Struct


class Sender(Struct, frozen=True):
    """The service's sending identity: a verified address that accepts replies, and the service's name."""

    address: str
    name: str


class Mail(Struct, frozen=True):
    """One mail to one recipient. `to` is the bare address, ASCII; `raw` the whole message (RFC 5322)."""

    to: str
    subject: str
    raw: bytes
