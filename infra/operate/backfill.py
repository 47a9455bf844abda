"""Fill the attributes that indexes need on bookings which an earlier release wrote, or computed with another secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.update import Action

from chalicelib.domain.guest_key import first_guest_key
from chalicelib.errors import LostRace
from chalicelib.store.booking_records import record_of, trouble_key
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.ephemeral import Entry, EphemeralStore
from chalicelib.store.tables import BookingItem
from infra.progress import Progress

_WORKERS = 16
_POSITION = "backfill#bookings"
_POSITION_LIFE = timedelta(days=7)


class Position(Struct, frozen=True):
    """Where an interrupted run continues."""

    start_key: dict[str, Any]
    """DynamoDB's `LastEvaluatedKey`."""
    rows: int


class Backfill:
    """Goes through all bookings once. It changes no document, sends nothing, and can be repeated at any time."""

    def __init__(
        self, client: Any, positions: EphemeralStore, tag_secret: bytes, clock: Callable[[], datetime]
    ) -> None:
        """`client` is a boto3 DynamoDB client."""
        self._client = client
        self._positions = positions
        self._tag_secret = tag_secret
        self._clock = clock

    def run(self, *, apply: bool, restart: bool, expected_rows: int | None) -> dict[str, Any]:
        """Set or remove the attributes of each row. Without `apply`, count the rows that would change."""
        position = None if restart or not apply else self._positions.get(_POSITION, Position, self._clock())
        counts: Counter[str] = Counter(rows=position.rows if position else 0)
        start_key = position.start_key if position else None
        with (
            Progress("bookings read", expected_rows, qualifier="about") as progress,
            ThreadPoolExecutor(_WORKERS) as pool,
        ):
            progress.advance(counts["rows"])
            while True:
                items, start_key = self._scan(start_key)
                for result in pool.map(lambda item: self._fill(item, apply=apply), items):
                    counts[result] += 1
                counts["rows"] += len(items)
                progress.advance(len(items), note=f"{counts['changed']:,} to change" if counts["changed"] else "")
                if start_key is None:
                    break
                if apply:
                    self._remember(Position(start_key, counts["rows"]))
        if apply:
            self._positions.consume(_POSITION)
        names = ("rows", "changed", "skipped", "failed")
        return {name: counts[name] for name in names} | {"done": apply}

    def _scan(self, start_key: dict[str, Any] | None) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        arguments = {"ExclusiveStartKey": start_key} if start_key else {}
        page = self._client.scan(TableName=BookingItem.Meta.table_name, **arguments)
        return page["Items"], page.get("LastEvaluatedKey")

    def _fill(self, raw: dict[str, Any], *, apply: bool) -> str:
        """Return what became of a row: `right`, `changed`, `skipped` (written meanwhile) or `failed` (unreadable)."""
        try:
            item = BookingItem.from_raw_data(raw)
            actions = self._corrections(item)
        except (msgspec.MsgspecError, ValueError, AttributeError):
            return "failed"
        if not actions:
            return "right"
        if not apply:
            return "changed"
        is_unchanged = (BookingItem.fence == item.fence) & (BookingItem.revision == item.revision)
        try:
            with translated_errors():
                item.update(actions, condition=is_unchanged)
        except LostRace:
            return "skipped"  # Settling writes the attributes too.
        return "changed"

    def _corrections(self, item: BookingItem) -> list[Action]:
        record = record_of(item)
        wanted: list[tuple[UnicodeAttribute, str | None, str | None]] = [
            (
                BookingItem.trouble_key,
                item.trouble_key,
                trouble_key(item.workspace_id, record.settlement.meeting.state),
            ),
            (BookingItem.guest_key, item.guest_key, first_guest_key(self._tag_secret, record.booking)),
        ]
        return [
            attribute.remove() if key is None else attribute.set(key) for attribute, now, key in wanted if now != key
        ]

    def _remember(self, position: Position) -> None:
        self._positions.put_all([Entry(_POSITION, position, self._clock() + _POSITION_LIFE)])
