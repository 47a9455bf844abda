"""Reminders through the whole product: when they are sent, to whom, and when they are not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil
from typing import Any

import pytest

from chalicelib.domain.answers import Answer, AnswerSource, Choice, answer_key
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.invitation import Trouble
from chalicelib.errors import MailRejected, MailUnavailable
from chalicelib.handlers import operations
from chalicelib.store.booking_leases import Lease
from chalicelib.usecases.effects import EffectResult
from tests.support.clock import START, FakeClock
from tests.support.mailcheck import texts_of
from tests.support.product import GUEST, WORKSPACE, Letter, Product, calendar
from tests.support.queues import Queues
from tests.support.steps import cancel, get, put
from tests.support.webhooks import Receivers, Streams

HOST = "host@example.com"
ALL = [{"minutes_before": 60, "to": "all"}]


def reminders(product: Product) -> list[Letter]:
    return [letter for letter in product.mails.sent if letter.invite.is_reminder]


def reminded(product: Product) -> list[str]:
    return [letter.invite.recipient.email for letter in reminders(product)]


def pass_to(product: Product, moment: datetime) -> None:
    """Let time pass with a tick in each minute in which something is due."""
    while (left := (moment - product.clock()).total_seconds()) > 0:
        due = [int(row["due_at"]["N"]) / 1000 for row in product.aws.scan("bookings") if "due_at" in row]
        now = product.clock().timestamp()
        next_tick = ceil(max(min(due, default=now), now + 1) / 60) * 60
        product.tick(min(left, next_tick - now if due else left))


def before_start(minutes: float, days: float = 1) -> datetime:
    return START + timedelta(days=days, minutes=-minutes)


@pytest.fixture
def booked(connected: Product) -> Iterator[Product]:
    """A booking that starts a day after `START`, with the default reminder."""
    put(connected, days=1)
    yield connected


def test_guests_are_reminded_an_hour_before_with_link_and_passcode(booked: Product) -> None:
    pass_to(booked, before_start(66))
    assert reminders(booked) == []
    pass_to(booked, before_start(59))
    (letter,) = reminders(booked)
    meeting = get(booked)["meeting"]
    assert letter.invite.recipient.email == GUEST["email"]
    text, html = texts_of(letter.raw)
    assert meeting["join_url"] in text and meeting["passcode"] in text
    assert meeting["join_url"].replace("&", "&amp;") in html
    assert "New York" in text
    assert b"text/calendar" not in letter.raw and b"invite.ics" not in letter.raw
    pass_to(booked, before_start(-40))
    assert len(reminders(booked)) == 1


def test_a_reminder_causes_no_call_to_the_provider(booked: Product) -> None:
    pass_to(booked, before_start(66))
    calls = len(booked.zoom.faults.calls)
    while not reminders(booked):
        booked.tick()
    assert len(booked.zoom.faults.calls) == calls


def test_a_calendars_reminders_win_over_the_workspaces_and_both_are_copied(connected: Product) -> None:
    change = {"do": "update-workspace", "workspace_id": WORKSPACE}
    shown = operations.run(change | {"reminders": [{"minutes_before": 30}]}, connected.services)
    assert shown["reminders"] == [{"minutes_before": 30, "to": "guests"}]
    put(connected, "b-1", days=1)
    assert connected.caller().put("/v1/calendars/c-1", json=calendar(reminders=ALL)).json()["reminders"] == ALL
    put(connected, "b-2", days=1)
    connected.caller().put("/v1/calendars/c-1", json=calendar(reminders=[]))
    put(connected, "b-3", days=1)
    assert [get(connected, name)["reminders"] for name in ("b-1", "b-2", "b-3")] == [
        [{"minutes_before": 30, "to": "guests"}],
        ALL,
        [],
    ]
    pass_to(connected, before_start(0))
    sent = sorted((letter.invite.booking_id, letter.invite.recipient.role.value) for letter in reminders(connected))
    assert sent == [("b-1", "guest"), ("b-2", "guest"), ("b-2", "host")]


def test_none_after_a_cancellation(booked: Product) -> None:
    pass_to(booked, before_start(70))
    cancel(booked)
    pass_to(booked, before_start(0))
    assert reminders(booked) == []


def test_none_to_an_address_that_bounced_or_is_suppressed(booked: Product) -> None:
    booked.services.booking_store.add_mail_trouble(WORKSPACE, "b-1", "mail-2", Trouble.SOFT_BOUNCE)
    put(booked, "b-2", days=1)
    booked.services.suppression_store.add(WORKSPACE, GUEST["email"], Trouble.HARD_BOUNCE, booked.clock())
    pass_to(booked, before_start(0))
    assert reminders(booked) == []


def test_none_to_a_guest_who_declined(booked: Product) -> None:
    second = GUEST | {"email": "second@example.com"}
    put(booked, days=1, guests=[GUEST, second])
    record = booked.services.booking_store.get(WORKSPACE, "b-1")
    assert record is not None
    now = booked.clock()
    answer = Answer(Choice.DECLINED, now, now, 0, before_start(0), AnswerSource.LINK)
    booked.services.booking_store.put_answer(record, answer_key(GUEST["email"]), answer)
    pass_to(booked, before_start(0))
    assert reminded(booked) == [second["email"]]


def test_none_where_the_callers_send_the_emails_but_the_webhook(connected: Product) -> None:
    receivers, streams = Receivers.of(connected), Streams(connected)
    connected.caller().put("/v1/webhook-endpoints/e-1", json={"url": "https://receiver.example/hooks"})
    put(connected, "b-1", days=1, emails={"guests": False})
    put(connected, "b-2", days=1)
    put(connected, "b-2", days=1, emails={"guests": False})
    pass_to(connected, before_start(0))
    streams.announce()
    assert reminded(connected) == []
    assert receivers.types().count("booking.reminder") == 2


@pytest.mark.parametrize("minutes", [20, 58, 59.9])
def test_none_if_the_booking_is_made_later_than_the_reminder(connected: Product, minutes: float) -> None:
    connected.clock.advance((before_start(minutes) - START).total_seconds())
    put(connected, days=1)
    pass_to(connected, before_start(0))
    assert reminders(connected) == []


def test_a_guest_who_is_added_later_gets_none(connected: Product) -> None:
    connected.caller().put("/v1/calendars/c-1", json=calendar(reminders=[{"minutes_before": 30}]))
    second = GUEST | {"email": "second@example.com"}
    put(connected, days=1)
    pass_to(connected, before_start(29.5))
    put(connected, days=1, guests=[GUEST, second])
    pass_to(connected, before_start(0))
    assert reminded(connected) == [GUEST["email"]]


def test_a_reschedule_moves_them(booked: Product) -> None:
    pass_to(booked, before_start(50))
    put(booked, days=2)
    pass_to(booked, before_start(50, days=2))
    assert [letter.invite.starts_at for letter in reminders(booked)] == [before_start(0, days=n) for n in (1, 2)]
    put(booked, days=2 - 20 / 1440)  # In half an hour: its reminder would have been due already.
    pass_to(booked, before_start(0, days=3))
    assert len(reminders(booked)) == 2


def test_a_late_one_is_dropped_and_none_is_sent_after_the_start(booked: Product) -> None:
    pass_to(booked, before_start(66))
    booked.clock.advance(17 * 60)
    pass_to(booked, before_start(0))
    assert reminders(booked) == []
    record = booked.services.booking_store.get(WORKSPACE, "b-1")
    assert record is not None
    (progress,) = record.settlement.reminders
    assert progress.is_dropped


def test_an_email_that_ses_cannot_take_now_is_sent_soon(booked: Product) -> None:
    pass_to(booked, before_start(66))
    booked.mails.refusals += [MailUnavailable("busy"), MailUnavailable("busy")]
    pass_to(booked, before_start(57))
    assert reminded(booked) == [GUEST["email"]]


def test_an_email_that_ses_rejects_is_not_tried_again(booked: Product) -> None:
    pass_to(booked, before_start(66))
    booked.mails.refusals += [MailRejected("no")]
    pass_to(booked, before_start(0))
    assert (reminders(booked), booked.mails.refusals) == ([], [])


class Buggy:
    """An effect with a bug in the first hour."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        if self.clock() < START + timedelta(hours=1):
            raise RuntimeError("a bug")
        return EffectResult(lease)


def test_a_settled_booking_that_is_given_up_keeps_its_reminders(booked: Product) -> None:
    services, ours = booked.services, booked.services.effects
    vars(services)["effects"] = lambda share: (*ours(share), Buggy(booked.clock))
    vars(services).pop("settling")
    lease = services.booking_leases.acquire(WORKSPACE, "b-1", before_start(64))
    assert lease is not None and lease.is_settled
    services.booking_leases.finish(lease, lease.settlement, booked.clock(), due_at=booked.clock())
    pass_to(booked, START + timedelta(hours=1))
    record = services.booking_store.get(WORKSPACE, "b-1")
    assert record is not None and record.settlement.meeting.verify_at is None  # Given up.
    pass_to(booked, before_start(0))
    assert reminded(booked) == [GUEST["email"]]


def test_the_times_of_many_bookings_are_spread_over_the_five_minutes_before(connected: Product) -> None:
    for number in range(12):
        put(connected, f"b-{number}", days=1)
    sent_at: list[int] = []
    pass_to(connected, before_start(67))
    while connected.clock() < before_start(58):
        count = len(reminders(connected))
        connected.tick(30)
        sent_at += [round((before_start(0) - connected.clock()).total_seconds())] * (len(reminders(connected)) - count)
    assert len(sent_at) == 12
    assert len(set(sent_at)) >= 5
    assert min(sent_at) >= 59.5 * 60 and max(sent_at) <= 65 * 60


def test_many_emails_are_sent_by_the_emails_queues_function(connected: Product) -> None:
    guests = [GUEST | {"email": f"guest-{number}@example.com"} for number in range(50)]
    put(connected, days=1, guests=guests)
    queues = Queues(connected)
    pass_to(connected, before_start(66))
    while connected.clock() < before_start(58):
        connected.tick()
        assert len(reminders(connected)) % 20 in (0, 10)
        queues.send_emails()
    assert sorted(reminded(connected)) == sorted(guest["email"] for guest in guests)


def test_one_webhook_for_each_reminder_also_without_an_email(connected: Product) -> None:
    receivers, streams = Receivers.of(connected), Streams(connected)
    endpoint = {"url": "https://receiver.example/hooks", "events": ["booking.reminder"]}
    connected.caller().put("/v1/webhook-endpoints/e-1", json=endpoint)
    asked = [{"minutes_before": 60, "to": "all"}, {"minutes_before": 30, "to": "host"}]
    connected.caller().put("/v1/calendars/c-1", json=calendar(reminders=asked))
    put(connected, days=1, metadata={"phone": "+49"})
    connected.services.suppression_store.add(WORKSPACE, HOST, Trouble.HARD_BOUNCE, connected.clock())
    streams.announce()
    pass_to(connected, before_start(0))
    streams.announce()
    events = [webhook.event for webhook in receivers.received]
    assert [event["data"]["reminder"] for event in events] == asked
    assert {event["data"]["metadata"]["phone"] for event in events} == {"+49"}
    assert events[0]["data"]["meeting"]["join_url"] == get(connected)["meeting"]["join_url"]
    assert reminded(connected) == [GUEST["email"]]


def test_a_booking_without_video_is_reminded_too_and_kept_afterwards(product: Product) -> None:
    product.caller().put("/v1/calendars/c-1", json=calendar({"type": "phone", "phone": "+49 30 0000 0000"}))
    put(product, days=1)
    (row,) = product.aws.scan("bookings")
    assert "due_at" in row and "expires_at" not in row
    pass_to(product, before_start(0))
    assert "+49 30 0000 0000" in texts_of(reminders(product)[0].raw)[0]
    (row,) = product.aws.scan("bookings")
    assert "due_at" not in row and "expires_at" in row


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ([{"minutes_before": 4}], "/reminders/0/minutes_before"),
        ([{"minutes_before": 40_321}], "/reminders/0/minutes_before"),
        ([{"minutes_before": 60, "to": "everyone"}], "/reminders/0/to"),
        ([{"minutes_before": 60, "to": "host"}, {"minutes_before": 60}], "/reminders"),
        ([{"minutes_before": number} for number in range(10, 16)], "/reminders"),
    ],
)
def test_what_is_wrong_is_named(product: Product, wrong: list[dict[str, Any]], pointer: str) -> None:
    answer = product.caller().put("/v1/calendars/c-1", json=calendar("phone", reminders=wrong))
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, [pointer])
    assert (
        "reminders"
        in operations.run({"do": "update-workspace", "workspace_id": WORKSPACE, "reminders": wrong}, product.services)[
            "error"
        ]
    )
