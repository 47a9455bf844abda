"""The provider's meeting behind a booking: its states, its tag, and what is asked of a provider."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

_TAG_BYTES = 20


class MeetingState(StrEnum):
    NONE = "none"
    PENDING = "pending"
    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"
    REMOVED = "removed"


class MeetingReason(StrEnum):
    """Why a meeting is in its state; closed list, part of the API."""

    LOCATION_NOT_VIDEO = "location_not_video"
    NOT_CONNECTED = "not_connected"
    DISCONNECTED = "disconnected"
    DEAUTHORIZED = "deauthorized"
    NOT_UPDATABLE = "not_updatable"
    LEFT_AT_PROVIDER = "left_at_provider"
    RECONNECT_NEEDED = "reconnect_needed"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    RATE_LIMITED = "rate_limited"
    PROVIDER_REJECTED = "provider_rejected"
    START_PASSED = "start_passed"
    INTERNAL_ERROR = "internal_error"


class DialIn(Struct, frozen=True):
    """A number to join by phone, with what a phone sends where the bridge asks for it: `,,{code}#,,,,*{passcode}#`.

    Each comma is a pause. `country` is ISO 3166-1 alpha-2, if the provider says.
    """

    number: str
    country: str | None = None
    city: str | None = None


class ProviderMeeting(Struct, frozen=True):
    """A meeting as its provider describes it, without host links and host keys: those are secrets.

    `join_url` is None where any link that lets people in would be a secret: they join through our own address.
    """

    id: str
    join_url: str | None
    passcode: str | None = None
    dial_in: tuple[DialIn, ...] = ()
    is_unfinished: bool = False
    """The link works, but a setting of the new meeting could not be sent yet. An update follows soon and sends it."""


class Visit(Struct, frozen=True):
    """Somebody at the door of a meeting that is joined through our own address, and how long they may be in."""

    is_host: bool
    visitor_id: str
    """The same at each visit of a host, another at each visit of a guest; no id of the caller can be read from it."""
    name: str | None
    title: str
    opens_at: datetime
    closes_at: datetime


class MeetingRequest(Struct, frozen=True):
    """What a provider is asked for. `tag` identifies the meeting to us; times are aware; `time_zone` is for display."""

    tag: str
    title: str
    description: str
    starts_at: datetime
    ends_at: datetime
    time_zone: str

    @property
    def fingerprint(self) -> str:
        """Equal for requests that leave the same meeting behind; the tag does not count."""
        parts = (self.title, self.description, self.starts_at.isoformat(), self.ends_at.isoformat(), self.time_zone)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:16]


class Meeting(Struct, frozen=True):
    """The observed state.

    `fingerprint` is the last request that the provider confirmed. `intent_at` says that a create may have been sent
    at that time. `generation` counts the meetings made for this booking: a deleted
    tag stays taken at some providers. `attempts` counts failed tries in a row. `user_id` and `grant_id` tell whose
    connection made the meeting, or is making it. `look_at` is when to see that it is still there, and alone.
    `host_url` lets its visitor in as the host, where that is another address: only the host is told.
    """

    state: MeetingState = MeetingState.PENDING
    reason: str | None = None
    detail: str | None = None
    provider: str | None = None
    user_id: str | None = None
    grant_id: str | None = None
    id: str | None = None
    join_url: str | None = None
    host_url: str | None = None
    passcode: str | None = None
    dial_in: tuple[DialIn, ...] = ()
    generation: int = 0
    fingerprint: str | None = None
    intent_at: datetime | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    look_at: datetime | None = None

    @property
    def exists(self) -> bool:
        return self.id is not None

    @property
    def is_under_way(self) -> bool:
        """Whether there is more to do about it, now or later, without anybody asking."""
        return self.state in (MeetingState.PENDING, MeetingState.WAITING)


def tag(secret: bytes, workspace_id: str, booking_id: str, generation: int) -> str:
    """The meeting's name at the provider: 32 characters of lower-case base32hex (a–v, 0–9), not guessable.

    Google Calendar accepts just these characters in an event id; 160 bits make a Jitsi room name safe.
    """
    message = f"{workspace_id}\0{booking_id}\0{generation}".encode()
    digest = hmac.new(secret, message, hashlib.sha256).digest()[:_TAG_BYTES]
    return base64.b32hexencode(digest).decode().lower()
