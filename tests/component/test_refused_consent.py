"""Whatever the provider refuses while an account is being connected, the page says what to do, and nothing changes."""

from __future__ import annotations

import pytest

from infra.local.standins.kit import Action, Fault
from infra.local.visitor import press
from tests.support.product import Product


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("access_denied", "The sign-in was cancelled."),
        ("consent_required", "administrator at Zoom has to approve"),
        ("interaction_required", "administrator at Zoom has to approve"),
        ("unauthorized_client", "switched off at Zoom"),
        ("invalid_scope", "does not know a permission"),
        ("temporarily_unavailable", "not available right now"),
        ("server_error", "not available right now"),
        ("something_new", "Zoom refused the sign-in."),
    ],
)
def test_an_error_in_the_redirect_is_put_in_words(product: Product, error: str, said: str) -> None:
    browser = product.browser()
    settings = product.open_settings(browser)
    leave = press(browser, settings, "/oauth/zoom/start", follow=False)
    state = dict(part.split("=", 1) for part in leave.headers["Location"].split("?")[1].split("&"))["state"]

    page = browser.get(f"/oauth/zoom/callback?state={state}&error={error}")

    assert said in page.text
    assert product.caller().get("/v1/users/u-1/connection").json()["state"] == "none"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, {"error": "invalid_grant", "reason": "Invalid Token!"}, "took too long or was used twice"),
        (400, {"code": 4738, "message": "The app is disabled by the admin."}, "has to approve this app first"),
        (401, {"error": "invalid_client"}, "Tell its operator"),
        (400, {"code": 4717, "message": "The app has been disabled."}, "switched off at Zoom"),
        (503, "busy", "did not complete the sign-in"),
        (429, {"message": "slow down"}, "did not complete the sign-in"),
        (200, {"strange": True}, "did not complete the sign-in"),
    ],
)
def test_a_code_that_is_not_exchanged_is_put_in_words(product: Product, status: int, body: object, said: str) -> None:
    browser = product.browser()
    back = product.consent(browser, product.open_settings(browser))
    product.zoom.faults.add(Fault("/oauth/token", Action.BEFORE, status=status, body=body))

    page = browser.get(back)

    assert page.status_code == 400
    assert said in page.text
    assert product.aws.scan("grants") == []


def test_a_scope_that_the_app_lacks_is_named(product: Product) -> None:
    product.zoom.scopes = tuple(scope for scope in product.zoom.scopes if scope != "meeting:delete:meeting")
    browser = product.browser()

    page = browser.get(product.consent(browser, product.open_settings(browser)))

    assert "meeting:delete:meeting" in page.text
    assert product.caller().get("/v1/users/u-1/connection").json()["state"] == "none"


def test_access_that_ends_within_the_hour_is_not_connected(product: Product) -> None:
    given = {"access_token": "a", "expires_in": 3599, "scope": "meeting:write meeting:read user:read"}
    product.zoom.faults.add(Fault("/oauth/token", Action.BEFORE, status=200, body=given))
    browser = product.browser()

    page = browser.get(product.consent(browser, product.open_settings(browser)))

    assert page.status_code == 400
    assert "gave access for a short time only" in page.text
    assert product.aws.scan("grants") == []


def test_the_classic_scopes_are_enough_as_well(product: Product) -> None:
    product.zoom.faults.add(
        Fault(
            "/oauth/token",
            Action.BEFORE,
            status=200,
            body={
                "access_token": "a",
                "refresh_token": "r",
                "expires_in": 3599,
                "scope": "meeting:write meeting:read user:read",
            },
        )
    )
    me = {"id": "zoom-user-9", "account_id": "zoom-account-9", "email": "classic@example.com"}
    product.zoom.faults.add(Fault("/v2/users/me", Action.BEFORE, status=200, body=me))
    browser = product.browser()

    browser.get(product.consent(browser, product.open_settings(browser)))

    assert product.caller().get("/v1/users/u-1/connection").json()["account"]["email"] == "classic@example.com"


def test_a_failed_attempt_leaves_an_earlier_connection_as_it_was(connected: Product) -> None:
    browser = connected.browser()
    back = connected.consent(browser, connected.open_settings(browser))
    connected.zoom.faults.add(Fault("/oauth/token", Action.BEFORE, status=503, body="busy"))

    browser.get(back)

    assert connected.caller().get("/v1/users/u-1/connection").json()["state"] == "connected"
