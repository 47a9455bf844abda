"""Calendars, brand and emails on the workspace's own pages."""

from __future__ import annotations

from html import unescape
from typing import Any

import httpx
import pytest

from chalicelib.domain.workspace import Workspace
from chalicelib.handlers import operations
from infra.local.visitor import press
from tests.component.test_audit import entries
from tests.support.product import WORKSPACE, Product, calendar
from tests.support.workspace_visitor import open_workspace

FORM = {
    "name": "Example Clinic",
    "color": "#0055aa",
    "logo_url": "https://cdn.example.com/logo.png",
    "footer": "Example Clinic\r\n1 Example Street",
    "email_guests": "yes",
    "language": "de",
    "hold_minutes": "5",
}


@pytest.fixture
def admin(product: Product) -> httpx.Client:
    product.caller(name="Acme")
    browser = product.browser()
    open_workspace(product, browser, role="admin")
    return browser


def save(browser: httpx.Client, **changes: str) -> httpx.Response:
    return press(browser, browser.get("/workspace/brand"), "/brand/save", typed=FORM | changes)


def stored(product: Product) -> Workspace:
    workspace = product.services.workspace_store.get(WORKSPACE)
    assert workspace is not None
    return workspace


def test_an_admin_changes_brand_and_emails(product: Product, admin: httpx.Client) -> None:
    page = save(admin)
    assert "Saved." in page.text or "Gespeichert." in page.text
    workspace = stored(product)
    assert (workspace.brand.name, workspace.brand.color) == ("Example Clinic", "#0055aa")
    assert workspace.brand.footer == "Example Clinic\n1 Example Street"
    assert (workspace.emails.guests, workspace.emails.host) == (None, False)
    assert (workspace.language, workspace.hold_minutes) == ("de", 5)
    assert '<img src="https://cdn.example.com/logo.png"' in page.text, "the page itself has the new look"
    assert [one["verb"] for one in entries(product)].count("update-workspace") == 1


def test_a_field_that_is_emptied_removes_its_value(product: Product, admin: httpx.Client) -> None:
    save(admin)
    save(admin, name="", color="", logo_url="", footer="", language="", email_host="yes")
    workspace = stored(product)
    assert (workspace.brand.name, workspace.brand.color, workspace.brand.logo_url) == (None, None, None)
    assert (workspace.language, workspace.emails.host) == (None, None)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"color": "red"}, "Write the color as #1A2B3C."),
        ({"logo_url": "http://cdn.example.com/a.png"}, "The logo needs an https address."),
        ({"logo_url": "javascript:alert(1)"}, "The logo needs an https address."),
        ({"hold_minutes": "soon"}, "Write a whole number of minutes"),
        ({"hold_minutes": "1441"}, "Write a whole number of minutes"),
        ({"language": "nl"}, "Something is invalid."),
    ],
)
def test_what_is_invalid_changes_nothing_and_is_shown_again(
    product: Product, admin: httpx.Client, changes: dict[str, str], text: str
) -> None:
    before = stored(product)
    page = save(admin, **changes)
    assert (page.status_code, text in page.text) == (400, True)
    assert next(iter(changes.values())) in unescape(page.text) and "Example Clinic" in page.text
    assert stored(product) == before


def test_a_region_that_the_operator_chose_stays_and_the_sender_is_the_operators(
    product: Product, admin: httpx.Client
) -> None:
    request: dict[str, Any] = {"do": "update-workspace", "workspace_id": WORKSPACE, "language": "en-US"}
    operations.run(request | {"brand": {"sender": "hello@example.com"}}, product.services)
    page = admin.get("/workspace/brand")
    assert '<option value="en-US" lang="en-US" selected>' in page.text and "hello@example.com" in page.text
    save(admin, language="en-US", sender="evil@example.com")
    assert (stored(product).language, stored(product).brand.sender) == ("en-US", "hello@example.com")


def test_support_reads_the_settings(product: Product, admin: httpx.Client) -> None:
    browser = product.browser()
    open_workspace(product, browser)
    page = browser.get("/workspace/brand").text
    assert "Only administrators can change something here." in page and ">Save<" not in page


def test_calendars_are_listed_in_pages_and_lead_to_their_bookings(product: Product, admin: httpx.Client) -> None:
    assert "There are no calendars." in admin.get("/workspace/calendars").text
    for number in range(51):
        product.caller().put(f"/v1/calendars/c-{number:02}", json=calendar("phone", name=f"Calendar {number}"))
    first = admin.get("/workspace/calendars")
    assert first.text.count("host@example.com") == 50 and "?calendar=c-00" in first.text
    more = first.text.rpartition('class="button" href="')[2].partition('"')[0]
    assert "Calendar 50" in admin.get(more).text
