"""The mails that the stand-in SES accepted, kept in memory with their full source."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.utils import format_datetime
from functools import cached_property

from infra.local.standins.base import Clock, utc_now

# Headers that SES replaces or takes out on the way (SES Developer Guide, "Header fields in Amazon SES").
_REPLACED = re.compile(rb"(?im)^(?:message-id|date|bcc|return-path|x-ses-[a-z-]+):.*\r?\n(?:[ \t].*\r?\n)*")
_HEADER_END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True)
class Mail:
    """One accepted mail. `source` is the MIME source as SES got it; `id` is what SES answered as its MessageId."""

    id: str
    to: tuple[str, ...]
    subject: str
    sent_at: datetime
    source: bytes = field(repr=False)
    calendar_method: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def searched(self) -> str:
        """What a search looks through: recipients, subject and the decoded texts."""
        message = message_from_bytes(self.source, policy=policy.default)
        texts = [part.get_content() for part in message.walk() if part.get_content_type() == "text/plain"]
        return "\n".join([*self.to, self.subject, *map(str, texts)]).casefold()

    @property
    def raw(self) -> str:
        """The MIME source as text; bytes that are not UTF-8 are replaced."""
        return self.source.decode("utf-8", "replace")

    @property
    def delivered(self) -> bytes:
        """The copy that the recipient gets: with Message-ID and Date of SES, not the sender's."""
        end = _HEADER_END.search(self.source)
        head_end = end.start() if end else len(self.source)
        headers = _REPLACED.sub(b"", self.source[:head_end] + b"\r\n")
        own = f"Message-ID: <{self.id}@email.amazonses.com>\r\nDate: {format_datetime(self.sent_at)}\r\n"
        return own.encode("ascii") + headers.removesuffix(b"\r\n") + self.source[head_end:]

    def is_to(self, address: str) -> bool:
        """Whether the mail went to `address`, written in any case."""
        return address.casefold() in (recipient.casefold() for recipient in self.to)


class Mailbox:
    """Every mail in the order sent; safe to use from many threads."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self.on_accepted: Callable[[Mail], object] = lambda _: None
        """Called with each new mail."""
        self._clock = clock
        self._lock = threading.Lock()
        self._mails: dict[str, Mail] = {}

    def deliver(self, source: bytes, to: Sequence[str], tags: Mapping[str, str] | None = None) -> Mail:
        """Keep a mail under a new id."""
        message = message_from_bytes(source, policy=policy.default)
        methods = [part.get_param("method") for part in message.walk() if part.get_content_type() == "text/calendar"]
        with self._lock:
            sent_at = self._clock().astimezone(UTC)
            mail = Mail(
                id=f"0100{int(sent_at.timestamp() * 1000):012x}-{uuid.uuid4()}-000000",
                to=tuple(to),
                subject=str(message.get("Subject", "")),
                sent_at=sent_at,
                source=source,
                calendar_method=str(methods[0]).upper() if methods and methods[0] else None,
                tags=dict(tags or {}),
            )
            self._mails[mail.id] = mail
        self.on_accepted(mail)
        return mail

    def mails(self, to: str | None = None, text: str | None = None) -> list[Mail]:
        """Mails in the order sent: all, or those to one address, or those that contain a text."""
        with self._lock:
            mails = list(self._mails.values())
        mails = [mail for mail in mails if to is None or mail.is_to(to)]
        return [mail for mail in mails if text.casefold() in mail.searched] if text else mails

    def find(self, mail_id: str) -> Mail | None:
        """The mail with that id, if there is one."""
        with self._lock:
            return self._mails.get(mail_id)

    def recipients(self) -> list[str]:
        """Every address that got mail, sorted."""
        return sorted({recipient for mail in self.mails() for recipient in mail.to})

    def restore(self, mails: Iterable[Mail]) -> None:
        """Continue with mails of an earlier start."""
        with self._lock:
            self._mails = {mail.id: mail for mail in mails}

    def clear(self) -> None:
        """Forget all mails."""
        with self._lock:
            self._mails.clear()
