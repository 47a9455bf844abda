"""Calls that wait for a link do not use up the processes that make it."""

from __future__ import annotations

import threading

import httpx
import pytest

from chalicelib.store.bookings import BookingStore
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.usecases.waiting_calls import WaitingCalls
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import Product, booking

PATH = "/v1/bookings/b-1"


def waits(product: Product, seconds: int = 1) -> httpx.Response:
    return product.caller().get(PATH, headers={"Prefer": f"wait={seconds}"})


def test_five_of_a_workspace_wait_and_as_many_as_the_stage_allows(moto_aws: Aws, clock: FakeClock) -> None:
    calls = WaitingCalls(EphemeralStore(), 7, clock)
    leases = [calls.lease(workspace_id, 20) for workspace_id in ["ws-1"] * 6 + ["ws-2"] * 3]
    assert [lease.__enter__() for lease in leases] == [True] * 5 + [False, True, True, False]
    leases[0].__exit__(None, None, None)
    assert calls.lease("ws-2", 20).__enter__()


def test_a_lease_of_a_process_that_died_ends_with_its_wait(moto_aws: Aws, clock: FakeClock) -> None:
    calls = WaitingCalls(EphemeralStore(), 1, clock)
    dead = calls.lease("ws-1", 20)
    assert dead.__enter__()
    assert not calls.lease("ws-1", 20).__enter__()
    clock.advance(21)
    assert calls.lease("ws-1", 20).__enter__()


def test_beyond_that_the_answer_comes_at_once_and_says_so(moto_aws: Aws, clock: FakeClock) -> None:
    product = Product(moto_aws, clock, MEETLINK_MAX_WAITING_CALLS="0")
    product.connect()
    from tests.support.product import calendar

    product.caller().put("/v1/calendars/c-1", json=calendar())
    product.caller().put(PATH, json=booking())
    answer = waits(product, 20)
    assert (answer.status_code, answer.json()["meeting"]["state"]) == (200, "pending")
    assert "Preference-Applied" not in answer.headers


def test_a_wait_of_twenty_seconds_reads_at_most_25_times(connected: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    from chalicelib.api import bookings

    reads: list[str] = []
    for name in ("get", "read_progress"):
        original = getattr(BookingStore, name)
        monkeypatch.setattr(
            BookingStore, name, lambda *a, name=name, original=original: reads.append(name) or original(*a)
        )
    connected.caller().put(PATH, json=booking())
    object.__setattr__(connected.services, "sleep", connected.clock.advance)
    monkeypatch.setattr(bookings.time, "monotonic", lambda: connected.clock().timestamp())
    reads.clear()
    begun = connected.clock()
    assert waits(connected, 20).json()["meeting"]["state"] == "pending"
    assert (connected.clock() - begun).total_seconds() == pytest.approx(20, abs=0.1)
    assert 15 <= len(reads) <= 26  # The first one is the call's own.
    assert reads.count("get") == 2


def test_a_wait_gives_its_lease_back(connected: Product) -> None:
    connected.caller().put(PATH, json=booking())
    settler = threading.Timer(0.1, connected.settle)
    settler.start()
    answer = waits(connected, 20)
    settler.join()
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.json()["meeting"]["state"] == "ready"
    (row,) = [row for row in connected.aws.scan("ephemeral") if row["key"]["S"] == "waiting-calls"]
    assert row["document"]["S"] == "[]"
