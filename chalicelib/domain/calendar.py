"""What guests book on: a host and a place to meet."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class LocationType(StrEnum):
    VIDEO = "video"
    PHONE = "phone"
    IN_PERSON = "in_person"
    CUSTOM_LINK = "custom_link"


class Location(Struct, frozen=True):
    """Where a booking takes place. `detail` is the phone number, the address or the link; video has none."""

    type: LocationType
    detail: str | None = None


class Host(Struct, frozen=True):
    """The user who hosts. `time_zone` (IANA) is the host's own; without one the booking's is used.

    `language` (BCP 47) is the one that the host's mails are written in.
    """

    user_id: str
    name: str
    email: str
    time_zone: str | None = None
    language: str | None = None


class Calendar(Struct, frozen=True):
    """`guests_see_each_other` lets every guest of a booking see the others' names and addresses."""

    workspace_id: str
    calendar_id: str
    name: str
    host: Host
    location: Location
    created_at: datetime
    updated_at: datetime
    guests_see_each_other: bool = False
