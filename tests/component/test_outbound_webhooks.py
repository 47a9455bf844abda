"""Webhooks to workspaces: no event is lost, every request is signed, failures are retried for a day."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from chalicelib.api.schemas import webhook_events
from chalicelib.api.schemas.fields import format_timestamp
from chalicelib.domain.webhook_signing import key_of, verify
from chalicelib.errors import StoreUnavailable
from chalicelib.handlers import booking_stream, webhook_streams
from chalicelib.observability import log
from chalicelib.webhooks.events import Event, EventType
from chalicelib.webhooks.http_sender import Outcome
from chalicelib.webhooks.store import DeliveryStore
from infra.local.standins.faults import Action, Fault
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import SECOND_ACCOUNT, WORKSPACE, LambdaContext, Product, booking, calendar
from tests.support.webhooks import Received, Receivers, Streams

HOOK = "https://receiver.example/hooks"
BROKEN = Outcome(500, "bad_status")


class Subscriber:
    """A connected workspace with one endpoint for all events, and the webhooks that arrive there."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.receivers = Receivers.of(product)
        self.streams = Streams(product)
        self.caller = product.caller()
        made = self.put("e-1", url=HOOK)
        assert made.status_code == 201, made.text
        self.secret = made.json()["secret"]

    def put(self, endpoint_id: str, **body: Any) -> httpx.Response:
        return self.caller.put(f"/v1/webhook-endpoints/{endpoint_id}", json=body)

    def book(self, booking_id: str = "b-1", **changes: Any) -> None:
        answer = self.caller.put(f"/v1/bookings/{booking_id}", json=booking(**changes))
        assert answer.is_success, answer.text
        self.product.settle()

    def announce(self) -> list[Received]:
        """Process the streams. Return the webhooks that arrived."""
        before = len(self.receivers.received)
        self.streams.announce()
        arrived = self.receivers.received[before:]
        for webhook in arrived:  # Each event has the form in the API's description.
            msgspec.json.decode(webhook.body, type=webhook_events.event_struct(webhook.event["type"]))
        return arrived

    def wait(self, seconds: float) -> int:
        """Let time pass and the schedule run. Return how many webhooks arrived."""
        before = len(self.receivers.received)
        self.product.clock.advance(seconds)
        webhook_streams.deliver_due(LambdaContext(), self.product.services)
        return len(self.receivers.received) - before

    def log(self, endpoint_id: str = "e-1") -> list[dict[str, Any]]:
        answer = self.caller.get(f"/v1/webhook-endpoints/{endpoint_id}/deliveries")
        assert answer.status_code == 200, answer.text
        return [item for item in answer.json()["items"] if item["type"] != "connection.created"]

    def endpoint(self, endpoint_id: str = "e-1") -> dict[str, Any]:
        found: dict[str, Any] = self.caller.get(f"/v1/webhook-endpoints/{endpoint_id}").json()
        return found


@pytest.fixture
def subscriber(connected: Product) -> Subscriber:
    subscriber = Subscriber(connected)
    subscriber.announce()  # Of the connection, which other tests check.
    subscriber.receivers.received.clear()
    return subscriber


def test_a_log_line_of_a_worker_thread_has_the_request_id(
    subscriber: Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    def crash(*_: object) -> Outcome:
        raise RuntimeError("a bug")

    subscriber.book()
    subscriber.product.services = replace(subscriber.product.services, webhook_transport=crash)
    with log.request("run-1"):
        subscriber.streams.announce()
    crashed = [line for line in caplog.records if line.message == "webhook delivery crashed"]
    assert [vars(line)["request_id"] for line in crashed] == ["run-1"]


def test_meeting_ready_has_the_link_and_a_valid_signature(subscriber: Subscriber) -> None:
    subscriber.book(metadata={"order": "4711"})
    (webhook,) = subscriber.announce()
    data = webhook.event["data"]
    assert (webhook.url, webhook.event["type"], data["booking_id"]) == (HOOK, "meeting.ready", "b-1")
    assert data["metadata"] == {"order": "4711"}
    assert data["meeting"]["join_url"] == subscriber.caller.get("/v1/bookings/b-1").json()["meeting"]["join_url"]
    assert verify([key_of(subscriber.secret)], webhook.headers, webhook.body, subscriber.product.clock())
    (logged,) = subscriber.log()
    assert (logged["id"], logged["state"], logged["status"]) == (webhook.headers["webhook-id"], "delivered", 204)


def test_a_batch_that_is_delivered_twice_sends_one_event_with_the_same_id(subscriber: Subscriber) -> None:
    subscriber.book()
    records = subscriber.streams.records(subscriber.product.aws.stream_arn)
    for _ in range(3):
        webhook_streams.announce_bookings({"Records": records}, LambdaContext(), subscriber.product.services)
    assert subscriber.receivers.types() == ["meeting.ready"]
    assert len(subscriber.log()) == 1


def test_rescheduling_with_the_same_link_sends_nothing_and_cancelling_sends_an_event(subscriber: Subscriber) -> None:
    subscriber.book()
    subscriber.announce()
    subscriber.book(days=40)
    assert subscriber.announce() == []
    subscriber.caller.delete("/v1/bookings/b-1")
    subscriber.product.settle()
    assert [webhook.event["type"] for webhook in subscriber.announce()] == ["meeting.removed"]


def test_an_outage_sends_one_event_for_all_retries_and_one_at_its_end(subscriber: Subscriber) -> None:
    outage = Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=503, times=None)
    subscriber.product.zoom.faults.add(outage)
    subscriber.book()
    for _ in range(30):
        subscriber.product.tick()
    assert [webhook.event["type"] for webhook in subscriber.announce()] == ["meeting.waiting"]
    assert subscriber.receivers.received[0].event["data"]["meeting"]["reason"] == "provider_unavailable"
    subscriber.product.zoom.faults.clear()
    for _ in range(20):
        subscriber.product.tick()
    assert [webhook.event["type"] for webhook in subscriber.announce()] == ["meeting.ready"]


def test_a_meeting_that_cannot_be_created_sends_meeting_failed_and_again_after_a_retry(subscriber: Subscriber) -> None:
    subscriber.product.zoom.faults.add(
        Fault(
            "/v2/users/me/meetings",
            Action.BEFORE,
            method="POST",
            status=400,
            times=None,
            body={"code": 300, "message": "no"},
        )
    )
    subscriber.book()
    assert [webhook.event["type"] for webhook in subscriber.announce()] == ["meeting.failed"]
    subscriber.caller.post("/v1/bookings/b-1/retry")
    subscriber.product.settle()
    assert [webhook.event["type"] for webhook in subscriber.announce()] == ["meeting.failed"]


def test_a_booking_without_video_sends_nothing(subscriber: Subscriber) -> None:
    subscriber.caller.put("/v1/calendars/c-2", json=calendar("phone"))
    subscriber.book(calendar_id="c-2")
    assert subscriber.announce() == []


def test_connections_send_events_when_created_replaced_and_ended(product: Product) -> None:
    subscriber = Subscriber(product)
    product.connect()
    (made,) = subscriber.announce()
    assert made.event["type"] == "connection.created"
    assert made.event["data"]["user_id"] == "u-1"
    assert made.event["data"]["account"]["email"] == "host@example.com"
    product.connect("u-1", SECOND_ACCOUNT)
    changes = [(webhook.event["type"], webhook.event["data"]["reason"]) for webhook in subscriber.announce()]
    assert changes == [("connection.removed", "replaced"), ("connection.created", None)]
    subscriber.caller.delete("/v1/users/u-1/connection")
    ended = [(webhook.event["type"], webhook.event["data"]["reason"]) for webhook in subscriber.announce()]
    assert ended == [("connection.removed", "disconnected")]


def test_a_connection_that_removes_its_meetings_first_sends_one_removed_event(subscriber: Subscriber) -> None:
    subscriber.book()
    subscriber.announce()
    subscriber.caller.delete("/v1/users/u-1/connection?meetings=delete")
    subscriber.product.settle()
    for _ in range(3):
        subscriber.product.tick()
    types = [webhook.event["type"] for webhook in subscriber.announce()]
    assert sorted(types) == ["connection.removed", "meeting.removed"]


def test_a_broken_connection_sends_one_event_to_every_workspace_that_uses_the_account(subscriber: Subscriber) -> None:
    product = subscriber.product
    product.connect("u-9", workspace_id="ws-2")
    other = product.caller("ws-2").put("/v1/webhook-endpoints/e-2", json={"url": "https://other.example/"})
    assert other.status_code == 201
    subscriber.announce()
    subscriber.receivers.received.clear()
    grant = product.services.grant_store.get("zoom#zoom-user-1")
    assert grant is not None
    product.services.access_tokens.break_grant(grant.id)
    for _ in range(3):
        product.tick()
        subscriber.wait(0)
    broken = sorted(
        (webhook.url, webhook.event["type"], webhook.event["data"]["user_id"])
        for webhook in subscriber.receivers.received
    )
    assert broken == [("https://other.example/", "connection.broken", "u-9"), (HOOK, "connection.broken", "u-1")]


def test_a_bounced_invitation_sends_one_event(subscriber: Subscriber) -> None:
    at = subscriber.product.clock()
    for _ in range(2):
        subscriber.product.services.outbox.enqueue_invitation_bounced(
            WORKSPACE, "b-1", email="guest@example.com", role="guest", state="bounced", message_id="mail-1", at=at
        )
    assert subscriber.wait(0) == 1
    msgspec.json.decode(subscriber.receivers.received[0].body, type=webhook_events.InvitationEvent)
    assert subscriber.receivers.received[0].event["data"] == {
        "booking_id": "b-1",
        "invitation": {"email": "guest@example.com", "role": "guest", "state": "bounced"},
    }


def test_each_endpoint_gets_the_events_it_wants_signed_with_its_own_secret(subscriber: Subscriber) -> None:
    second = subscriber.put("e-2", url="https://second.example/", events=["meeting.removed"]).json()
    subscriber.book()
    subscriber.caller.delete("/v1/bookings/b-1")
    subscriber.product.settle()
    subscriber.announce()
    by_url = {(webhook.url, webhook.event["type"]) for webhook in subscriber.receivers.received}
    assert by_url == {
        (HOOK, "meeting.ready"),
        (HOOK, "meeting.removed"),
        ("https://second.example/", "meeting.removed"),
    }
    webhook = next(webhook for webhook in subscriber.receivers.received if webhook.url == "https://second.example/")
    assert verify([key_of(second["secret"])], webhook.headers, webhook.body, subscriber.product.clock())
    assert not verify([key_of(subscriber.secret)], webhook.headers, webhook.body, subscriber.product.clock())


def test_after_a_rotation_both_secrets_verify_for_a_day(subscriber: Subscriber) -> None:
    new = subscriber.caller.post("/v1/webhook-endpoints/e-1/rotate-secret").json()["secret"]
    subscriber.book()
    (webhook,) = subscriber.announce()
    now = subscriber.product.clock()
    assert [verify([key_of(s)], webhook.headers, webhook.body, now) for s in (subscriber.secret, new)] == [True, True]
    subscriber.product.clock.advance(timedelta(days=1, minutes=1).total_seconds())
    subscriber.book("b-2")
    (webhook,) = subscriber.announce()
    now = subscriber.product.clock()
    assert [verify([key_of(s)], webhook.headers, webhook.body, now) for s in (subscriber.secret, new)] == [False, True]


def test_deliveries_to_a_receiver_that_is_down_are_retried_for_a_day(subscriber: Subscriber) -> None:
    subscriber.receivers.answers[HOOK] = BROKEN
    subscriber.book()
    subscriber.announce()
    (pending,) = subscriber.log()
    assert (pending["state"], pending["status"], pending["attempts"], pending["error"]) == (
        "pending",
        500,
        1,
        "bad_status",
    )
    for _ in range(12):
        subscriber.wait(3600)
    subscriber.receivers.answers.clear()
    for _ in range(9):
        subscriber.wait(3600)
    (done,) = subscriber.log()
    assert done["state"] == "delivered"
    assert len({webhook.headers["webhook-id"] for webhook in subscriber.receivers.received}) == 1
    assert len({webhook.body for webhook in subscriber.receivers.received}) == 1
    assert subscriber.endpoint()["failures"] == 0


def test_after_a_day_without_success_a_delivery_has_failed(subscriber: Subscriber) -> None:
    subscriber.receivers.answers[HOOK] = Outcome(None, "timeout")
    subscriber.book()
    subscriber.announce()
    for _ in range(28 * 6):
        subscriber.wait(600)
    (lost,) = subscriber.log()
    assert (lost["state"], lost["error"], lost["next_attempt_at"]) == ("failed", "timeout", None)
    assert 8 <= lost["attempts"] <= 12
    assert subscriber.wait(86_400) == 0


def test_410_disables_the_endpoint_and_putting_it_again_enables_it(subscriber: Subscriber) -> None:
    subscriber.receivers.answers[HOOK] = Outcome(410, "bad_status")
    subscriber.book()
    subscriber.announce()
    gone = subscriber.endpoint()
    assert (gone["enabled"], gone["disabled_reason"]) == (False, "gone")
    subscriber.book("b-2")
    assert subscriber.announce() == []
    assert subscriber.wait(86_400) == 0
    subscriber.receivers.answers.clear()
    again = subscriber.put("e-1", url=HOOK)
    assert (again.status_code, again.json()["enabled"], "secret" in again.json()) == (200, True, False)
    subscriber.book("b-3")
    assert len(subscriber.announce()) == 1


def test_a_slow_endpoint_is_paused_until_it_is_fast_again(subscriber: Subscriber) -> None:
    subscriber.receivers.take_seconds = 6
    for number in range(6):
        subscriber.book(f"b-{number}")
        assert len(subscriber.announce()) == (1 if number < 5 else 0)
        assert (subscriber.endpoint()["paused_until"] is not None) is (number >= 4)
        assert subscriber.endpoint()["slow_answers"] == min(number + 1, 5)
    assert [delivery["state"] for delivery in subscriber.log()] == ["pending"] + ["delivered"] * 5
    assert subscriber.endpoint()["failures"] == 0
    subscriber.receivers.take_seconds = 0
    assert subscriber.wait(61) == 1
    assert subscriber.endpoint()["paused_until"] is None
    assert subscriber.endpoint()["slow_answers"] == 0


def test_a_failure_ends_a_row_of_slow_responses(subscriber: Subscriber, caplog: pytest.LogCaptureFixture) -> None:
    subscriber.receivers.take_seconds = 6
    for number in range(4):
        subscriber.book(f"b-{number}")
        subscriber.announce()
    assert [line.message for line in caplog.records].count("a webhook endpoint responds slowly") == 4
    subscriber.receivers.answers[HOOK] = BROKEN
    subscriber.book("b-4")
    subscriber.announce()
    assert subscriber.endpoint()["slow_answers"] == 0
    subscriber.receivers.answers.clear()
    subscriber.book("b-5")
    subscriber.announce()
    assert (subscriber.endpoint()["slow_answers"], subscriber.endpoint()["paused_until"]) == (1, None)


def test_a_dead_endpoint_is_paused_longer_and_longer_and_delays_no_other(subscriber: Subscriber) -> None:
    subscriber.put("e-2", url="https://healthy.example/")
    subscriber.receivers.answers[HOOK] = BROKEN
    for number in range(8):
        subscriber.book(f"b-{number}")
    subscriber.announce()
    urls = [webhook.url for webhook in subscriber.receivers.received]
    assert (urls.count("https://healthy.example/"), urls.count(HOOK)) == (8, 2)
    assert subscriber.endpoint()["paused_until"] is not None
    subscriber.receivers.answers.clear()
    for _ in range(5):
        subscriber.wait(60)
    assert {delivery["state"] for delivery in subscriber.log()} == {"delivered"}


def test_after_a_database_outage_the_whole_batch_is_processed_again_and_nothing_is_lost(
    subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscriber.book()
    subscriber.book("b-2")
    records = subscriber.streams.records(subscriber.product.aws.stream_arn)
    services = subscriber.product.services

    class Out(DeliveryStore):
        def enqueue(self, *_: Any) -> Any:
            raise StoreUnavailable("throttled")

    down = replace(services)
    down.__dict__["delivery_store"] = Out()
    with pytest.raises(StoreUnavailable):
        webhook_streams.announce_bookings({"Records": records}, LambdaContext(), down)
    webhook_streams.announce_bookings({"Records": records}, LambdaContext(), services)
    assert subscriber.receivers.types() == ["meeting.ready", "meeting.ready"]


def test_after_a_killed_sender_another_one_delivers(subscriber: Subscriber) -> None:
    subscriber.book()
    records = subscriber.streams.records(subscriber.product.aws.stream_arn)

    def die(*_: Any) -> Outcome:
        raise KeyboardInterrupt

    dying = replace(subscriber.product.services, webhook_transport=die)
    with pytest.raises(KeyboardInterrupt):
        webhook_streams.announce_bookings({"Records": records}, LambdaContext(), dying)
    assert subscriber.wait(30) == 0  # It may still be at it.
    assert subscriber.wait(31) == 1
    assert subscriber.log()[0]["state"] == "delivered"


def test_a_stream_record_that_cannot_be_decoded_blocks_nothing(subscriber: Subscriber) -> None:
    subscriber.book()
    records = subscriber.streams.records(subscriber.product.aws.stream_arn)
    poison = json.loads(re.sub(r'"observed": {"S": ".*?[^\\\\]"}', '"observed": {"S": "{"}', json.dumps(records[-1])))
    batch = {"Records": [{}, {"dynamodb": {"NewImage": {"observed": {"S": "["}}}}, poison, *records]}
    webhook_streams.announce_bookings(batch, LambdaContext(), subscriber.product.services)
    assert subscriber.receivers.types() == ["meeting.ready"]


def test_a_test_event_is_sent_once_and_the_response_has_its_result(subscriber: Subscriber) -> None:
    answer = subscriber.caller.post("/v1/webhook-endpoints/e-1/test")
    assert (answer.status_code, answer.json()["state"], answer.json()["status"]) == (200, "delivered", 204)
    assert subscriber.receivers.types() == ["endpoint.test"]
    subscriber.receivers.answers[HOOK] = BROKEN
    failed = subscriber.caller.post("/v1/webhook-endpoints/e-1/test").json()
    assert (failed["state"], failed["status"], failed["error"]) == ("failed", 500, "bad_status")
    assert subscriber.wait(86_400) == 0
    assert subscriber.endpoint()["failures"] == 0


def test_the_log_has_pages_newest_first(subscriber: Subscriber) -> None:
    for _ in range(4):
        subscriber.caller.post("/v1/webhook-endpoints/e-1/test")
        subscriber.product.clock.advance(1)
    first = subscriber.caller.get("/v1/webhook-endpoints/e-1/deliveries?limit=3").json()
    second = subscriber.caller.get(f"/v1/webhook-endpoints/e-1/deliveries?limit=3&cursor={first['next_cursor']}").json()
    times = [item["created_at"] for item in (*first["items"], *second["items"])]
    assert (len(times), second["next_cursor"]) == (5, None)
    assert times == sorted(times, reverse=True)


def test_an_event_that_is_detected_late_is_sorted_by_its_time(subscriber: Subscriber) -> None:
    """A stream that lags: the meeting was ready before the test event was sent, and is queued after it."""
    clock = subscriber.product.clock
    ready_at = clock()
    clock.advance(5)
    subscriber.caller.post("/v1/webhook-endpoints/e-1/test")
    clock.advance(5)
    store, endpoint = (
        subscriber.product.services.delivery_store,
        subscriber.product.services.endpoint_store.list_by_workspace("ws-1")[0],
    )
    late = Event("ws-1", "evt_late", EventType.MEETING_READY, ready_at, {})
    key = store.enqueue(late, endpoint, clock())
    assert key is not None
    items = subscriber.caller.get("/v1/webhook-endpoints/e-1/deliveries").json()["items"]
    names = [item["id"] for item in items]
    assert names.index("evt_late") == 1, "the test event happened after it"
    times = [item["created_at"] for item in items]
    assert times == sorted(times, reverse=True)
    assert times[1] == format_timestamp(ready_at)
    delivery = store.get(key)
    assert delivery is not None
    assert delivery.queued_at == clock(), "its tries are counted from now on, however late it is"


def test_a_deleted_endpoint_gets_nothing(subscriber: Subscriber) -> None:
    changed = subscriber.put("e-1", url=HOOK + "/new", events=["meeting.ready"]).json()
    assert (changed["url"], changed["events"], "secret" in changed) == (HOOK + "/new", ["meeting.ready"], False)
    listed = subscriber.caller.get("/v1/webhook-endpoints").json()["items"]
    assert [(item["id"], "secret" in item) for item in listed] == [("e-1", False)]
    subscriber.receivers.answers[HOOK + "/new"] = BROKEN
    subscriber.book()
    subscriber.announce()
    assert subscriber.caller.delete("/v1/webhook-endpoints/e-1").status_code == 204
    assert subscriber.wait(86_400) == 0
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("POST", "/rotate-secret"),
    ):
        assert subscriber.caller.request(method, f"/v1/webhook-endpoints/e-1{path}").status_code == 404


def test_another_workspaces_endpoint_is_neither_visible_nor_changed(subscriber: Subscriber) -> None:
    foreign = subscriber.product.caller("ws-2")
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("POST", "/rotate-secret"),
    ):
        assert foreign.request(method, f"/v1/webhook-endpoints/e-1{path}").status_code == 404
    assert foreign.get("/v1/webhook-endpoints").json()["items"] == []
    assert foreign.put("/v1/webhook-endpoints/e-1", json={"url": "https://foreign.example/"}).status_code == 201
    assert subscriber.endpoint()["url"] == HOOK
    subscriber.book()
    assert [webhook.url for webhook in subscriber.announce()] == [HOOK]


@pytest.mark.parametrize(
    "url", ["http://receiver.example/", "https://127.0.0.1/", "https://169.254.169.254/", "ftp://x", ""]
)
def test_a_private_address_cannot_be_registered(subscriber: Subscriber, url: str) -> None:
    answer = subscriber.put("e-2", url=url)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url")


def test_an_unknown_event_and_an_eleventh_endpoint_are_refused(subscriber: Subscriber) -> None:
    unknown = subscriber.put("e-2", url=HOOK, events=["meeting.begun"])
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/events/0")
    assert [subscriber.put(f"e-{n}", url=HOOK).status_code for n in range(2, 12)] == [201] * 9 + [409]


def test_no_secret_is_stored_or_logged_in_clear_text(
    subscriber: Subscriber, capsys: pytest.CaptureFixture[str]
) -> None:
    subscriber.receivers.answers[HOOK] = BROKEN
    subscriber.book()
    subscriber.announce()
    output = capsys.readouterr()
    everything = (
        output.out
        + output.err
        + json.dumps([subscriber.product.aws.scan(t) for t in ("endpoints", "deliveries")], default=str)
    )
    assert subscriber.secret not in everything
    assert subscriber.secret.removeprefix("whsec_") not in everything


def test_two_senders_at_once_send_once(local_aws: Aws, clock: FakeClock) -> None:
    product = Product(local_aws, clock)
    subscriber = Subscriber(product)
    product.services.outbox.enqueue_invitation_bounced(
        WORKSPACE, "b-1", email="guest@example.com", role="guest", state="bounced", message_id="m-1", at=clock()
    )
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: webhook_streams.deliver_due(LambdaContext(), product.services), range(10)))
    assert len(subscriber.receivers.received) == 1


def test_settling_does_not_depend_on_webhooks(subscriber: Subscriber) -> None:
    subscriber.receivers.answers[HOOK] = BROKEN
    subscriber.book()
    assert subscriber.caller.get("/v1/bookings/b-1").json()["meeting"]["state"] == "ready"
    assert booking_stream.settle_due(LambdaContext(), subscriber.product.services)["failed"] == 0
