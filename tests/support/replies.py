"""Answers of calendars to a product in one process: its mails are answered, and SES receives the answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

from chalicelib.handlers import received_replies
from chalicelib.store.mail_bucket import MailBucket
from infra.local.calendar_replies import PROGRAMS, Answer
from infra.local.console.mail_view import Event, read_event
from infra.local.inbound_mail import as_received, notification
from tests.support.product import Product

BUCKET = "meetlink-ci-mail"
GUEST = "guest@example.com"


class Inbox(MailBucket):
    """The bucket without S3: emails by key."""

    def __init__(self) -> None:
        super().__init__(None, BUCKET)
        self.emails: dict[str, bytes] = {}

    def read(self, key: str, *, max_bytes: int) -> bytes | None:
        raw = self.emails[key]
        return raw if len(raw) <= max_bytes else None


def invitation(raw: bytes) -> Event:
    """Return the event of an invitation email."""
    message = message_from_bytes(raw, policy=policy.default)
    part = next(part for part in message.walk() if part.get_content_type() == "text/calendar")
    return read_event(part.get_content().encode() if isinstance(part.get_content(), str) else part.get_content())


class Calendar:
    """A person's calendar program, which answers the newest invitation unless told otherwise."""

    def __init__(self, product: Product, inbox: Inbox, email: str = GUEST, shape: str = "gmail") -> None:
        self.product = product
        self.inbox = inbox
        self.email = email
        self.shape = shape

    def event(self) -> Event:
        return invitation(self.product.mails.to(self.email)[-1].raw)

    def answer(self, partstat: str, **changes: Any) -> str:
        """Send an answer and have it received; the notification, to be received again. `changes` are of `Answer`."""
        answer = Answer(
            **{"event": None, "email": self.email, "partstat": partstat, "at": self.product.clock()} | changes
        )
        if answer.event is None:
            answer = replace(answer, event=self.event())
        return self.send(as_received(PROGRAMS[self.shape].write(answer), answer.email))

    def send(self, raw: bytes, *, at: datetime | None = None, **verdicts: str) -> str:
        key = f"mail-{len(self.inbox.emails)}"
        self.inbox.emails[key] = raw
        vars(self.product.services)["mail_bucket"] = self.inbox
        message = notification(BUCKET, key, at or self.product.clock() + timedelta(milliseconds=500), **verdicts)
        received_replies.receive_reply(message, self.product.services)
        return message
