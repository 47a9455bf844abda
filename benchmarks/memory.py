"""The product on a DynamoDB in memory, so that what is measured is not an emulator's work.

botocore and pynamodb are the real ones up to the request; a provider of a few lines answers after a given time.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import httpx

from chalicelib.domain.booking import Appointment, Guest
from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
from chalicelib.domain.connection import Account, Connection, Grant, Tokens
from chalicelib.domain.invitation import Invite
from chalicelib.mail.addresses import SenderAddress
from chalicelib.mail.message import compose
from chalicelib.settings import from_environment
from chalicelib.store.encryption import Encryption
from chalicelib.wiring import Services, build
from infra.tables import table_definitions
from tests.chaos.dynamo import PREFIX, Change, MemoryDynamo, answering

SENDER = SenderAddress("invitations@meetlink.example", "meetlink")
_ENVIRONMENT = {
    "MEETLINK_TABLE_PREFIX": PREFIX,
    "MEETLINK_TAG_SECRET": "tag-secret",
    "MEETLINK_MAIL_FROM": SENDER.address,
    "MEETLINK_MAILS_PER_MINUTE": "1000000",
    "MEETLINK_MAILS_PER_DAY": "1000000",
    "ZOOM_CLIENT_ID": "client",
    "ZOOM_CLIENT_SECRET": "secret",
}
_AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


class Context:
    """A Lambda that `lives` so many milliseconds: by default too short to wait for a later try."""

    def __init__(self, lives: int = 34_000) -> None:
        self._lives = lives

    def get_remaining_time_in_millis(self) -> int:
        return self._lives


class Mails:
    """Composes each mail, as a real mailer does, and notes when, and whether it was a slow one's."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, bool]] = []

    def send(self, invite: Invite) -> str:
        compose(invite, SENDER)
        self.sent.append((time.perf_counter(), invite.title == "slow"))
        return "mail"

    def send_notice(self, to: str, subject: str, text: str, html: str) -> str:
        raise AssertionError("no booking fails here")


class Provider(httpx.BaseTransport):
    """A Zoom that makes a meeting after `seconds`; for one with "slow" in its title it takes longer."""

    def __init__(self, seconds: float, slow_seconds: float) -> None:
        self._seconds = seconds
        self._slow_seconds = slow_seconds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        time.sleep(self._slow_seconds if b"slow" in request.read() else self._seconds)
        meeting = {"id": time.perf_counter_ns(), "join_url": "https://zoom.us/j/1", "password": "1"}
        return httpx.Response(201, json=meeting)


class Kms:
    def generate_data_key(self, **_: Any) -> dict[str, Any]:
        key = os.urandom(32)
        return {"Plaintext": key, "CiphertextBlob": key}

    def decrypt(self, *, CiphertextBlob: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Plaintext": CiphertextBlob}


class Deployment:
    """One user with a video calendar, connected. `calls` counts operations, `rows` what they returned."""

    def __init__(self, seconds: float, slow_seconds: float) -> None:
        self.mails = Mails()
        self.calls: Counter[str] = Counter()
        self.rows = 0
        self.records: list[dict[str, Any]] = []
        self.memory = MemoryDynamo(table_definitions(PREFIX), self._changed)
        self._lock = Lock()
        self._number = 0
        self._given: dict[str, Any] = {"transport": Provider(seconds, slow_seconds), "mail_transport": self.mails}
        self.services: Services

    def handle(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            answer = self.memory.handle(operation, request)
        self.calls[operation] += 1
        self.rows += len(answer.get("Items", ()))
        return answer

    def furnish(self) -> None:
        self.services = services = build(from_environment(_ENVIRONMENT), **self._given)
        vars(services).update(encryption=Encryption(Kms(), "key", services.clock))
        now = datetime.now(UTC)
        services.calendar_store.put(
            Calendar("ws", "c-1", "Introduction", Host("u-1", "Host", "host@example.com"), _VIDEO, now, now)
        )
        account = Account("a-1", "host@example.com")
        grant = services.access_tokens.seal(
            Grant("zoom", account, 1, None), Tokens("access", "refresh", now + timedelta(hours=24))
        )
        connection = Connection("ws", "u-1", "zoom", grant.id, account, now)
        services.connection_store.establish(connection, grant, flow_key=None)

    def book(self, count: int, title: str = "Introductory call") -> list[dict[str, Any]]:
        """So many new bookings; their stream records."""
        self.records.clear()
        for _ in range(count):
            self._number += 1
            # A host has few bookings a day: settling compares a booking with those around it.
            starts_at = datetime.now(UTC) + timedelta(days=35 + self._number % 300)
            guest = Guest("Demo Guest", f"guest-{self._number}@example.com", "America/New_York")
            appointment = Appointment(
                "c-1", starts_at, starts_at + timedelta(minutes=30), "Europe/Berlin", title, guests=(guest,)
            )
            self.services.bookings.put("ws", f"b-{self._number}", appointment)
        return list(self.records)

    def empty(self) -> None:
        """Forget all bookings, as a database elsewhere would be none of this process's memory."""
        tables = [self.memory._tables[PREFIX + name] for name in ("bookings", "references")]
        for held in (*(t.items for t in tables), *(t.partitions for t in tables), self.records, self.mails.sent):
            held.clear()

    def _changed(self, change: Change) -> None:
        if change.old is None:
            number = str(len(self.records))
            record = {"ApproximateCreationDateTime": 0, "NewImage": change.new, "SequenceNumber": number}
            self.records.append({"dynamodb": record})


_VIDEO = Location(LocationType.VIDEO)


@contextmanager
def deployment(seconds: float = 0.0, slow_seconds: float = 0.0) -> Iterator[Deployment]:
    """A deployment with a provider that takes `seconds`, or `slow_seconds` for a slow call."""
    before = dict(os.environ)
    os.environ.update(_AWS)
    made = Deployment(seconds, slow_seconds)
    try:
        with answering(made.handle):
            made.furnish()
            yield made
    finally:
        os.environ.clear()
        os.environ.update(before)
