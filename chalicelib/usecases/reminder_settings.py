"""Reminders as callers set them on a calendar, and operators on a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from chalicelib.domain.reminder import LONGEST_MINUTES, MAX_REMINDERS, SHORTEST_MINUTES, Addressees, Reminder
from chalicelib.validation import requires


def _repeated_minutes(reminders: list[Any]) -> str | None:
    """Items are not converted yet, and may be invalid themselves."""
    minutes = [str(reminder.get("minutes_before")) for reminder in reminders if isinstance(reminder, dict)]
    is_repeated = len(set(minutes)) < len(minutes)
    return 'Two reminders have the same minutes_before. Use one with `"to": "all"`.' if is_repeated else None


class ReminderBody(Struct, forbid_unknown_fields=True):
    """An email with the link before the start. It is sent up to five minutes earlier."""

    minutes_before: Annotated[
        int,
        Meta(
            ge=SHORTEST_MINUTES, le=LONGEST_MINUTES, description="How long before the start, each once", examples=[60]
        ),
    ]
    to: Annotated[Addressees, Meta(description="Who gets it", examples=["guests"])] = Addressees.GUESTS


RemindersBody = Annotated[
    list[ReminderBody],
    Meta(max_length=MAX_REMINDERS, description="[] turns reminders off. Absent or null: the workspace's"),
    requires(_repeated_minutes),
]


def parse_reminders(body: Sequence[ReminderBody] | None) -> tuple[Reminder, ...] | None:
    return None if body is None else tuple(Reminder(reminder.minutes_before, reminder.to) for reminder in body)
