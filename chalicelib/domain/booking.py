"""A booking as its caller wants it: who meets whom, when, where. What settling made of it is `settlement`'s."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
from chalicelib.domain.connection import Connection
from chalicelib.errors import Conflict


class BookingStatus(StrEnum):
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


class Guest(Struct, frozen=True):
    """`language` (BCP 47) is the one that the guest's mails are written in, if there is a catalogue of it."""

    name: str
    email: str
    time_zone: str | None = None
    language: str | None = None


class Links(Struct, frozen=True):
    """The caller's own pages on which a booking is moved or cancelled; host and guests are all shown them."""

    reschedule: str | None = None
    cancel: str | None = None


NO_LINKS = Links()


class Appointment(Struct, frozen=True):
    """What the caller says of a booking. Times are aware; two equal appointments need no work."""

    calendar_id: str
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    title: str
    description: str = ""
    guests: tuple[Guest, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    links: Links = NO_LINKS


class Eligibility(Struct, frozen=True):
    """The connection under which a booking was made: it alone may give the booking a meeting."""

    provider: str
    grant_id: str
    connected_at: datetime


class Booking(Struct, frozen=True):
    """The desired state. `revision` rises with every change by a caller; `version` is the caller's own counter.

    `hosted_since` is when the present host got the booking. A connection made later than that never gives it a link.
    `first_content` is the digest of what it was created with: a repeated creation is told from another by it.
    """

    workspace_id: str
    booking_id: str
    revision: int
    status: BookingStatus
    appointment: Appointment
    host: Host
    location: Location
    eligibility: Eligibility | None
    hosted_since: datetime
    created_at: datetime
    updated_at: datetime
    version: int | None = None
    guests_see_each_other: bool = False
    first_content: str | None = None

    @property
    def is_cancelled(self) -> bool:
        return self.status is BookingStatus.CANCELLED

    @property
    def wants_video(self) -> bool:
        return self.location.type is LocationType.VIDEO and not self.is_cancelled


def book(
    key: tuple[str, str],
    appointment: Appointment,
    calendar: Calendar,
    connection: Connection | None,
    *,
    version: int | None,
    now: datetime,
) -> Booking:
    """A new booking on `calendar`. `connection` is the host's, if there is one."""
    workspace_id, booking_id = key
    return Booking(
        workspace_id=workspace_id,
        booking_id=booking_id,
        revision=1,
        status=BookingStatus.CONFIRMED,
        appointment=appointment,
        host=calendar.host,
        location=_place(calendar.location, booking_id),
        eligibility=_eligibility(calendar, connection, hosted_since=now),
        hosted_since=now,
        created_at=now,
        updated_at=now,
        version=version,
        guests_see_each_other=calendar.guests_see_each_other,
        first_content=content_digest(appointment),
    )


def change(
    booking: Booking,
    appointment: Appointment,
    calendar: Calendar | None,
    connection: Connection | None,
    *,
    version: int | None,
    now: datetime,
) -> Booking:
    """`booking` with the caller's new content; the same object when nothing changes or the change comes too late.

    `calendar` is given when the booking moves to another one. A change of the calendar itself concerns new bookings
    only. Raises `Conflict` for a cancelled booking, or for one `version` with two contents.
    """
    if _is_late(booking, version):
        return booking
    if booking.is_cancelled:
        raise Conflict("This booking is cancelled. Make a new one under another id.", reason="booking_cancelled")
    is_same = content_digest(appointment) == content_digest(booking.appointment)
    if is_same and version in (None, booking.version):
        return booking
    if not is_same and version is not None and version == booking.version:
        raise Conflict(f"Version {version} was already used for other content.", reason="version_reused")
    changed = replace(
        booking,
        revision=booking.revision + 1,
        appointment=appointment,
        updated_at=now,
        version=version if version is not None else booking.version,
    )
    if calendar is None:
        return changed
    same_host = calendar.host.user_id == booking.host.user_id
    hosted_since = booking.hosted_since if same_host else now
    eligibility = _eligibility(calendar, connection, hosted_since=hosted_since)
    if same_host and eligibility is None and calendar.location.type is LocationType.VIDEO:
        eligibility = booking.eligibility  # A link that the booking has under an earlier connection stays its own.
    return replace(
        changed,
        host=calendar.host,
        location=_place(calendar.location, booking.booking_id),
        hosted_since=hosted_since,
        eligibility=eligibility,
        guests_see_each_other=calendar.guests_see_each_other,
    )


def _place(location: Location, booking_id: str) -> Location:
    """A calendar's place as one booking has it: a fixed link may name the booking."""
    if location.type is not LocationType.CUSTOM_LINK or location.detail is None:
        return location
    return replace(location, detail=location.detail.replace("{booking_id}", quote(booking_id, safe="")))


def cancel(booking: Booking, *, version: int | None = None, now: datetime) -> Booking:
    """`booking` cancelled; the same object if it already is, or if a newer change is known."""
    if booking.is_cancelled or _is_late(booking, version):
        return booking
    return replace(
        booking,
        revision=booking.revision + 1,
        status=BookingStatus.CANCELLED,
        updated_at=now,
        version=version if version is not None else booking.version,
    )


def content_digest(appointment: Appointment) -> str:
    """Equal for what JSON tells equal: `==` takes 1 for true, and metadata may hold either."""
    text = json.dumps(appointment, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else asdict(value)


def ask_again(booking: Booking, *, now: datetime) -> Booking:
    """`booking` to be settled once more, its content unchanged."""
    return replace(booking, revision=booking.revision + 1, updated_at=now)


def give_up_meeting(booking: Booking, *, now: datetime) -> Booking:
    """`booking` without a claim to a meeting; the same object if it has none."""
    if booking.eligibility is None:
        return booking
    return replace(booking, revision=booking.revision + 1, eligibility=None, updated_at=now)


def _is_late(booking: Booking, version: int | None) -> bool:
    return version is not None and booking.version is not None and version < booking.version


def _eligibility(calendar: Calendar, connection: Connection | None, *, hosted_since: datetime) -> Eligibility | None:
    # Promise 6: only what was booked after the connection was established gets links.
    if calendar.location.type is not LocationType.VIDEO or connection is None:
        return None
    if not connection.serves_new_bookings:
        return None
    if connection.connected_at > hosted_since:
        return None
    return Eligibility(connection.provider, connection.grant_id, connection.connected_at)
