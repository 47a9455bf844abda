"""What workspaces are told by webhook: nothing is lost, everything is signed, what fails is tried again for a day."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from chalicelib.api import webhook_payloads
from chalicelib.api.views import moment
from chalicelib.domain.webhook_signing import key_of, verify
from chalicelib.errors import StoreUnavailable
from chalicelib.handlers import booking_stream, webhook_streams
from chalicelib.observability import log
from chalicelib.webhooks.events import Event, EventType
from chalicelib.webhooks.http_sender import Outcome
from chalicelib.webhooks.store import DeliveryStore
from infra.local.standins.kit import Action, Fault
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import SECOND_ACCOUNT, WORKSPACE, LambdaContext, Product, booking, calendar
from tests.support.webhooks import Received, Receivers, Streams

HOOK = "https://receiver.example/hooks"
BROKEN = Outcome(500, "bad_status")


class Told:
    """A connected workspace with one endpoint for everything, and what arrives there."""

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
        """Deliver the streams; what arrived since the last time."""
        before = len(self.receivers.received)
        self.streams.announce()
        arrived = self.receivers.received[before:]
        for got in arrived:  # Whatever is told has the form that the API's description gives it.
            msgspec.json.decode(got.body, type=webhook_payloads.form(got.event["type"]))
        return arrived

    def wait(self, seconds: float) -> int:
        """Let time pass and the schedule run; how many webhooks arrived."""
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
def told(connected: Product) -> Told:
    told = Told(connected)
    told.announce()  # The connection was made before; that is another test's matter.
    told.receivers.received.clear()
    return told


def test_a_line_of_a_worker_thread_carries_the_runs_id(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    def crash(*_: object) -> Outcome:
        raise RuntimeError("a bug")

    told.book()
    told.product.services = replace(told.product.services, webhook_transport=crash)
    with log.request("run-1"):
        told.streams.announce()
    crashed = [line for line in caplog.records if line.message == "webhook delivery crashed"]
    assert [vars(line)["request_id"] for line in crashed] == ["run-1"]


def test_a_ready_meeting_is_told_with_its_link_and_a_good_signature(told: Told) -> None:
    told.book(metadata={"order": "4711"})
    (got,) = told.announce()
    data = got.event["data"]
    assert (got.url, got.event["type"], data["booking_id"]) == (HOOK, "meeting.ready", "b-1")
    assert data["metadata"] == {"order": "4711"}
    assert data["meeting"]["join_url"] == told.caller.get("/v1/bookings/b-1").json()["meeting"]["join_url"]
    assert verify([key_of(told.secret)], got.headers, got.body, told.product.clock())
    (logged,) = told.log()
    assert (logged["id"], logged["state"], logged["status"]) == (got.headers["webhook-id"], "delivered", 204)


def test_a_stream_that_comes_twice_tells_once_and_under_the_same_id(told: Told) -> None:
    told.book()
    records = told.streams.records(told.product.aws.stream_arn)
    for _ in range(3):
        webhook_streams.announce_bookings({"Records": records}, LambdaContext(), told.product.services)
    assert told.receivers.types() == ["meeting.ready"]
    assert len(told.log()) == 1


def test_rescheduling_with_the_same_link_is_no_news_and_cancelling_is(told: Told) -> None:
    told.book()
    told.announce()
    told.book(days=40)
    assert told.announce() == []
    told.caller.delete("/v1/bookings/b-1")
    told.product.settle()
    assert [got.event["type"] for got in told.announce()] == ["meeting.removed"]


def test_an_outage_is_told_once_however_often_it_is_tried_and_its_end_is_told(told: Told) -> None:
    outage = Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=503, times=None)
    told.product.zoom.faults.add(outage)
    told.book()
    for _ in range(30):
        told.product.tick()
    assert [got.event["type"] for got in told.announce()] == ["meeting.waiting"]
    assert told.receivers.received[0].event["data"]["meeting"]["reason"] == "provider_unavailable"
    told.product.zoom.faults.clear()
    for _ in range(20):
        told.product.tick()
    assert [got.event["type"] for got in told.announce()] == ["meeting.ready"]


def test_a_meeting_that_cannot_be_made_is_told_as_failed_and_again_after_a_retry(told: Told) -> None:
    told.product.zoom.faults.add(
        Fault(
            "/v2/users/me/meetings",
            Action.BEFORE,
            method="POST",
            status=400,
            times=None,
            body={"code": 300, "message": "no"},
        )
    )
    told.book()
    assert [got.event["type"] for got in told.announce()] == ["meeting.failed"]
    told.caller.post("/v1/bookings/b-1/retry")
    told.product.settle()
    assert [got.event["type"] for got in told.announce()] == ["meeting.failed"]


def test_a_booking_without_video_is_no_news(told: Told) -> None:
    told.caller.put("/v1/calendars/c-2", json=calendar("phone"))
    told.book(calendar_id="c-2")
    assert told.announce() == []


def test_connections_are_told_when_made_replaced_and_ended(product: Product) -> None:
    told = Told(product)
    product.connect()
    (made,) = told.announce()
    assert made.event["type"] == "connection.created"
    assert made.event["data"]["user_id"] == "u-1"
    assert made.event["data"]["account"]["email"] == "host@example.com"
    product.connect("u-1", SECOND_ACCOUNT)
    changes = [(got.event["type"], got.event["data"]["reason"]) for got in told.announce()]
    assert changes == [("connection.removed", "replaced"), ("connection.created", None)]
    told.caller.delete("/v1/users/u-1/connection")
    ended = [(got.event["type"], got.event["data"]["reason"]) for got in told.announce()]
    assert ended == [("connection.removed", "disconnected")]


def test_a_connection_that_removes_its_meetings_first_is_told_as_removed_once(told: Told) -> None:
    told.book()
    told.announce()
    told.caller.delete("/v1/users/u-1/connection?meetings=delete")
    told.product.settle()
    for _ in range(3):
        told.product.tick()
    types = [got.event["type"] for got in told.announce()]
    assert sorted(types) == ["connection.removed", "meeting.removed"]


def test_a_broken_connection_is_told_to_every_workspace_that_uses_the_account_once(told: Told) -> None:
    product = told.product
    product.connect("u-9", workspace_id="ws-2")
    other = product.caller("ws-2").put("/v1/webhook-endpoints/e-2", json={"url": "https://other.example/"})
    assert other.status_code == 201
    told.announce()
    told.receivers.received.clear()
    grant = product.services.grant_store.get("zoom#zoom-user-1")
    assert grant is not None
    product.services.access_tokens.break_grant(grant.id)
    for _ in range(3):
        product.tick()
        told.wait(0)
    broken = sorted((got.url, got.event["type"], got.event["data"]["user_id"]) for got in told.receivers.received)
    assert broken == [("https://other.example/", "connection.broken", "u-9"), (HOOK, "connection.broken", "u-1")]


def test_a_bounced_invitation_is_told_once(told: Told) -> None:
    at = told.product.clock()
    for _ in range(2):
        told.product.services.outbox.enqueue_invitation_bounced(
            WORKSPACE, "b-1", email="guest@example.com", role="guest", state="bounced", message_id="mail-1", at=at
        )
    assert told.wait(0) == 1
    msgspec.json.decode(told.receivers.received[0].body, type=webhook_payloads.InvitationEvent)
    assert told.receivers.received[0].event["data"] == {
        "booking_id": "b-1",
        "invitation": {"email": "guest@example.com", "role": "guest", "state": "bounced"},
    }


def test_each_endpoint_gets_what_it_asked_for_signed_with_its_own_secret(told: Told) -> None:
    second = told.put("e-2", url="https://second.example/", events=["meeting.removed"]).json()
    told.book()
    told.caller.delete("/v1/bookings/b-1")
    told.product.settle()
    told.announce()
    by_url = {(got.url, got.event["type"]) for got in told.receivers.received}
    assert by_url == {
        (HOOK, "meeting.ready"),
        (HOOK, "meeting.removed"),
        ("https://second.example/", "meeting.removed"),
    }
    got = next(got for got in told.receivers.received if got.url == "https://second.example/")
    assert verify([key_of(second["secret"])], got.headers, got.body, told.product.clock())
    assert not verify([key_of(told.secret)], got.headers, got.body, told.product.clock())


def test_after_a_rotation_both_secrets_verify_for_a_day(told: Told) -> None:
    new = told.caller.post("/v1/webhook-endpoints/e-1/rotate-secret").json()["secret"]
    told.book()
    (got,) = told.announce()
    now = told.product.clock()
    assert [verify([key_of(s)], got.headers, got.body, now) for s in (told.secret, new)] == [True, True]
    told.product.clock.advance(timedelta(days=1, minutes=1).total_seconds())
    told.book("b-2")
    (got,) = told.announce()
    now = told.product.clock()
    assert [verify([key_of(s)], got.headers, got.body, now) for s in (told.secret, new)] == [False, True]


def test_a_receiver_that_is_down_is_tried_again_for_a_day_and_gets_it_when_it_is_back(told: Told) -> None:
    told.receivers.answers[HOOK] = BROKEN
    told.book()
    told.announce()
    (pending,) = told.log()
    assert (pending["state"], pending["status"], pending["attempts"], pending["error"]) == (
        "pending",
        500,
        1,
        "bad_status",
    )
    for _ in range(12):
        told.wait(3600)
    told.receivers.answers.clear()
    for _ in range(9):
        told.wait(3600)
    (done,) = told.log()
    assert done["state"] == "delivered"
    assert len({got.headers["webhook-id"] for got in told.receivers.received}) == 1
    assert len({got.body for got in told.receivers.received}) == 1
    assert told.endpoint()["failures"] == 0


def test_after_a_day_without_success_a_delivery_is_given_up_and_says_so(told: Told) -> None:
    told.receivers.answers[HOOK] = Outcome(None, "timeout")
    told.book()
    told.announce()
    for _ in range(28 * 6):
        told.wait(600)
    (lost,) = told.log()
    assert (lost["state"], lost["error"], lost["next_attempt_at"]) == ("failed", "timeout", None)
    assert 8 <= lost["attempts"] <= 12
    assert told.wait(86_400) == 0


def test_410_disables_the_endpoint_and_putting_it_again_enables_it(told: Told) -> None:
    told.receivers.answers[HOOK] = Outcome(410, "bad_status")
    told.book()
    told.announce()
    gone = told.endpoint()
    assert (gone["enabled"], gone["disabled_reason"]) == (False, "gone")
    told.book("b-2")
    assert told.announce() == []
    assert told.wait(86_400) == 0
    told.receivers.answers.clear()
    again = told.put("e-1", url=HOOK)
    assert (again.status_code, again.json()["enabled"], "secret" in again.json()) == (200, True, False)
    told.book("b-3")
    assert len(told.announce()) == 1


def test_a_dead_endpoint_is_left_alone_longer_and_longer_and_holds_nobody_up(told: Told) -> None:
    told.put("e-2", url="https://healthy.example/")
    told.receivers.answers[HOOK] = BROKEN
    for number in range(8):
        told.book(f"b-{number}")
    told.announce()
    urls = [got.url for got in told.receivers.received]
    assert (urls.count("https://healthy.example/"), urls.count(HOOK)) == (8, 2)
    assert told.endpoint()["paused_until"] is not None
    told.receivers.answers.clear()
    for _ in range(5):
        told.wait(60)
    assert {delivery["state"] for delivery in told.log()} == {"delivered"}


def test_when_the_database_is_out_the_whole_batch_comes_again_and_nothing_is_lost(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.book()
    told.book("b-2")
    records = told.streams.records(told.product.aws.stream_arn)
    services = told.product.services

    class Out(DeliveryStore):
        def enqueue(self, *_: Any) -> Any:
            raise StoreUnavailable("throttled")

    down = replace(services)
    down.__dict__["delivery_store"] = Out()
    with pytest.raises(StoreUnavailable):
        webhook_streams.announce_bookings({"Records": records}, LambdaContext(), down)
    webhook_streams.announce_bookings({"Records": records}, LambdaContext(), services)
    assert told.receivers.types() == ["meeting.ready", "meeting.ready"]


def test_a_sender_that_dies_in_the_middle_is_followed_by_another(told: Told) -> None:
    told.book()
    records = told.streams.records(told.product.aws.stream_arn)

    def die(*_: Any) -> Outcome:
        raise KeyboardInterrupt

    dying = replace(told.product.services, webhook_transport=die)
    with pytest.raises(KeyboardInterrupt):
        webhook_streams.announce_bookings({"Records": records}, LambdaContext(), dying)
    assert told.wait(30) == 0  # It may still be at it.
    assert told.wait(31) == 1
    assert told.log()[0]["state"] == "delivered"


def test_a_stream_row_that_nobody_of_us_wrote_blocks_nothing(told: Told) -> None:
    told.book()
    records = told.streams.records(told.product.aws.stream_arn)
    poison = json.loads(re.sub(r'"observed": {"S": ".*?[^\\\\]"}', '"observed": {"S": "{"}', json.dumps(records[-1])))
    batch = {"Records": [{}, {"dynamodb": {"NewImage": {"observed": {"S": "["}}}}, poison, *records]}
    webhook_streams.announce_bookings(batch, LambdaContext(), told.product.services)
    assert told.receivers.types() == ["meeting.ready"]


def test_a_test_event_is_sent_at_once_and_once_and_its_result_is_answered(told: Told) -> None:
    answer = told.caller.post("/v1/webhook-endpoints/e-1/test")
    assert (answer.status_code, answer.json()["state"], answer.json()["status"]) == (200, "delivered", 204)
    assert told.receivers.types() == ["endpoint.test"]
    told.receivers.answers[HOOK] = BROKEN
    failed = told.caller.post("/v1/webhook-endpoints/e-1/test").json()
    assert (failed["state"], failed["status"], failed["error"]) == ("failed", 500, "bad_status")
    assert told.wait(86_400) == 0
    assert told.endpoint()["failures"] == 0


def test_the_log_is_read_in_pages_newest_first(told: Told) -> None:
    for _ in range(4):
        told.caller.post("/v1/webhook-endpoints/e-1/test")
        told.product.clock.advance(1)
    first = told.caller.get("/v1/webhook-endpoints/e-1/deliveries?limit=3").json()
    second = told.caller.get(f"/v1/webhook-endpoints/e-1/deliveries?limit=3&cursor={first['next_cursor']}").json()
    times = [item["created_at"] for item in (*first["items"], *second["items"])]
    assert (len(times), second["next_cursor"]) == (5, None)
    assert times == sorted(times, reverse=True)


def test_an_event_that_is_noticed_late_stands_where_its_time_says(told: Told) -> None:
    """A stream that lags: the meeting was ready before the test event was sent, and is queued after it."""
    clock = told.product.clock
    ready_at = clock()
    clock.advance(5)
    told.caller.post("/v1/webhook-endpoints/e-1/test")
    clock.advance(5)
    store, endpoint = (
        told.product.services.delivery_store,
        told.product.services.endpoint_store.list_by_workspace("ws-1")[0],
    )
    late = Event("ws-1", "evt_late", EventType.MEETING_READY, ready_at, {})
    key = store.enqueue(late, endpoint, clock())
    assert key is not None
    items = told.caller.get("/v1/webhook-endpoints/e-1/deliveries").json()["items"]
    names = [item["id"] for item in items]
    assert names.index("evt_late") == 1, "the test event happened after it"
    times = [item["created_at"] for item in items]
    assert times == sorted(times, reverse=True)
    assert times[1] == moment(ready_at)
    delivery = store.get(key)
    assert delivery is not None
    assert delivery.queued_at == clock(), "its tries are counted from now on, however late it is"


def test_an_endpoint_is_listed_changed_and_deleted_and_then_gets_nothing(told: Told) -> None:
    changed = told.put("e-1", url=HOOK + "/new", events=["meeting.ready"]).json()
    assert (changed["url"], changed["events"], "secret" in changed) == (HOOK + "/new", ["meeting.ready"], False)
    listed = told.caller.get("/v1/webhook-endpoints").json()["items"]
    assert [(item["id"], "secret" in item) for item in listed] == [("e-1", False)]
    told.receivers.answers[HOOK + "/new"] = BROKEN
    told.book()
    told.announce()
    assert told.caller.delete("/v1/webhook-endpoints/e-1").status_code == 204
    assert told.wait(86_400) == 0
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("POST", "/rotate-secret"),
    ):
        assert told.caller.request(method, f"/v1/webhook-endpoints/e-1{path}").status_code == 404


def test_another_workspaces_endpoint_is_not_there_and_not_touched(told: Told) -> None:
    foreign = told.product.caller("ws-2")
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
    assert told.endpoint()["url"] == HOOK
    told.book()
    assert [got.url for got in told.announce()] == [HOOK]


@pytest.mark.parametrize(
    "url", ["http://receiver.example/", "https://127.0.0.1/", "https://169.254.169.254/", "ftp://x", ""]
)
def test_an_address_inside_our_network_cannot_be_registered(told: Told, url: str) -> None:
    answer = told.put("e-2", url=url)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url")


def test_an_unknown_event_is_pointed_at_and_the_eleventh_endpoint_refused(told: Told) -> None:
    unknown = told.put("e-2", url=HOOK, events=["meeting.begun"])
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/events/0")
    assert [told.put(f"e-{n}", url=HOOK).status_code for n in range(2, 12)] == [201] * 9 + [409]


def test_no_secret_is_stored_or_logged_in_the_clear(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    told.receivers.answers[HOOK] = BROKEN
    told.book()
    told.announce()
    said = capsys.readouterr()
    everything = (
        said.out + said.err + json.dumps([told.product.aws.scan(t) for t in ("endpoints", "deliveries")], default=str)
    )
    assert told.secret not in everything
    assert told.secret.removeprefix("whsec_") not in everything


def test_two_senders_at_once_send_once(local_aws: Aws, clock: FakeClock) -> None:
    product = Product(local_aws, clock)
    told = Told(product)
    product.services.outbox.enqueue_invitation_bounced(
        WORKSPACE, "b-1", email="guest@example.com", role="guest", state="bounced", message_id="m-1", at=clock()
    )
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: webhook_streams.deliver_due(LambdaContext(), product.services), range(10)))
    assert len(told.receivers.received) == 1


def test_settling_does_not_depend_on_webhooks(told: Told) -> None:
    told.receivers.answers[HOOK] = BROKEN
    told.book()
    assert told.caller.get("/v1/bookings/b-1").json()["meeting"]["state"] == "ready"
    assert booking_stream.settle_due(LambdaContext(), told.product.services)["failed"] == 0
