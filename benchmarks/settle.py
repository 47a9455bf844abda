"""How fast a batch of bookings is settled while the provider takes its time, against what a plain worker does.

The rival is Powertools' batch processor as its documentation shows it: for each record in turn read the booking and
its account, make the meeting, store the link, email everyone, store that. It takes no lease, writes no intent and
marks no mail, and so may make two meetings; but it waits for one call at a time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import ceil
from typing import Any

from msgspec.structs import replace

from benchmarks.measure import Line, alternate, compare
from benchmarks.memory import Context, Deployment, deployment

_WORKERS = 25


def run(rounds: int = 4, bookings: int = 100, seconds: float = 0.3, slow_seconds: float = 3.0) -> Iterator[Line]:
    """The lines of this benchmark."""
    with deployment(seconds, slow_seconds) as product:
        _settle(product, _book(product, 2))
        _plainly(product, _book(product, 1))
        sample = max(1, bookings // 10)  # A tenth is measured, and the result is multiplied by ten.
        ours, theirs = alternate(
            lambda: _settle(product, _book(product, bookings)),
            lambda: _plainly(product, _book(product, sample)) * bookings / sample,
            rounds,
        )
        batch = f"settling {bookings} bookings, provider {seconds * 1000:g} ms"
        yield compare(batch, ours, "sequential Powertools", theirs, "s", aim=22.0, at_least=True, faster=True)
        ideal = ceil(bookings / _WORKERS) * seconds
        yield compare(batch, ours, f"ideal, {_WORKERS} side by side", [ideal] * rounds, "s", aim=1.3)
        few = min(bookings, _WORKERS - 1)
        beside, alone = alternate(
            lambda: _others_done(product, few, slow=True), lambda: _others_done(product, few, slow=False), rounds
        )
        name = f"{few} bookings, one more takes {slow_seconds:g} s"
        yield compare(name, beside, "without that one", alone, "s", aim=1.5)


def _book(product: Deployment, count: int) -> list[dict[str, Any]]:
    """So many new bookings, without those of earlier rounds: the database in memory searches all of a host's."""
    product.empty()
    return product.book(count)


def _settle(product: Deployment, records: list[dict[str, Any]]) -> float:
    from chalicelib.handlers import booking_stream

    begun = time.perf_counter()
    answer = booking_stream.settle_records({"Records": records}, Context(), product.services)
    took = time.perf_counter() - begun
    assert answer == {"batchItemFailures": []}
    settled = {
        row["booking_id"]["S"] for row in product.memory.items("bookings") if row["settled_revision"]["N"] == "1"
    }
    assert {record["dynamodb"]["NewImage"]["booking_id"]["S"] for record in records} <= settled
    return took


def _others_done(product: Deployment, count: int, *, slow: bool) -> float:
    """When the last mail of the others was sent, since the batch began."""
    records = _book(product, count) + (product.book(1, "slow") if slow else [])
    product.mails.sent.clear()
    begun = time.perf_counter()
    _settle(product, records)
    return max(at for at, was_slow in product.mails.sent if not was_slow) - begun


def _plainly(product: Deployment, records: list[dict[str, Any]]) -> float:
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    from chalicelib.domain.invitation_plan import outstanding
    from chalicelib.domain.meeting import MeetingRequest
    from chalicelib.store.booking_records import record_of
    from chalicelib.store.tables import BookingItem

    services = product.services
    zoom = services.providers["zoom"]

    def handle(record: Any) -> None:
        keys = record.dynamodb.new_image
        item = BookingItem.get(keys["workspace_id"], keys["booking_id"])
        found = record_of(item)
        booking, appointment = found.booking, found.booking.appointment
        assert booking.eligibility is not None
        grant_id = booking.eligibility.grant_id
        _, grant = services.connection_store.get_with_grant(booking.workspace_id, booking.host.user_id, grant_id)
        assert grant is not None
        request = MeetingRequest(
            tag=booking.booking_id,
            title=appointment.title,
            description=appointment.description,
            starts_at=appointment.starts_at,
            ends_at=appointment.ends_at,
            time_zone=appointment.time_zone,
        )
        made = zoom.create(services.access_tokens.access_token(grant), request)
        meeting = replace(found.settlement.meeting, join_url=made.join_url)
        item.update([BookingItem.status.set("confirmed")])
        for invite in outstanding(booking, meeting, (), uid="uid", sequence=0, now=services.clock()):
            product.mails.send(invite)
        item.update([BookingItem.settled_revision.set(1)])

    begun = time.perf_counter()
    processor = BatchProcessor(event_type=EventType.DynamoDBStreams)
    answer = process_partial_response({"Records": records}, handle, processor)
    took = time.perf_counter() - begun
    assert answer == {"batchItemFailures": []}, answer
    return took
