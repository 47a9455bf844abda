"""Calendars that guests book on: a host and a location."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.emails import UNDECIDED, Emails
from chalicelib.domain.meeting_settings import NO_SETTINGS, MeetingSettings
from chalicelib.domain.reminder import Reminder
from chalicelib.domain.text_templates import NO_TEMPLATES, TextTemplates


class LocationType(StrEnum):
    """How people meet; a closed list, part of the API."""

    VIDEO = "video"
    PHONE = "phone"
    IN_PERSON = "in_person"
    CUSTOM_LINK = "custom_link"


class OnDecline(StrEnum):
    """What happens when every guest declined; a closed list, part of the API. The host is notified of each decline."""

    NOTIFY = "notify"
    """Nothing more."""
    CANCEL = "cancel"
    """The booking is cancelled, after the last guest confirmed that."""


class Location(Struct, frozen=True, omit_defaults=True):
    """Where a booking takes place."""

    type: LocationType
    detail: str | None = None
    """The phone number, address or link; None for video."""


class Fallback(Struct, frozen=True, omit_defaults=True):
    """A link for bookings whose meeting is not created in time."""

    url: str
    after_minutes: int
    """How long the meeting may be delayed."""
    before_start_minutes: int
    """How long before the start there must be a link."""


class Host(Struct, frozen=True, omit_defaults=True):
    """The user who hosts."""

    user_id: str
    name: str
    email: str
    time_zone: str | None = None
    """IANA name; None: the booking's is used."""
    language: str | None = None
    """BCP 47 tag of the language of the host's emails."""


class Calendar(Struct, frozen=True):
    """A host's calendar."""

    workspace_id: str
    calendar_id: str
    name: str
    host: Host
    location: Location
    created_at: datetime
    updated_at: datetime
    guests_see_each_other: bool = False
    """Whether each guest of a booking sees the names and addresses of the others."""
    emails: Emails = UNDECIDED
    """Copied to each booking when it is created."""
    on_decline: OnDecline = OnDecline.NOTIFY
    reminders: tuple[Reminder, ...] | None = None
    """None: the workspace's."""
    fallback: Fallback | None = None
    """Copied to each booking when it is created."""
    templates: TextTemplates = NO_TEMPLATES
    """Copied to each booking when it is created."""
    cohosts: tuple[Host, ...] = ()
    """Copied to each booking when it is created. They are invited as hosts."""
    hosts: tuple[Host, ...] = ()
    """Further hosts: a booking can name one of them instead of `host`."""
    meeting_settings: MeetingSettings = NO_SETTINGS
    """Copied to each booking when it is created."""


def hosted_by(calendar: Calendar, user_id: str) -> Calendar | None:
    """Return the calendar with this one of its hosts; None if it has no such host."""
    host = next((host for host in (calendar.host, *calendar.hosts) if host.user_id == user_id), None)
    return None if host is None else replace(calendar, host=host)
