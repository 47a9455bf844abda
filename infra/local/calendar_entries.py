"""What a calendar shows that accepts the invitations of its owner's emails."""

from __future__ import annotations

from collections.abc import Iterable
from email import message_from_bytes
from email.policy import default
from typing import Any

import icalendar


def read_calendar_part(source: bytes) -> Any:
    """Return the calendar object of an email; None if it has none."""
    parts = message_from_bytes(source, policy=default).walk()
    files = (part.get_content() for part in parts if part.get_content_type() == "application/ics")
    return next((icalendar.Calendar.from_ical(content) for content in files), None)


def invited_entries(sources: Iterable[bytes]) -> list[str]:
    """Return the entries of a calendar that accepts these emails' invitations (RFC 5546): the newest of each UID."""
    newest: dict[str, tuple[int, str | None]] = {}
    for calendar in filter(None, map(read_calendar_part, sources)):
        event: Any = calendar.events[0]
        entry = f"{event['SUMMARY']}, {event['DTSTART'].dt:%-d %B %H:%M} UTC (invitation)"
        age, shown = int(event["SEQUENCE"]), entry if calendar["METHOD"] == "REQUEST" else None
        if age >= newest.get(event["UID"], (0, None))[0]:
            newest[event["UID"]] = (age, shown)
    return [shown for _, shown in newest.values() if shown is not None]
