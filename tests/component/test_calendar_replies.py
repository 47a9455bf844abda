"""Calendars answer invitations by email: what the booking shows, whom it is reported to, and what is ignored."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.domain.answers import MAX_OTHER_ADDRESSES
from chalicelib.domain.invitation import Trouble
from chalicelib.errors import LostRace, MailUnavailable, StoreUnavailable
from chalicelib.handlers import operations, received_replies
from chalicelib.store.mail_bucket import MailBucket
from chalicelib.store.references import ReferenceStore, uid_key
from chalicelib.usecases.answer_limit import MAX_ANSWERS
from infra.local.calendar_replies import PROGRAMS, Answer
from infra.local.inbound_mail import as_received, notification
from infra.operate.erasure import Eraser
from infra.operate.rows import Tables
from infra.operate.subjects import OneWorkspace, Person, find
from infra.tables import create_tables
from tests.component.test_answer_links import answer as press_link
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock
from tests.support.product import GUEST, WORKSPACE, Product, calendar
from tests.support.replies import BUCKET, Calendar, Inbox
from tests.support.steps import HOST, cancel, get, put
from tests.support.webhooks import Receivers, Streams

GUEST_EMAIL, OTHER = "guest@example.com", {"name": "Other Guest", "email": "other@example.com"}
YEAR = timedelta(days=365)


@pytest.fixture
def receiver(moto_aws: Aws, clock: FakeClock) -> Product:
    """A deployment that receives email, with a video calendar c-1."""
    product = Product(moto_aws, clock, MEETLINK_REPLIES_BUCKET=BUCKET)
    product.connect()
    assert product.caller().put("/v1/calendars/c-1", json=calendar()).is_success
    return product


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def guest(receiver: Product, inbox: Inbox) -> Calendar:
    """The calendar of the only guest of the booking b-1."""
    put(receiver)
    return Calendar(receiver, inbox)


def invitation(product: Product, email: str = GUEST_EMAIL, booking_id: str = "b-1") -> dict[str, Any]:
    return next(one for one in get(product, booking_id)["invitations"] if one["email"] == email)


def answer_of(product: Product, email: str = GUEST_EMAIL) -> tuple[str | None, bool]:
    one = invitation(product, email)
    return one["answer"], one["answer_outdated"]


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["reason"] for record in caplog.records if record.message == "a received email was dropped"]


@pytest.mark.parametrize("shape", PROGRAMS)
def test_the_answer_of_every_program_is_on_the_booking(guest: Calendar, shape: str) -> None:
    guest.shape = shape
    guest.answer("TENTATIVE")
    assert answer_of(guest.product) == ("tentative", False)
    guest.product.clock.advance(60)
    guest.answer("DECLINED")
    one = invitation(guest.product)
    assert (one["answer"], one["answer_outdated"]) == ("declined", False)
    assert datetime.fromisoformat(one["answered_at"]) == guest.product.clock()
    assert invitation(guest.product, HOST)["answer"] is None


def test_an_answer_changes_no_revision_and_emails_the_host_once(guest: Calendar) -> None:
    product = guest.product
    before, sent = get(product), len(product.mails.sent)
    for partstat in ("ACCEPTED", "DECLINED"):
        message = guest.answer(partstat)
        product.clock.advance(60)
        for _ in range(2):  # SNS delivers at least once.
            received_replies.receive_reply(message, product.services)
        product.settle()
    after = get(product)
    assert (after["revision"], len(product.mails.sent)) == (before["revision"], sent)
    assert [(notice.to, notice.subject.split(":")[0]) for notice in product.mails.notices] == [
        (HOST, "Demo Guest will not come")
    ]


def test_an_answer_is_announced_once(guest: Calendar) -> None:
    product = guest.product
    receivers, streams = Receivers.of(product), Streams(product)
    product.caller().put("/v1/webhook-endpoints/e-1", json={"url": "https://receiver.example/hooks"})
    streams.announce()
    message = guest.answer("ACCEPTED")
    received_replies.receive_reply(message, product.services)
    streams.announce()
    events = [one.event for one in receivers.received if one.event["type"] == "invitation.answered"]
    assert [event["data"]["invitation"]["answer"] for event in events] == ["accepted"]


def test_the_newest_answer_counts_in_whichever_order_they_arrive(guest: Calendar) -> None:
    earlier = guest.product.clock()
    guest.product.clock.advance(600)
    guest.answer("DECLINED")
    guest.answer("ACCEPTED", at=earlier)
    assert answer_of(guest.product) == ("declined", False)
    guest.product.clock.advance(60)
    press_link(guest.product, "accepted")
    guest.answer("DECLINED", at=earlier)
    assert answer_of(guest.product) == ("accepted", False)


def test_a_program_whose_clock_is_ahead_does_not_outdo_later_answers(guest: Calendar) -> None:
    message = guest.answer("DECLINED", at=guest.product.clock() + timedelta(days=400))
    guest.product.clock.advance(60)
    press_link(guest.product, "accepted")
    guest.product.clock.advance(60)
    received_replies.receive_reply(message, guest.product.services)
    assert answer_of(guest.product) == ("accepted", False)


def test_an_answer_to_an_earlier_time_is_marked(guest: Calendar) -> None:
    earlier = guest.event()
    put(guest.product, days=36)
    guest.answer("ACCEPTED", event=earlier)
    assert answer_of(guest.product) == ("accepted", True)
    guest.product.clock.advance(60)
    guest.answer("ACCEPTED")
    assert answer_of(guest.product) == ("accepted", False)


def test_an_answer_to_an_earlier_email_about_the_same_time_counts(guest: Calendar) -> None:
    earlier = guest.event()
    put(guest.product, title="Another title")
    guest.answer("ACCEPTED", event=earlier)
    assert guest.event().sequence > earlier.sequence
    assert answer_of(guest.product) == ("accepted", False)


def test_the_host_answers_too(receiver: Product, inbox: Inbox) -> None:
    put(receiver)
    Calendar(receiver, inbox, HOST).answer("DECLINED")
    receiver.settle()
    assert answer_of(receiver, HOST) == ("declined", False)
    assert receiver.mails.notices == []


def test_a_decline_by_email_cancels_nothing(receiver: Product, inbox: Inbox) -> None:
    """Only the page asks whether the booking should be cancelled."""
    receiver.caller().put("/v1/calendars/c-1", json=calendar(on_decline="cancel"))
    put(receiver)
    Calendar(receiver, inbox).answer("DECLINED")
    receiver.settle()
    assert (get(receiver)["status"], answer_of(receiver)) == ("confirmed", ("declined", False))
    assert len(receiver.mails.notices) == 1


def test_an_answer_from_another_address_is_shown_and_counts_for_no_one(guest: Calendar) -> None:
    product, event = guest.product, guest.event()
    for number in range(MAX_OTHER_ADDRESSES + 2):
        Calendar(product, guest.inbox, f"other+{number}@example.com").answer("DECLINED", event=event)
        product.clock.advance(1)
    product.settle()
    booked = get(product)
    assert [other["email"] for other in booked["other_answers"]] == [
        f"other+{number}@example.com" for number in range(MAX_OTHER_ADDRESSES)
    ]
    assert booked["other_answers"][0]["answer"] == "declined"
    assert [one["answer"] for one in booked["invitations"]] == [None, None]
    assert (len(booked["guests"]), product.mails.notices) == (1, [])


def test_a_former_guest_answers_no_more(receiver: Product, inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    put(receiver, guests=[GUEST, OTHER])
    former = Calendar(receiver, inbox, OTHER["email"])
    event = former.event()
    put(receiver)
    former.answer("ACCEPTED", event=event)
    assert get(receiver)["other_answers"] == []
    assert reasons(caplog) == ["not_invited"]


def test_what_is_dropped_changes_nothing_and_is_logged_without_addresses(
    guest: Calendar, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    product, event = guest.product, guest.event()
    rows = product.aws.scan("bookings")
    answer = Answer(event, GUEST_EMAIL, "DECLINED", product.clock())
    raw = PROGRAMS["gmail"].write(answer)
    forged = {"results": "dkim=pass header.i=@attacker.example;"}
    guest.send(as_received(raw, GUEST_EMAIL, **forged), dmarc="FAIL")
    guest.send(as_received(raw.replace(event.uid.encode(), b"0" + event.uid.encode()), GUEST_EMAIL))
    guest.send(as_received(raw, GUEST_EMAIL) + b"x" * 300_000)
    guest.send(b"Subject: hello\r\n\r\nWhen shall we meet?")
    cancel(product)
    cancelled = product.aws.scan("bookings")
    guest.send(as_received(raw, GUEST_EMAIL))
    assert reasons(caplog) == ["forged", "unknown_uid", "too_large", "no_answer", "ended"]
    assert all(row["answers"] for row in rows if "answers" in row) and product.aws.scan("bookings") == cancelled
    assert GUEST_EMAIL not in "".join(str(vars(r)) for r in caplog.records if "received email" in r.message)


def test_a_booking_that_is_over_takes_no_answer(guest: Calendar, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    guest.product.clock.advance(36 * 86_400)
    guest.answer("ACCEPTED")
    assert (reasons(caplog), answer_of(guest.product)[0]) == (["ended"], None)


def test_a_uid_leads_to_one_booking_of_one_workspace(guest: Calendar, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    product, event = guest.product, guest.event()
    product.connect(workspace_id="ws-2")
    product.caller("ws-2").put("/v1/calendars/c-1", json=calendar())
    put(product, workspace_id="ws-2")
    guest.answer("DECLINED", event=event)
    assert answer_of(product)[0] == "declined"
    assert [one["answer"] for one in get(product, workspace_id="ws-2")["invitations"]] == [None, None]


def test_a_person_answers_so_often_an_hour(guest: Calendar, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for number in range(MAX_ANSWERS + 1):
        guest.answer(("ACCEPTED", "DECLINED")[number % 2])
        guest.product.clock.advance(1)
    assert (reasons(caplog), answer_of(guest.product)[0]) == (["too_many"], "declined")


class TestProposals:
    def propose(self, guest: Calendar, days: int = 1, **changes: Any) -> str:
        starts_at = START + timedelta(days=35 + days)
        return guest.answer("TENTATIVE", proposed=starts_at, **changes)

    def test_a_proposed_time_is_forwarded_to_the_host_and_moves_nothing(self, guest: Calendar) -> None:
        product, before = guest.product, get(guest.product)
        message = self.propose(guest)
        received_replies.receive_reply(message, product.services)
        (notice,) = product.mails.notices
        assert (notice.to, notice.subject) == (HOST, "Demo Guest proposes another time: Introductory call")
        assert "proposes Wed, 6 Jan 2027, 10:30" in notice.text and "Tue, 5 Jan 2027" in notice.text
        assert get(product) == before
        self.propose(guest, days=2)
        assert len(product.mails.notices) == 2

    def test_a_notice_that_cannot_be_sent_now_is_sent_later(self, guest: Calendar) -> None:
        product = guest.product
        product.mails.refusals.append(MailUnavailable("SES: Throttling"))
        with pytest.raises(MailUnavailable):  # Lambda invokes the function again.
            self.propose(guest)
        product.clock.advance(60)
        self.propose(guest)
        assert len(product.mails.notices) == 1

    def test_only_a_guest_proposes(self, guest: Calendar, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        self.propose(Calendar(guest.product, guest.inbox, HOST))
        self.propose(Calendar(guest.product, guest.inbox, "stranger@example.com"), event=guest.event())
        assert (reasons(caplog), guest.product.mails.notices) == (["not_invited", "not_invited"], [])

    def test_where_the_caller_emails_the_host_the_administrators_are_notified(self, guest: Calendar) -> None:
        product = guest.product
        admins = ["admin@example.com", "bounced@example.com"]
        request = {"do": "set-lists", "workspace_id": WORKSPACE, "admin_emails": admins}
        assert "error" not in operations.run(request, product.services)
        product.services.suppression_store.add(WORKSPACE, admins[1], Trouble.HARD_BOUNCE, product.clock())
        put(product, emails={"host": False})
        self.propose(guest)
        assert [notice.to for notice in product.mails.notices] == ["admin@example.com"]


class TestReferences:
    def keys(self, product: Product) -> set[str]:
        return {row["key"]["S"] for row in product.aws.scan("references") if row["key"]["S"].startswith("uid#")}

    def test_a_uid_leads_to_its_booking_for_as_long_as_it_is_kept(self, receiver: Product) -> None:
        put(receiver)
        put(receiver, days=100)
        uid = receiver.mails.sent[-1].invite.uid
        assert ReferenceStore().find(uid_key(uid)) == (WORKSPACE, "b-1")
        (row,) = [row for row in receiver.aws.scan("references") if row["key"]["S"] == uid_key(uid)]
        assert int(row["expires_at"]["N"]) == (START + timedelta(days=100, minutes=30) + YEAR).timestamp()

    def test_it_is_written_before_the_first_email(self, receiver: Product) -> None:
        receiver.mails.refusals += [MailUnavailable("SES: down"), MailUnavailable("SES: down")]
        put(receiver)
        assert (len(receiver.mails.sent), len(self.keys(receiver))) == (0, 1)

    def test_without_receiving_there_are_none(self, connected: Product) -> None:
        put(connected)
        assert self.keys(connected) == set()

    def test_a_booking_that_was_invited_before_gets_one_when_it_is_settled(self, connected: Product) -> None:
        put(connected)
        uid, sent = connected.mails.sent[-1].invite.uid, len(connected.mails.sent)
        settings = msgspec.structs.replace(connected.services.settings, replies_bucket=BUCKET)
        connected.services = replace(connected.services, settings=settings)
        connected.tick()
        assert self.keys(connected) == set()
        connected.caller().post("/v1/bookings/b-1/retry")
        connected.settle()
        assert (self.keys(connected), len(connected.mails.sent)) == ({uid_key(uid)}, sent)

    def test_the_invitations_of_a_workspace_with_its_own_sender_have_none(self, receiver: Product) -> None:
        request = {"do": "update-workspace", "workspace_id": WORKSPACE, "brand": {"sender": "hello@clinic.example"}}
        assert "error" not in operations.run(request, receiver.services)
        receiver.clock.advance(600)
        put(receiver)
        assert receiver.mails.sent[-1].invite.sender == "hello@clinic.example"
        assert self.keys(receiver) == set()

    def test_an_outage_of_the_table_delays_no_email(self, receiver: Product) -> None:
        client = receiver.aws.client("dynamodb")
        client.delete_table(TableName=f"{receiver.aws.table_prefix}references")
        put(receiver)
        create_tables(client, receiver.aws.table_prefix)
        assert (len(receiver.mails.sent), self.keys(receiver)) == (2, set())
        receiver.tick(61)
        assert (len(receiver.mails.sent), len(self.keys(receiver))) == (2, 1)


def test_export_and_erase_find_the_reference_and_an_address_that_only_answered(guest: Calendar) -> None:
    product, other = guest.product, "private@example.org"
    Calendar(product, guest.inbox, other).answer("ACCEPTED", event=guest.event())
    rows = Tables(product.aws.client("dynamodb"), product.aws.table_prefix)
    for subject in (Person(GUEST_EMAIL), Person(other), OneWorkspace(WORKSPACE)):
        found = find(rows.scan_all(), subject)
        keys = {row.key["key"] for row in found if row.table == "references"}
        assert uid_key(guest.event().uid) in keys
        assert "bookings" in {row.table for row in found}
    Eraser(rows, product.services, Person(other), cancels=True).erase()
    product.settle()
    Eraser(rows, product.services, Person(other), cancels=True).erase()
    assert find(rows.scan_all(), Person(other)) == []
    assert [row for row in rows.scan_all() if row.table in ("bookings", "references")] == []


class TestBucket:
    def bucket(self, aws: Aws) -> MailBucket:
        client = aws.client("s3")
        client.create_bucket(Bucket=BUCKET)
        return MailBucket(client, BUCKET)

    def test_an_email_is_read_unless_it_is_too_large(self, moto_aws: Aws) -> None:
        bucket = self.bucket(moto_aws)
        moto_aws.client("s3").put_object(Bucket=BUCKET, Key="k", Body=b"0123456789")
        assert bucket.read("k", max_bytes=10) == b"0123456789"
        assert bucket.read("k", max_bytes=9) is None

    def test_an_email_that_cannot_be_read_is_received_again_until_it_is_deleted(
        self, receiver: Product, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        vars(receiver.services)["mail_bucket"] = self.bucket(receiver.aws)
        message = notification(BUCKET, "missing", receiver.clock())
        with pytest.raises(StoreUnavailable):
            received_replies.receive_reply(message, receiver.services)
        receiver.clock.advance(86_401)
        received_replies.receive_reply(message, receiver.services)
        assert reasons(caplog) == ["expired"]

    @pytest.mark.parametrize(
        "message", ["Successfully validated SNS topic", "{}", "[]", "null", json.dumps({"mail": 1})]
    )
    def test_other_messages_are_ignored(self, guest: Calendar, message: str) -> None:
        received_replies.receive_reply(message, guest.product.services)
        assert answer_of(guest.product)[0] is None

    def test_another_bucket_is_not_read(self, guest: Calendar) -> None:
        guest.inbox.emails["k"] = as_received(
            PROGRAMS["gmail"].write(Answer(guest.event(), GUEST_EMAIL, "DECLINED", guest.product.clock())), GUEST_EMAIL
        )
        received_replies.receive_reply(notification("another", "k", guest.product.clock()), guest.product.services)
        assert answer_of(guest.product)[0] is None


def test_an_answer_that_loses_every_race_is_received_again(guest: Calendar, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: object, **__: object) -> None:
        raise LostRace("another answer was first")

    with monkeypatch.context() as patch:
        patch.setattr(guest.product.services.booking_store, "put_answer", lose)
        with pytest.raises(LostRace):
            guest.answer("ACCEPTED")
    guest.answer("ACCEPTED")
    assert answer_of(guest.product) == ("accepted", False)
