"""Whatever the provider refuses while an account is being connected, the page says what to do, and nothing changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.api.pages.settings_texts import sign_in_problem
from chalicelib.domain.connection import SignInProblem
from chalicelib.providers.base import OAuthProvider
from chalicelib.providers.registry import PROVIDERS
from chalicelib.wording import in_language
from infra.local.standins.faults import Action, Fault
from infra.local.visitor import press
from tests.support.product import APP, Product


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

    page = browser.get(f"/oauth/zoom/callback?state={state}&error={error}", follow_redirects=True)

    assert said in page.text
    assert product.caller().get("/v1/users/u-1/connection").json()["state"] == "none"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, {"error": "invalid_grant", "reason": "Invalid Token!"}, "took too long or was used twice"),
        (400, {"code": 4738, "message": "The app is disabled by the admin."}, "has to approve this app first"),
        (401, {"error": "invalid_client"}, "Contact its operator"),
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

    page = browser.get(back, follow_redirects=True)

    assert page.status_code == 200
    assert said in page.text
    assert product.aws.scan("grants") == []


def test_a_reload_after_a_failed_sign_in_shows_a_page_that_works(product: Product) -> None:
    browser = product.browser()
    back = product.consent(browser, product.open_settings(browser), allow=False)

    answer = browser.get(back)
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        f"{APP}/settings?problem=cancelled&provider=zoom",
    )
    for _ in range(2):
        page = browser.get(answer.headers["Location"])
        assert "The sign-in was cancelled." in page.text
    browser.get(product.consent(browser, page))

    assert product.caller().get("/v1/users/u-1/connection").json()["state"] == "connected"


def test_a_failed_sign_in_without_a_session_says_where_to_go_on(product: Product) -> None:
    browser = product.browser()
    back = product.consent(browser, product.open_settings(browser), allow=False)
    browser.cookies.clear()

    for _ in range(2):
        page = browser.get(back)
        assert page.status_code == 403
        assert "Open the settings page again from the service that you take bookings with" in page.text


@pytest.mark.parametrize("query", ["problem=Call+0800+1&provider=zoom", "problem=cancelled&provider=Evil", "problem="])
def test_a_problem_that_is_not_in_the_list_is_not_shown(product: Product, query: str) -> None:
    browser = product.browser()
    product.open_settings(browser)

    page = browser.get(f"/settings?{query}")

    assert page.status_code == 200
    assert 'role="alert"' not in page.text
    assert "0800" not in page.text
    assert "Evil" not in page.text


@pytest.mark.parametrize("provider", [name for name, kind in PROVIDERS.items() if issubclass(kind, OAuthProvider)])
@pytest.mark.parametrize("problem", SignInProblem)
def test_every_problem_is_in_words_for_every_provider(product: Product, problem: SignInProblem, provider: str) -> None:
    text = sign_in_problem(problem.value, product.services.providers[provider], in_language("en"))

    assert text is not None
    assert not {"{", "}", "_", "None"} & set(text.split())
    assert text.endswith(".")


@pytest.mark.parametrize("problem", SignInProblem)
def test_every_problem_is_in_the_guide(product: Product, problem: SignInProblem) -> None:
    text = sign_in_problem(problem.value, product.services.providers["zoom"], in_language("en")) or ""

    assert re.split("[.:]", text)[0] in Path("docs/admins.md").read_text(encoding="utf-8")


def test_a_scope_that_the_app_lacks_is_named(product: Product) -> None:
    product.zoom.scopes = tuple(scope for scope in product.zoom.scopes if scope != "meeting:delete:meeting")
    browser = product.browser()

    page = browser.get(product.consent(browser, product.open_settings(browser)), follow_redirects=True)

    assert "meeting:delete:meeting" in page.text
    assert product.caller().get("/v1/users/u-1/connection").json()["state"] == "none"


def test_access_that_ends_within_the_hour_is_not_connected(product: Product) -> None:
    given = {"access_token": "a", "expires_in": 3599, "scope": "meeting:write meeting:read user:read"}
    product.zoom.faults.add(Fault("/oauth/token", Action.BEFORE, status=200, body=given))
    browser = product.browser()

    page = browser.get(product.consent(browser, product.open_settings(browser)), follow_redirects=True)

    assert page.status_code == 200
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

    browser.get(back, follow_redirects=True)

    assert connected.caller().get("/v1/users/u-1/connection").json()["state"] == "connected"
