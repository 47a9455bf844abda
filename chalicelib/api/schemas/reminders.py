"""Reminders: what callers receive. What they send is in `usecases.reminder_settings`, because operators send it too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from chalicelib.domain.reminder import Addressees
from chalicelib.domain.reminder import Reminder as DomainReminder


class Reminder(Struct):
    """An email with the link before the start."""

    minutes_before: Annotated[int, Meta(description="How long before the start", examples=[60])]
    to: Annotated[Addressees, Meta(description="Who gets it", examples=["guests"])]


def format_reminders(reminders: Sequence[DomainReminder]) -> list[Reminder]:
    return [Reminder(reminder.minutes_before, reminder.to) for reminder in reminders]
