"""Every state of the browser's pages, in Chromium: what it says, what it weighs, and whether everyone can use it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, FrameLocator, Page, expect

from chalicelib.handlers import operations
from chalicelib.wording import in_language
from infra.local.standins.faults import Action, Fault
from infra.local.standins.server import serve
from tests.e2e.accessibility import check
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import ACCOUNT, DAILY_KEY, Product, booking, calendar
from tests.support.site import open_settings, served, sign_in, window

pytestmark = [pytest.mark.exhaustive, pytest.mark.browser, pytest.mark.node]
LIMIT_BYTES = 50_000
GUIDE = (Path(__file__).parents[2] / "docs" / "callers.md").read_text(encoding="utf-8")
SNIPPET = GUIDE.partition("```html\n")[2].partition("```")[0]
"""How the guide embeds the settings page."""


@pytest.fixture
def product(moto_aws: Aws, clock: FakeClock) -> Iterator[Product]:
    with served(moto_aws, clock) as running:
        running.caller(name="Demo Workspace")
        yield running


@pytest.fixture
def page(browser: Browser, product: Product) -> Iterator[Page]:
    with window(browser, product) as opened:
        yield opened


def test_empty(product: Product, page: Page) -> None:
    product.caller().put("/v1/calendars/c-1", json=calendar("phone"))
    open_settings(page, product)

    expect(page.get_by_role("button", name="Connect Zoom")).to_be_visible()
    expect(page.get_by_text("Connect an account to offer video.")).to_be_visible()
    check(page, "empty")


def test_a_link_that_was_just_opened(product: Product, page: Page) -> None:
    page.goto(product.connect_link(name="Demo Host", email="host@example.com"))
    check(page, "link")


def test_connected_with_calendars_and_bookings(product: Product, page: Page) -> None:
    furnish(product)
    open_settings(page, product)

    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Bookings", exact=True).get_by_text("Link ready")).to_have_count(1)
    problems = page.get_by_role("region", name="Bookings without a link")
    expect(problems.get_by_role("button", name="Try again")).to_have_count(1)
    check(page, "connected")


def test_the_retry_button_settles_the_booking_again(product: Product, page: Page) -> None:
    furnish(product)
    open_settings(page, product)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_contain_text("Trying again.")
    product.settle()
    page.get_by_role("link", name="Reload this page").click()

    expect(page.get_by_role("region", name="Bookings", exact=True).get_by_text("Link ready")).to_have_count(2)
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_a_calendar_moves_to_video_by_clicking(product: Product, page: Page) -> None:
    furnish(product)
    open_settings(page, product)
    page.get_by_role("button", name="Use video for Telephone consultation").click()

    expect(page.get_by_role("status")).to_have_text(re.compile(r"^Video is on\."))
    assert product.caller().get("/v1/calendars/c-2").json()["location"]["type"] == "video"


def test_the_check_shows_its_steps(product: Product, page: Page) -> None:
    product.connect()
    open_settings(page, product)
    page.get_by_role("button", name="Check the connection").click()

    expect(page.get_by_text("Everything works")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="A meeting can be created: yes")).to_have_count(1)
    assert product.zoom.meetings == {}
    check(page, "checked")


def test_a_check_that_fails_says_where_and_what_to_do(product: Product, page: Page) -> None:
    product.connect()
    open_settings(page, product)
    product.zoom.faults.add(Fault("/meetings", Action.BEFORE, status=503, times=None, method="POST"))
    page.get_by_role("button", name="Check the connection").click()

    expect(page.get_by_text("Something is wrong")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("A meeting can be created: no")
    check(page, "check-failed")


@pytest.mark.parametrize("language", ["en", "de", "ja"])
def test_onboarding_takes_one_screen_and_leads_back(product: Product, browser: Browser, language: str) -> None:
    texts, back = in_language(language).settings_page, f"{product.base_url}/health"
    caller = product.caller("ws-app", name="Example Clinic", return_to=[back])
    caller.put("/v1/calendars/c-1", json=calendar("phone"))
    caller.put("/v1/calendars/c-2", json=calendar("phone", name="Demo"))
    with window(browser, product, locale=language) as page:
        page.goto(product.connect_link(workspace_id="ws-app", name="Demo Host", provider="zoom", return_to=back))
        check(page, f"link-named-{language}")
        page.get_by_role("button").click()
        sign_in(page)
        expect(page.get_by_role("checkbox")).to_have_count(2)
        check(page, f"connected-new-{language}")
        page.get_by_label("Demo", exact=True).uncheck()
        page.get_by_role("button", name=texts.use_video, exact=True).click()
        page.wait_for_url(back)
        locations = [caller.get(f"/v1/calendars/{name}").json()["location"]["type"] for name in ("c-1", "c-2")]
        assert locations == ["video", "phone"]
        page.go_back()
        expect(page.get_by_role("link", name="Example Clinic")).to_be_visible()
        page.go_back()
        page.wait_for_load_state()
        page.goto(f"{product.base_url}/settings?notice=connected")
        check(page, f"connected-again-{language}")


def test_a_user_with_nothing_to_choose_returns_automatically(product: Product, page: Page) -> None:
    back = f"{product.base_url}/health"
    product.caller("ws-app", name="Example Clinic", return_to=[back])
    page.goto(product.connect_link(workspace_id="ws-app", provider="zoom", return_to=back))
    page.get_by_role("button", name="Continue").click()
    sign_in(page)
    expect(page.get_by_role("status")).to_contain_text("You return to Example Clinic in a few seconds.")
    check(page, "returning")
    page.wait_for_url(back)


def test_the_back_button_leads_from_the_provider_to_the_settings_page(product: Product, page: Page) -> None:
    page.goto(product.connect_link(provider="zoom"))
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("email").wait_for()
    page.go_back()
    page.wait_for_url(f"{product.base_url}/settings")
    expect(page.get_by_role("button", name="Connect Zoom")).to_be_visible()


def test_disconnecting_with_coming_meetings_deleted_first(product: Product, page: Page) -> None:
    furnish(product)
    open_settings(page, product)
    page.get_by_role("link", name="Disconnect").click()
    page.get_by_label("Delete first").check()
    check(page, "disconnecting")
    page.get_by_role("button", name=f"Disconnect {ACCOUNT.email}").click()
    expect(page.get_by_role("heading", name="Delete this meeting?")).to_be_visible()
    expect(page.get_by_role("listitem")).to_contain_text("Introductory call")
    check(page, "deleting")
    assert len(product.zoom.meetings) == 1
    page.get_by_role("button", name="Delete this meeting and disconnect").click()
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^Disconnected\. Upcoming meetings are being deleted"))
    product.settle()

    assert product.zoom.meetings == {}
    assert product.caller().get("/v1/users/u-1/connection").json()["state"] == "none"
    check(page, "disconnected")


def test_disconnecting_keeps_coming_meetings_unless_told_otherwise(product: Product, page: Page) -> None:
    furnish(product)
    open_settings(page, product)
    page.get_by_role("link", name="Disconnect").click()
    page.get_by_role("button", name=f"Disconnect {ACCOUNT.email}").click()
    expect(page.get_by_role("status")).to_contain_text("Disconnected.")
    product.settle()

    assert len(product.zoom.meetings) == 1


def test_broken_and_reconnected(product: Product, page: Page) -> None:
    furnish(product)
    with product.zoom.lock:
        product.zoom.identity.end_grant(ACCOUNT.user_id)
    product.caller().put("/v1/bookings/b-4", json=booking(days=9, title="Booked while broken"))
    product.settle()
    open_settings(page, product)

    expect(page.get_by_text("Needs attention")).to_be_visible()
    expect(page.get_by_text("1 booking waits for its link:")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Booked while broken")).to_have_count(1)
    check(page, "broken")
    page.get_by_role("button", name="Reconnect").click()
    sign_in(page)
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()


def test_an_expired_link(product: Product, page: Page) -> None:
    link = product.connect_link()
    product.clock.advance(601)
    answer = page.goto(link)

    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("alert")).to_contain_text("Ask for a new one")
    check(page, "expired-link")


def test_denied_consent(product: Product, page: Page) -> None:
    open_settings(page, product)
    page.get_by_role("button", name="Connect Zoom").click()
    sign_in(page, allow=False)

    expect(page.get_by_role("alert")).to_have_text(
        "The sign-in was cancelled. Nothing was connected. Connect again and allow the access."
    )
    check(page, "denied")


def test_the_provider_is_down(product: Product, page: Page) -> None:
    open_settings(page, product)
    product.zoom.faults.add(Fault("/oauth/token", Action.BEFORE, status=503, times=None))
    page.get_by_role("button", name="Connect Zoom").click()
    sign_in(page)

    expect(page.get_by_role("alert")).to_contain_text("Please try again in a moment.")
    expect(page.get_by_role("button", name="Connect Zoom")).to_be_visible()
    check(page, "provider-down")


def test_a_connection_that_waits_for_confirmation(product: Product, page: Page) -> None:
    workspaces = product.services.workspace_store
    known = workspaces.get("ws-1")
    assert known is not None
    workspaces.put(replace(known, confirms_connections=True))
    product.connect()
    open_settings(page, product)

    expect(page.get_by_text("Waiting for confirmation")).to_be_visible()
    check(page, "pending")


def test_no_providers_configured(moto_aws: Aws, clock: FakeClock, browser: Browser) -> None:
    with served(moto_aws, clock, ZOOM_CLIENT_ID="", MEETLINK_PROVIDERS="zoom") as bare, window(browser, bare) as page:
        open_settings(page, bare)
        expect(page.get_by_text("No video provider is set up here yet.")).to_be_visible()
        check(page, "no-providers")


def test_everything_can_be_done_with_the_keyboard(product: Product, page: Page) -> None:
    furnish(product)
    open_settings(page, product)
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid" or reached[-1] == page.inner_text("body")
    wanted = ("Check the connection", "Use another", "Disconnect", "Use video", "Open the meeting", "Try again")
    assert [word for word in wanted if not any(text.startswith(word) for text in reached)] == []


def test_in_a_frame_of_a_listed_site_sign_in_opens_a_window(product: Product, page: Page) -> None:
    with embedding(product, page, listed=True) as frame:
        frame.get_by_role("button", name="Continue").click()
        frame.get_by_role("heading", name="Video meetings").wait_for()
        with page.context.expect_page() as opened:
            frame.get_by_role("link", name="Connect Zoom").click()
        window = opened.value
        window.get_by_role("button", name="Continue").click()
        window.get_by_role("button", name="Connect Zoom").click()
        sign_in(window)
        expect(window.get_by_text("Connected", exact=True)).to_be_visible()
        frame.get_by_role("link", name="reload this page").click()
        frame.get_by_text("Connected", exact=True).wait_for()
        expect(window.get_by_text("You can close this window now.")).to_be_visible()


def test_in_a_frame_without_cookies_the_page_continues_in_a_window(product: Product, page: Page) -> None:
    with embedding(product, page, listed=True) as frame:
        page.context.clear_cookies()
        frame.get_by_role("button", name="Continue").click()
        with page.context.expect_page() as opened:
            frame.get_by_role("link", name="Open in a new window").click()
        opened.value.get_by_role("button", name="Continue").click()
        expect(opened.value.get_by_role("button", name="Connect Zoom")).to_be_visible()


def test_a_site_that_is_not_listed_cannot_frame_it(product: Product, page: Page) -> None:
    with embedding(product, page, listed=False) as frame:
        expect(frame.get_by_role("button", name="Continue")).to_have_count(0)


def test_no_page_is_heavy(product: Product, page: Page) -> None:
    furnish(product, bookings=30)
    weights: list[int] = []
    page.on("response", lambda answer: weights.append(len(answer.body())) if answer.status == 200 else None)
    open_settings(page, product)
    weights.clear()
    page.reload(wait_until="networkidle")
    print(f"settings page with 30 bookings: {sum(weights)} bytes in {len(weights)} answers")
    assert sum(weights) < LIMIT_BYTES


def furnish(product: Product, bookings: int = 1) -> None:
    """Connected, with two calendars, bookings with links and one that failed."""
    product.connect()
    product.caller().put("/v1/calendars/c-1", json=calendar())
    product.caller().put("/v1/calendars/c-2", json=calendar("phone", name="Telephone consultation"))
    for number in range(bookings):
        product.caller().put(f"/v1/bookings/b-{number + 10}", json=booking(days=7 + number))
    product.settle()
    refused = {"code": 3161, "message": "This user is not able to host meetings."}
    product.zoom.faults.add(Fault("/meetings", Action.BEFORE, status=400, body=refused, method="POST"))
    product.caller().put("/v1/bookings/b-2", json=booking(days=5, title="First consultation"))
    product.caller().put("/v1/bookings/b-3", json=booking("c-2", days=6, title="Call about the offer"))
    product.settle()


@contextmanager
def embedding(product: Product, page: Page, *, listed: bool) -> Iterator[FrameLocator]:
    """The settings page in a frame of a page of another site."""
    link: list[str] = []

    def site(environ: object, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [SNIPPET.replace("CONNECT_LINK", link[0]).encode()]

    server = serve(site)
    origin = server.url.replace("127.0.0.1", "localhost")  # Another site than the product's.
    try:
        product.caller("ws-framed", frame_ancestors=[origin] if listed else [])
        link.append(product.connect_link(workspace_id="ws-framed"))
        page.goto(origin)  # "load" waits for what the frame holds.
        yield page.frame_locator("iframe")
    finally:
        server.close()


def test_a_key_is_typed_in_by_keyboard_and_connects(product: Product, page: Page) -> None:
    open_settings(page, product)
    page.get_by_text("More: ").click()
    page.get_by_text("Connect Daily").click()
    check(page, "key form")
    page.get_by_role("textbox", name="API key").fill("not-the-key")
    page.get_by_role("button", name="Check and connect").click()
    expect(page.get_by_role("alert")).to_contain_text("does not accept this key")
    check(page, "key refused")
    page.get_by_role("textbox", name="API key").fill(DAILY_KEY)
    page.get_by_role("textbox", name="API key").press("Enter")
    expect(page.get_by_text("demo.daily.co", exact=True)).to_be_visible()
    check(page, "connected by a key")


def test_an_early_visitor_waits_at_the_door(product: Product, page: Page) -> None:
    product.connect_with_key("daily", {"api_key": DAILY_KEY})
    product.caller().put("/v1/calendars/c-1", json=calendar())
    product.caller().put("/v1/bookings/b-1", json=booking())
    product.settle()
    address = product.caller().get("/v1/bookings/b-1").json()["meeting"]["join_url"]
    page.goto(address)
    expect(page.get_by_text("You are early.")).to_be_visible()
    check(page, "early")
    product.caller().delete("/v1/bookings/b-1")
    page.goto(address)
    expect(page.get_by_text("This meeting was cancelled.")).to_be_visible()
    check(page, "cancelled")


@pytest.mark.parametrize(("language", "color"), [("ja", "#ffd166"), ("fr", "#3b0764")])
def test_a_page_in_the_visitors_language_and_the_workspaces_color(
    product: Product, browser: Browser, language: str, color: str
) -> None:
    furnish(product)
    brand = {"name": "Example Clinic", "color": color}
    operations.run({"do": "update-workspace", "workspace_id": "ws-1", "brand": brand}, product.services)
    with browser.new_context(locale=language) as context:
        page = context.new_page()
        page.goto(product.connect_link(name="Demo Host"))
        page.get_by_role("button").click()
        expect(page.get_by_role("heading", name=in_language(language).settings_page.title)).to_be_visible()
        expect(page.get_by_role("banner")).to_have_text("Example Clinic")
        check(page, f"settings-{language}")
        page.goto(product.connect_link(name="Demo Host"))
        check(page, f"link-{language}")
        button = page.get_by_role("button")
        assert button.evaluate("node => getComputedStyle(node).backgroundColor") == css_color(color)


def css_color(color: str) -> str:
    return f"rgb({', '.join(str(int(color[at : at + 2], 16)) for at in (1, 3, 5))})"


def test_an_administrator_is_thanked(product: Product, page: Page) -> None:
    page.goto(f"{product.base_url}/oauth/zoom/approved?admin_consent=True")
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    check(page, "approved")
