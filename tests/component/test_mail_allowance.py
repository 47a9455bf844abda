"""What a workspace sends beyond its allowance waits and is sent later; no other workspace's emails wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from chalicelib import observability
from chalicelib.errors import MailUnavailable, StoreUnavailable
from chalicelib.store.ephemeral import EphemeralStore, used_until_of
from chalicelib.store.tables import EphemeralItem
from chalicelib.usecases.mail_allowance import LARGEST_BLOCK, LONGEST_SPREAD, MailAllowance, mail_limits
from infra.local.standins.faults import Action, Fault
from tests.component.test_metrics import counted
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock
from tests.support.product import Product, booking, calendar
from tests.support.queues import Queues
from tests.support.steps import get

MINUTE = timedelta(minutes=1)


class MemoryRows:
    """What `EphemeralStore` does, without a database."""

    def __init__(self) -> None:
        self.used_until: dict[str, datetime] = {}
        self.writes = 0
        self.is_down = False

    def take_usage(
        self, key: str, amount: timedelta, now: datetime, burst: timedelta, *, is_idle: bool
    ) -> tuple[bool, datetime]:
        if self.is_down:
            raise StoreUnavailable("down")
        used_until = self.used_until.get(key, now)
        if used_until - now >= burst:
            return False, used_until
        self.writes += 1
        self.used_until[key] = max(used_until, now) + amount
        return True, self.used_until[key]


def fleet(rows: MemoryRows, clock: Callable[[], datetime], processes: int) -> list[MailAllowance]:
    random = Random(1)
    return [MailAllowance(rows, mail_limits(600, 20_000), clock, random.random) for _ in range(processes)]


class TestManyProcesses:
    @pytest.mark.parametrize(("processes", "emails"), [(1, 2), (20, 2), (20, 20), (50, 1)])
    def test_send_the_allowance_at_once_and_then_what_refills(self, processes: int, emails: int) -> None:
        rows, now = MemoryRows(), START
        allowances = fleet(rows, lambda: now, processes)
        sent = Counter[int]()
        for number in range(2 * 60 * 100):  # A hundred runs a second, for two minutes.
            now = START + timedelta(seconds=number / 100)
            if allowances[number % processes].take("ws-1", emails) is None:
                sent[number // 6000] += emails
        assert 1200 - 9 * processes <= sent[0] <= 1200
        assert sent[1] == pytest.approx(600, rel=0.05)

    def test_write_once_for_ten_emails(self) -> None:
        rows = MemoryRows()
        (allowance,) = fleet(rows, lambda: START, 1)
        for _ in range(200):
            assert allowance.take("ws-1", 2) is None
        assert rows.writes == 2 * 400 / LARGEST_BLOCK

    def test_send_20000_in_a_day_and_the_rest_as_it_refills(self) -> None:
        rows, now, sent = MemoryRows(), START, 0
        allowances = fleet(rows, lambda: now, 5)
        for number in range(2 * 24 * 60):  # Six hundred a minute are tried, for two days.
            now = START + number * MINUTE
            sent += sum(20 for n in range(30) if allowances[n % 5].take("ws-1", 20) is None)
        assert sent == pytest.approx(3 * 20_000, rel=0.02)

    def test_do_not_know_each_other_by_workspace(self) -> None:
        rows = MemoryRows()
        (allowance,) = fleet(rows, lambda: START, 1)
        assert [allowance.take("ws-1", 600), allowance.take("ws-2", 600)] == [None, None]
        assert allowance.take("ws-1", 20) is not None

    def test_send_everything_while_the_count_is_down(self) -> None:
        rows = MemoryRows()
        rows.is_down = True
        (allowance,) = fleet(rows, lambda: START, 1)
        assert {allowance.take("ws-1", 600) for _ in range(5)} == {None}

    def test_do_not_count_what_was_not_sent(self) -> None:
        rows = MemoryRows()
        (allowance,) = fleet(rows, lambda: START, 1)
        for _ in range(100):
            assert allowance.take("ws-1", 20) is None
            allowance.give_back("ws-1", 20)
        assert rows.used_until["mails-minute#ws-1"] == START + 20 * timedelta(seconds=0.1)

    def test_return_at_different_times(self) -> None:
        rows = MemoryRows()
        (allowance,) = fleet(rows, lambda: START, 1)
        allowance.take("ws-1", 1200)
        times = {allowance.take("ws-1", 20) for _ in range(50)}
        assert len(times) == 50
        assert all(time and START + MINUTE <= time <= START + 2 * MINUTE for time in times)

    def test_have_no_limit_if_the_setting_is_0(self) -> None:
        assert mail_limits(0, 0) == []
        assert mail_limits(0, 5)[0].period > LONGEST_SPREAD


class TestARow:
    @pytest.fixture
    def rows(self, moto_aws: Aws) -> EphemeralStore:
        return EphemeralStore()

    @pytest.mark.parametrize("is_idle", [True, False])
    def test_is_moved_whatever_the_caller_expects(self, rows: EphemeralStore, is_idle: bool) -> None:
        for number in (1, 2, 3):
            taken = rows.take_usage("k", timedelta(seconds=20), START, MINUTE, is_idle=is_idle)
            assert taken == (True, START + number * timedelta(seconds=20))
        assert rows.take_usage("k", timedelta(seconds=20), START, MINUTE, is_idle=is_idle) == (False, START + MINUTE)

    def test_begins_again_when_its_time_is_past(self, rows: EphemeralStore) -> None:
        rows.take_usage("k", MINUTE, START, MINUTE, is_idle=True)
        later = START + timedelta(hours=1)
        assert rows.take_usage("k", timedelta(seconds=1), later, MINUTE, is_idle=False) == (
            True,
            later + timedelta(seconds=1),
        )


class World:
    """A product with an allowance of 40 emails a minute, whose blocks are single emails, and with queues."""

    def __init__(self, moto_aws: Aws, clock: FakeClock) -> None:
        self.product = Product(moto_aws, clock, MEETLINK_MAILS_PER_MINUTE="40")
        object.__setattr__(self.product.services, "sample", lambda: 0.0)
        self.connect()
        self.queues = Queues(self.product)

    def connect(self, workspace_id: str = "ws-1") -> None:
        self.product.connect(workspace_id=workspace_id)
        self.product.caller(workspace_id).put("/v1/calendars/c-1", json=calendar())

    def book(self, booking_id: str, guests: int, **changes: Any) -> None:
        people = [{"name": f"Guest {n}", "email": f"{booking_id}-{n}@example.com"} for n in range(guests)]
        answer = self.product.caller().put(f"/v1/bookings/{booking_id}", json=booking(guests=people, **changes))
        assert answer.is_success, answer.text
        self.product.settle()
        self.queues.send_emails()

    def tick(self) -> None:
        self.product.tick()
        self.queues.send_emails()

    @property
    def sent(self) -> int:
        return len(self.product.mails.sent)


@pytest.fixture
def world(moto_aws: Aws, clock: FakeClock) -> World:
    return World(moto_aws, clock)


def test_emails_beyond_the_allowance_wait_with_a_reason_and_are_sent_later(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observability, "_dimensions", {})
    observability.enable_metrics("prod")
    world.book("b-1", 49)
    assert world.sent == 40
    waiting = get(world.product)
    assert waiting["meeting"]["state"] == "ready"
    assert waiting["emails_waiting"] == {"reason": "allowance_used_up", "until": "2026-12-01T09:30:00Z"}
    assert counted(capsys)["MailsOverAllowance"] == [10]
    world.tick()
    assert world.sent == 50
    assert get(world.product)["emails_waiting"] is None
    assert set(Counter(letter.invite.recipient.email for letter in world.product.mails.sent).values()) == {1}


def test_another_workspaces_emails_do_not_wait(world: World) -> None:
    world.connect("ws-2")
    world.book("b-1", 49)
    world.product.caller("ws-2").put("/v1/bookings/b-1", json=booking())
    world.product.settle()
    assert world.sent == 42


def test_a_change_while_emails_wait_is_what_they_say(world: World) -> None:
    world.book("b-1", 45)
    world.product.caller().delete("/v1/bookings/b-1")
    world.product.settle()
    world.tick()
    world.tick()
    entries = Counter((m.invite.recipient.email, m.invite.method.value) for m in world.product.mails.sent)
    assert Counter(method for _, method in entries) == {"REQUEST": 40, "CANCEL": 40}
    assert set(entries.values()) == {1}
    assert get(world.product)["emails_waiting"] is None


def test_a_run_of_the_stream_does_not_wait_for_the_allowance(world: World) -> None:
    world.book("b-1", 49)
    slept: list[float] = []
    object.__setattr__(world.product.services, "sleep", slept.append)
    world.product.caller().put("/v1/bookings/b-2", json=booking(days=36))
    world.product.settle()
    assert (slept, world.sent) == ([], 40)


def test_emails_that_ses_throttles_use_up_nothing(world: World) -> None:
    world.product.mails.refusals[:] = [MailUnavailable("SES: TooManyRequests")] * 20
    world.book("b-1", 30)
    assert world.sent == 0
    world.tick()
    assert world.sent == 31
    row = EphemeralItem.find("mails-minute#ws-1")
    assert row is not None
    assert used_until_of(row) == world.product.clock() + (31 - 20) * MINUTE / 40


def test_notices_about_failed_meetings_use_the_allowance(world: World) -> None:
    world.book("b-1", 49)
    world.product.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=400, times=9))
    world.product.caller().put("/v1/bookings/b-2", json=booking(days=36))
    world.product.settle()
    assert get(world.product, "b-2")["meeting"]["state"] == "failed"
    assert world.product.mails.notices == []
    world.product.zoom.faults.clear()
    for _ in range(3):
        world.tick()
    assert len(world.product.mails.notices) == 1


def test_emails_are_sent_while_the_counts_are_unavailable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(world.product.services.ephemeral_store, "take_usage", refuse)
    world.book("b-1", 49)
    assert world.sent == 50
