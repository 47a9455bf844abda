"""What a refusal of the whole account costs, and that the emails follow automatically when it is over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import ceil
from random import Random
from typing import Any

import pytest

from chalicelib.domain.invitation import InvitationState
from chalicelib.errors import MailAccountError, MailRejected, MailUnavailable, StoreUnavailable
from chalicelib.handlers import mail_events, operations
from chalicelib.store import tables
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.usecases.mail_circuit import LONGEST_PAUSE, SHORTEST_PAUSE, SPREAD, MailCircuit
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock
from tests.support.product import GUEST, SENDER, WORKSPACE, Mails, Product, booking, recorded_event
from tests.support.steps import break_grant, get, put

OWN = SENDER.address
CLINIC = "hello@clinic.example"


def account_error(*, concerns_sender: bool = True) -> MailAccountError:
    return MailAccountError("SES: MessageRejected", code="NotVerified", concerns_sender=concerns_sender)


class Sandbox(Mails):
    """An account that refuses every mail until `is_over`, and counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.is_over = False
        self.accepts: set[str] = set()

    def send(self, invite: Any) -> str:
        self._admit(invite.recipient.email)
        return super().send(invite)

    def send_notice(self, to: str, subject: str, text: str, html: str) -> str:
        self._admit(to)
        return super().send_notice(to, subject, text, html)

    def _admit(self, email: str) -> None:
        self.calls += 1
        if not self.is_over and email not in self.accepts:
            raise account_error()


@pytest.fixture
def sandbox(connected: Product) -> Sandbox:
    mails = Sandbox()
    connected.mails = mails
    connected.services.mailer._mailer = mails
    return mails


def pass_minutes(product: Product, minutes: float) -> None:
    """Let the schedule run for so long; minutes in which nothing is due are skipped, as they cost nothing."""
    ends_at = product.clock() + timedelta(minutes=minutes)
    while (left := (ends_at - product.clock()).total_seconds()) > 0:
        due = [int(row["due_at"]["N"]) / 1000 for row in product.aws.scan("bookings") if "due_at" in row]
        wait = min(due, default=ends_at.timestamp()) - product.clock().timestamp()
        product.tick(max(60.0, min(left, ceil(wait / 60) * 60.0)))


@contextmanager
def writes(table: str) -> Iterator[list[str]]:
    """The writes to a table, as botocore's own events tell."""
    calls: list[str] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        body = json.loads(params["body"])
        if model.name in ("UpdateItem", "PutItem", "DeleteItem") and body["TableName"].endswith(table):
            calls.append(model.name)

    emitter = tables.BookingItem.shared_connection().client.meta.events
    emitter.register("before-call", note)
    try:
        yield calls
    finally:
        emitter.unregister("before-call", note)


class TestASandboxedStage:
    def test_costs_a_few_calls_an_hour_and_no_more_than_two_writes_each_time_a_booking_looks(
        self, connected: Product, sandbox: Sandbox
    ) -> None:
        bookings = 12
        for number in range(bookings):
            connected.caller().put(f"/v1/bookings/b-{number}", json=booking())
        connected.settle()
        assert sandbox.calls == 1
        with writes("bookings") as written:
            pass_minutes(connected, 60)
        # Pauses of 1, 2, 4, 8 and then 15 minutes, each at least half as long: at most 11 probes in the first hour.
        assert 5 <= sandbox.calls <= 12
        # Each time a booking looks it is leased and parked; once more, if it looks while a probe is under way. A probe
        # marks its mail.
        assert len(written) <= sandbox.calls * (2 * 2 * bookings + 1)

    def test_leaves_every_booking_unmarked_but_those_that_were_tried(
        self, connected: Product, sandbox: Sandbox
    ) -> None:
        for number in range(10):
            connected.caller().put(f"/v1/bookings/b-{number}", json=booking())
        connected.settle()
        found = [connected.services.booking_store.get(WORKSPACE, f"b-{number}") for number in range(10)]
        invitations = [i for record in found if record for i in record.settlement.invitations]
        assert len(invitations) == sandbox.calls
        assert {invitation.state for invitation in invitations} == {InvitationState.SENDING}
        assert all(record and record.settlement.meeting.join_url for record in found)

    def test_sends_everything_within_18_minutes_when_it_is_over_and_no_one_asks(
        self, connected: Product, sandbox: Sandbox
    ) -> None:
        for number in range(5):
            connected.caller().put(f"/v1/bookings/b-{number}", json=booking())
        connected.settle()
        pass_minutes(connected, 40)
        sandbox.is_over = True
        pass_minutes(connected, 18)
        assert len(sandbox.sent) == 10
        assert len({(mail.invite.booking_id, mail.invite.recipient.email) for mail in sandbox.sent}) == 10
        assert {i["state"] for n in range(5) for i in get(connected, f"b-{n}")["invitations"]} == {"sent"}

    def test_mails_those_who_are_verified_there_and_keeps_the_others_mails(
        self, connected: Product, sandbox: Sandbox
    ) -> None:
        sandbox.accepts = {"host@example.com"}
        for number in range(3):
            connected.caller().put(f"/v1/bookings/b-{number}", json=booking())
        connected.settle()
        # One email is tried at a time, chosen at random: how long it takes until all three were is a matter of luck.
        for _ in range(24):
            if len(sandbox.sent) < 3:
                pass_minutes(connected, 15)
        assert {mail.invite.recipient.email for mail in sandbox.sent} == {"host@example.com"}
        assert len(sandbox.sent) == 3
        sandbox.is_over = True
        pass_minutes(connected, 18)
        assert len(sandbox.to(GUEST["email"])) == 3

    def test_is_learnt_from_the_shared_row_by_another_process(self, connected: Product, sandbox: Sandbox) -> None:
        put(connected)
        calls = sandbox.calls
        services = connected.services
        other = MailCircuit(services.ephemeral_store, connected.clock, Random(1))
        assert other.check(OWN) is not None
        assert sandbox.calls == calls


class TestOtherMails:
    def test_a_mail_that_ses_refuses_for_itself_stops_no_other(self, connected: Product) -> None:
        connected.mails.refusals = [MailRejected("SES: MessageRejected")]
        put(connected)
        put(connected, "b-2")
        assert len(connected.mails.sent) == 3

    def test_neither_does_one_that_was_throttled(self, connected: Product) -> None:
        connected.mails.refusals = [MailUnavailable("SES: ThrottlingException")]
        put(connected)
        put(connected, "b-2")
        assert len(connected.mails.sent) == 3

    def test_a_workspaces_own_unverified_sender_keeps_no_one_else_waiting(self, connected: Product) -> None:
        connected.mails.refusals = [account_error()]
        request = {"do": "update-workspace", "workspace_id": WORKSPACE, "brand": {"sender": CLINIC}}
        assert "error" not in operations.run(request, connected.services)
        connected.clock.advance(61)  # Settings may be a minute old.
        put(connected)
        assert connected.mails.sent == []
        assert connected.services.mailer.check(CLINIC) is not None
        assert connected.services.mailer.check() is None

    def test_a_paused_account_keeps_all_senders_waiting(self, connected: Product) -> None:
        connected.mails.refusals = [account_error(concerns_sender=False)]
        put(connected)
        assert connected.services.mailer.check(CLINIC) is not None

    def test_a_host_hears_of_a_failed_meeting_when_mail_works_again(self, connected: Product, sandbox: Sandbox) -> None:
        put(connected)
        connected.zoom.limits.daily_limit = 0
        put(connected, "b-2", days=0.2)
        assert sandbox.notices == []
        record = connected.services.booking_store.get(WORKSPACE, "b-2")
        assert record is not None and record.settlement.notice is None
        sandbox.is_over = True
        for _ in range(5):
            connected.tick()
        assert [notice.to for notice in sandbox.notices] == ["host@example.com"]

    def test_owners_of_a_broken_account_hear_of_it_when_mail_works_again(
        self, connected: Product, sandbox: Sandbox
    ) -> None:
        put(connected)
        break_grant(connected)
        put(connected, "b-2")
        connected.tick(5)
        calls = sandbox.calls
        links = len(connected.aws.scan("ephemeral"))
        connected.tick(5)
        assert (sandbox.calls, len(connected.aws.scan("ephemeral"))) == (calls, links)
        sandbox.is_over = True
        pass_minutes(connected, 18)
        assert "host@example.com" in {notice.to for notice in sandbox.notices}

    def test_a_bounce_is_handed_in_again_and_no_call_is_made_for_it(self, connected: Product, sandbox: Sandbox) -> None:
        sandbox.is_over = True
        put(connected)
        sandbox.is_over = False
        put(connected, "b-2")
        calls, event = sandbox.calls, json.dumps(recorded_event("ses_events")["hard_bounce"])
        for _ in range(2):
            with pytest.raises(MailUnavailable):
                mail_events.record_mail_event(event, connected.services)
        assert sandbox.calls == calls
        sandbox.is_over = True
        connected.tick(120)
        mail_events.record_mail_event(event, connected.services)
        assert len(sandbox.notices) == 1


@pytest.fixture
def circuit(moto_aws: Aws, clock: FakeClock) -> MailCircuit:
    return MailCircuit(EphemeralStore(), clock, Random(3))


class TestTheCircuit:
    def test_lets_one_probe_through_and_pauses_longer_after_each(self, circuit: MailCircuit, clock: FakeClock) -> None:
        begun, pauses = clock(), []
        again_at = circuit.record_refusal(account_error(), OWN)
        for _ in range(8):
            pauses.append((again_at - begun).total_seconds())
            clock.advance((again_at - clock()).total_seconds())
            begun = clock()
            assert circuit.check(OWN) is None
            assert circuit.check(OWN) is not None
            again_at = circuit.record_refusal(account_error(), OWN)
        assert SHORTEST_PAUSE.total_seconds() <= pauses[0] <= (SHORTEST_PAUSE + SPREAD).total_seconds()
        assert pauses[-1] >= LONGEST_PAUSE.total_seconds() / 2
        assert max(pauses) <= (LONGEST_PAUSE + SPREAD).total_seconds()

    def test_is_closed_by_a_probe_that_is_accepted(self, circuit: MailCircuit, clock: FakeClock) -> None:
        clock.advance((circuit.record_refusal(account_error(), OWN) - clock()).total_seconds())
        assert circuit.check(OWN) is None
        circuit.record_success(OWN)
        assert [circuit.check(OWN) for _ in range(3)] == [None] * 3

    def test_gives_one_probe_to_all_processes_and_tells_all_that_it_is_over(
        self, moto_aws: Aws, clock: FakeClock
    ) -> None:
        circuits = [MailCircuit(EphemeralStore(), clock, Random(number)) for number in range(5)]
        circuits[0].record_refusal(account_error(), OWN)
        assert all(one.check(OWN) is not None for one in circuits)
        clock.advance(120)
        probing = [one for one in circuits if one.check(OWN) is None]
        assert len(probing) == 1
        probing[0].record_success(OWN)
        clock.advance(61)
        assert [one.check(OWN) for one in circuits] == [None] * 5

    def test_survives_a_probe_whose_process_died(self, moto_aws: Aws, clock: FakeClock) -> None:
        dead, other = (MailCircuit(EphemeralStore(), clock, Random(number)) for number in range(2))
        clock.advance((dead.record_refusal(account_error(), OWN) - clock()).total_seconds())
        assert dead.check(OWN) is None
        while (again_at := other.check(OWN)) is not None:
            clock.advance((again_at - clock()).total_seconds())
        assert clock() - START < timedelta(minutes=6)

    def test_reads_its_rows_once_a_minute(self, clock: FakeClock) -> None:
        rows = Rows()
        circuit = MailCircuit(rows, clock, Random(1))  # type: ignore[arg-type]
        for _ in range(120):
            assert circuit.check(OWN) is None
            clock.advance(1)
        assert rows.loads == 4  # The account's row and the sender's.

    def test_does_not_stop_mail_when_its_row_is_out_of_reach(self, clock: FakeClock) -> None:
        rows = Rows()
        rows.is_down = True
        circuit = MailCircuit(rows, clock, Random(1))  # type: ignore[arg-type]
        assert circuit.check(OWN) is None
        circuit.record_success(OWN)
        again_at = circuit.record_refusal(account_error(), OWN)
        assert clock() + SHORTEST_PAUSE <= again_at
        assert circuit.check(OWN) is not None  # This process still spares the account.
        clock.advance(121)
        assert circuit.check(OWN) is None


class Rows:
    """The ephemeral table, empty, or out of reach."""

    def __init__(self) -> None:
        self.loads = 0
        self.is_down = False

    def load(self, key: str, kind: object, now: datetime) -> tuple[None, int]:
        self.loads += 1
        if self.is_down:
            raise StoreUnavailable("down")
        return None, 0

    def swap(self, key: str, document: object, expires_at: datetime, version: int) -> None:
        if self.is_down:
            raise StoreUnavailable("down")


def test_a_row_is_kept_longer_than_its_longest_pause(moto_aws: Aws, clock: FakeClock, circuit: MailCircuit) -> None:
    circuit.record_refusal(account_error(), OWN)
    (row,) = moto_aws.scan("ephemeral")
    assert int(row["expires_at"]["N"]) > (clock() + LONGEST_PAUSE + timedelta(hours=1)).timestamp()
    assert OWN not in repr(row)
