"""A remade trigger reads a day of the stream again: nothing is told twice, and times are the settler's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib import observability
from chalicelib.handlers import webhook_streams
from tests.component.test_metrics import counted
from tests.support.product import LambdaContext, Product, booking
from tests.support.webhooks import Receivers, Streams


@pytest.fixture(autouse=True)
def outside_of_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observability, "_dimensions", {})


@pytest.fixture
def receivers(connected: Product) -> Receivers:
    receivers = Receivers.of(connected)
    made = connected.caller().put("/v1/webhook-endpoints/e-1", json={"url": "https://receiver.example/hooks"})
    assert made.status_code == 201
    return receivers


def announce(product: Product, records: list[dict[str, Any]]) -> None:
    webhook_streams.announce_bookings({"Records": records}, LambdaContext(), product.services)


def whole_seconds(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records as DynamoDB has them: their time is rounded down."""
    for record in records:
        record["dynamodb"]["ApproximateCreationDateTime"] = int(record["dynamodb"]["ApproximateCreationDateTime"])
    return records


def test_a_replayed_day_sends_nothing_again(connected: Product, receivers: Receivers) -> None:
    arn, streams = connected.aws.stream_arn, Streams(connected)
    streams.records(arn)
    for number, days in enumerate((35, 36, 37)):
        connected.caller().put(f"/v1/bookings/b-{number}", json=booking(days=days))
        connected.settle()
        connected.caller().delete(f"/v1/bookings/b-{number}")
        connected.settle()
        connected.clock.advance(3600)
    day = whole_seconds(streams.records(arn))
    announce(connected, day)
    told, deliveries = receivers.types(), sorted(map(str, connected.aws.scan("deliveries")))
    assert sorted(told) == ["meeting.ready"] * 3 + ["meeting.removed"] * 3
    connected.clock.advance(20 * 3600)
    announce(connected, day)
    assert receivers.types() == told
    assert sorted(map(str, connected.aws.scan("deliveries"))) == deliveries


def test_events_of_one_second_are_sent_in_order_with_their_own_times(connected: Product, receivers: Receivers) -> None:
    arn, streams = connected.aws.stream_arn, Streams(connected)
    streams.records(arn)
    for number in range(6):
        connected.caller().put(f"/v1/bookings/b-{number}", json=booking())
        connected.clock.advance(0.02)
        connected.settle()
        connected.caller().delete(f"/v1/bookings/b-{number}")
        connected.settle()
    records = streams.records(arn)
    for record in records:
        record["dynamodb"]["ApproximateCreationDateTime"] = int(connected.clock().timestamp())
    announce(connected, records)
    events = [json.loads(received.body) for received in receivers.received]
    assert [event["type"] for event in events] == ["meeting.ready", "meeting.removed"] * 6
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    assert all(
        ready["timestamp"] < removed["timestamp"] for ready, removed in zip(events[::2], events[1::2], strict=True)
    )


def test_the_time_to_a_link_is_the_settlers_and_not_the_streams(
    connected: Product, receivers: Receivers, capsys: pytest.CaptureFixture[str]
) -> None:
    arn, streams = connected.aws.stream_arn, Streams(connected)
    streams.records(arn)
    connected.clock.advance(0.6)
    connected.caller().put("/v1/bookings/b-1", json=booking())
    connected.clock.advance(0.25)
    connected.settle()
    observability.enable_metrics("prod")
    announce(connected, whole_seconds(streams.records(arn)))
    (took,) = counted(capsys)["TimeToLink"]
    assert 250 <= took < 255  # Each write is at least a millisecond later than the one before.


@pytest.mark.parametrize(
    ("fails", "line"),
    [
        (False, {"state": "ready", "reason": None, "provider": "zoom", "mail": "done"}),
        (True, {"state": "waiting", "reason": "reconnect_needed", "provider": "zoom", "mail": "done"}),
    ],
)
def test_each_settling_run_logs_its_result(
    fails: bool, line: dict[str, str], connected: Product, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    if fails:
        with connected.zoom.lock:
            connected.zoom.identity.reset()
    connected.caller().put("/v1/bookings/b-1", json=booking())
    connected.settle()
    (logged,) = [vars(record) for record in caplog.records if record.message == "settled"]
    assert {name: logged[name] for name in line} == line
    assert (logged["workspace_id"], logged["booking_id"], logged["took_ms"]) == ("ws-1", "b-1", 0)
    assert "@" not in repr(logged["msg"])
