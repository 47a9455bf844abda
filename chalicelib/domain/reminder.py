"""Reminders: emails with the link before a booking starts, and what is recorded about each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct, field

MAX_REMINDERS = 5
SHORTEST_MINUTES = 5
LONGEST_MINUTES = 28 * 24 * 60


class Addressees(StrEnum):
    """Who gets a reminder; a closed list, part of the API."""

    GUESTS = "guests"
    HOST = "host"
    ALL = "all"


class Reminder(Struct, frozen=True, array_like=True):
    """One reminder. A booking has at most one for each `minutes_before`. Stored as an array, which is smaller."""

    minutes_before: int
    to: Addressees


DEFAULT_REMINDERS = (Reminder(60, Addressees.GUESTS),)


class ReminderProgress(Struct, frozen=True, array_like=True):
    """What was done about one reminder for one start of a booking. Stored as an array, too."""

    minutes_before: int
    starts_at: datetime
    """The booking's start at that time. After a reschedule the reminder is sent again, before the new start."""
    marks: dict[str, bool] = field(default_factory=dict)
    """By recipient: whether the email was sent. False: a send was started and its outcome is not recorded yet."""
    is_done: bool = False
    """Whether nothing is left to send. Then there are no marks, so that the row stays small."""
    is_dropped: bool = False
    """Whether it came due too late to be sent to all recipients."""


def choose_reminders(*choices: tuple[Reminder, ...] | None) -> tuple[Reminder, ...]:
    """Return the first choice that was made, or the default. An empty choice turns reminders off."""
    return next((choice for choice in choices if choice is not None), DEFAULT_REMINDERS)
