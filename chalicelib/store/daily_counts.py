"""The daily_counts table: a row for each workspace and day, kept for 400 days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from pynamodb.attributes import NumberAttribute
from pynamodb.expressions.update import Action

from chalicelib.domain.daily_counts import LIMITS, DayCounts
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import FORMAT, DailyCountItem

LIFE = timedelta(days=400)
_TIMES: tuple[NumberAttribute, ...] = tuple(getattr(DailyCountItem, f"took_{n}") for n in range(len(LIMITS) + 1))


class DailyCountStore:
    """The daily_counts table."""

    def add(self, workspace_id: str, day: date, counts: DayCounts) -> None:
        """Add to the counts of a day. Repeating it counts twice."""
        numbers = [(DailyCountItem.links, counts.links), (DailyCountItem.failures, counts.failures)]
        numbers += zip(_TIMES, counts.times, strict=True)
        actions: list[Action] = [attribute.add(number) for attribute, number in numbers if number]
        actions += [DailyCountItem.expires_at.set(_expiry(day)), DailyCountItem.format.set(FORMAT)]
        with translated_errors():
            DailyCountItem(workspace_id, day.isoformat()).update(actions)

    def read(self, workspace_id: str, first: date, last: date) -> dict[date, DayCounts]:
        """Return the counts of the days from `first` to `last`, without days that have none."""
        days = DailyCountItem.day.between(first.isoformat(), last.isoformat())
        with translated_errors():
            items = list(DailyCountItem.query(workspace_id, days))
        return {date.fromisoformat(item.day): _counts_of(item) for item in items}

    def replace(self, workspace_id: str, first: date, counts: Mapping[date, DayCounts]) -> None:
        """Store exactly these counts for the days from `first` on."""
        with translated_errors():
            stored = {
                item.day: item for item in DailyCountItem.query(workspace_id, DailyCountItem.day >= first.isoformat())
            }
            for item in stored.values():
                if date.fromisoformat(item.day) not in counts:
                    item.delete()
            for day, day_counts in counts.items():
                _item_of(workspace_id, day, day_counts).save()


def _counts_of(item: DailyCountItem) -> DayCounts:
    times = tuple(int(getattr(item, attribute.attr_name) or 0) for attribute in _TIMES)
    return DayCounts(int(item.links or 0), int(item.failures or 0), times)


def _item_of(workspace_id: str, day: date, counts: DayCounts) -> DailyCountItem:
    item = DailyCountItem(workspace_id, day.isoformat(), expires_at=_expiry(day))
    item.links, item.failures = counts.links, counts.failures
    for attribute, number in zip(_TIMES, counts.times, strict=True):
        setattr(item, str(attribute.attr_name), number)
    return item


def _expiry(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) + LIFE
