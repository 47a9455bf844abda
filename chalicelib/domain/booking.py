"""A booking as its caller wants it: the participants, the time and the place. `settlement` is the observed state."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from chalicelib.domain.calendar import Fallback, Host, Location, LocationType, OnDecline
from chalicelib.domain.digest import digest, set_values
from chalicelib.domain.emails import UNDECIDED, Emails
from chalicelib.domain.meeting_settings import NO_SETTINGS, MeetingSettings
from chalicelib.domain.reminder import Reminder
from chalicelib.domain.text_templates import NO_TEMPLATES, TextTemplates

DEFAULT_TITLE = "Appointment"
TITLE_LENGTH = 200
DESCRIPTION_LENGTH = 5000


class BookingStatus(StrEnum):
    """Whether a booking takes place; a closed list, part of the API."""

    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


class Guest(Struct, frozen=True, omit_defaults=True):
    """A guest of a booking."""

    name: str
    email: str
    time_zone: str | None = None
    """IANA name; None: the booking's."""
    language: str | None = None
    """BCP 47: the language of emails to the guest, if there is a translation."""


class Links(Struct, frozen=True, omit_defaults=True):
    """The caller's own pages for rescheduling and cancelling a booking. Host and guests see them."""

    reschedule: str | None = None
    cancel: str | None = None


NO_LINKS = Links()


class Appointment(Struct, frozen=True, omit_defaults=True):
    """The content of a booking, as the caller sends it. Times are aware."""

    calendar_id: str
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    title: str
    """Empty before it is booked, if the caller gives none: then the calendar's template decides."""
    description: str = ""
    guests: tuple[Guest, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    links: Links = NO_LINKS
    emails: Emails = UNDECIDED
    """In a stored booking, undecided counts as yes."""
    cohosts: tuple[Host, ...] | None = None
    """None: the calendar's."""
    host_id: str | None = None
    """Which of the calendar's hosts; None: its `host`."""


class Eligibility(Struct, frozen=True):
    """The connection that existed when the booking was created. No other connection may create its meeting."""

    provider: str
    grant_id: str
    connected_at: datetime


class Booking(Struct, frozen=True, omit_defaults=True):
    """The desired state."""

    workspace_id: str
    booking_id: str
    revision: int
    """Increases with every change by a caller."""
    status: BookingStatus
    appointment: Appointment
    host: Host
    location: Location
    eligibility: Eligibility | None
    hosted_since: datetime
    """When the current host got the booking. A connection that was established later never creates its meeting."""
    created_at: datetime
    updated_at: datetime
    version: int | None = None
    """The caller's own counter."""
    guests_see_each_other: bool = False
    on_decline: OnDecline = OnDecline.NOTIFY
    base_url: str | None = None
    """The address that the caller reached this deployment at: new links in emails begin with it, unless the deployment
    has another public address. None: unknown."""
    first_content: str | None = None
    """Digest of the content at creation, to distinguish a repeated creation from another one."""
    reminders: tuple[Reminder, ...] = ()
    """As the calendar or the workspace had them when the booking was created, or moved to another calendar."""
    reminders_set_at: datetime | None = None
    """When the start or the calendar was last changed; None: never. Reminders that were due before are not sent."""
    language: str | None = None
    """The workspace's language at creation: of emails to people without a language of their own. None: English."""
    fallback: Fallback | None = None
    """As the calendar had it when the booking was created, or moved to another calendar."""
    templates: TextTemplates = NO_TEMPLATES
    """As the calendar had them when the booking was created, or moved to another calendar."""
    cohosts: tuple[Host, ...] = ()
    """Those of the appointment, else as the calendar had them when the booking was created or moved to it."""
    meeting_settings: MeetingSettings = NO_SETTINGS
    """As the calendar had them when the booking was created, or moved to another calendar."""

    resends: dict[str, int] = field(default_factory=dict)
    """The revision that requested the last invitation once more, by the recipient's `answer_key`."""

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The host and the co-hosts."""
        return self.host, *self.cohosts

    @property
    def is_cancelled(self) -> bool:
        return self.status is BookingStatus.CANCELLED

    @property
    def wants_video(self) -> bool:
        return self.location.type is LocationType.VIDEO and not self.is_cancelled


def content_digest(appointment: Appointment) -> str:
    """Return a digest that is equal for equal content. `==` would not do: 1 and true in metadata are not the same.

    It is stored, to tell a repeated creation from another one.
    """
    values = set_values(
        calendar_id=appointment.calendar_id,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        time_zone=appointment.time_zone,
        title=appointment.title or DEFAULT_TITLE,
        description=appointment.description,
        guests=[
            set_values(name=guest.name, email=guest.email, time_zone=guest.time_zone, language=guest.language)
            for guest in appointment.guests
        ],
        metadata=appointment.metadata,
        links=set_values(reschedule=appointment.links.reschedule, cancel=appointment.links.cancel),
        emails=set_values(guests=_choice(appointment.emails.guests), host=_choice(appointment.emails.host)),
        cohosts=_cohost_values(appointment.cohosts),
        host_id=appointment.host_id,
    )
    return digest(values, length=32)


def _cohost_values(cohosts: tuple[Host, ...] | None) -> list[dict[str, Any]] | str | None:
    # A text, because an empty list adds nothing to a digest.
    if cohosts == ():
        return "none"
    return [
        set_values(
            user_id=cohost.user_id,
            name=cohost.name,
            email=cohost.email,
            time_zone=cohost.time_zone,
            language=cohost.language,
        )
        for cohost in cohosts or ()
    ]


def _choice(choice: bool | None) -> str | None:
    # A text, because False adds nothing to a digest.
    return None if choice is None else str(choice)
