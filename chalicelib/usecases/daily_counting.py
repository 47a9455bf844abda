"""Count links and failures by workspace and day, for the workspace's own pages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from chalicelib.domain.daily_counts import DayCounts, counts_of, total
from chalicelib.errors import StoreError
from chalicelib.observability import count, log
from chalicelib.store.daily_counts import DailyCountStore
from chalicelib.store.streams import BookingChange


class DailyCounting:
    """Adds what a batch of the bookings stream contains: one write for each workspace and day.

    The counts may drift: a batch that is delivered again is counted again, and one whose write fails is not counted.
    `operate recount` makes them exact.
    """

    def __init__(self, store: DailyCountStore) -> None:
        self._store = store

    def count(self, changes: Iterable[BookingChange]) -> None:
        """Add the changes to the counts. An outage of the table is logged: webhooks must not wait for it."""
        added: dict[tuple[str, date], list[DayCounts]] = {}
        for change in changes:
            for day, counts in _counts_of(change).items():
                added.setdefault((change.workspace_id, day), []).append(counts)
        for (workspace_id, day), several in added.items():
            try:
                self._store.add(workspace_id, day, total(several))
            except StoreError as error:
                count("CountsLost")
                log.failure("links were not counted", error, workspace_id=workspace_id)


def _counts_of(change: BookingChange) -> dict[date, DayCounts]:
    if not change.has_new_settlement or change.after is None or change.after.settlement is None:
        return {}
    before = change.before.settlement if change.before else None
    return counts_of(change.after.booking.created_at, before, change.after.settlement)
