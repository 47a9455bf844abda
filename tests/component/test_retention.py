"""A booking ends some time after it is over, and never while there is something to do about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.errors import MailUnavailable
from infra.local.standins.faults import Action, Fault
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock
from tests.support.product import Product, booking, calendar

YEAR = timedelta(days=365)


def row(product: Product, booking_id: str = "b-1") -> dict[str, Any]:
    return next(r for r in product.aws.scan("bookings") if r["booking_id"]["S"] == booking_id)


def pass_looks(product: Product, starts_days: float) -> None:
    """Let the last look at the meeting pass, an hour before the start."""
    for days in (starts_days - 1, starts_days - 1 / 24):
        product.clock.advance((START + timedelta(days=days) - product.clock()).total_seconds())
        product.tick()


def is_kept(product: Product) -> bool:
    """Whether every booking has either something to do or an end."""
    return all(("due_shard" in r) != ("expires_at" in r) for r in product.aws.scan("bookings"))


def expiry(product: Product) -> float:
    return float(row(product)["expires_at"]["N"])


def test_a_settled_booking_ends_a_year_after_it_is_over(connected: Product) -> None:
    connected.caller().put("/v1/bookings/b-1", json=booking(days=35, minutes=30))
    assert "expires_at" not in row(connected)
    connected.settle()
    assert is_kept(connected)
    pass_looks(connected, 35)
    assert expiry(connected) == (START + timedelta(days=35, minutes=30) + YEAR).timestamp()


def test_a_change_takes_the_end_away_until_it_is_settled(connected: Product) -> None:
    caller = connected.caller()
    caller.put("/v1/calendars/c-2", json=calendar("phone"))
    caller.put("/v1/bookings/b-1", json=booking("c-2", days=35))
    connected.settle()
    pass_looks(connected, 35)  # And the reminder.
    first = expiry(connected)
    caller.put("/v1/bookings/b-1", json=booking("c-2", days=36))
    assert "expires_at" not in row(connected)
    connected.settle()
    pass_looks(connected, 36)
    assert expiry(connected) - first == 86_400
    caller.delete("/v1/bookings/b-1")
    assert "expires_at" not in row(connected)
    connected.settle()
    assert is_kept(connected)


def test_what_waits_for_a_provider_or_a_mail_has_no_end(connected: Product) -> None:
    connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=503, times=None))
    connected.caller().put("/v1/bookings/b-1", json=booking())
    connected.settle()
    for _ in range(3):
        connected.tick()
        assert "expires_at" not in row(connected)
    connected.zoom.faults.clear()
    connected.mails.refusals.append(MailUnavailable("SES: Throttling"))
    for _ in range(20):
        connected.tick()
        assert is_kept(connected)
    pass_looks(connected, 35)
    assert "expires_at" in row(connected)


def test_a_later_look_comes_before_the_end(connected: Product) -> None:
    connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.LOST_AFTER, method="POST"))
    connected.caller().put("/v1/bookings/b-1", json=booking())
    for _ in range(5):
        connected.tick()
        assert is_kept(connected)
    assert connected.caller().get("/v1/bookings/b-1").json()["meeting"]["state"] == "ready"
    assert "expires_at" not in row(connected)
    pass_looks(connected, 35)
    assert "expires_at" in row(connected)


def test_what_is_settled_late_is_kept_as_long(connected: Product) -> None:
    connected.caller().put("/v1/bookings/b-1", json=booking(days=1))
    connected.clock.advance(10 * 86_400)
    connected.settle()
    for _ in range(3):
        connected.tick()
    assert expiry(connected) >= (START + timedelta(days=10) + YEAR).timestamp()


@pytest.mark.parametrize(("days", "kept_days"), [("30", 30), ("0", None)])
def test_a_deployment_says_how_long(moto_aws: Aws, clock: FakeClock, days: str, kept_days: int | None) -> None:
    product = Product(moto_aws, clock, MEETLINK_RETENTION_DAYS=days)
    product.caller().put("/v1/calendars/c-1", json=calendar("phone"))
    product.caller().put("/v1/bookings/b-1", json=booking(days=2, minutes=60))
    product.settle()
    pass_looks(product, 2)
    ends_at = row(product).get("expires_at", {}).get("N")
    if kept_days is None:
        assert ends_at is None
    else:
        assert float(ends_at) == (START + timedelta(days=2 + kept_days, minutes=60)).timestamp()
