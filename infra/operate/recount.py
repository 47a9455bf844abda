"""Make the counts of links by workspace and day exact: count the rows of the bookings instead of their changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Struct

from chalicelib.decoding import decode_json
from chalicelib.domain.daily_counts import DayCounts, counts_of, total
from chalicelib.domain.settlement import Settlement
from chalicelib.store.daily_counts import LIFE, DailyCountStore
from chalicelib.store.tables import BookingItem
from infra.progress import Progress


class _Created(Struct):
    """The part of a booking that is needed."""

    created_at: datetime


class Recount:
    """Replaces the counts of all days whose bookings are still stored. It can be repeated at any time.

    Links that are made while it runs can be missing or counted twice on the day of the run.
    """

    def __init__(self, client: Any, store: DailyCountStore, retention: timedelta | None) -> None:
        """`client` is a boto3 DynamoDB client. Bookings are deleted `retention` after their end; None: never."""
        self._client = client
        self._store = store
        self._retention = retention

    def run(
        self, workspaces: Iterable[str], now: datetime, *, apply: bool, expected_bookings: int | None
    ) -> dict[str, Any]:
        """Count the bookings of the workspaces. Without `apply`, only return how many days have other counts."""
        first, changed, days, bookings = self._first_day(now), 0, 0, 0
        with Progress("bookings counted", expected_bookings, qualifier="about") as progress:
            for workspace_id in workspaces:
                counts, rows = self._count(workspace_id, first, progress)
                stored = self._store.read(workspace_id, first, now.astimezone(UTC).date())
                changed += sum(counts.get(day) != stored.get(day) for day in counts.keys() | stored.keys())
                days, bookings = days + len(counts), bookings + rows
                if apply and counts != stored:
                    self._store.replace(workspace_id, first, counts)
        return {"bookings": bookings, "days": days, "changed": changed, "done": apply}

    def _count(self, workspace_id: str, first: date, progress: Progress) -> tuple[dict[date, DayCounts], int]:
        counts: dict[date, DayCounts] = {}
        rows = 0
        for created_at, settlement in progress.track(self._bookings(workspace_id)):
            rows += 1
            for day, day_counts in counts_of(created_at, None, settlement).items():
                if day >= first:
                    counts[day] = total([counts.get(day, DayCounts()), day_counts])
        return counts, rows

    def _bookings(self, workspace_id: str) -> Iterator[tuple[datetime, Settlement]]:
        """Yield when each booking was created, and its settlement."""
        pages = self._client.get_paginator("query").paginate(
            TableName=BookingItem.Meta.table_name,
            KeyConditionExpression="workspace_id = :workspace",
            ExpressionAttributeValues={":workspace": {"S": workspace_id}},
            ProjectionExpression="desired, observed",
        )
        for page in pages:
            for row in page["Items"]:
                observed = row.get("observed", {}).get("S", "{}")
                created = decode_json(row["desired"]["S"], _Created)
                yield created.created_at, decode_json(observed, Settlement)

    def _first_day(self, now: datetime) -> date:
        """Return the first day of which no booking can have been deleted, and whose row has not expired."""
        retention = LIFE if self._retention is None else min(LIFE, self._retention)
        return (now.astimezone(UTC) - retention).date() + timedelta(days=1)
