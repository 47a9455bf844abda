"""What a booking costs in calls, once a process is warm: to accept it, to settle it, to hear of it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from chalicelib.handlers import booking_stream
from chalicelib.store import tables
from infra.local.standins.server import InProcessTransport
from tests.support.product import GUEST, LambdaContext, Product, booking, calendar

READS = {"GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"}
SECOND_GUEST = GUEST | {"email": "second-guest@example.com"}


@contextmanager
def counted(product: Product) -> Iterator[list[str]]:
    """The operations that the product asks of AWS, as botocore's own events tell."""
    calls: list[str] = []

    def note(model: Any, **_: Any) -> None:
        calls.append(model.name)

    emitters = [tables.BookingItem.shared_connection().client.meta.events, product.aws.client("kms").meta.events]
    for emitter in emitters:
        emitter.register("before-call", note)
    try:
        yield calls
    finally:
        for emitter in emitters:
            emitter.unregister("before-call", note)


@contextmanager
def requests_to_providers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is asked of the stand-ins for providers."""
    requests: list[str] = []
    handle = InProcessTransport.handle_request

    def note(transport: InProcessTransport, request: httpx.Request) -> httpx.Response:
        requests.append(f"{request.method} {request.url.path}")
        return handle(transport, request)

    with monkeypatch.context() as patched:
        patched.setattr(InProcessTransport, "handle_request", note)
        yield requests


def settle(product: Product, records: list[dict[str, Any]]) -> None:
    assert booking_stream.settle_records({"Records": records}, LambdaContext(), product.services) == {
        "batchItemFailures": []
    }


@pytest.fixture
def connected(product: Product) -> Product:
    """A process that has connected the user and stored the calendar itself, so that it has seen the workspace."""
    product.connect()
    assert product.caller().put("/v1/calendars/c-1", json=calendar()).is_success
    return product


@pytest.fixture
def warm(connected: Product) -> Product:
    """A process that has accepted and settled a booking before."""
    assert connected.caller().put("/v1/bookings/b-0", json=booking()).status_code == 201
    connected.settle()
    return connected


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/v1/bookings/b-1"), ("POST", "/v1/bookings")], ids=["PUT", "POST"]
)
def test_accepting_takes_one_read_and_one_write(warm: Product, method: str, path: str) -> None:
    with counted(warm) as calls:
        assert warm.caller().request(method, path, json=booking()).status_code == 201
    assert calls == ["BatchGetItem", "PutItem"]


def test_so_does_a_change(warm: Product) -> None:
    with counted(warm) as calls:
        assert warm.caller().put("/v1/bookings/b-0", json=booking(days=36)).status_code == 200
    assert calls == ["BatchGetItem", "UpdateItem"]


def test_the_same_content_again_takes_one_read(warm: Product) -> None:
    with counted(warm) as calls:
        assert warm.caller().put("/v1/bookings/b-0", json=booking()).status_code == 200
    assert calls == ["BatchGetItem"]


def test_the_first_booking_of_a_process_asks_for_the_connection_too(connected: Product) -> None:
    with counted(connected) as calls:
        assert connected.caller().put("/v1/bookings/b-1", json=booking()).status_code == 201
    assert calls == ["BatchGetItem", "GetItem", "PutItem"]


def test_a_calendar_with_another_host_by_now_is_not_served_from_memory(warm: Product) -> None:
    assert warm.caller().put("/v1/calendars/c-1", json=calendar("phone", user_id="u-2")).is_success
    accepted = warm.caller().put("/v1/bookings/b-1", json=booking()).json()
    assert accepted["host"]["user_id"] == "u-2"
    assert accepted["meeting"]["state"] == "none"


@pytest.mark.parametrize("guests", [[GUEST], [GUEST, SECOND_GUEST]], ids=["one guest", "two guests"])
def test_settling_takes_eight_calls_and_for_each_recipient_a_mark_and_a_mail(
    warm: Product, guests: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert warm.caller().put("/v1/bookings/b-1", json=booking(days=40, guests=guests)).status_code == 201
    records, mails = warm.stream_records(), len(warm.mails.sent)
    with counted(warm) as calls, requests_to_providers(monkeypatch) as requests:
        settle(warm, records)
    # Lease, connection with grant, intent, the host's other bookings then (their rows too, if there are any), the
    # meeting's reference, suppressed addresses, whether the account reports meetings, result; a mark before each mail,
    # so that a crash between two mails repeats at most one.
    marks = ["UpdateItem"] * (1 + len(guests))
    before, after = (
        ["UpdateItem", "TransactGetItems", "UpdateItem", "Query", "PutItem", "BatchGetItem"],
        ["GetItem", "UpdateItem"],
    )
    assert calls == [*before, *marks, *after]
    assert requests == ["POST /v2/users/me/meetings"]
    assert len(warm.mails.sent) - mails == 1 + len(guests)


def test_a_settled_record_costs_nothing(warm: Product) -> None:
    assert warm.caller().put("/v1/bookings/b-1", json=booking()).status_code == 201
    settle(warm, warm.stream_records())
    own_writes = warm.stream_records()
    assert own_writes
    with counted(warm) as calls:
        settle(warm, own_writes)
    assert calls == []


def test_tokens_are_opened_without_kms_in_a_warm_process(warm: Product) -> None:
    for number in range(3):
        assert warm.caller().put(f"/v1/bookings/b-{number + 1}", json=booking()).status_code == 201
    records = warm.stream_records()
    with counted(warm) as calls:
        settle(warm, records)
    assert not {"Decrypt", "GenerateDataKey"} & set(calls)
