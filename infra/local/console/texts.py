"""States, reasons and times of the API in words that a host or a guest understands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.domain.reason_texts import MEETING_REASON_TEXTS
from chalicelib.providers.registry import PROVIDERS

_LOCATIONS = {
    "video": "Video meeting",
    "phone": "By phone",
    "in_person": "In person",
    "custom_link": "At a fixed link",
}

_INVITATIONS = {
    "sending": ("On its way", "wait"),
    "sent": ("Sent", "good"),
    "bounced": ("Bounced", "bad"),
    "complained": ("Marked as spam", "bad"),
    "suppressed": ("Not sent: the address is blocked", "bad"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """A state for people. `tone` is one of good, wait, bad, calm: it decides the colour."""

    headline: str
    detail: str
    tone: str


def meeting(booking: dict[str, Any]) -> Words:
    """The state of a booking's meeting."""
    state = booking["meeting"]["state"]
    reason = booking["meeting"].get("reason")
    why = MEETING_REASON_TEXTS.get(reason or "", (reason or "").replace("_", " "))
    if booking["status"] == "cancelled":
        left = reason == "left_at_provider"
        return Words("Cancelled", why if left else "Everyone who was invited gets an email.", "calm")
    match state:
        case "ready":
            return Words("The video link is ready", why or "It is in the calendar invitation, too.", "good")
        case "pending":
            return Words("Making the video link …", why or "This takes a few seconds.", "wait")
        case "waiting":
            return Words("The video link will follow", why, "wait")
        case "failed":
            return Words("No video link could be made", why, "bad")
        case _:
            return Words("Booked, without a video link", why, "calm")


def invitation(state: str) -> Words:
    """The state of one invitation."""
    headline, tone = _INVITATIONS.get(state, (state, "calm"))
    return Words(headline, "", tone)


def provider(name: str | None) -> str:
    """A provider's name as people know it."""
    provider_class = PROVIDERS.get(name or "")
    return provider_class.display_name if provider_class else (name or "").replace("_", " ").title()


def location(kind: str) -> str:
    """A meeting location."""
    return _LOCATIONS.get(kind, kind.replace("_", " "))


def instant(text: str) -> datetime:
    """Read an RFC 3339 time."""
    return datetime.fromisoformat(text)


def span(starts_at: datetime, ends_at: datetime, zone: str = "UTC") -> str:
    """From when to when, in a time zone: 'Tuesday, 5 January 2027, 16:00–16:30'."""
    start, end = starts_at.astimezone(ZoneInfo(zone)), ends_at.astimezone(ZoneInfo(zone))
    end_day = "" if start.date() == end.date() else f"{day(end)}, "
    return f"{day(start)}, {start:%H:%M}–{end_day}{end:%H:%M}"


def day(moment: datetime) -> str:
    """A day: 'Tuesday, 5 January 2027'."""
    return f"{moment:%A}, {moment.day} {moment:%B %Y}"


def moment(when: datetime) -> str:
    """A moment in UTC: '5 Jan 2027, 15:00:07 UTC'."""
    utc = when.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y, %H:%M:%S} UTC"
