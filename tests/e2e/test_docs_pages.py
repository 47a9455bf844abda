"""The pages of `/docs` in a browser: accessible, readable without scripts, and with them searched and copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from infra import docs_site
from tests.e2e.accessibility import check
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import Product
from tests.support.site import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser]


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    docs_site.build_if_stale()


@pytest.fixture
def product(moto_aws: Aws, clock: FakeClock) -> Iterator[Product]:
    with served(moto_aws, clock) as running:
        yield running


@pytest.fixture
def plain_page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that runs no scripts."""
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["index", "testing-your-integration", "states", "events", "api-calendars"])
def test_the_pages_are_accessible(product: Product, page: Page, name: str) -> None:
    page.goto(f"{product.base_url}/docs/{name}")
    page.evaluate("document.querySelectorAll('main details').forEach((one) => (one.open = true))")
    check(page, f"docs-{name}")


def test_without_scripts_tabs_show_each_language(product: Product, plain_page: Page) -> None:
    plain_page.goto(f"{product.base_url}/docs/api-calendars#put_calendar")
    samples = plain_page.locator("section:has(#put_calendar) .samples")
    assert samples.get_by_text("curl -sS -X PUT").is_visible()
    samples.get_by_text("Python", exact=True).click()
    assert samples.get_by_text("api.put").is_visible()
    assert not samples.get_by_text("curl -sS -X PUT").is_visible()
    assert plain_page.get_by_role("button", name="Copy").count() == 0


def test_with_scripts_the_docs_are_searched_and_code_is_copied(product: Product, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{product.base_url}/docs")
    page.keyboard.press("/")
    page.keyboard.type("rate_limited")
    page.get_by_role("list", name="Results").get_by_role("link", name="Reasons of a meeting").click()
    page.wait_for_url("**/docs/states#reasons-of-a-meeting")
    page.goto(f"{product.base_url}/docs/api-calendars")
    page.get_by_text("Python", exact=True).first.click()
    copied = page.locator("section:has(#put_calendar) .samples")
    copied.get_by_role("button", name="Copy").first.click()
    copied.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("response = api.put(")
    page.goto(f"{product.base_url}/docs/api-bookings")
    assert page.locator("section:has(#get_booking) .samples").get_by_text("api.get").is_visible()
