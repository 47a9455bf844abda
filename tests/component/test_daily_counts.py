"""Counts of links by workspace and day: added from the stream, and made exact from the rows."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.daily_counts import LIMITS, DayCounts, total
from chalicelib.errors import StoreUnavailable
from infra.local.standins.faults import Action, Fault
from infra.operate.recount import Recount
from tests.support.examples import examples
from tests.support.product import WORKSPACE, Product, booking, calendar
from tests.support.webhooks import Receivers, Streams

REFUSED = {"code": 3161, "message": "This user is not able to host meetings."}


def counts(product: Product, workspace_id: str = WORKSPACE) -> dict[date, DayCounts]:
    return product.services.daily_count_store.read(workspace_id, date(2020, 1, 1), date(2099, 1, 1))


def recount(product: Product, *, apply: bool = True) -> dict[str, Any]:
    command = Recount(product.aws.client("dynamodb"), product.services.daily_count_store, product.services.retention)
    return command.run([WORKSPACE], product.clock(), apply=apply, expected_bookings=None)


@pytest.fixture
def busy(connected: Product) -> tuple[Product, Streams]:
    """Two links on the first day, of which one was late, and a failure and a link on the next."""
    caller, streams = connected.caller(), Streams(connected)
    for number in (1, 2):
        caller.put(f"/v1/bookings/b-{number}", json=booking(days=30 + number))
        connected.clock.advance(4 if number == 1 else 45)
        connected.settle()
    connected.clock.advance(86_400)
    connected.zoom.faults.add(Fault("/meetings", Action.BEFORE, status=400, body=REFUSED, method="POST"))
    caller.put("/v1/bookings/b-3", json=booking(days=34))
    connected.settle()
    caller.put("/v1/bookings/b-3", json=booking(days=35))
    connected.settle()
    streams.announce()
    return connected, streams


def test_each_booking_is_counted_once_on_the_day_of_its_first_link_and_first_failure(
    busy: tuple[Product, Streams],
) -> None:
    product, streams = busy
    today = product.clock().date()
    first, second = counts(product)[today - timedelta(days=1)], counts(product)[today]
    assert (first.links, first.failures) == (2, 0)
    assert (first.times[LIMITS.index(5)], first.times[LIMITS.index(60)]) == (1, 1)
    assert (second.links, second.failures, sum(second.times)) == (1, 1, 1)
    product.caller().put("/v1/bookings/b-1", json=booking(days=50))
    product.caller().delete("/v1/bookings/b-2")
    product.settle()
    streams.announce()
    assert counts(product)[today] == second
    assert counts(product, "ws-2") == {}


def test_a_recount_makes_drifted_counts_exact_and_changes_no_right_ones(
    busy: tuple[Product, Streams],
) -> None:
    product, _ = busy
    right = counts(product)
    assert recount(product) == {"bookings": 3, "days": 2, "changed": 0, "done": True}
    product.services.daily_count_store.add(WORKSPACE, product.clock().date(), DayCounts(links=7))
    wrong_day = product.clock().date() - timedelta(days=9)
    product.services.daily_count_store.add(WORKSPACE, wrong_day, DayCounts(failures=1))
    assert recount(product, apply=False)["changed"] == 2
    assert counts(product) != right
    recount(product)
    assert counts(product) == right


def test_a_recount_keeps_days_whose_bookings_are_deleted_by_now(
    busy: tuple[Product, Streams],
) -> None:
    product, _ = busy
    old = product.clock().date() - timedelta(days=365)
    product.services.daily_count_store.add(WORKSPACE, old, DayCounts(links=5))
    recount(product)
    assert counts(product)[old].links == 5


def test_webhooks_do_not_wait_for_the_counts(connected: Product) -> None:
    class Unavailable:
        def add(self, *_: Any) -> None:
            raise StoreUnavailable("the table is unavailable")

    receivers = Receivers.of(connected)
    vars(connected.services)["daily_count_store"] = Unavailable()
    url = "https://hooks.example.com/a"
    assert connected.caller().put("/v1/webhook-endpoints/e-1", json={"url": url}).is_success
    connected.caller().put("/v1/bookings/b-1", json=booking())
    connected.settle()
    Streams(connected).announce()
    assert "meeting.ready" in receivers.types()


def test_calendars_without_video_count_nothing(connected: Product) -> None:
    connected.caller().put("/v1/calendars/c-2", json=calendar("phone"))
    connected.caller().put("/v1/bookings/b-1", json=booking("c-2"))
    connected.settle()
    Streams(connected).announce()
    assert counts(connected) == {}


@given(st.lists(st.integers(0, 20), min_size=len(LIMITS) + 1, max_size=len(LIMITS) + 1))
@examples(50)
def test_quantiles_rise_and_stay_within_their_bucket(times: list[int]) -> None:
    day = DayCounts(times=tuple(times))
    shares = [day.quantile(share / 20) for share in range(1, 21)]
    if not sum(times):
        assert shares == [None] * 20
        return
    assert shares == sorted(shares, key=float)
    highest = max(number for number, count in enumerate(times) if count)
    assert shares[-1] == LIMITS[min(highest, len(LIMITS) - 1)]
    assert total([day, day]).quantile(0.5) == pytest.approx(shares[9])
