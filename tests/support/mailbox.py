"""A mailbox with a calendar, as RFC 5546 (2.1.5, 3.2.2, 3.2.5) wants it: what a recipient ends up with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from icalendar import Calendar

from tests.support.mailcheck import calendar_of, has_calendar


@dataclass(frozen=True)
class Shown:
    """An entry as its owner sees it."""

    starts_at: datetime
    ends_at: datetime
    title: str
    link: str | None
    attendees: tuple[str, ...]


@dataclass
class Mailbox:
    """Keeps, by UID, the message with the highest SEQUENCE, and of equal ones the one with the latest DTSTAMP.

    A cancellation is kept like any other message: what is older than it must not bring the entry back.
    """

    _newest: dict[str, tuple[tuple[int, datetime], str, Shown | None]] = field(default_factory=dict)

    def receive(self, mails: Iterable[bytes]) -> Mailbox:
        for raw in mails:
            if has_calendar(raw):
                self._apply(_parsed(raw))
        return self

    def receive_files(self, calendars: Iterable[bytes]) -> Mailbox:
        for calendar in calendars:
            self._apply(Calendar.from_ical(calendar))
        return self

    @property
    def entries(self) -> list[Shown]:
        return [shown for _, _, shown in self._newest.values() if shown is not None]

    def _apply(self, calendar: Any) -> None:
        (event,) = calendar.walk("VEVENT")
        uid, organizer = str(event["UID"]), str(event["ORGANIZER"]).lower()
        age = (int(event["SEQUENCE"]), event["DTSTAMP"].dt)
        known = self._newest.get(uid)
        if known is not None:
            assert known[1] == organizer, "only the organizer may change an entry"
            if age < known[0]:
                return
        self._newest[uid] = (age, organizer, None if calendar["METHOD"] == "CANCEL" else _shown(event))


@lru_cache(maxsize=256)
def _parsed(raw: bytes) -> Any:
    return Calendar.from_ical(calendar_of(raw))


def _shown(event: Any) -> Shown:
    attendees = event["ATTENDEE"] if isinstance(event["ATTENDEE"], list) else [event["ATTENDEE"]]
    return Shown(
        event["DTSTART"].dt,
        event["DTEND"].dt,
        str(event["SUMMARY"]),
        str(event["URL"]) if "URL" in event else None,
        tuple(sorted(str(attendee).removeprefix("mailto:") for attendee in attendees)),
    )
