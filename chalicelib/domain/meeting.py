"""The provider's meeting behind a booking: its state, its tag, and the request to create it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from chalicelib.domain.cohost import CohostResult
from chalicelib.domain.digest import digest, set_values
from chalicelib.domain.meeting_settings import NO_SETTINGS, MeetingSettings, describe

_TAG_BYTES = 20


class MeetingState(StrEnum):
    """The state of a booking's meeting; a closed list, part of the API."""

    NONE = "none"
    PENDING = "pending"
    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"
    REMOVED = "removed"


class MeetingReason(StrEnum):
    """Why a meeting is in its state. A closed list, part of the API."""

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


class NoEntry(StrEnum):
    """Why there is no way into a meeting (any more)."""

    CANCELLED = "cancelled"
    OVER = "over"
    NOT_VIDEO = "not_video"
    NOT_MADE = "not_made"
    NOT_CONNECTED = "not_connected"
    REMOVED = "removed"
    REFUSED = "refused"


class DialIn(Struct, frozen=True, omit_defaults=True):
    """A phone number to join by, with what the phone sends when the bridge asks: `,,{code}#,,,,*{passcode}#`.

    Each comma is a pause.
    """

    number: str
    country: str | None = None
    """ISO 3166-1 alpha-2, if the provider reports it."""
    city: str | None = None


class ProviderMeeting(Struct, frozen=True):
    """A meeting as its provider describes it, without host links and host keys, which are secrets."""

    id: str
    join_url: str | None
    """None: a link that lets people in would be a secret, so they join through this deployment's own address."""
    passcode: str | None = None
    dial_in: tuple[DialIn, ...] = ()
    is_unfinished: bool = False
    """The link works, but a setting of the new meeting could not be sent yet. An update follows soon and sends it."""
    settings: MeetingSettings = NO_SETTINGS
    """The settings that the meeting has, as far as the provider reports them."""
    cohosts: tuple[CohostResult, ...] = ()
    """What became of the request's co-hosts; empty if the create did not include them."""


class Visit(Struct, frozen=True):
    """A visitor of a meeting that is joined through this deployment's own address, and how long they may stay."""

    is_host: bool
    visitor_id: str
    """The same at each visit of a host, different at each visit of a guest. It reveals no id of the caller."""
    name: str | None
    title: str
    opens_at: datetime
    closes_at: datetime


class MeetingRequest(Struct, frozen=True):
    """The meeting that a provider is requested to create or to change."""

    tag: str
    """Identifies the meeting at the provider: see `tag`."""
    title: str
    description: str
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    """For display only. The times are aware."""
    guests: tuple[str, ...] = ()
    """The guests' names, if the meeting is an event in the host's calendar."""
    guests_label: str = ""
    """The word before the guests' names, in the host's language. Not part of the fingerprint."""
    settings: MeetingSettings = NO_SETTINGS
    """Settings that the provider supports."""
    settings_ignored: tuple[str, ...] = ()
    """Names of the booking's other settings. Not part of the fingerprint."""
    cohosts: tuple[str, ...] = ()
    """Addresses of the co-hosts, if the provider adds co-hosts to a meeting."""

    @property
    def fingerprint(self) -> str:
        """Return a digest that is equal for requests with the same result. The tag is not part of it.

        It is stored: a value that changes with an upgrade would update every meeting at its provider.
        """
        values = set_values(
            title=self.title,
            description=self.description,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            time_zone=self.time_zone,
            guests=self.guests,
            settings=describe(self.settings),
            cohosts=self.cohosts,
        )
        return digest(values, length=16)


class Meeting(Struct, frozen=True, omit_defaults=True):
    """The observed state of a booking's meeting."""

    state: MeetingState = MeetingState.PENDING
    reason: str | None = None
    """One of `MeetingReason`."""
    detail: str | None = None
    """For the host: why the meeting failed, and what to do."""
    provider: str | None = None
    user_id: str | None = None
    """The user with the connection that created the meeting, or is creating it."""
    grant_id: str | None = None
    """The grant that created the meeting, or is creating it."""
    id: str | None = None
    """The provider's id of the meeting."""
    join_url: str | None = None
    host_url: str | None = None
    """The address that lets the host in as host, where it differs from `join_url`. Only the host receives it."""
    passcode: str | None = None
    dial_in: tuple[DialIn, ...] = ()
    generation: int = 0
    """Meetings created for this booking so far. Part of the tag: some providers never free a deleted meeting's tag."""
    fingerprint: str | None = None
    """The last request that the provider confirmed; None: unknown, so send it again."""
    intent_at: datetime | None = None
    """When a create may have been sent; its outcome is unknown."""
    attempts: int = 0
    """Failed attempts in a row."""
    next_attempt_at: datetime | None = None
    verify_at: datetime | None = None
    """When to check that the meeting still exists and is the only one."""
    referenced_for: datetime | None = None
    """The booking's end when its reference was stored, which leads from the provider's events to the booking."""
    calendar_address: str | None = None
    """The address of the account whose calendar has the meeting as an event; None if the provider writes no events, and
    for events of earlier releases until they are next changed."""
    settings: MeetingSettings = NO_SETTINGS
    """What the provider reported of the booking's settings. A policy of the account may have locked another value."""
    settings_ignored: tuple[str, ...] = ()
    """Names of the booking's settings that the provider does not support."""
    fallback_from: str | None = None
    """The provider that did not create a meeting, if `join_url` is the calendar's fallback."""
    fallback_reason: str | None = None
    """Why not: one of `MeetingReason`."""
    cohosts: tuple[CohostResult, ...] = ()
    """What the provider made of the co-hosts, if it adds co-hosts to a meeting."""

    @property
    def exists(self) -> bool:
        return self.id is not None

    @property
    def is_fallback(self) -> bool:
        return self.fallback_from is not None

    @property
    def is_under_way(self) -> bool:
        """Whether settling has more to do for the meeting, now or later."""
        return self.state in (MeetingState.PENDING, MeetingState.WAITING)


def tag(secret: bytes, workspace_id: str, booking_id: str, generation: int) -> str:
    """Return the meeting's name at the provider: 32 characters of lower-case base32hex (a–v, 0–9), not guessable.

    Google Calendar accepts only these characters in an event id. 160 bits make a Jitsi room name safe.
    """
    message = f"{workspace_id}\0{booking_id}\0{generation}".encode()
    tag_bytes = hmac.new(secret, message, hashlib.sha256).digest()[:_TAG_BYTES]
    return base64.b32hexencode(tag_bytes).decode().lower()
