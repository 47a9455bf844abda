"""Emails that a queue wakes: whatever happens to messages, each recipient gets one email, and few emails go at once."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib import observability
from chalicelib.errors import LostRace, MailRejected, MailUnavailable
from chalicelib.handlers import booking_stream, email_queue
from chalicelib.usecases.sending_shares import BOOKINGS, FEW, PART, PER_MINUTE
from chalicelib.usecases.workspace_sign_in import SIGN_IN_WAKE_UP
from tests.component.test_metrics import counted
from tests.support.product import LambdaContext, Product, booking
from tests.support.queues import Queues


class World:
    def __init__(self, product: Product) -> None:
        self.product = product
        self.queues = Queues(product)

    def book(self, booking_id: str = "b-1", guests: int = 50, **changes: Any) -> None:
        people = [{"name": f"Guest {n}", "email": f"guest-{n}@example.com"} for n in range(guests)]
        answer = self.product.caller().put(f"/v1/bookings/{booking_id}", json=booking(guests=people, **changes))
        assert answer.is_success, answer.text
        self.product.settle()

    def recipients(self) -> Counter[str]:
        return Counter(letter.invite.recipient.email for letter in self.product.mails.sent)

    def meeting(self, booking_id: str = "b-1") -> dict[str, Any]:
        found: dict[str, Any] = self.product.caller().get(f"/v1/bookings/{booking_id}").json()["meeting"]
        return found

    def states(self, booking_id: str = "b-1") -> set[str]:
        return {i["state"] for i in self.product.caller().get(f"/v1/bookings/{booking_id}").json()["invitations"]}

    def everyone_has_one(self, guests: int = 50) -> bool:
        return len(self.recipients()) == guests + 1 and set(self.recipients().values()) == {1}


@pytest.fixture
def world(connected: Product) -> World:
    return World(connected)


def test_few_emails_go_with_the_run_that_makes_the_link(world: World) -> None:
    world.book(guests=FEW - 1)
    assert world.everyone_has_one(FEW - 1)
    assert world.queues.messages("Emails") == []


def test_many_emails_are_sent_in_parts_after_the_link(world: World) -> None:
    world.book()
    assert (world.meeting()["state"], world.recipients()) == ("ready", Counter())
    (message,) = world.queues.messages("Emails")
    email_queue.send_emails({"Records": [message]}, LambdaContext(), world.product.services)
    assert world.recipients().total() == PART
    assert world.queues.send_emails() == []
    assert world.everyone_has_one()
    assert world.states() == {"sent"}
    assert len(world.product.zoom.meetings) == 1


def test_a_workspace_that_books_much_has_its_few_emails_sent_by_the_other_function(world: World) -> None:
    for number in range(PER_MINUTE // 2 + 1):
        world.book(f"b-{number}", guests=1, days=35 + number)
    assert world.recipients().total() == PER_MINUTE
    world.queues.send_emails()
    assert world.recipients().total() == PER_MINUTE + 2
    world.product.clock.advance(60)
    world.book("b-next", guests=1, days=70)
    assert world.recipients().total() == PER_MINUTE + 4


def test_many_bookings_of_one_workspace_are_settled_by_the_other_function(world: World) -> None:
    for number in range(BOOKINGS + 2):
        world.product.caller().put(f"/v1/bookings/b-{number}", json=booking(days=35 + number))
    records = world.product.stream_records()
    answer = booking_stream.settle_records({"Records": records}, LambdaContext(), world.product.services)
    assert answer == {"batchItemFailures": []}
    assert len(world.product.zoom.meetings) == BOOKINGS
    world.queues.send_emails()
    assert len(world.product.zoom.meetings) == BOOKINGS + 2
    assert {world.meeting(f"b-{number}")["state"] for number in range(BOOKINGS + 2)} == {"ready"}
    assert world.recipients().total() == 2 * (BOOKINGS + 2)


@pytest.fixture
def many_are_due(world: World) -> None:
    """More than the share, whose stream records were lost."""
    for number in range(BOOKINGS + 5):
        world.product.caller().put(f"/v1/bookings/b-{number}", json=booking(days=35 + number))
    world.product.stream_records()
    world.product.clock.advance(60)


@pytest.mark.usefixtures("many_are_due")
def test_the_schedule_hands_over_what_exceeds_a_workspaces_share(world: World) -> None:
    done = booking_stream.settle_due(LambdaContext(), world.product.services)
    assert (done["bookings"], done["failed"]) == (BOOKINGS + 5, 0)
    assert len(world.product.zoom.meetings) == BOOKINGS
    world.queues.send_emails()
    assert len(world.product.zoom.meetings) == BOOKINGS + 5


@pytest.mark.usefixtures("many_are_due")
def test_the_schedule_goes_on_after_a_page_that_it_hands_over_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing failed, so the database is not down."""
    monkeypatch.setattr(booking_stream, "_HANDED_OVER_PER_PARTITION", 1)
    services, send_batch = world.product.services, world.queues.sqs.send_message_batch
    for _ in range(BOOKINGS):
        assert services.booking_share.take("ws-1")

    def send_and_deliver(**request: Any) -> Any:
        answer = send_batch(**request)
        world.queues.send_emails()
        return answer

    monkeypatch.setattr(world.queues.sqs, "send_message_batch", send_and_deliver)
    assert booking_stream.settle_due(LambdaContext(), services)["bookings"] == BOOKINGS + 5
    assert len(world.product.zoom.meetings) == BOOKINGS + 5


@pytest.mark.usefixtures("many_are_due")
def test_the_schedule_settles_what_sqs_refuses(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_all(*, Entries: list[dict[str, str]], **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in Entries]}

    monkeypatch.setattr(world.queues.sqs, "send_message_batch", refuse_all)
    booking_stream.settle_due(LambdaContext(), world.product.services)
    assert len(world.product.zoom.meetings) == BOOKINGS + 5


def test_during_an_outage_sqs_is_not_called_for_each_ten_rows(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A call that times out takes seconds. Every row that is not sent is returned, in order, and counted."""
    rows, sizes, send_batch = [("w-1", str(n)) for n in range(45)], list[int](), world.queues.sqs.send_message_batch

    def refuse_the_second(*, Entries: list[dict[str, str]], **others: Any) -> Any:  # noqa: N803
        sizes.append(len(Entries))
        if len(sizes) == 2:
            raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": ""}}, "SendMessageBatch")
        return send_batch(Entries=Entries, **others)

    monkeypatch.setattr(world.queues.sqs, "send_message_batch", refuse_the_second)
    monkeypatch.setattr(observability, "_dimensions", {})
    observability.enable_metrics("prod")
    queue = world.product.services.email_queue
    assert queue and queue.send(rows) == rows[10:]
    assert sizes == [10, 10]
    assert counted(capsys) == {"WakeUpsRefused": [10, 25]}
    assert len(world.queues.messages("Emails")) == 10


def test_a_lost_message_costs_three_ticks(world: World) -> None:
    world.book()
    world.queues.sqs.purge_queue(QueueUrl=world.queues.urls["Emails"])
    for _ in range(3):
        world.product.tick()
    world.queues.send_emails()
    assert world.everyone_has_one()


def test_doubled_and_late_messages_send_nothing_twice(world: World) -> None:
    world.book()
    messages = world.queues.messages("Emails") * 2
    for _ in range(4):
        email_queue.send_emails({"Records": messages}, LambdaContext(), world.product.services)
    world.queues.send_emails()
    world.product.tick(600)
    email_queue.send_emails({"Records": messages}, LambdaContext(), world.product.services)
    assert world.everyone_has_one()


def test_a_change_before_the_emails_is_what_they_say(world: World) -> None:
    world.book()
    world.product.caller().put(
        "/v1/bookings/b-1",
        json=booking(days=36, guests=[{"name": f"Guest {n}", "email": f"guest-{n}@example.com"} for n in range(50)]),
    )
    world.queues.send_emails()  # Before the stream's record arrives.
    world.product.settle()
    world.queues.send_emails()
    assert world.everyone_has_one()
    assert len({letter.invite.starts_at for letter in world.product.mails.sent}) == 1


def test_while_sqs_refuses_messages_the_schedule_hands_over_again(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": ""}}, "SendMessageBatch")

    with monkeypatch.context() as context:
        context.setattr(world.queues.sqs, "send_message_batch", refuse)
        world.book()
    assert "queue unavailable" in [line.message for line in caplog.records]
    world.product.tick(180)
    world.queues.send_emails()
    assert world.everyone_has_one()


def test_emails_that_ses_throttles_wait_instead_of_coming_back_at_once(world: World) -> None:
    world.book()
    world.product.mails.refusals[:] = [MailUnavailable("SES: TooManyRequests")] * PART
    world.queues.send_emails()
    assert world.recipients().total() == 0
    assert world.queues.messages("Emails") == []
    world.product.tick(60)
    world.queues.send_emails()
    assert world.everyone_has_one()


def test_recipients_that_are_rejected_do_not_keep_the_others_waiting(world: World) -> None:
    world.book()
    world.product.mails.refusals[:] = [MailRejected("SES: MessageRejected")] * (PART + 1)
    world.queues.send_emails()
    assert world.states() <= {"sent", "rejected", "suppressed"}
    assert len(world.recipients()) >= 50 + 1 - (PART + 1)
    assert set(world.recipients().values()) == {1}


def test_a_meeting_that_was_made_again_before_the_start_is_announced_by_the_other_function(world: World) -> None:
    """The booking is settled and only looked at: nothing but its due time lets another run lease it."""
    product = world.product
    world.book(days=3)
    world.queues.send_emails()
    product.mails.sent.clear()
    product.zoom.held.by_id.clear()
    product.clock.advance(timedelta(days=2, minutes=1).total_seconds())
    booking_stream.settle_due(LambdaContext(), product.services)
    assert product.mails.sent == []
    world.queues.send_emails()
    assert world.everyone_has_one()


def test_only_messages_that_cannot_be_read_are_reported_as_failed(world: World) -> None:
    records = [
        {"messageId": "m-1", "body": '["ws-1", "b-unknown"]'},
        {"messageId": "m-2", "body": "?"},
        {"messageId": "m-3", "body": '["ws-1"]'},
    ]
    answer = email_queue.send_emails({"Records": records}, LambdaContext(), world.product.services)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-2"}, {"itemIdentifier": "m-3"}]}


def test_a_link_that_the_database_refuses_to_store_is_tried_again_and_fails_no_other_message() -> None:
    def refuse(request_id: str) -> None:
        raise LostRace("another process wrote first")

    services: Any = SimpleNamespace(sign_in_emails=SimpleNamespace(send=refuse))
    message = {"messageId": "m-1", "body": json.dumps([SIGN_IN_WAKE_UP, "request-1"])}
    result = email_queue.send_emails({"Records": [message]}, LambdaContext(), services)
    assert result == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}
