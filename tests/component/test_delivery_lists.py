"""The log of deliveries: filters, each attempt, and events that are sent again."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.webhooks import delivery_lists
from chalicelib.webhooks.events import Event, EventType
from chalicelib.webhooks.http_sender import Outcome
from chalicelib.webhooks.model import MAX_ATTEMPT_LOG
from tests.component.test_outbound_webhooks import BROKEN, HOOK, Subscriber
from tests.support.product import Product

DELIVERIES = "/v1/webhook-endpoints/e-1/deliveries"
RESEND_FAILED = "/v1/webhook-endpoints/e-1/resend-failed"


@pytest.fixture
def subscriber(connected: Product) -> Subscriber:
    return Subscriber(connected)


def listed(subscriber: Subscriber, **query: Any) -> list[dict[str, Any]]:
    answer = subscriber.caller.get(DELIVERIES, params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def types(items: list[dict[str, Any]]) -> list[str]:
    return [item["type"] for item in items]


def failed(subscriber: Subscriber, count: int = 1) -> list[dict[str, Any]]:
    """Events that were retried for a day without success."""
    subscriber.announce()
    subscriber.receivers.answers[HOOK] = BROKEN
    for number in range(count):
        subscriber.book(f"b-{number}", days=40 + number)
    subscriber.announce()
    while any(item["state"] == "pending" for item in listed(subscriber)):
        subscriber.wait(3600)
    subscriber.receivers.answers.clear()
    subscriber.receivers.received.clear()
    return listed(subscriber, state="failed")


class TestTheLog:
    def test_has_the_payload_and_each_attempt(self, subscriber: Subscriber) -> None:
        subscriber.announce()
        subscriber.receivers.answers[HOOK] = Outcome(None, "timeout")
        subscriber.book()
        subscriber.announce()
        subscriber.receivers.answers[HOOK] = BROKEN
        subscriber.wait(120)
        subscriber.receivers.answers.clear()
        subscriber.wait(600)
        delivery = listed(subscriber)[0]
        sent = [json.loads(webhook.body) for webhook in subscriber.receivers.received[-3:]]
        assert sent == [delivery["payload"]] * 3
        results = [(attempt["status"], attempt["error"]) for attempt in delivery["attempt_log"]]
        assert results == [(None, "timeout"), (500, "bad_status"), (204, None)]
        assert (delivery["state"], delivery["attempts"]) == ("delivered", 3)
        assert [attempt["at"] for attempt in delivery["attempt_log"]][-1] == delivery["last_attempt_at"]

    def test_keeps_the_last_ten_attempts(self, subscriber: Subscriber) -> None:
        (delivery,) = failed(subscriber)
        assert delivery["attempts"] > MAX_ATTEMPT_LOG == len(delivery["attempt_log"])
        assert delivery["attempt_log"][-1]["at"] == delivery["last_attempt_at"]

    def test_of_an_earlier_release_has_no_attempts(self, subscriber: Subscriber) -> None:
        subscriber.announce()
        aws = subscriber.product.aws
        for row in aws.scan("deliveries"):
            del row["attempt_log"]
            aws.client("dynamodb").put_item(TableName=aws.table_prefix + "deliveries", Item=row)
        (delivery,) = listed(subscriber)
        assert (delivery["state"], delivery["attempts"], delivery["attempt_log"]) == ("delivered", 1, [])

    def test_shows_one_delivery_by_its_id(self, subscriber: Subscriber) -> None:
        subscriber.announce()
        (delivery,) = listed(subscriber)
        assert subscriber.caller.get(f"{DELIVERIES}/{delivery['delivery_id']}").json() == delivery


class TestFilters:
    @pytest.fixture
    def mixed(self, subscriber: Subscriber) -> Subscriber:
        """A delivered connection.created, and a minute apart meeting.ready: one delivered, one pending."""
        subscriber.announce()
        subscriber.product.clock.advance(60)
        subscriber.book("b-1")
        subscriber.announce()
        subscriber.product.clock.advance(60)
        subscriber.receivers.answers[HOOK] = BROKEN
        subscriber.book("b-2")
        subscriber.announce()
        return subscriber

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, ["b-2", "b-1", None]),
            ({"state": "pending"}, ["b-2"]),
            ({"state": "delivered"}, ["b-1", None]),
            ({"state": "failed"}, []),
            ({"type": "meeting.ready"}, ["b-2", "b-1"]),
            ({"type": "meeting.ready", "state": "delivered"}, ["b-1"]),
            ({"type": "meeting.failed"}, []),
        ],
    )
    def test_by_state_and_type(self, mixed: Subscriber, query: dict[str, str], expected: list[str | None]) -> None:
        assert [item["payload"]["data"].get("booking_id") for item in listed(mixed, **query)] == expected

    def test_by_time(self, mixed: Subscriber) -> None:
        newest, middle, oldest = (item["created_at"] for item in listed(mixed))
        assert [item["created_at"] for item in listed(mixed, **{"from": middle})] == [newest, middle]
        assert [item["created_at"] for item in listed(mixed, to=middle)] == [oldest]
        assert listed(mixed, **{"from": middle, "to": middle}) == []

    @pytest.mark.parametrize("limit", [1, 2])
    @pytest.mark.parametrize("query", [{}, {"type": "meeting.ready"}, {"state": "delivered"}])
    def test_pages_have_everything_once(self, mixed: Subscriber, limit: int, query: dict[str, str]) -> None:
        found: list[dict[str, Any]] = []
        cursor = None
        while cursor is not None or not found:
            page = mixed.caller.get(
                DELIVERIES, params=query | {"limit": limit} | ({"cursor": cursor} if cursor else {})
            )
            found, cursor = found + page.json()["items"], page.json()["next_cursor"]
        assert found == listed(mixed, **query)

    def test_make_ten_queries_at_most_and_continue_with_a_cursor(
        self, mixed: Subscriber, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(delivery_lists, "_MAX_QUERIES", 2)
        monkeypatch.setattr(delivery_lists, "_FILTERED_ROWS", 1)
        first = mixed.caller.get(DELIVERIES, params={"type": "connection.created"}).json()
        assert (first["items"], first["next_cursor"] is None) == ([], False)
        query = {"type": "connection.created", "cursor": first["next_cursor"]}
        assert types(mixed.caller.get(DELIVERIES, params=query).json()["items"]) == ["connection.created"]

    @pytest.mark.parametrize("query", ["state=lost", "type=endpoint", "from=today", "status=500"])
    def test_that_do_not_exist_are_422(self, mixed: Subscriber, query: str) -> None:
        assert mixed.caller.get(f"{DELIVERIES}?{query}").status_code == 422


class TestSendingAgain:
    def test_sends_a_failed_event_once_more_under_its_own_id(self, subscriber: Subscriber) -> None:
        (delivery,) = failed(subscriber)
        answer = subscriber.caller.post(f"{DELIVERIES}/{delivery['delivery_id']}/resend")
        assert (answer.status_code, answer.json()["state"], answer.json()["attempts"]) == (202, "pending", 0)
        assert subscriber.wait(0) == 1
        assert subscriber.receivers.received[0].headers["webhook-id"] == delivery["id"]
        (again,) = listed(subscriber, type="meeting.ready")
        assert (again["state"], again["attempts"], len(again["attempt_log"])) == ("delivered", 1, MAX_ATTEMPT_LOG)
        assert subscriber.endpoint()["failures"] == 0
        assert subscriber.wait(86_400) == 0

    def test_retries_for_another_day_and_keeps_the_row_that_long(self, subscriber: Subscriber) -> None:
        (delivery,) = failed(subscriber)
        subscriber.product.clock.advance(13 * 86_400)
        subscriber.receivers.answers[HOOK] = BROKEN
        subscriber.caller.post(f"{DELIVERIES}/{delivery['delivery_id']}/resend")
        subscriber.wait(0)
        (again,) = listed(subscriber, type="meeting.ready")
        assert again["state"] == "pending"
        rows = subscriber.product.aws.scan("deliveries")
        expires = max(int(row["expires_at"]["N"]) for row in rows)
        assert expires == int((subscriber.product.clock() + timedelta(days=14)).timestamp())

    def test_sends_a_delivered_event_too(self, subscriber: Subscriber) -> None:
        subscriber.announce()
        (delivery,) = listed(subscriber)
        assert subscriber.caller.post(f"{DELIVERIES}/{delivery['delivery_id']}/resend").status_code == 202
        assert subscriber.wait(0) == 1

    def test_does_not_disturb_an_attempt_under_way(self, subscriber: Subscriber) -> None:
        """The attempt's lease ends within a minute: a second sender before that would send the event twice."""
        subscriber.announce()
        subscriber.receivers.answers[HOOK] = BROKEN
        subscriber.book()
        (key,) = subscriber.product.services.outbox.enqueue(event(subscriber))
        assert subscriber.product.services.delivery_store.lease(key, subscriber.product.clock())
        answer = subscriber.caller.post(f"{DELIVERIES}/{key.name}/resend").json()
        assert (answer["state"], answer["attempts"]) == ("pending", 1)
        assert subscriber.product.services.delivery_store.lease(key, subscriber.product.clock()) is None

    def test_of_all_failed_events_leaves_the_others_alone(self, subscriber: Subscriber) -> None:
        assert len(failed(subscriber, count=3)) == 3
        first = subscriber.caller.post(RESEND_FAILED, params={"limit": 2}).json()
        second = subscriber.caller.post(RESEND_FAILED, params={"limit": 2, "cursor": first["next_cursor"]}).json()
        assert (first["resent"], second) == (2, {"resent": 1, "next_cursor": None})
        assert subscriber.wait(0) == 3
        assert listed(subscriber, state="failed") == []
        assert subscriber.caller.post(RESEND_FAILED).json() == {"resent": 0, "next_cursor": None}

    def test_of_all_failed_events_of_a_type_and_a_time(self, subscriber: Subscriber) -> None:
        items = failed(subscriber, count=2)
        assert subscriber.caller.post(RESEND_FAILED, params={"type": "meeting.failed"}).json()["resent"] == 0
        later = (subscriber.product.clock() + timedelta(days=1)).isoformat()
        assert subscriber.caller.post(RESEND_FAILED, params={"from": later}).json()["resent"] == 0
        assert subscriber.caller.post(RESEND_FAILED, params={"to": later}).json()["resent"] == len(items)

    def test_leaves_failed_test_events_out(self, subscriber: Subscriber) -> None:
        subscriber.receivers.answers[HOOK] = BROKEN
        subscriber.caller.post("/v1/webhook-endpoints/e-1/test")
        assert subscriber.caller.post(RESEND_FAILED).json()["resent"] == 0

    def test_to_a_disabled_endpoint_is_refused(self, subscriber: Subscriber) -> None:
        subscriber.receivers.answers[HOOK] = Outcome(410, "bad_status")
        subscriber.announce()
        (delivery,) = listed(subscriber)
        for address in (f"{DELIVERIES}/{delivery['delivery_id']}/resend", RESEND_FAILED):
            answer = subscriber.caller.post(address)
            assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, "endpoint_disabled")
        subscriber.receivers.answers.clear()
        subscriber.put("e-1", url=HOOK)
        assert subscriber.caller.post(RESEND_FAILED).json()["resent"] == 1
        assert subscriber.wait(0) == 1


def event(subscriber: Subscriber) -> Event:
    return Event("ws-1", "evt_1", EventType.MEETING_READY, subscriber.product.clock(), {})
