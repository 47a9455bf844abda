"""Accounts that are connected by a key: checked before it is stored, encrypted like a token, never shared."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chalicelib.providers.base import KeyField, KeyProvider
from chalicelib.providers.registry import PROVIDERS
from chalicelib.store.tables import GrantItem
from infra.local.standins.faults import Action, Fault
from infra.local.visitor import press
from tests.support.product import DAILY_KEY, Product, booking, calendar

TYPED = {"api_key": DAILY_KEY}


def connection(product: Product, user_id: str = "u-1", workspace_id: str = "ws-1") -> dict[str, Any]:
    known: dict[str, Any] = product.caller(workspace_id).get(f"/v1/users/{user_id}/connection").json()
    return known


def test_a_key_that_works_connects_and_is_never_shown_again(product: Product) -> None:
    page = product.connect_with_key("daily", TYPED)
    assert page.status_code == 200
    assert "Connected" in page.text
    assert "demo.daily.co" in page.text
    assert DAILY_KEY not in page.text
    assert connection(product)["state"] == "connected"
    assert connection(product)["account"]["email"] == "demo.daily.co"


def test_it_is_stored_encrypted_only(product: Product) -> None:
    product.connect_with_key("daily", TYPED)
    assert [item.grant_id.partition("#")[0] for item in GrantItem.scan()] == ["daily"]
    for table in product.aws.client("dynamodb").list_tables()["TableNames"]:
        assert DAILY_KEY not in str(product.aws.client("dynamodb").scan(TableName=table))


@pytest.mark.parametrize(
    ("typed", "words"),
    [({"api_key": "wrong"}, "does not accept this key"), ({"api_key": " "}, "Paste the API key"), ({}, "Paste")],
)
def test_a_key_that_does_not_work_is_refused_on_the_page(product: Product, typed: dict[str, str], words: str) -> None:
    page = product.connect_with_key("daily", typed)
    assert page.status_code == 400
    assert words in page.text
    assert '<details class="provider keys" open>' in page.text
    assert connection(product)["state"] == "none"


def test_a_reload_after_a_refused_key_shows_the_form_again_and_the_right_key_connects(product: Product) -> None:
    browser = product.browser()
    settings = product.open_settings(browser)
    for _ in range(2):  # A reload sends the form again.
        page = press(browser, settings, "/settings/connect/daily", typed={"api_key": "wrong"})
        assert "does not accept this key" in page.text
    press(browser, page, "/settings/connect/daily", typed=TYPED)
    assert connection(product)["state"] == "connected"


@pytest.mark.parametrize(
    ("provider", "field"),
    [(kind.name, field) for kind in PROVIDERS.values() if issubclass(kind, KeyProvider) for field in kind.fields],
)
def test_what_is_longer_than_any_key_is_refused_by_name(product: Product, provider: str, field: KeyField) -> None:
    page = product.connect_with_key(provider, {field.name: "a" * (field.longest + 1)})
    assert page.status_code == 400
    assert f"{field.label}: this is too long. It has at most {field.longest} characters." in page.text
    assert connection(product)["state"] == "none"


def test_what_is_as_long_as_it_may_be_connects(product: Product) -> None:
    server = ".".join(["a" * 63] * 3 + ["b" * 63])
    page = product.connect_with_key("jitsi", {"server": server, "app_id": "€" * 255, "app_secret": "s" * 255})
    assert page.status_code == 200
    assert connection(product)["state"] == "connected"


def test_the_form_takes_no_more_than_that(product: Product) -> None:
    page = product.open_settings(product.browser())
    for name, longest in (("api_key", 255), ("private_key", 4096)):
        assert re.search(f'name="{name}"[^>]* maxlength="{longest}"', page.text)


def test_a_provider_that_does_not_answer_is_no_wrong_key(product: Product) -> None:
    product.daily.faults.add(Fault("/v1/$", Action.BEFORE, status=503))
    page = product.connect_with_key("daily", TYPED)
    assert "could not be checked" in page.text
    assert connection(product)["state"] == "none"


def test_a_form_without_its_token_connects_no_one(product: Product) -> None:
    browser = product.browser()
    product.open_settings(browser)
    answer = browser.post("/settings/connect/daily", data=TYPED)
    assert answer.status_code == 403
    assert connection(product)["state"] == "none"


@pytest.mark.parametrize("provider", ["zoom", "nobody"])
def test_only_providers_with_keys_take_them(product: Product, provider: str) -> None:
    browser = product.browser()
    settings = product.open_settings(browser)
    csrf = settings.text.partition('name="csrf" value="')[2].partition('"')[0]
    answer = browser.post(f"/settings/connect/{provider}", data={"csrf": csrf, **TYPED})
    assert answer.status_code == 404


def test_two_users_with_one_key_have_nothing_in_common(product: Product) -> None:
    product.connect_with_key("daily", TYPED, "u-1")
    product.connect_with_key("daily", TYPED, "u-2")
    assert len(list(GrantItem.scan())) == 2
    product.caller().delete("/v1/users/u-1/connection")
    product.tick()
    product.tick()
    assert connection(product, "u-1")["state"] == "none"
    assert connection(product, "u-2")["state"] == "connected"
    assert len(list(GrantItem.scan())) == 1


def test_a_key_that_is_taken_back_breaks_the_connection_and_a_new_one_repairs_it(product: Product) -> None:
    product.connect_with_key("daily", TYPED)
    product.caller().put("/v1/calendars/c-1", json=calendar())
    product.daily.keys = {"new-key"}
    product.caller().put("/v1/bookings/b-1", json=booking())
    product.settle()
    known = product.caller().get("/v1/bookings/b-1").json()["meeting"]
    assert (known["state"], known["reason"]) == ("waiting", "reconnect_needed")
    assert connection(product)["state"] == "broken"
    product.connect_with_key("daily", {"api_key": "new-key"})
    product.tick()
    assert product.caller().get("/v1/bookings/b-1").json()["meeting"]["state"] == "ready"


def test_an_idle_key_is_left_alone(product: Product) -> None:
    product.connect_with_key("daily", TYPED)
    product.tick(90 * 24 * 3600)
    product.tick()
    assert connection(product)["state"] == "connected"


def test_a_check_with_a_dead_key_asks_for_a_new_one(product: Product) -> None:
    product.connect_with_key("daily", TYPED)
    product.daily.keys.clear()
    browser = product.browser()
    page = press(browser, product.open_settings(browser), "/settings/check")
    assert "Needs attention" in page.text
    assert "Enter a new key below." in page.text
    assert connection(product)["state"] == "broken"


def test_the_check_goes_through_without_scopes(product: Product) -> None:
    product.connect_with_key("daily", TYPED)
    answer = product.caller().post("/v1/users/u-1/connection/check").json()
    assert answer["ok"] is True
    assert [step["step"] for step in answer["steps"]] == [
        "connection",
        "token",
        "account",
        "create_meeting",
        "delete_meeting",
    ]
    assert product.daily.rooms == {}
