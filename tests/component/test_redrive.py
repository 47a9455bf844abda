"""Events that Lambda gave up are processed again; events that were never announced are announced."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.domain.meeting import MeetingState
from chalicelib.handlers import webhook_streams
from infra.local.standins.faults import Action, Fault
from infra.operate.dead_letters import Redriven, Redriver
from infra.operate.replay import Range, announce_again, list_workspaces, replay
from infra.operate.rows import Tables
from tests.support.clock import START
from tests.support.product import WORKSPACE, LambdaContext, Product, booking
from tests.support.webhooks import Receivers, Streams

HOOK = "https://receiver.example/hooks"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:meetlink-ci-"


class Letters:
    """The queue of one stage, and the functions as an invocation from a terminal finds them."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.sqs = product.aws.client("sqs")
        self.streams: Any = product.aws.client("dynamodbstreams")
        self.url = self.sqs.create_queue(QueueName="meetlink-ci-dead-letters")["QueueUrl"]
        self.invoked: list[tuple[str, dict[str, Any]]] = []
        self.breaks = False

    def give_up(self, function: str, **what: Any) -> None:
        """What Lambda writes: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html, under "on-failure"."""
        context = {"functionArn": FUNCTION + function, "condition": "RetryAttemptsExhausted"}
        self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps({"requestContext": context, **what}))

    def redrive(self) -> Redriven:
        return Redriver(self.sqs, self.streams, self._invoke).redrive(self.url)

    def left(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(told[name]) for name in names)

    def _invoke(self, arn: str, event: dict[str, Any]) -> bool:
        self.invoked.append((arn.rpartition("-")[2], event))
        if self.breaks:
            return False
        if "Records" in event and "dynamodb" in event["Records"][0]:
            event = json.loads(json.dumps(event))  # As it travels.
            webhook_streams.announce_bookings(event, LambdaContext(), self.product.services)
        return True


@pytest.fixture
def letters(connected: Product) -> Letters:
    connected.caller().put("/v1/webhook-endpoints/e-1", json={"url": HOOK})
    return Letters(connected)


def batch(letters: Letters, numbers: list[str], shard: str) -> dict[str, Any]:
    return {
        "shardId": shard,
        "startSequenceNumber": numbers[0],
        "endSequenceNumber": numbers[-1],
        "batchSize": len(numbers),
        "streamArn": letters.product.aws.stream_arn,
    }


def test_a_batch_of_the_stream_that_was_given_up_is_announced(letters: Letters) -> None:
    product = letters.product
    receivers = Receivers.of(product)
    product.caller().put("/v1/bookings/b-1", json=booking())
    product.settle()
    product.caller().put("/v1/bookings/b-2", json=booking(days=36))
    product.settle()
    records = Streams(product).records(product.aws.stream_arn)
    (shard,) = letters.streams.describe_stream(StreamArn=product.aws.stream_arn)["StreamDescription"]["Shards"]
    first = [r["dynamodb"]["SequenceNumber"] for r in records if r["dynamodb"]["Keys"]["booking_id"]["S"] == "b-1"]
    letters.give_up("announce_bookings", DDBStreamBatchInfo=batch(letters, first, shard["ShardId"]))
    assert letters.redrive() == Redriven(done=1)
    assert letters.left() == 0
    assert [one.event["data"]["booking_id"] for one in receivers.received] == ["b-1"]


def test_what_the_schedule_did_needs_no_second_time(letters: Letters) -> None:
    letters.give_up("on_booking", DDBStreamBatchInfo={})
    letters.give_up("on_schedule", requestPayload={})
    letters.give_up("deliver_webhooks", requestPayload={})
    assert letters.redrive() == Redriven(needless=3)
    assert (letters.invoked, letters.left()) == ([], 0)


def test_a_message_of_a_work_queue_needs_no_second_time_because_its_row_is_due(letters: Letters) -> None:
    letters.sqs.send_message(QueueUrl=letters.url, MessageBody='["ws-1", "b-1"]')
    assert letters.redrive() == Redriven(needless=1)
    assert (letters.invoked, letters.left()) == ([], 0)


def test_a_mail_event_is_handed_over_as_it_was(letters: Letters) -> None:
    event = {"Records": [{"Sns": {"Message": "{}"}}]}
    letters.give_up("on_mail_event:$LATEST", requestPayload=event)
    assert letters.redrive() == Redriven(done=1)
    assert letters.invoked == [("on_mail_event", event)]


def test_what_fails_again_stays_in_the_queue(letters: Letters) -> None:
    letters.give_up("on_mail_event", requestPayload={})
    letters.breaks = True
    assert letters.redrive() == Redriven(failed=["on_mail_event"])
    assert letters.left() == 1


def test_what_the_stream_has_forgotten_is_said_to_be_lost(letters: Letters) -> None:
    def forgotten(**_: Any) -> None:
        refusal = {"Error": {"Code": "TrimmedDataAccessException", "Message": "older than 24 hours"}}
        raise ClientError(refusal, "GetShardIterator")  # type: ignore[arg-type]

    letters.streams = SimpleNamespace(get_shard_iterator=forgotten)
    letters.give_up("announce_connections", DDBStreamBatchInfo=batch(letters, ["1"], "shardId-1"))
    assert letters.redrive() == Redriven(lost=["announce_connections"])
    assert letters.left() == 1


def test_endpoints_are_told_what_they_missed_and_nothing_twice(letters: Letters) -> None:
    product = letters.product
    receivers, streams = Receivers.of(product), Streams(product)
    caller = product.caller()
    caller.put("/v1/bookings/b-told", json=booking())
    product.settle()
    streams.announce()
    heard = receivers.types()
    assert heard.count("meeting.ready") == 1
    caller.put("/v1/bookings/b-missed", json=booking(days=36))
    caller.put("/v1/bookings/b-gone", json=booking(days=37))
    product.settle()
    caller.delete("/v1/bookings/b-gone")
    product.settle()
    streams.records(product.aws.stream_arn)  # Lost.
    everything = [Range(WORKSPACE)]
    assert announce_again(product.services, everything, apply=False) == {"meeting.ready": 1, "meeting.removed": 1}
    assert receivers.types() == heard
    assert announce_again(product.services, everything, apply=True) == {"meeting.ready": 1, "meeting.removed": 1}
    assert announce_again(product.services, everything, apply=True) == {}
    product.tick()
    webhook_streams.deliver_due(LambdaContext(), product.services)
    news = [(one.event["type"], one.event["data"]["booking_id"]) for one in receivers.received[len(heard) :]]
    assert sorted(news) == [("meeting.ready", "b-missed"), ("meeting.removed", "b-gone")]


def test_a_connection_that_no_one_heard_of_is_told(letters: Letters) -> None:
    product = letters.product
    Receivers.of(product)
    assert announce_again(product.services, [Range(WORKSPACE)], apply=True) == {"connection.created": 1}
    assert announce_again(product.services, [Range(WORKSPACE)], apply=True) == {}


def test_failed_bookings_of_a_range_are_settled_again_and_others_left_alone(connected: Product) -> None:
    caller, faults = connected.caller(), connected.zoom.faults
    faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=400, times=2, body={"code": 3000}))
    for number, days in enumerate((35, 36, 37)):
        caller.put(f"/v1/bookings/b-{number}", json=booking(days=days))
        connected.settle()
    states = [caller.get(f"/v1/bookings/b-{number}").json()["meeting"]["state"] for number in range(3)]
    assert states == ["failed", "failed", "ready"]
    known = list_workspaces(Tables(connected.aws.client("dynamodb"), connected.aws.table_prefix))
    first_only = [Range(one, day(35), day(36)) for one in known]
    assert replay(connected.services, first_only, frozenset({MeetingState.FAILED}), apply=False) == {"failed": 1}
    assert connected.stream_records() == []
    assert replay(connected.services, first_only, frozenset({MeetingState.FAILED}), apply=True) == {"failed": 1}
    connected.settle()
    states = [caller.get(f"/v1/bookings/b-{number}").json()["meeting"]["state"] for number in range(3)]
    assert states == ["ready", "failed", "ready"]
    before = len(connected.mails.sent), len(connected.zoom.meetings)
    assert replay(connected.services, [Range(WORKSPACE)], frozenset({"ready"}), apply=True) == {"ready": 2}
    connected.settle()
    assert (len(connected.mails.sent), len(connected.zoom.meetings)) == before


def day(days: int) -> datetime:
    return START + timedelta(days=days)
