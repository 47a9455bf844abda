"""`/v1/users/…` and `/v1/providers` (DESIGN 7 and 11)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.answers import assert_problem
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock
from tests.support.product import ACCOUNT, Product, recorded_event

LINKS = "/v1/users/u-1/connect-links"
RETURN_TO = "https://example.com/settings?tab=video"


@pytest.fixture
def caller(product: Product) -> httpx.Client:
    return product.caller(return_to=[RETURN_TO])


def test_a_connect_link_is_for_ten_minutes(product: Product, caller: httpx.Client) -> None:
    answer = caller.post(LINKS, json={"email": "host@example.com", "name": "Demo Host", "provider": "zoom"})
    assert answer.status_code == 201
    link = answer.json()
    assert link["url"].startswith(f"{product.base_url}/connect/")
    assert datetime.fromisoformat(link["expires_at"]) == START + timedelta(minutes=10)


def test_no_two_connect_links_are_alike_and_none_is_guessable(caller: httpx.Client) -> None:
    tokens = {caller.post(LINKS).json()["url"].rsplit("/", 1)[1] for _ in range(20)}
    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 43  # 256 bits


@pytest.mark.parametrize("body", [None, {}, {"return_to": RETURN_TO}, {"email": None}])
def test_any_user_may_get_a_link_with_or_without_a_body(caller: httpx.Client, body: Any) -> None:
    answer = caller.post("/v1/users/never-seen/connect-links", **({} if body is None else {"json": body}))
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"provider": "carrier_pigeon"}, "/provider"),
        ({"provider": ""}, "/provider"),
        ({"provider": 1}, "/provider"),
        ({"email": "nobody"}, "/email"),
        ({"return_to": ""}, "/return_to"),
        ({"return_to": "https://example.com/settings"}, "/return_to"),
        ({"return_to": RETURN_TO + "#x"}, "/return_to"),
        ({"return_to": RETURN_TO.upper()}, "/return_to"),
        ({"return_to": "https://example.com@evil.example/settings?tab=video"}, "/return_to"),
        ({"return_to": "//example.com/settings?tab=video"}, "/return_to"),
        ({"return_to": "https:\\\\example.com/settings?tab=video"}, "/return_to"),
        ({"return_to": "javascript:alert(1)"}, "/return_to"),
    ],
)
def test_a_link_to_elsewhere_or_of_nonsense_is_refused(
    caller: httpx.Client, body: dict[str, Any], pointer: str
) -> None:
    assert_problem(caller.post(LINKS, json=body), 422, "invalid_input", pointer)


def test_a_link_names_the_deployment_as_api_gateway_knows_it(product: Product, caller: httpx.Client) -> None:
    event = recorded_event("api_gateway_put_booking")
    path = "/v1/users/u-1/connect-links"
    event |= {"path": path, "httpMethod": "POST", "pathParameters": {"user_id": "u-1"}, "body": None}
    event["requestContext"] |= {
        "resourcePath": "/v1/users/{user_id}/connect-links",
        "httpMethod": "POST",
        "path": f"/api{path}",
    }
    event["headers"]["Authorization"] = caller.headers["Authorization"]
    answer = product.app(event, None)
    assert answer["statusCode"] == 201
    assert '"https://abcde12345.execute-api.eu-central-1.amazonaws.com/api/connect/' in answer["body"]


def test_the_public_address_can_be_set(moto_aws: Aws, clock: FakeClock) -> None:
    product = Product(moto_aws, clock, PUBLIC_BASE_URL="https://meet.example.com/")
    assert product.connect_link().startswith("https://meet.example.com/connect/")


def test_a_connection_is_answered_200_always(product: Product, caller: httpx.Client) -> None:
    answer = caller.get("/v1/users/never-seen/connection")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "user_id": "never-seen",
            "state": "none",
            "reason": "not_connected",
            "provider": None,
            "account": None,
            "connected_at": None,
            "last_meeting_at": None,
        },
    )


def test_the_answer_tells_no_token(connected: Product) -> None:
    known = connected.caller().get("/v1/users/u-1/connection").text
    secrets = connected.zoom.identity.all_tokens()
    assert secrets
    assert not any(secret in known for secret in secrets)


def test_disconnecting_is_204_also_when_there_is_nothing(product: Product, caller: httpx.Client) -> None:
    product.connect()
    for user_id in ("u-1", "u-1", "never-seen"):
        answer = caller.delete(f"/v1/users/{user_id}/connection")
        assert (answer.status_code, answer.content) == (204, b"")


def test_the_preview_of_no_one_is_empty(caller: httpx.Client) -> None:
    answer = caller.delete("/v1/users/never-seen/connection?dry_run=true")
    assert (answer.status_code, answer.json()) == (200, {"upcoming": []})


@pytest.mark.parametrize("value", ["yes", "1", "", "TRUE"])
def test_a_preview_that_is_misspelled_disconnects_no_one(connected: Product, value: str) -> None:
    caller = connected.caller()
    assert caller.delete(f"/v1/users/u-1/connection?dry_run={value}").status_code == 422
    assert caller.get("/v1/users/u-1/connection").json()["state"] == "connected"


def test_providers_tell_whether_this_deployment_has_credentials(caller: httpx.Client) -> None:
    (zoom,) = (p for p in caller.get("/v1/providers").json()["items"] if p["name"] == "zoom")
    assert (zoom["display_name"], zoom["configured"]) == ("Zoom", True)
    assert zoom["needs"]


def test_a_provider_without_credentials_is_not_broken(moto_aws: Aws, clock: FakeClock) -> None:
    product = Product(moto_aws, clock, ZOOM_CLIENT_ID="", ZOOM_CLIENT_SECRET="")
    (zoom,) = (p for p in product.caller().get("/v1/providers").json()["items"] if p["name"] == "zoom")
    assert zoom["configured"] is False
    browser = product.browser()
    page = product.open_settings(browser)
    assert page.status_code == 200
    assert "/oauth/zoom/start" not in page.text


def test_a_calendars_host_need_not_be_the_accounts_owner(connected: Product) -> None:
    known = connected.caller().get("/v1/users/u-1/connection").json()
    assert known["account"]["email"] == ACCOUNT.email
