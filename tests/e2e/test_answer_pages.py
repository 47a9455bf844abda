"""The page behind the links in an invitation, in Chromium: a guest answers by clicking."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.accessibility import check
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import GUEST, Product, calendar
from tests.support.site import served, window
from tests.support.steps import cancel, get, put

pytestmark = [pytest.mark.exhaustive, pytest.mark.browser, pytest.mark.node]


@pytest.fixture
def product(moto_aws: Aws, clock: FakeClock) -> Iterator[Product]:
    with served(moto_aws, clock) as running:
        running.caller(name="Demo Workspace")
        running.connect()
        yield running


@pytest.fixture
def page(browser: Browser, product: Product) -> Iterator[Page]:
    with window(browser, product) as opened:
        yield opened


def book(product: Product, on_decline: str = "notify") -> str:
    """Book, and return the link in the guest's email."""
    product.caller().put("/v1/calendars/c-1", json=calendar(on_decline=on_decline))
    put(product, title="Introductory call")
    return str(product.mails.to(GUEST["email"])[-1].invite.answer_url)


def test_a_guest_answers_and_answers_again(product: Product, page: Page) -> None:
    page.goto(f"{book(product)}?answer=declined")
    expect(page.get_by_text("You have not answered yet. Press “No” to save your answer.")).to_be_visible()
    check(page, "answer-asked")
    page.get_by_role("button", name="No").click()
    expect(page.get_by_role("status")).to_have_text("Thank you. Your answer is saved.")
    expect(page.get_by_text("You said that you will not come.")).to_be_visible()
    check(page, "answer-saved")
    assert get(product)["invitations"][1]["answer"] == "declined"
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("You said that you will come.")).to_be_visible()


def test_the_last_guest_is_asked_before_the_booking_is_cancelled(product: Product, page: Page) -> None:
    page.goto(book(product, "cancel"))
    page.get_by_role("button", name="No").click()
    expect(page.get_by_role("heading", name="Cancel the appointment?")).to_be_visible()
    check(page, "answer-cancels")
    page.get_by_role("link", name="No, go back").click()
    page.get_by_role("button", name="No").click()
    page.get_by_role("button", name="Yes, cancel the appointment").click()
    expect(page.get_by_role("status")).to_contain_text("The appointment is cancelled")
    check(page, "answer-cancelled")
    assert get(product)["status"] == "cancelled"


def test_a_link_of_a_cancelled_booking_and_one_that_is_broken(product: Product, page: Page) -> None:
    link = book(product)
    cancel(product)
    page.goto(link)
    expect(page.get_by_role("status")).to_have_text("This appointment was cancelled.")
    check(page, "answer-over")
    page.goto(link[:-3])
    expect(page.get_by_role("alert")).to_contain_text("The link is incomplete")
    check(page, "answer-broken")
