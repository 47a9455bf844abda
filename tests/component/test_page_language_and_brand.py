"""Pages speak the visitor's language, and show whose they are."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from chalicelib.handlers import operations
from chalicelib.wording import LANGUAGES, in_language
from infra.local.visitor import press
from tests.support.product import Product, booking, calendar

BRAND = {"name": "Example Clinic", "color": "#ffd166", "logo_url": "https://cdn.example.com/logo.png"}


def set_workspace(product: Product, **settings: Any) -> None:
    product.caller(name="Demo Workspace")
    operations.run({"do": "update-workspace", "workspace_id": "ws-1", **settings}, product.services)


def open_link(product: Product, accept_language: str | None) -> httpx.Response:
    headers = {"Accept-Language": accept_language} if accept_language else {}
    return product.browser().get(product.connect_link(), headers=headers)


def host_speaks(product: Product, language: str) -> None:
    body = calendar("phone")
    product.caller().put("/v1/calendars/c-1", json=body | {"host": body["host"] | {"language": language}})


def policy(page: httpx.Response) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in page.headers["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_speaks_the_browsers_language(product: Product, language: str) -> None:
    browser, wording = product.browser(), in_language(language)
    browser.headers["Accept-Language"] = language
    product.caller().put("/v1/calendars/c-1", json=calendar("phone"))
    product.caller().put("/v1/bookings/b-1", json=booking())
    link = browser.get(product.connect_link())
    settings = press(browser, link, "/connect/")
    added = browser.get("/oauth/zoom/callback?code=1")
    signed_out = press(browser, settings, "/settings/sign-out")
    approved = browser.get("/oauth/zoom/approved")
    error = browser.get("/settings")
    unknown = browser.get("/j/unknown")

    shown = {
        link: wording.pages.link_confirm,
        settings: wording.settings_page.connect_intro,
        added: wording.pages.added_title,
        signed_out: wording.pages.signed_out,
        approved: wording.pages.approved_title,
        error: wording.pages.errors["no_session"],
        unknown: wording.join_page.refused,
    }
    for page, text in shown.items():
        assert text in page.text.replace("&#39;", "'")
        assert f'<html lang="{language}">' in page.text
        assert "。 " not in page.text, "Japanese has no space after a sentence"
        assert (page.headers["Content-Language"], page.headers["Vary"]) == (language, "Accept-Language")
    assert wording.formats.format_short_date(product.clock().replace(year=2027, month=1, day=5))[:2] in settings.text


@pytest.mark.parametrize(
    ("browser", "host", "workspace", "shown"),
    [
        ("fr-CA,fr;q=0.9", "de", "ja", "fr"),
        ("nl, pt;q=0.5", "de-AT", "ja", "de"),
        (None, "nl", "ja", "ja"),
        (None, "nl", None, "en"),
        ("en-US,en;q=0.9", "de", "ja", "en-US"),
    ],
)
def test_the_browsers_language_comes_first_then_the_hosts_then_the_workspaces(
    product: Product, browser: str | None, host: str, workspace: str | None, shown: str
) -> None:
    set_workspace(product, language=workspace)
    host_speaks(product, host)
    assert open_link(product, browser).headers["Content-Language"] == shown


def test_a_workspaces_language_has_texts(product: Product) -> None:
    product.caller()
    request = {"do": "update-workspace", "workspace_id": "ws-1", "language": "nl"}
    assert "no texts in this language" in str(operations.run(request, product.services))


def test_a_page_shows_the_name_logo_and_color_of_its_workspace(product: Product) -> None:
    set_workspace(product, brand=BRAND)
    page = open_link(product, None)
    rules = policy(page)

    assert '<img src="https://cdn.example.com/logo.png" alt="Example Clinic"' in page.text
    assert "Example Clinic</title>" in page.text
    assert "--button:#ffd166;--on-button:#000000" in page.text
    assert rules["img-src"] == "'self' https://cdn.example.com"
    assert re.fullmatch(r"'self' 'sha256-[A-Za-z0-9+/]{43}='", rules["style-src"])
    assert "script-src" not in rules and rules["default-src"] == "'none'"
    assert "<script" not in page.text


def test_without_a_brand_a_page_shows_the_workspaces_name(product: Product) -> None:
    set_workspace(product)
    page = open_link(product, None)
    assert '<header class="whose">Demo Workspace</header>' in page.text
    assert (policy(page)["style-src"], policy(page)["img-src"]) == ("'self'", "'self'")


@pytest.mark.parametrize(
    "logo", ["http://cdn.example.com/a.png", "https://u@evil.example/a.png", "https://a;b/", "javascript:x", "https://"]
)
def test_a_logo_that_is_no_plain_https_address_is_not_loaded(product: Product, logo: str) -> None:
    from msgspec.structs import replace

    from chalicelib.domain.workspace import Brand

    product.caller()
    store = product.services.workspace_store
    workspace = store.get("ws-1")
    assert workspace is not None
    store.put(replace(workspace, brand=Brand("Example", "red;}", logo)))
    page = open_link(product, None)
    assert "<img" not in page.text and "<style" not in page.text
    assert policy(page)["img-src"] == "'self'"


def test_a_page_of_no_known_workspace_shows_the_products_name(product: Product) -> None:
    page = product.browser().get("/connect/unknown")
    assert page.status_code == 404
    assert '<header class="whose">meetlink</header>' in page.text


def test_every_page_has_the_products_icon(product: Product) -> None:
    browser = product.browser()
    icon = re.search(r'<link rel="icon" href="([^"]+)"', browser.get("/connect/unknown").text)
    assert icon is not None
    response = browser.get(icon[1])
    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/svg+xml")


def test_people_without_a_language_get_emails_in_the_workspaces_if_they_were_booked_since(connected: Product) -> None:
    caller = connected.caller()
    guest = {"name": "Demo Guest", "email": "guest@example.com"}
    french = guest | {"email": "other@example.com", "language": "fr"}
    caller.put("/v1/bookings/b-before", json=booking(guests=[guest]))
    connected.settle()
    set_workspace(connected, language="de")
    for booking_id in ("b-before", "b-since"):
        caller.put(f"/v1/bookings/{booking_id}", json=booking(days=40, guests=[guest, french]))
    connected.settle()
    languages = {
        (letter.invite.booking_id, letter.invite.recipient.email): letter.invite.recipient.language
        for letter in connected.mails.sent
    }
    assert languages == {
        ("b-before", "host@example.com"): "en",
        ("b-before", "guest@example.com"): "en",
        ("b-before", "other@example.com"): "fr",
        ("b-since", "host@example.com"): "de",
        ("b-since", "guest@example.com"): "de",
        ("b-since", "other@example.com"): "fr",
    }
    sent = len(connected.mails.sent)
    caller.put("/v1/bookings/b-since", json=booking(days=40, guests=[guest, french]))
    set_workspace(connected, language="es")
    caller.post("/v1/bookings/b-since/retry")
    connected.settle()
    assert len(connected.mails.sent) == sent
