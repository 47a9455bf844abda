"""What the event handlers in `app` do: settle what a stream batch changed, settle what is due."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from chalicelib.errors import StoreError
from chalicelib.observability import log
from chalicelib.store.bookings import all_shards
from chalicelib.store.tables import milliseconds

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_WORKERS = 25
"""Bookings settled side by side: the work is waiting for providers, and one slow one must not hold the others."""
_DUE_PER_SHARD = 100
_RESERVE_SECONDS = 25.0
"""What a Lambda keeps back: enough for one more provider call and the writes after it."""
Key = tuple[str, str]


def settle_records(event: dict[str, Any], context: Any, services: Services) -> dict[str, Any]:
    """Settle the bookings that a DynamoDB stream batch changed.

    A booking that fails is its own matter and is written on it. Only when the database is out does the answer name
    records (`batchItemFailures`), so that Lambda delivers them again.
    """
    remaining = _remaining(context)
    sequence_numbers: dict[Key, str] = {}
    for record in event.get("Records", []):
        key = _needs_settling(record, milliseconds(services.clock()))
        if key is not None:
            sequence_numbers.setdefault(key, record["dynamodb"]["SequenceNumber"])
    failed = _settle_all(sequence_numbers, remaining, services)
    return {"batchItemFailures": [{"itemIdentifier": sequence_numbers[key]} for key in failed]}


def settle_due(context: Any, services: Services) -> dict[str, int]:
    """Settle what is due: retries, and whatever the stream missed. Then see to grants that are due."""
    remaining, now = _remaining(context), services.clock()
    keys: list[Key] = []
    for shard in all_shards():
        keys += services.bookings.due(shard, now, _DUE_PER_SHARD)
    failed = _settle_all(keys, remaining, services)
    grants = 0
    for shard in all_shards():
        for grant_id in services.grants.due(shard, now, _DUE_PER_SHARD):
            _see_to_grant(grant_id, services)
            grants += 1
    if keys or grants:
        log.info("schedule", bookings=len(keys), failed=len(failed), grants=grants)
    return {"bookings": len(keys), "failed": len(failed), "grants": grants}


def _settle_all(keys: Iterable[Key], remaining: Callable[[], float], services: Services) -> list[Key]:
    """Settle side by side; the keys for which the database failed."""
    unique = list(dict.fromkeys(keys))
    if not unique:
        return []
    settler = services.settler  # Made before the threads start: each part is made once.
    with ThreadPoolExecutor(max_workers=min(_WORKERS, len(unique))) as pool:
        done = pool.map(lambda key: _settle_one(settler.settle, key, remaining, services), unique)
        return [key for key, ok in zip(unique, done, strict=True) if not ok]


def _settle_one(settle: Callable[..., Any], key: Key, remaining: Callable[[], float], services: Services) -> bool:
    """Settle, and again after a short wait, if this Lambda lives long enough for that."""
    workspace_id, booking_id = key
    try:
        while True:
            again_at = settle(workspace_id, booking_id, remaining)
            pause = (again_at - services.clock()).total_seconds() if again_at else None
            if pause is None or pause > remaining() - _RESERVE_SECONDS:
                return True
            time.sleep(max(pause, 0.05))
    except StoreError as error:
        log.failure("settling failed", error, workspace_id=workspace_id, booking_id=booking_id)
        return False
    except Exception as error:  # A bug must not hold up the other bookings of the shard; the schedule tries again.
        log.failure("settling crashed", error, workspace_id=workspace_id, booking_id=booking_id)
        return True


def _see_to_grant(grant_id: str, services: Services) -> None:
    try:
        services.grant_keeper.see_to(grant_id)
    except StoreError as error:
        log.failure("a grant could not be seen to", error)


def _needs_settling(record: dict[str, Any], now_ms: int) -> Key | None:
    """The booking that a stream record asks to be settled.

    Settlers' own writes come by here too and cost nothing: they raise no revision, and leave the booking settled or
    due later.
    """
    change = record.get("dynamodb", {})
    new, old = change.get("NewImage"), change.get("OldImage", {})
    if new is None:
        return None
    revision = _number(new, "revision")
    if _number(new, "settled_revision") >= revision:
        return None
    if revision <= _number(old, "revision") and _number(new, "due_at") > now_ms:
        return None
    return new["workspace_id"]["S"], new["booking_id"]["S"]


def _number(image: dict[str, Any], name: str) -> int:
    return int(image.get(name, {}).get("N", 0))


def _remaining(context: Any) -> Callable[[], float]:
    """Seconds until Lambda ends this invocation."""
    return lambda: float(context.get_remaining_time_in_millis()) / 1000
