"""How fast a batch of bookings is settled while the provider takes its time, against what a plain worker does.

The rival is the plain sequential sample of a stream batch: for each record read the booking, make the meeting, store
its link, mail everybody. Both run against moto in this process, and against a Zoom that takes so long for a create;
what moto computes is a part of both, and all that keeps the product from the ideal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from typing import Any

import httpx

from benchmarks.measure import Line, alternate, compare

_WORKERS = 25
_SLOW_SECONDS = 3.0


def run(rounds: int = 3, bookings: int = 100, seconds: float = 0.3) -> Iterator[Line]:
    """The lines of this benchmark."""
    with _product(seconds) as product:
        _batch(product, 2)
        sample = max(1, bookings // 10)
        ours, theirs = alternate(
            lambda: _settle(product, _batch(product, bookings)),
            lambda: _plainly(product, _batch(product, sample)) * bookings / sample,
            rounds,
        )
        ideal = ceil(bookings / _WORKERS) * seconds
        batch = f"settling {bookings} bookings, provider {seconds * 1000:g} ms"
        yield compare(batch, ours, "sequential worker", theirs, "s", aim=25.0, at_least=True, faster=True)
        yield compare(batch, ours, f"ideal of {_WORKERS} side by side", [ideal] * rounds, "s", aim=1.5)
        few = min(bookings, _WORKERS - 1)
        beside, alone = alternate(
            lambda: _others_done(product, few, slow=True), lambda: _others_done(product, few, slow=False), rounds
        )
        name = f"{few} bookings beside one whose provider takes {_SLOW_SECONDS:g} s"
        yield compare(name, beside, "the same without it", alone, "s", aim=1.5)


class _Slow(httpx.BaseTransport):
    """The stand-in, but a create takes `seconds`; one with "slow" in its title takes longer."""

    def __init__(self, inner: httpx.BaseTransport, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("/meetings"):
            time.sleep(_SLOW_SECONDS if b"slow" in request.read() else self._seconds)
        return self._inner.handle_request(request)


@contextmanager
def _product(seconds: float) -> Iterator[Any]:
    from moto import mock_aws

    from infra.local.aws import REGION
    from infra.local.standins.zoom.limits import Limits
    from tests.support.aws import furnish, moto_client
    from tests.support.clock import FakeClock
    from tests.support.product import Product, calendar

    before = os.environ.copy()
    os.environ.pop("AWS_ENDPOINT_URL", None)
    os.environ["AWS_DEFAULT_REGION"] = REGION
    with mock_aws():
        product = Product(furnish(moto_client, "bench-settle-"), FakeClock())
        product.zoom.limits = Limits(product.clock, 10**9, 10**9)
        product.connect()
        product.caller().put("/v1/calendars/c-1", json=calendar()).raise_for_status()
        vault, transport = product.services.vault, product.services.transport
        product.services = replace(product.services, transport=_Slow(transport, seconds))
        vars(product.services).update(vault=vault)
        yield product
    os.environ.clear()
    os.environ.update(before)


_numbers = iter(range(10**9))


def _batch(product: Any, count: int, title: str = "Introductory call") -> list[dict[str, Any]]:
    """Stream records of so many new bookings."""
    from tests.support.product import booking

    for _ in range(count):
        answer = product.caller().put(f"/v1/bookings/b-{next(_numbers)}", json=booking(title=title))
        assert answer.status_code == 201, answer.text
    return [record for record in product.stream_records() if record["eventName"] == "INSERT"]


def _settle(product: Any, records: list[dict[str, Any]]) -> float:
    from chalicelib import handlers
    from tests.support.product import LambdaContext

    begun = time.perf_counter()
    answer = handlers.settle_records({"Records": records}, LambdaContext(), product.services)
    took = time.perf_counter() - begun
    assert answer == {"batchItemFailures": []}
    for record in records:
        keys = record["dynamodb"]["Keys"]
        settled = product.services.bookings.get(keys["workspace_id"]["S"], keys["booking_id"]["S"])
        assert settled.is_settled, settled
    return took


def _others_done(product: Any, count: int, *, slow: bool) -> float:
    """When the last mail of the others was sent, since the batch began."""
    records = _batch(product, count) + (_batch(product, 1, "slow") if slow else [])
    sent: list[float] = []
    send = product.mails.send

    def noting(invite: Any) -> str:
        if invite.title != "slow":
            sent.append(time.perf_counter())
        return str(send(invite))

    product.mails.send = noting
    begun = time.perf_counter()
    _settle(product, records)
    product.mails.send = send
    return max(sent) - begun


def _plainly(product: Any, records: list[dict[str, Any]]) -> float:
    """The sequential sample, with Powertools' processor as its documentation shows it."""
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    from chalicelib.domain.meeting import MeetingRequest
    from chalicelib.domain.invitation import outstanding
    from chalicelib.store.bookings import record_of
    from chalicelib.store.tables import BookingItem

    services = product.services
    zoom = services.providers["zoom"]

    def handle(record: Any) -> None:
        keys = record.dynamodb.keys
        item = BookingItem.get(keys["workspace_id"], keys["booking_id"])
        found = record_of(item).booking
        connection, grant = services.connections.with_grant(
            found.workspace_id, found.host.user_id, found.eligibility.grant_id
        )
        token, appointment = services.tokens.access_token(grant), found.appointment
        request = MeetingRequest(
            tag=f"plain-{next(_numbers)}",
            title=appointment.title,
            description=appointment.description,
            starts_at=appointment.starts_at,
            ends_at=appointment.ends_at,
            time_zone=appointment.time_zone,
        )
        made = zoom.create(token, request)
        item.update([BookingItem.observed.set(str(made.join_url))])
        item.update([BookingItem.observed.remove()])
        settlement = record_of(item).settlement
        now = services.clock()
        for invite in outstanding(found, settlement.meeting, (), uid="plain", sequence=0, now=now):
            product.mails.send(invite)

    begun = time.perf_counter()
    processor = BatchProcessor(event_type=EventType.DynamoDBStreams)
    answer = process_partial_response({"Records": records}, handle, processor, None)
    took = time.perf_counter() - begun
    assert answer == {"batchItemFailures": []}, answer
    return took
