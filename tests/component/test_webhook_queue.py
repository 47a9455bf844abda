"""Webhooks that a queue wakes: whatever happens to messages, each event arrives, and no receiver delays another."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.handlers import webhook_queue, webhook_streams
from chalicelib.webhooks.http_sender import Outcome
from tests.support.product import LambdaContext, Product, booking
from tests.support.queues import Queues
from tests.support.webhooks import Receivers, Streams

HOOK = "https://receiver.example/hooks"


class World:
    def __init__(self, product: Product) -> None:
        self.product = product
        self.receivers = Receivers.of(product)
        self.streams = Streams(product)
        product.caller().put("/v1/webhook-endpoints/e-1", json={"url": HOOK})
        self.streams.announce()  # Of the connection.
        self.receivers.received.clear()
        self.queues = Queues(product)

    def book(self, number: int = 1) -> None:
        self.product.caller().put(f"/v1/bookings/b-{number}", json=booking(days=34 + number))
        self.product.settle()

    def announce(self) -> None:
        self.streams.announce()

    def wait(self, seconds: float = 60) -> None:
        self.product.clock.advance(seconds)
        webhook_streams.deliver_due(LambdaContext(), self.product.services)
        self.queues.deliver_webhooks()

    def bookings(self) -> list[str]:
        return [webhook.event["data"]["booking_id"] for webhook in self.receivers.received]


@pytest.fixture
def world(connected: Product) -> World:
    return World(connected)


def test_the_readers_of_streams_send_a_message_and_no_webhook(world: World) -> None:
    world.book()
    world.announce()
    assert world.receivers.received == []
    assert world.queues.deliver_webhooks() == []
    assert world.bookings() == ["b-1"]
    world.wait()
    assert world.bookings() == ["b-1"]


def test_an_event_that_is_sent_again_does_not_wait_for_the_schedule(world: World) -> None:
    world.receivers.answers[HOOK] = Outcome(410, "bad_status")
    world.book()
    world.announce()
    world.queues.deliver_webhooks()
    world.receivers.answers[HOOK] = Outcome(204)
    caller = world.product.caller()
    caller.put("/v1/webhook-endpoints/e-1", json={"url": HOOK})
    (delivery,) = caller.get("/v1/webhook-endpoints/e-1/deliveries?state=failed").json()["items"]
    address = f"/v1/webhook-endpoints/e-1/deliveries/{delivery['delivery_id']}/resend"
    for resend in (address, "/v1/webhook-endpoints/e-1/resend-failed"):
        world.receivers.received.clear()
        assert caller.post(resend).status_code == 202
        world.queues.deliver_webhooks()
        assert world.bookings() == (["b-1"] if resend == address else [])


def test_a_message_names_a_row_and_contains_nothing_personal(world: World) -> None:
    world.book()
    world.announce()
    attributes = {"MessageSystemAttributeNames": ["MessageGroupId"]}
    (message,) = world.queues.sqs.receive_message(QueueUrl=world.queues.urls["Webhooks"], **attributes)["Messages"]
    workspace_id, endpoint_id, name = json.loads(message["Body"])
    assert (workspace_id, endpoint_id) == ("ws-1", "e-1")
    (row,) = [row for row in world.product.aws.scan("deliveries") if row["delivery_name"]["S"] == name]
    assert row["state"]["S"] == "pending"
    assert message["Attributes"]["MessageGroupId"] == "ws-1"


def test_a_lost_message_costs_one_tick(world: World) -> None:
    world.book()
    world.announce()
    world.queues.sqs.purge_queue(QueueUrl=world.queues.urls["Webhooks"])
    world.wait()
    assert world.bookings() == ["b-1"]


def test_messages_that_are_doubled_late_and_out_of_order_send_each_event_once(world: World) -> None:
    for number in range(1, 4):
        world.book(number)
    world.announce()
    records = world.queues.messages("Webhooks")
    shuffled = [records[2], records[0], records[2], records[1], records[0]]
    for _ in range(2):
        webhook_queue.deliver_messages({"Records": shuffled}, LambdaContext(), world.product.services)
    world.wait()
    webhook_queue.deliver_messages({"Records": records}, LambdaContext(), world.product.services)
    assert sorted(world.bookings()) == ["b-1", "b-2", "b-3"]


def test_while_sqs_refuses_messages_the_schedule_finds_the_rows(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": ""}}, "SendMessageBatch")

    world.book()
    with monkeypatch.context() as context:
        context.setattr(world.queues.sqs, "send_message_batch", refuse)
        world.announce()
    assert [line.message for line in caplog.records if line.message.startswith("queue")] == ["queue unavailable"]
    world.wait()
    assert world.bookings() == ["b-1"]


def test_messages_that_sqs_refuses_one_by_one_are_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused = {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    monkeypatch.setattr(world.queues.sqs, "send_message_batch", lambda **_: refused)
    world.book()
    world.announce()
    assert "queue refused messages" in [line.message for line in caplog.records]


def test_a_receiver_that_failed_gets_its_event_again(world: World) -> None:
    world.receivers.answers[HOOK] = Outcome(500, "bad_status")
    world.book()
    world.announce()
    assert world.queues.deliver_webhooks() == []
    world.receivers.answers.clear()
    world.wait(70)
    assert world.bookings() == ["b-1", "b-1"]


def test_only_messages_that_cannot_be_read_or_stored_are_reported_as_failed(world: World) -> None:
    world.book()
    world.announce()
    records = world.queues.messages("Webhooks")
    records += [{"messageId": "m-2", "body": "?"}, {"messageId": "m-3", "body": '["ws-1", "b-1"]'}]
    answer = webhook_queue.deliver_messages({"Records": records}, LambdaContext(), world.product.services)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-2"}, {"itemIdentifier": "m-3"}]}
    assert world.bookings() == ["b-1"]


def test_slow_receivers_of_one_workspace_do_not_delay_another_in_the_same_process(world: World) -> None:
    """Five of its webhooks are in work and never end while the test waits for the other workspace's."""
    product = world.product
    arrived = threading.Event()

    def receive(url: str, headers: Any, body: bytes) -> Outcome:
        if "slow" in url:
            assert arrived.wait(20)
        else:
            arrived.set()
        world.receivers(url, headers, body)
        return Outcome(204)

    product.services = replace(product.services, webhook_transport=receive)
    world.queues = Queues(product)
    for number in range(2, 9):
        product.caller().put(f"/v1/webhook-endpoints/e-{number}", json={"url": f"https://slow-{number}.example/"})
    product.caller().delete("/v1/webhook-endpoints/e-1")
    world.book()
    world.announce()
    records = world.queues.messages("Webhooks")
    assert len(records) == 7
    product.caller("ws-2").put("/v1/webhook-endpoints/e-1", json={"url": HOOK})
    bounced = {"email": "guest@example.com", "role": "guest", "state": "bounced", "message_id": "mail-1"}
    product.services.outbox.enqueue_invitation_bounced("ws-2", "b-9", **bounced, at=product.clock())
    webhook_streams.deliver_due(LambdaContext(), product.services)
    answer = webhook_queue.deliver_messages({"Records": records}, LambdaContext(), product.services)
    assert answer == {"batchItemFailures": []}
    assert [webhook.url for webhook in world.receivers.received].index(HOOK) == 0
    assert len(world.receivers.received) == 8
