"""The workspace's own pages, in Chromium: signing in, each page and its states, and whether everyone can use them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from chalicelib.api.pages.workspace_shell import NAVIGATION
from chalicelib.domain.daily_counts import DayCounts
from chalicelib.webhooks.http_sender import Outcome
from chalicelib.wording import LANGUAGES
from infra.local.standins.faults import Action, Fault
from tests.e2e.accessibility import check
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import Product, booking, calendar
from tests.support.site import served, window
from tests.support.webhooks import Receivers, Streams

pytestmark = [pytest.mark.exhaustive, pytest.mark.browser, pytest.mark.node]
ADMIN, SUPPORT = "admin@example.com", "support@example.com"


@pytest.fixture
def product(moto_aws: Aws, clock: FakeClock) -> Iterator[Product]:
    with served(moto_aws, clock) as running:
        running.caller(name="Demo Workspace", admin_emails=[ADMIN])
        yield running


@pytest.fixture
def page(browser: Browser, product: Product) -> Iterator[Page]:
    with window(browser, product) as opened:
        yield opened


def open_pages(product: Product, page: Page, role: str = "admin") -> None:
    body = {"email": ADMIN if role == "admin" else SUPPORT, "role": role}
    page.goto(product.caller().post("/v1/workspace-links", json=body).json()["url"])
    page.get_by_role("button", name="Sign in to Demo Workspace").click()
    page.wait_for_url(re.compile("/workspace/[a-z]+$"))


def emailed_link(product: Product) -> str:
    link = re.search(r"http\S+/workspace/sign-in/\S+", product.mails.notices[-1].text)
    assert link is not None
    return link[0]


def test_a_member_signs_in_by_email_and_out_again(product: Product, page: Page) -> None:
    page.goto(f"{product.base_url}/workspace")
    check(page, "workspace-sign-in")
    page.get_by_label("Email address").fill(ADMIN)
    page.get_by_role("button", name="Email me a link").click()
    expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    check(page, "workspace-sent")
    page.goto(emailed_link(product))
    check(page, "workspace-link")
    page.get_by_role("button", name="Sign in to Demo Workspace").click()
    expect(page.get_by_text(ADMIN).first).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")


def furnish(product: Product) -> None:
    """A link, a meeting that Zoom refuses, one that waits for Zoom."""
    product.connect()
    product.caller().put("/v1/calendars/c-1", json=calendar())
    product.caller().put("/v1/bookings/b-41", json=booking(days=35))
    product.settle()
    product.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=400))
    product.caller().put("/v1/bookings/b-42", json=booking(days=36, title="Second opinion, with a longer title"))
    product.settle()
    product.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=503, times=None))
    product.caller().put("/v1/bookings/b-43", json=booking(days=37))
    product.settle()
    for _ in range(3):
        product.tick()


def test_support_finds_why_a_booking_has_no_link_and_retries_it(product: Product, page: Page) -> None:
    open_pages(product, page, "support")
    check(page, "workspace-bookings-empty")
    furnish(product)
    page.reload()
    without = page.get_by_role("region", name="Without a link")
    expect(without.get_by_role("row")).to_have_count(3)
    check(page, "workspace-bookings")
    page.get_by_role("link", name="Show all without a link").click()
    check(page, "workspace-bookings-filtered")
    page.get_by_label("Booking id or guest’s email address").fill("b-43")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="Introductory call")).to_be_visible()
    check(page, "workspace-booking-waiting")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_contain_text("Trying again.")


def test_one_booking_has_a_link_to_copy_and_an_invitation_to_send_again(product: Product, page: Page) -> None:
    furnish(product)
    open_pages(product, page, "support")
    page.goto(f"{product.base_url}/workspace/bookings/b-41")
    expect(page.get_by_label("Link to join")).to_have_value(re.compile("^https://zoom.us/j/"))
    check(page, "workspace-booking")
    page.get_by_role("button", name="Send again to guest@example.com").click()
    expect(page.get_by_role("status")).to_contain_text("is being sent again")
    product.settle()
    page.get_by_role("link", name="Reload this page").click()
    expect(page.get_by_text("Invitation sent again to 1")).to_be_visible()


@pytest.mark.parametrize("language", ["de", "ja"])
def test_other_languages_fit(product: Product, browser: Browser, language: str) -> None:
    furnish(product)
    with window(browser, product) as page:
        page.set_extra_http_headers({"Accept-Language": language})
        page.goto(product.caller().post("/v1/workspace-links", json={"email": ADMIN}).json()["url"])
        page.locator("main button").first.click()
        page.wait_for_url(re.compile("/workspace/bookings$"))
        check(page, f"workspace-bookings-{language}")
        page.goto(f"{product.base_url}/workspace/bookings/b-42")
        check(page, f"workspace-booking-{language}")


def test_no_page_is_wider_than_a_small_phone_in_any_language(product: Product, page: Page) -> None:
    furnish(product)
    open_pages(product, page)
    page.set_viewport_size({"width": 375, "height": 800})
    for language in LANGUAGES:
        page.set_extra_http_headers({"Accept-Language": language})
        for name in (*NAVIGATION, "bookings/b-42", "bookings?state=without"):
            page.goto(f"{product.base_url}/workspace/{name}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 375, (language, name)


def test_an_admin_adds_and_removes_a_member(product: Product, page: Page) -> None:
    open_pages(product, page)
    page.goto(f"{product.base_url}/workspace/members")
    page.get_by_label("Email address").fill(SUPPORT)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("status")).to_contain_text("Added.")
    check(page, "workspace-members")
    page.get_by_role("button", name=f"Remove {SUPPORT}").click()
    expect(page.get_by_role("status")).to_contain_text("Removed.")


def test_support_sends_a_webhook_again(product: Product, page: Page) -> None:
    receivers = Receivers.of(product)
    streams = Streams(product)
    url = "https://receiver.example/hooks"
    product.caller().put("/v1/webhook-endpoints/bookings", json={"url": url})
    receivers.answers[url] = Outcome(500, "bad_status")
    furnish(product)
    streams.announce()
    open_pages(product, page, "support")
    page.get_by_role("link", name="Webhooks").click()
    check(page, "workspace-webhooks")
    page.get_by_role("link", name="bookings", exact=True).click()
    check(page, "workspace-webhook")
    page.get_by_role("link", name="meeting.ready").click()
    check(page, "workspace-delivery")
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("status")).to_have_text("The event is being sent again.")


def test_an_admin_changes_the_look(product: Product, page: Page) -> None:
    furnish(product)
    open_pages(product, page)
    page.get_by_role("link", name="Calendars").click()
    check(page, "workspace-calendars")
    page.get_by_role("link", name="Brand and emails").click()
    page.get_by_label("Color").fill("#7a1f5c")
    page.get_by_label("Email the host").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    expect(page.get_by_label("Email the host")).not_to_be_checked()
    check(page, "workspace-brand")


def test_an_admin_signs_in_by_email_creates_a_key_and_finds_it_in_the_audit_log(product: Product, page: Page) -> None:
    open_pages(product, page)
    page.get_by_role("link", name="API keys").click()
    page.get_by_role("button", name="Email me a link").click()
    page.goto(emailed_link(product))
    page.get_by_role("button", name="Sign in to Demo Workspace").click()
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("What for").fill("reports")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("textbox", name="Your new key")).to_have_value(re.compile(r"^meetlink\.ws-1\."))
    check(page, "workspace-keys")
    page.get_by_role("link", name="Audit log").click()
    expect(page.get_by_role("cell", name="create-key")).to_be_visible()
    check(page, "workspace-audit")


def test_support_sees_the_members_and_no_forms(product: Product, page: Page) -> None:
    open_pages(product, page, "support")
    page.goto(f"{product.base_url}/workspace/members")
    expect(page.get_by_text("Only administrators can change something here.")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(1)
    check(page, "workspace-members-support")


@pytest.mark.parametrize("language", ["en", "de", "ja"])
def test_the_overview_draws_its_figures(product: Product, browser: Browser, language: str) -> None:
    store, today = product.services.daily_count_store, product.clock().date()
    with window(browser, product, locale=language) as page:
        sign_in_quietly(product, page)
        page.goto(f"{product.base_url}/workspace/overview")
        check(page, f"workspace-overview-empty-{language}")
        for back in range(26):
            links = (back * 7) % 23
            times = (0, links // 2, links - links // 2, 0, 0, back % 3, 0, back % 2, 0, 0)
            store.add("ws-1", today - timedelta(days=back), DayCounts(links, back % 5 // 4, times))
        page.reload()
        expect(page.get_by_role("img")).to_have_count(2)
        check(page, f"workspace-overview-{language}")
        page.locator("main details summary").click()
        expect(page.get_by_role("row")).to_have_count(31)
        check(page, f"workspace-overview-table-{language}")


def sign_in_quietly(product: Product, page: Page) -> None:
    """Sign in, whatever the language."""
    body = {"email": SUPPORT, "role": "support"}
    page.goto(product.caller().post("/v1/workspace-links", json=body).json()["url"])
    page.locator("main button").click()
    page.wait_for_url(re.compile("/workspace/[a-z]+$"))


@pytest.mark.parametrize("language", ["en", "de", "ja"])
def test_people_with_their_connections(product: Product, browser: Browser, language: str) -> None:
    with window(browser, product, locale=language) as page:
        sign_in_quietly(product, page)
        page.goto(f"{product.base_url}/workspace/people")
        check(page, f"workspace-people-empty-{language}")
        furnish(product)
        product.caller().put("/v1/calendars/c-2", json=calendar("phone", user_id="u-2"))
        page.reload()
        expect(page.get_by_role("row")).to_have_count(4)
        check(page, f"workspace-people-{language}")
        page.get_by_role("row").nth(1).get_by_role("button").click()
        expect(page.get_by_role("status")).to_be_visible()
        check(page, f"workspace-people-sent-{language}")
