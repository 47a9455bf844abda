"""The DynamoDB in memory answers as moto does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from moto.core.botocore_stubber import BotocoreStubber

from chalicelib.errors import LostRace
from chalicelib.store import tables
from chalicelib.store.booking_leases import BookingLeases
from chalicelib.store.booking_lists import BookingQuery
from chalicelib.store.bookings import BookingStore
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.ephemeral import EphemeralStore
from infra.tables import table_definitions
from tests.chaos.dynamo import PREFIX, Change, MemoryDynamo, answering
from tests.support.aws import Aws, furnish_moto
from tests.support.clock import START
from tests.support.rows import booking, settlement

MINUTE = timedelta(minutes=1)


def use(scan: Callable[[str], list[dict[str, Any]]]) -> list[Any]:
    """Every operation and expression that settling needs; all answers, and what the tables hold in the end."""
    store, leases, seen = BookingStore(), BookingLeases(), []

    def tried(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except LostRace:
            return "lost race"

    for number in range(5):
        store.create(booking(f"b-{number}", starts_at=START + number * MINUTE), START)
    seen.append(tried(lambda: store.create(booking("b-1"), START)))
    seen.append(tried(lambda: store.replace(booking("b-1", revision=2), over_revision=1, now=START + MINUTE)))
    seen.append(tried(lambda: store.replace(booking("b-1", revision=2), over_revision=1, now=START)))
    lease = leases.acquire("ws-1", "b-1", START)
    assert lease is not None
    seen += [lease, leases.acquire("ws-1", "b-1", START), leases.acquire("ws-1", "b-9", START)]
    lease = leases.save(lease, settlement(), START)
    later = leases.acquire("ws-1", "b-1", START + 2 * MINUTE)
    seen += [later, tried(lambda: leases.save(lease, settlement(), START))]
    assert later is not None
    seen.append(leases.finish(later, settlement(), START, due_at=START + 9 * MINUTE))
    seen += [leases.acquire("ws-1", "b-1", START + moment * MINUTE) for moment in (8, 10)]
    other = leases.acquire("ws-1", "b-2", START)
    assert other is not None
    seen.append(leases.defer(other, settlement(), START + 5 * MINUTE, START))
    store.make_due("ws-1", "b-2", START)
    store.make_due("ws-1", "b-9", START)
    seen += [sorted(store.due(partition, START + MINUTE, 10)) for partition in tables.DUE_PARTITIONS]
    query = BookingQuery("ws-1", starts_from=START, calendar_id="c-1", user_id="u-1", status="confirmed")
    records, after = store.page(query, limit=2, after=None)
    seen += [records, after, store.page(query, limit=2, after=after), store.get("ws-1", "b-4")]
    ephemeral = EphemeralStore()
    ephemeral.put("k", {"a": 1}, START + MINUTE)
    seen += [ephemeral.consume("k"), ephemeral.consume("k"), ConnectionStore().get_with_grant("ws-1", "u-1", "zoom#a")]
    return [*seen, sorted(scan("bookings"), key=lambda item: str(item["booking_id"]["S"]))]


def test_moto_responds_the_same_with_and_without_http(moto_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    short = use(moto_aws.scan)
    requests = []

    def over_http(stubber: Any, event_name: str, request: Any, **others: Any) -> Any:
        requests.append(event_name)
        return whole_way(stubber, event_name, request, **others)

    whole_way = BotocoreStubber.__call__
    furnish_moto("moto-")
    monkeypatch.setattr(BotocoreStubber, "__call__", over_http)
    assert use(moto_aws.scan) == short
    assert len(requests) > 30


def test_it_answers_as_moto_does(moto_aws: Aws) -> None:
    expected = use(moto_aws.scan)
    changes: list[Change] = []
    memory = MemoryDynamo(table_definitions(PREFIX), changes.append)
    with answering(memory.handle):
        assert use(memory.items) == expected
    assert [change.new is not None for change in changes] == [True] * len(changes)
