"""Mails that do not arrive: what the booking says, whom the host is told of, and who is not mailed again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.domain.invitation import Trouble
from chalicelib.errors import MailUnavailable
from chalicelib.handlers import mail_events, operations
from chalicelib.mail.ses_events import read_event
from tests.support.product import Product, booking, recorded_event
from tests.support.steps import cancel, get, put

EVENTS = recorded_event("ses_events")
GUEST, HOST = "guest@example.com", "host@example.com"
OUTCOMES = [
    ("hard_bounce", "bounced", "hard_bounce"),
    ("soft_bounce", "bounced", "soft_bounce"),
    ("blocked", "suppressed", "blocked"),
    ("complaint", "complained", "complaint"),
    ("rejected", "bounced", "rejected"),
    ("delayed", "sent", "delayed"),
    ("delivered", "sent", None),
    ("not_spam", "sent", None),
]


@pytest.fixture
def booked(connected: Product) -> Product:
    """Booking b-1: mail-1 went to the host, mail-2 to the guest."""
    put(connected)
    assert [letter.invite.recipient.email for letter in connected.mails.sent] == [HOST, GUEST]
    return connected


def happens(product: Product, name: str, **mail: Any) -> None:
    event = EVENTS[name] | {"mail": EVENTS[name]["mail"] | mail}
    mail_events.record_mail_event(json.dumps(event), product.services)


def outcome(product: Product, email: str = GUEST) -> tuple[str, str | None]:
    return next((i["state"], i["reason"]) for i in get(product)["invitations"] if i["email"] == email)


def operate(product: Product, what: str) -> dict[str, Any]:
    return operations.run({"do": what, "workspace_id": "ws-1", "email": GUEST}, product.services)


@pytest.mark.parametrize(("name", "state", "reason"), OUTCOMES)
def test_the_booking_says_what_became_of_the_mail(booked: Product, name: str, state: str, reason: str | None) -> None:
    happens(booked, name)
    assert outcome(booked) == (state, reason)
    assert outcome(booked, HOST) == ("sent", None)


def test_a_mail_that_did_not_arrive_is_logged_with_its_ids_and_without_its_address(
    booked: Product, caplog: pytest.LogCaptureFixture
) -> None:
    """So that an operator finds the workspace whose mails bounce."""
    caplog.set_level("INFO")
    happens(booked, "hard_bounce")
    (line,) = [vars(record) for record in caplog.records if record.message == "email problem reported"]
    assert (line["workspace_id"], line["booking_id"], line["trouble"]) == ("ws-1", "b-1", "hard_bounce")
    assert GUEST not in str(line)


@pytest.mark.parametrize("name", ["hard_bounce", "soft_bounce", "blocked", "complaint", "rejected", "delayed"])
def test_the_host_is_told_once_however_often_the_event_comes(booked: Product, name: str) -> None:
    for _ in range(3):
        happens(booked, name)
    (notice,) = booked.mails.notices
    assert notice.to == HOST
    assert GUEST in notice.subject and "Introductory call" in notice.text


def test_a_late_mail_that_is_lost_in_the_end_is_told_of_again(booked: Product) -> None:
    happens(booked, "delayed")
    happens(booked, "hard_bounce")
    happens(booked, "delayed")
    assert [notice.subject.split(":")[0] for notice in booked.mails.notices] == ["Delayed", "Not delivered"]
    assert outcome(booked) == ("bounced", "hard_bounce")


def test_a_notice_that_cannot_go_now_is_asked_for_again(booked: Product) -> None:
    booked.mails.refusals += [MailUnavailable("SES: Throttling")]
    with pytest.raises(MailUnavailable):  # Lambda then delivers the event again
        happens(booked, "hard_bounce")
    happens(booked, "hard_bounce")
    assert len(booked.mails.notices) == 1


def test_when_the_host_cannot_be_reached_the_administrators_are_told(product: Product) -> None:
    product.caller(admin_emails=["admin@example.com", "bounced@example.com"])
    product.services.suppression_store.add("ws-1", "bounced@example.com", Trouble.HARD_BOUNCE, product.clock())
    product.connect()
    product.caller().put("/v1/calendars/c-1", json={"name": "x", "host": {"user_id": "u-1", "name": "Demo Host",
                         "email": HOST}, "location": {"type": "video"}})  # fmt: skip
    put(product)
    happens(product, "hard_bounce", messageId="mail-1", destination=[HOST])
    assert [notice.to for notice in product.mails.notices] == ["admin@example.com"]
    assert outcome(product, HOST) == ("bounced", "hard_bounce")


@pytest.mark.parametrize("name", ["hard_bounce", "complaint", "blocked"])
def test_an_address_that_bounced_for_good_or_complained_is_not_mailed_again(booked: Product, name: str) -> None:
    happens(booked, name)
    put(booked, title="Another title")
    assert len(booked.mails.to(GUEST)) == 1 and len(booked.mails.to(HOST)) == 2
    assert outcome(booked) == ("suppressed", "blocked")
    cancel(booked)
    put(booked, "b-2")
    assert len(booked.mails.to(GUEST)) == 1
    assert get(booked, "b-2")["meeting"]["state"] == "ready"


def test_another_workspace_may_still_mail_the_address(booked: Product) -> None:
    happens(booked, "hard_bounce")
    assert not booked.services.suppression_store.is_suppressed("ws-2", GUEST)


def test_a_full_mailbox_gets_the_next_mail(booked: Product) -> None:
    happens(booked, "soft_bounce")
    put(booked, title="Another title")
    assert len(booked.mails.to(GUEST)) == 2
    assert outcome(booked) == ("sent", None)


def test_operators_can_lift_it_and_a_retry_then_mails(booked: Product) -> None:
    happens(booked, "hard_bounce")
    put(booked, title="Another title")
    assert operate(booked, "show-suppression")["suppressed"]["reason"] == "hard_bounce"
    assert operate(booked, "lift-suppression") == {"email": GUEST, "suppressed": None}
    assert "error" in operate(booked, "lift-suppression")
    booked.caller().post("/v1/bookings/b-1/retry")
    booked.settle()
    assert [letter.invite.title for letter in booked.mails.to(GUEST)] == ["Introductory call", "Another title"]
    assert outcome(booked) == ("sent", None)


def test_an_event_that_comes_before_its_mail_is_recorded_counts(booked: Product) -> None:
    booked.caller().put("/v1/bookings/b-1", json=booking(title="Another title"))
    happens(booked, "hard_bounce", messageId="mail-4")
    booked.services.suppression_store.remove("ws-1", GUEST)
    booked.settle()  # mail-3 to the host; mail-4 to the guest
    assert outcome(booked) == ("bounced", "hard_bounce")


def test_reports_about_earlier_emails_do_not_make_the_row_grow(booked: Product) -> None:
    happens(booked, "delayed", messageId="mail-2")
    assert _notes(booked) == ["delayed mail-2"]
    put(booked, title="Another title")
    happens(booked, "soft_bounce", messageId="mail-2")
    assert _notes(booked) == []


def _notes(product: Product) -> list[str]:
    (row,) = product.aws.scan("bookings")
    return list(row.get("mail_troubles", {"SS": []})["SS"])


def test_a_booking_that_is_over_is_no_reason_to_write(booked: Product) -> None:
    booked.clock.advance(40 * 24 * 3600)
    happens(booked, "hard_bounce")
    assert booked.mails.notices == []


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '"x"', "{", '{"eventType":"Bounce"}', '{"eventType":"Bounce","bounce":{},"mail":{}}',
     '{"eventType":"Bounce","bounce":{"bounceType":"Permanent"},"mail":{"tags":{},"destination":["a@b.c"]}}',
     "Successfully validated SNS topic for Amazon SES event publishing."],
)  # fmt: skip
def test_what_is_no_report_of_a_bookings_mail_is_passed_over(text: str) -> None:
    assert read_event(text) is None


def test_an_unknown_booking_stays_unknown(booked: Product) -> None:
    tags = EVENTS["hard_bounce"]["mail"]["tags"] | {"booking": ["b-none"]}
    happens(booked, "hard_bounce", tags=tags)
    assert booked.caller().get("/v1/bookings/b-none").status_code == 404
    assert booked.mails.notices == []


def test_sns_hands_over_the_record_as_the_app_reads_it() -> None:
    (record,) = recorded_event("sns_mail_event")["Records"]
    report = read_event(record["Sns"]["Message"])
    assert report is not None and (report.booking_id, report.trouble) == ("b-1", Trouble.HARD_BOUNCE)


@pytest.mark.parametrize(
    ("name", "announced"), [("hard_bounce", 1), ("complaint", 1), ("delayed", 0), ("delivered", 0)]
)
def test_a_mail_that_did_not_arrive_is_announced_to_the_workspaces_webhooks(
    booked: Product, name: str, announced: int
) -> None:
    endpoint = {"url": "https://receiver.example/hook", "events": ["invitation.bounced"]}
    assert booked.caller().put("/v1/webhook-endpoints/e-1", json=endpoint).is_success

    for _ in range(2):
        happens(booked, name)

    log = booked.caller().get("/v1/webhook-endpoints/e-1/deliveries").json()["items"]
    assert [entry["type"] for entry in log] == ["invitation.bounced"] * announced
