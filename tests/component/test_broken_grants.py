"""A grant that the provider ended: its owners are told, bookings wait, and reconnecting the account mends all of it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib import observability
from chalicelib.errors import MailUnavailable
from infra.local.visitor import press, sign_in_and_consent
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock
from tests.support.product import ACCOUNT, Product, booking, calendar

DAY = timedelta(days=1).total_seconds()


def test_a_broken_connection_says_so_and_what_to_do(connected: Product) -> None:
    break_by_booking(connected)

    known = connected.caller().get("/v1/users/u-1/connection").json()
    assert (known["state"], known["reason"]) == ("broken", "reconnect_needed")
    page = connected.open_settings(connected.browser()).text
    assert "Needs attention" in page
    assert "Reconnect" in page


def test_the_user_and_the_administrators_get_one_mail_each_with_a_reconnect_link(product: Product) -> None:
    product.caller(admin_emails=["admin@example.com", "host@example.com"])
    connect_with_address(product, "host@example.com")
    break_by_booking(product)

    product.tick()

    assert sorted(notice.to for notice in product.mails.notices) == ["admin@example.com", "host@example.com"]
    assert all("http://localhost:8000/connect/" in notice.text for notice in product.mails.notices)


def test_a_mailed_link_begins_with_the_public_address_of_today(moto_aws: Aws, clock: FakeClock) -> None:
    product = Product(moto_aws, clock, PUBLIC_BASE_URL="http://localhost:8000")
    connect_with_address(product, "host@example.com")
    connection = product.services.connection_store.get("ws-1", "u-1")
    assert connection is not None
    product.services.connection_store.replace(replace(connection, base_url="https://old.execute-api.example"))
    break_by_booking(product)
    product.tick()
    (notice,) = product.mails.notices
    assert link_in(notice.text).startswith("http://localhost:8000/connect/")


def test_without_an_address_from_the_link_the_calendars_host_is_told(connected: Product) -> None:
    break_by_booking(connected)

    connected.tick()

    assert [notice.to for notice in connected.mails.notices] == ["host@example.com"]


def test_the_mails_are_in_the_language_of_the_users_newest_calendar(product: Product) -> None:
    product.caller(admin_emails=["admin@example.com"])
    connect_with_address(product, "host@example.com")
    break_by_booking(product)
    host = calendar()["host"]
    product.clock.advance(1)
    german = calendar("phone") | {"host": host | {"language": "de-AT"}}
    product.caller().put("/v1/calendars/c-2", json=german).raise_for_status()

    product.tick()

    assert {(notice.to, notice.subject) for notice in product.mails.notices} == {
        ("host@example.com", "Zoom neu verbinden, damit Ihre Buchungen weiter Links erhalten"),
        ("admin@example.com", "Zoom neu verbinden, damit Ihre Buchungen weiter Links erhalten"),
    }


def test_the_link_in_the_mail_reconnects_the_account_and_the_waiting_booking_gets_its_link(connected: Product) -> None:
    break_by_booking(connected, "b-1")
    connected.tick()
    state = connected.caller().get("/v1/bookings/b-1").json()["meeting"]
    assert (state["state"], state["reason"]) == ("waiting", "reconnect_needed")

    browser = connected.browser()
    page = browser.get(link_in(connected.mails.notices[0].text))
    at_zoom = press(browser, page, "/connect/", follow=False).headers["Location"]
    browser.get(sign_in_and_consent(browser, at_zoom, ACCOUNT.email, ACCOUNT.password), follow_redirects=True)
    connected.settle()

    assert connected.caller().get("/v1/bookings/b-1").json()["meeting"]["state"] == "ready"


def test_bookings_made_before_the_connection_are_left_alone_by_a_reconnection(product: Product) -> None:
    product.caller().put("/v1/calendars/c-1", json=calendar("phone"))
    product.caller().put("/v1/bookings/b-old", json=booking())
    product.settle()
    product.connect()
    product.caller().put("/v1/calendars/c-1", json=calendar())
    break_by_booking(product, "b-new")

    product.connect()
    product.settle()

    assert product.caller().get("/v1/bookings/b-old").json()["meeting"]["state"] == "none"
    assert product.caller().get("/v1/bookings/b-new").json()["meeting"]["state"] == "ready"


def test_reminders_go_out_on_days_1_3_7_and_14_and_then_stop(connected: Product) -> None:
    break_by_booking(connected, days=60)
    days = []

    for day in range(0, 30):
        before = len(connected.mails.notices)
        connected.tick(60)
        if len(connected.mails.notices) > before:
            days.append(day)
        connected.clock.advance(DAY - 60)

    assert days == [0, 1, 3, 7, 14]


def test_reminders_stop_when_the_account_is_reconnected(connected: Product) -> None:
    break_by_booking(connected)
    connected.tick()

    connected.connect()
    connected.clock.advance(5 * DAY)
    connected.tick()

    assert len(connected.mails.notices) == 1


def test_a_mail_that_cannot_be_handed_over_is_tried_again(connected: Product) -> None:
    break_by_booking(connected)
    connected.mails.refusals.append(MailUnavailable("throttled"))
    connected.tick()
    assert connected.mails.notices == []

    connected.tick()

    assert len(connected.mails.notices) == 1


def test_a_broken_connection_is_logged_and_counted_once_though_its_mail_is_tried_again(
    connected: Product,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    break_by_booking(connected)
    monkeypatch.setattr(observability, "_dimensions", {})
    observability.enable_metrics("prod")
    connected.mails.refusals.append(MailUnavailable("throttled"))
    connected.tick()
    connected.tick()
    connected.clock.advance(DAY)
    connected.tick()  # The first reminder.

    assert len(connected.mails.notices) == 2
    (logged,) = [vars(record) for record in caplog.records if record.message == "a connection is broken"]
    assert (logged["workspace_id"], logged["provider"], logged["reason"]) == ("ws-1", "zoom", "reconnect_needed")
    assert capsys.readouterr().out.count('"ConnectionsBroken":[1') == 1


def test_an_idle_grant_is_refreshed_long_before_the_provider_lets_it_lapse(connected: Product) -> None:
    for _ in range(4):
        connected.clock.advance(25 * DAY)  # Zoom lets a refresh token lapse after 90 days.
        connected.tick()

    known = connected.caller().get("/v1/users/u-1/connection").json()
    assert known["state"] == "connected"
    assert connected.zoom.refresh_calls == 2
    assert link_of(connected, "b-after-idling")


def test_a_grant_in_use_is_not_refreshed_more_than_once_a_life_of_its_token(connected: Product) -> None:
    for number in range(5):
        assert link_of(connected, f"b-{number}")

    assert connected.zoom.refresh_calls == 0


def break_by_booking(product: Product, booking_id: str = "b-1", *, days: float = 35) -> None:
    """Zoom forgets the tokens, and a booking finds out."""
    with product.zoom.lock:
        product.zoom.identity.end_grant(ACCOUNT.user_id)
    assert product.caller().put(f"/v1/bookings/{booking_id}", json=booking(days=days)).status_code == 201
    product.settle()


def connect_with_address(product: Product, email: str) -> None:
    browser = product.browser()
    settings = press(browser, browser.get(product.connect_link(email=email)), "/connect/")
    browser.get(product.consent(browser, settings), follow_redirects=True)
    assert product.caller().put("/v1/calendars/c-1", json=calendar()).status_code == 201


def link_in(text: str) -> str:
    found = re.search(r"http://\S+/connect/\S+", text)
    assert found is not None
    return found[0]


def link_of(product: Product, booking_id: str) -> str | None:
    days = (product.clock() - START).days + 35
    product.caller().put(f"/v1/bookings/{booking_id}", json=booking(days=days))
    product.settle()
    link: str | None = product.caller().get(f"/v1/bookings/{booking_id}").json()["meeting"]["join_url"]
    return link
