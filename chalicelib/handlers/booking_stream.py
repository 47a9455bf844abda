"""What the event handlers in `app` do: settle what a stream batch changed, settle what is due."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from chalicelib.errors import StoreError
from chalicelib.observability import count, log
from chalicelib.store.bookings import all_shards
from chalicelib.store.tables import milliseconds

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_WORKERS = 25
"""Bookings settled side by side: the work is waiting for providers, and one slow one must not hold the others."""
_DUE_PER_SHARD = 100
_RESERVE_SECONDS = 34.0
"""What a Lambda keeps back: enough for a token's refresh or a provider's call, and the writes after it."""
Key = tuple[str, str]
Settle = Callable[[str, str, Callable[[], float]], datetime | None]


def name_run(event: Any, get_response: Callable[[Any], Any]) -> Any:
    """Have every line of the log carry the id by which Lambda knows this run of a function (Chalice's middleware)."""
    with log.request(event.context.aws_request_id):
        return get_response(event)


def settle_records(event: dict[str, Any], context: Any, services: Services) -> dict[str, Any]:
    """Settle the bookings that a DynamoDB stream batch changed.

    A booking that fails is its own matter and is written on it. Only when the database is out does the answer name
    records (`batchItemFailures`), so that Lambda delivers them again.
    """
    remaining = _remaining(context)
    sequence_numbers: dict[Key, str] = {}
    for record in event.get("Records", []):
        try:
            key = _needs_settling(record, milliseconds(services.clock()))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            # One image that cannot be read must not hold up its shard for a day; the schedule knows what is due.
            log.failure("a stream record cannot be read", error)
            continue
        if key is not None:
            sequence_numbers.setdefault(key, record["dynamodb"]["SequenceNumber"])
    failed = _settle_all(sequence_numbers, remaining, services)
    return {"batchItemFailures": [{"itemIdentifier": sequence_numbers[key]} for key in failed]}


def settle_due(context: Any, services: Services) -> dict[str, int]:
    """Settle what is due: retries, and whatever the stream missed. Then see to grants that are due.

    Then report how many meetings wait: each time, so that the metric also becomes 0 when nothing happens.
    """
    remaining, now = _remaining(context), services.clock()
    bookings, failed = _settle_due_bookings(now, remaining, services)
    grants = 0
    for shard in all_shards():
        for grant_id in services.grant_store.due(shard, now, _DUE_PER_SHARD):
            if remaining() < _RESERVE_SECONDS:
                break  # A refresh that dies with its Lambda would end the grant; the next tick goes on.
            _see_to_grant(grant_id, services)
            grants += 1
    count("MeetingsWaitingNow", services.booking_store.count_waiting())
    if bookings or grants:
        log.info("schedule", bookings=bookings, failed=failed, grants=grants)
    return {"bookings": bookings, "failed": failed, "grants": grants}


def take_mail_event(text: str, services: Services) -> None:
    """Act on one of SES's event records."""
    from chalicelib.mail.ses_events import read_event

    report = read_event(text)
    if report is not None:
        services.bounces.take(report)


def _settle_due_bookings(now: datetime, remaining: Callable[[], float], services: Services) -> tuple[int, int]:
    """How many bookings were due by `now`, and for how many of them the database failed.

    As long as there is time, more than a page: many that wait for a provider's return must not hide the others.
    """
    count = 0
    while True:
        keys = [key for shard in all_shards() for key in services.booking_store.due(shard, now, _DUE_PER_SHARD)]
        services.random.shuffle(keys)  # So that not always the same booking finds out whether a provider is back.
        failed = _settle_all(keys, remaining, services)
        count += len(keys)
        if failed or len(keys) < _DUE_PER_SHARD or remaining() < _RESERVE_SECONDS:
            return count, len(failed)


def _settle_all(keys: Iterable[Key], remaining: Callable[[], float], services: Services) -> list[Key]:
    """Settle side by side, and again what is due again while this Lambda lives; the keys for which the database failed.

    Waiting is done here and not by the workers: a booking that waits must not keep another from being settled.
    """
    failed: list[Key] = []
    due = list(dict.fromkeys(keys))
    if not due:
        return failed
    # Made before the threads start, once.
    settle = log.carried(partial(_settle_one, services.settling.settle, remaining))
    agenda: dict[Key, datetime] = {}
    with services.workers(min(_WORKERS, len(due))) as pool:
        while due:
            for key, (ok, again_at) in zip(due, pool.map(settle, due), strict=True):
                if again_at is not None:
                    agenda[key] = again_at
                if not ok:
                    failed.append(key)
            due = _wait_for_next(agenda, remaining, services)
    return failed


def _wait_for_next(agenda: dict[Key, datetime], remaining: Callable[[], float], services: Services) -> list[Key]:
    """Take what is due next off the agenda, when its time has come; nothing if this Lambda does not live that long.

    What is left is in the index of due work.
    """
    if not agenda:
        return []
    pause = max((min(agenda.values()) - services.clock()).total_seconds(), 0.05)
    if pause > remaining() - _RESERVE_SECONDS:
        return []
    services.sleep(pause)
    return [key for key, at in list(agenda.items()) if at <= services.clock() and agenda.pop(key)]


def _settle_one(settle: Settle, remaining: Callable[[], float], key: Key) -> tuple[bool, datetime | None]:
    """Whether the database did its part, and when to go on."""
    workspace_id, booking_id = key
    try:
        return True, settle(workspace_id, booking_id, remaining)
    except StoreError as error:
        log.failure("settling failed", error, workspace_id=workspace_id, booking_id=booking_id)
        return False, None
    except Exception as error:  # A bug of ours. It must not hold up the other bookings of the shard.
        count("SettlingCrashed")
        log.failure("settling crashed", error, workspace_id=workspace_id, booking_id=booking_id)
        return True, None


def _see_to_grant(grant_id: str, services: Services) -> None:
    try:
        services.grant_upkeep.see_to(grant_id)
    except Exception as error:  # One grant's trouble must not keep the others from being seen to.
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
