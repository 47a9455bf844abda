"""An admin connects, sees it, books, and disconnects: in Chromium, against the whole local stack."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from infra.local.stack import HOST_EMAIL, PASSWORD, LocalStack

pytestmark = pytest.mark.browser


def test_an_admin_connects_zoom_by_clicking_and_sees_it_listed_as_connected(stack: LocalStack, page: Page) -> None:
    page.goto(connect_link(stack, "clicking-host"))
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Connect Zoom").click()
    sign_in_at_zoom(page)
    page.get_by_role("button", name="Allow").click()

    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    expect(page.get_by_text(HOST_EMAIL).first).to_be_visible()
    assert connection(stack, "clicking-host")["state"] == "connected"


def test_a_wrong_password_at_zoom_can_be_corrected(stack: LocalStack, page: Page) -> None:
    page.goto(connect_link(stack, "forgetful-host"))
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Connect Zoom").click()
    sign_in_at_zoom(page, password="not-it")
    page.get_by_role("button", name="Allow").click()
    page.get_by_role("alert").wait_for()
    sign_in_at_zoom(page)
    page.get_by_role("button", name="Allow").click()

    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    assert connection(stack, "forgetful-host")["state"] == "connected"


def test_denied_consent_leads_back_to_the_settings_page_with_a_message(stack: LocalStack, page: Page) -> None:
    page.goto(connect_link(stack, "denying-host"))
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Connect Zoom").click()
    sign_in_at_zoom(page)
    page.get_by_role("button", name="Deny").click()

    expect(page.get_by_role("alert")).to_contain_text("The sign-in was cancelled. Nothing was connected.")
    expect(page.get_by_role("button", name="Connect Zoom")).to_be_visible()
    assert connection(stack, "denying-host")["state"] == "none"


def test_disconnecting_by_clicking_ends_the_connection(stack: LocalStack, page: Page) -> None:
    page.goto(connect_link(stack, "leaving-host"))
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Connect Zoom").click()
    sign_in_at_zoom(page)
    page.get_by_role("button", name="Allow").click()
    page.get_by_role("link", name="Disconnect").click()
    page.get_by_role("button", name="Disconnect").click()

    expect(page.get_by_role("status")).to_have_text(re.compile(r"^Disconnected\."))
    assert connection(stack, "leaving-host")["state"] == "none"


def test_a_used_link_says_what_to_do(stack: LocalStack, page: Page, browser: Browser) -> None:
    link = connect_link(stack, "late-host")
    page.goto(link)
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{stack.app_url}/settings*")
    with browser.new_context() as elsewhere:
        other = elsewhere.new_page()
        answer = other.goto(link)

        assert answer is not None and answer.status == 404
        expect(other.get_by_role("alert")).to_contain_text("Ask for a new one")


def sign_in_at_zoom(page: Page, *, password: str = PASSWORD) -> None:
    page.get_by_label("email").fill(HOST_EMAIL)
    page.get_by_label("password").fill(password)


def connect_link(stack: LocalStack, user_id: str) -> str:
    answer = _api(stack).post(f"/v1/users/{user_id}/connect-links", json={"email": f"{user_id}@example.com"})
    return str(answer.raise_for_status().json()["url"])


def connection(stack: LocalStack, user_id: str) -> dict[str, object]:
    known: dict[str, object] = _api(stack).get(f"/v1/users/{user_id}/connection").raise_for_status().json()
    return known


def _api(stack: LocalStack) -> httpx.Client:
    return httpx.Client(base_url=stack.app_url, headers={"Authorization": f"Bearer {stack.demo.api_key}"})
