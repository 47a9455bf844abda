"""Settle the bookings that a stream batch changed, and on a schedule the bookings and grants that are due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from chalicelib.domain.deadline import Deadline
from chalicelib.errors import StoreUnavailable
from chalicelib.observability import count, log
from chalicelib.store import streams
from chalicelib.store.tables import DUE_PARTITIONS, GRANT_PARTITIONS, WAITING_PARTITIONS

if TYPE_CHECKING:
    from chalicelib.usecases.settling import Settling
    from chalicelib.wiring import Services

_WORKERS = 25
"""Bookings settled in parallel. The work is mostly waiting for providers, and a slow provider must not delay others."""
_DUE_PER_PARTITION = 100
_HANDED_OVER_PER_PARTITION = 1000
"""The same with a queue, which takes what exceeds a workspace's share. All that is due must be seen to be fair."""
_RESERVE_SECONDS = 34.0
"""Time that an invocation keeps in reserve: enough for a token refresh or a provider call, and the writes after it."""
_SHORTEST_PAUSE_SECONDS = 0.05
Key = tuple[str, str]
"""Workspace id and booking id."""


def settle_records(event: dict[str, Any], context: Any, services: Services) -> dict[str, Any]:
    """Settle the bookings that a DynamoDB stream batch changed.

    A booking's failure is recorded on the booking. Only a database outage is reported to Lambda
    (`batchItemFailures`), which then delivers those records again.
    """
    now = services.clock()
    sequence_numbers: dict[Key, str] = {}
    for change in streams.booking_changes(event):
        if change.needs_settling(now):
            sequence_numbers.setdefault((change.workspace_id, change.booking_id), change.sequence_number)
    failed = _settle_all(_hand_over_excess(sequence_numbers, services), Deadline.of(context), services)
    return {"batchItemFailures": [{"itemIdentifier": sequence_numbers[key]} for key in failed]}


def _hand_over_excess(keys: Iterable[Key], services: Services) -> list[Key]:
    """Return the bookings to settle here. Those beyond their workspace's share are handed over to `send_emails`.

    The stream is read in order, and the schedule reads what is due longest, so the many bookings of one workspace would
    keep others waiting. The queue serves workspaces fairly. What it refuses is settled here, after the others.
    """
    queue = services.email_queue
    if queue is None:
        return list(keys)
    here, excess = list[Key](), list[Key]()
    for key in keys:
        (here if services.booking_share.take(key[0]) else excess).append(key)
    return here + queue.send(excess)


def settle_due(context: Any, services: Services) -> dict[str, int]:
    """Settle the bookings that are due: retries, and changes that the stream missed. Then process the due grants.

    Each run reports how many meetings wait, so that the metric also becomes 0.
    """
    deadline = Deadline.of(context)
    bookings, failed = _settle_due_bookings(deadline, services)
    grants = _process_due_grants(deadline, services)
    if bookings or grants:
        log.info("schedule", bookings=bookings, failed=failed, grants=grants)
    return {"bookings": bookings, "failed": failed, "grants": grants}


def _settle_due_bookings(deadline: Deadline, services: Services) -> tuple[int, int]:
    """Return how many bookings were due, and for how many of them the database failed.

    Reads more than one page while there is time: bookings that wait for an outage to end must not hide the others.
    A booking that failed is due again; it is not tried twice, and does not end the run.
    """
    now, tried, failed, store = services.clock(), set[Key](), 0, services.booking_store
    limit = _DUE_PER_PARTITION if services.email_queue is None else _HANDED_OVER_PER_PARTITION
    waiting = store.count_waiting()
    count("MeetingsWaitingNow", waiting)
    partitions = (*DUE_PARTITIONS, *(WAITING_PARTITIONS if waiting else ()))
    while True:
        due = [key for partition in partitions for key in store.due(partition, now, limit)]
        keys = [key for key in due if key not in tried]
        if not keys:
            return len(tried), failed
        services.random.shuffle(keys)  # Otherwise the same booking would always be the one that probes a provider.
        here = _hand_over_excess(_in_turn(keys), services)
        failed_now = len(_settle_all(here, deadline, services))
        tried.update(keys)
        failed += failed_now
        is_outage = bool(here) and failed_now == len(here)
        if is_outage or len(due) < limit or not deadline.allows(_RESERVE_SECONDS):
            return len(tried), failed


def _in_turn(keys: Iterable[Key]) -> list[Key]:
    """Return the keys so that every workspace has its turn: the workers take them in this order.

    A workspace with many due bookings gets only the workers that the others leave free.
    """
    turns: Counter[str] = Counter()
    numbered: list[tuple[int, Key]] = []
    for key in keys:
        numbered.append((turns[key[0]], key))
        turns[key[0]] += 1
    return [key for _, key in sorted(numbered, key=lambda pair: pair[0])]


def _process_due_grants(deadline: Deadline, services: Services) -> int:
    """Return how many grants were processed. The next tick processes those for which there was no time."""
    now, total = services.clock(), 0
    for partition in GRANT_PARTITIONS:
        for grant_id in services.grant_store.due(partition, now, _DUE_PER_PARTITION):
            # A token refresh that is cut off by the end of the invocation can end the grant.
            if not deadline.allows(_RESERVE_SECONDS):
                return total
            _process_grant(grant_id, services)
            total += 1
    return total


def _process_grant(grant_id: str, services: Services) -> None:
    try:
        services.grant_upkeep.process(grant_id)
    except Exception as error:  # A failure of one grant must not keep the others from being processed.
        log.failure("grant upkeep failed", error)


def _settle_all(keys: Iterable[Key], deadline: Deadline, services: Services) -> list[Key]:
    """Settle in parallel, and again what becomes due before the deadline. Return keys for which the database failed.

    Pauses are made here and not in the workers: a booking that waits must not occupy a worker.
    """
    failed: list[Key] = []
    due = list(dict.fromkeys(keys))
    if not due:
        return failed
    # `services.settling` is built here, before the threads start.
    settle = partial(settle_one, services.settling, deadline, log.request_id)
    due_later: dict[Key, datetime] = {}
    with services.workers(min(_WORKERS, len(due))) as pool:
        while due:
            for key, (succeeded, continue_at) in zip(due, pool.map(settle, due), strict=True):
                if continue_at is not None:
                    due_later[key] = continue_at
                if not succeeded:
                    failed.append(key)
            due = _wait_for_next(due_later, deadline, services)
    return failed


def _wait_for_next(due_later: dict[Key, datetime], deadline: Deadline, services: Services) -> list[Key]:
    """Wait for the bookings that are due next and remove them from `due_later`.

    Returns an empty list if that is after the deadline: the schedule settles them then.
    """
    if not due_later:
        return []
    pause = max((min(due_later.values()) - services.clock()).total_seconds(), _SHORTEST_PAUSE_SECONDS)
    if not deadline.allows(pause + _RESERVE_SECONDS):
        return []
    services.sleep(pause)
    now = services.clock()
    due = [key for key, at in due_later.items() if at <= now]
    for key in due:
        del due_later[key]
    return due


def settle_one(
    settling: Settling, deadline: Deadline, request_id: str | None, key: Key
) -> tuple[bool, datetime | None]:
    """Return False if the database failed, and when to continue."""
    workspace_id, booking_id = key
    with log.request(request_id):
        try:
            return True, settling.settle(workspace_id, booking_id, deadline)
        except StoreUnavailable as error:
            log.failure("settling failed", error, workspace_id=workspace_id, booking_id=booking_id)
            return False, None
        except Exception as error:  # A bug, or a row that the database refuses, must not block the other bookings.
            count("SettlingCrashed")
            log.failure("settling crashed", error, workspace_id=workspace_id, booking_id=booking_id)
            return True, None
