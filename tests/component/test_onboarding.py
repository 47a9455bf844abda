"""A host's way: from the link to a connected account and back to the caller's product, without a dead end."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from chalicelib.errors import StoreUnavailable
from chalicelib.handlers import operations
from infra.local.visitor import press
from tests.component.test_calls_per_booking import counted
from tests.support.product import ACCOUNT, APP, DAILY_KEY, Product, booking, calendar

BACK = "https://app.example.com/settings"
FRAMED = {"Sec-Fetch-Dest": "iframe"}


@pytest.fixture
def caller(product: Product) -> httpx.Client:
    return product.caller(name="Example Clinic", return_to=[BACK], frame_ancestors=["https://app.example.com"])


class UnavailableStore:
    """A table that cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        raise StoreUnavailable("the table is unavailable")


def confirm(product: Product, browser: httpx.Client, **link: Any) -> httpx.Response:
    """Press the button of a new link's page, and follow no redirect."""
    return press(browser, browser.get(product.connect_link(**link)), "/connect/", follow=False)


def connect(product: Product, **link: Any) -> tuple[httpx.Client, httpx.Response]:
    """Connect u-1 by a link. Return the browser, and the page that is shown in the end."""
    browser = product.browser()
    settings = browser.get(confirm(product, browser, **link).headers["Location"])
    return browser, browser.get(product.consent(browser, settings), follow_redirects=True)


def boxes(page: httpx.Response) -> list[str]:
    return re.findall(r'name="(calendar:[^"]+)" checked', page.text)


def set_providers(product: Product, *names: str) -> dict[str, Any]:
    return operations.run({"do": "set-lists", "workspace_id": "ws-1", "providers": list(names)}, product.services)


def provider_forms(page: httpx.Response) -> list[str]:
    return re.findall(r'action="[^"]*/(?:oauth|settings/connect)/(\w+)', page.text)


class TestALinkThatNamesAProvider:
    def test_leads_straight_to_the_sign_in(self, product: Product, caller: httpx.Client) -> None:
        browser = product.browser()
        page = browser.get(product.connect_link(provider="zoom"))
        assert "You then sign in at Zoom." in page.text
        assert "form-action 'self' https://zoom.us" in page.headers["Content-Security-Policy"]
        leave = press(browser, page, "/connect/", follow=False)
        assert leave.headers["Location"].startswith("https://zoom.us/oauth/authorize?")
        assert browser.get("/settings").status_code == 200

    @pytest.mark.parametrize("provider", ["daily", "google_meet", None])
    def test_leads_to_the_settings_page_without_a_sign_in(
        self, product: Product, caller: httpx.Client, provider: str | None
    ) -> None:
        """Daily has a form; Google Meet has no credentials in this deployment."""
        leave = confirm(product, product.browser(), provider=provider)
        assert leave.headers["Location"] == f"{APP}/settings"

    def test_leads_to_the_settings_page_if_an_account_is_connected(self, connected: Product) -> None:
        leave = confirm(connected, connected.browser(), provider="zoom")
        assert leave.headers["Location"] == f"{APP}/settings"

    def test_leads_to_the_settings_page_in_a_frame(self, product: Product, caller: httpx.Client) -> None:
        browser = product.browser()
        browser.headers.update(FRAMED)
        link = browser.get(product.connect_link(provider="zoom"))
        cookie = link.headers["Set-Cookie"].partition(";")[0]
        leave = browser.post(link.url, headers={"Cookie": cookie})
        assert leave.headers["Location"] == f"{APP}/settings"


class TestProvidersOfAWorkspace:
    def test_are_offered_in_the_order_of_the_workspace(self, product: Product, caller: httpx.Client) -> None:
        set_providers(product, "daily", "zoom")
        browser = product.browser()
        assert provider_forms(product.open_settings(browser)) == ["daily", "zoom"]
        assert [item["name"] for item in caller.get("/v1/providers").json()["items"]] == ["daily", "zoom"]
        refused = caller.post("/v1/users/u-1/connect-links", json={"provider": "jitsi"})
        assert refused.status_code == 422
        csrf = re.findall(r'name="csrf" value="([^"]+)"', browser.get("/settings").text)[0]
        assert browser.post("/settings/connect/jitsi", data={"csrf": csrf}).status_code == 404
        set_providers(product, "daily")
        assert browser.post("/oauth/zoom/start", data={"csrf": csrf}).status_code == 404

    def test_another_workspaces_list_changes_nothing(self, product: Product, caller: httpx.Client) -> None:
        set_providers(product, "daily")
        product.caller("ws-2")
        offered = provider_forms(product.open_settings(product.browser(), workspace_id="ws-2"))
        assert offered[0] == "zoom"
        assert "jitsi" in offered

    def test_an_account_of_a_provider_that_was_removed_can_be_reconnected(self, connected: Product) -> None:
        set_providers(connected, "daily")
        connected.zoom.identity.end_grant(ACCOUNT.user_id)
        connected.caller().put("/v1/bookings/b-1", json=booking())
        connected.settle()
        browser = connected.browser()
        browser.get(connected.consent(browser, connected.open_settings(browser)))
        assert connected.caller().get("/v1/users/u-1/connection").json()["state"] == "connected"

    @pytest.mark.parametrize("names", [("carrier_pigeon",), ("zoom", "zoom")])
    def test_are_known_providers_once_each(self, product: Product, caller: httpx.Client, names: tuple[str]) -> None:
        assert "provider" in str(set_providers(product, *names)["error"])


class TestAfterConnecting:
    def test_one_button_chooses_video_and_leads_back(self, product: Product, caller: httpx.Client) -> None:
        for name in ("c-1", "c-2", "c-3"):
            caller.put(f"/v1/calendars/{name}", json=calendar("phone"))
        caller.put("/v1/calendars/c-other", json=calendar("phone", user_id="u-2"))
        browser, page = connect(product, return_to=BACK)
        assert boxes(page) == ["calendar:c-1", "calendar:c-2", "calendar:c-3"]
        assert "Refresh" not in page.headers
        assert "https://app.example.com" in page.headers["Content-Security-Policy"].partition("form-action")[2]
        ticked = dict.fromkeys(boxes(page)[:2], "on")
        assert press(browser, page, "/settings/video", typed=ticked, follow=False).headers["Location"] == BACK
        listed = caller.get("/v1/calendars").json()["items"]
        video = {item["id"] for item in listed if item["location"]["type"] == "video"}
        assert video == {"c-1", "c-2"}

    def test_calendars_of_others_stay_as_they_are(self, product: Product, caller: httpx.Client) -> None:
        caller.put("/v1/calendars/c-1", json=calendar("phone"))
        caller.put("/v1/calendars/c-other", json=calendar("phone", user_id="u-2"))
        product.caller("ws-2").put("/v1/calendars/c-foreign", json=calendar("phone"))
        browser, page = connect(product)
        for name in ("c-other", "c-foreign"):
            typed = {f"calendar:{name}": "on"}
            assert press(browser, page, "/settings/video", typed=typed, follow=False).status_code == 404
        assert caller.get("/v1/calendars/c-other").json()["location"]["type"] == "phone"
        assert product.caller("ws-2").get("/v1/calendars/c-foreign").json()["location"]["type"] == "phone"

    def test_without_a_choice_the_page_returns_once(self, product: Product, caller: httpx.Client) -> None:
        browser, page = connect(product, return_to=BACK)
        assert page.headers["Refresh"] == f"8; url={BACK}"
        assert "Refresh" not in browser.get("/settings").headers
        product.clock.advance(61)
        later = browser.get("/settings?notice=connected")
        assert "Refresh" not in later.headers, "the browser's Back would lead away again"
        assert f'href="{BACK}"' in later.text

    def test_a_window_that_a_frame_opened_leads_nowhere(self, product: Product, caller: httpx.Client) -> None:
        services, browser = product.services, product.browser()
        framed = services.connect_links.open_session(product.connect_link(return_to=BACK).rpartition("/")[2])
        token, _ = services.connect_links.create_link(framed.visitor, opener=framed)
        settings = press(browser, browser.get(f"/connect/{token}"), "/connect/")
        page = browser.get(product.consent(browser, settings), follow_redirects=True)
        assert "You can close this window now." in page.text
        assert BACK not in page.text
        assert "Refresh" not in page.headers


def test_a_broken_connection_says_which_bookings_wait(connected: Product) -> None:
    connected.caller().put("/v1/calendars/c-1", json=calendar())
    connected.zoom.identity.end_grant(ACCOUNT.user_id)
    for number in range(12):
        connected.caller().put(f"/v1/bookings/b-{number}", json=booking(days=9 + number, title=f"Visit {number}"))
    connected.settle()
    page = connected.open_settings(connected.browser())
    assert "12 bookings wait for their link:" in page.text
    assert "Visit 0 " in page.text and "Visit 9 " in page.text and "Visit 10 " not in page.text
    assert "2 more" in page.text


class TestDeletingMeetings:
    @pytest.fixture
    def browser(self, connected: Product) -> httpx.Client:
        connected.caller().put("/v1/calendars/c-1", json=calendar())
        connected.caller().put("/v1/bookings/b-1", json=booking(title="First visit"))
        connected.settle()
        browser = connected.browser()
        connected.open_settings(browser)
        return browser

    def ask(self, browser: httpx.Client) -> httpx.Response:
        page = browser.get("/settings/disconnect")
        assert "First visit" in page.text and "(Berlin time) · Demo Guest" in page.text
        return press(browser, page, "/settings/disconnect", typed={"meetings": "delete"})

    def test_is_asked_a_second_time(self, connected: Product, browser: httpx.Client) -> None:
        question = self.ask(browser)
        assert "Delete this meeting?" in question.text and "First visit" in question.text
        assert connected.caller().get("/v1/users/u-1/connection").json()["state"] == "connected"
        assert "Disconnected." in press(browser, question, "/settings/disconnect").text
        connected.settle()
        assert connected.zoom.meetings == {}

    def test_is_asked_about_the_meetings_that_the_button_confirms(
        self, connected: Product, browser: httpx.Client
    ) -> None:
        """A second read could return other meetings than those of the digest in the form."""
        page = browser.get("/settings/disconnect")
        with counted(connected) as calls:
            question = press(browser, page, "/settings/disconnect", typed={"meetings": "delete"})
        assert "First visit" in question.text
        assert calls.count("BatchGetItem") == 1, "one for each reading of the bookings"

    def test_is_asked_again_if_there_is_another_meeting_by_now(self, connected: Product, browser: httpx.Client) -> None:
        question = self.ask(browser)
        connected.caller().put("/v1/bookings/b-2", json=booking(title="Second visit"))
        connected.settle()
        again = press(browser, question, "/settings/disconnect")
        assert "Delete 2 meetings?" in again.text and "Second visit" in again.text
        assert connected.caller().get("/v1/users/u-1/connection").json()["state"] == "connected"

    def test_of_another_user_is_not_shown(self, connected: Product, browser: httpx.Client) -> None:
        connected.open_settings(browser, "u-2")
        assert browser.get("/settings/disconnect").headers["Location"] == f"{APP}/settings"


class TestErrorsLeadOn:
    def test_a_link_that_expired_leads_back(self, product: Product, caller: httpx.Client) -> None:
        link = product.connect_link(return_to=BACK, name="Demo Host")
        product.clock.advance(601)
        page = product.browser().get(link)
        assert page.status_code == 404
        assert "This link no longer works" in page.text and "Example Clinic" in page.text
        assert page.text.count(f'href="{BACK}"') == 2
        assert "Demo Host" not in page.text

    def test_a_link_that_another_browser_used_leads_back(self, product: Product, caller: httpx.Client) -> None:
        link = product.connect_link(return_to=BACK)
        product.browser().post(link)
        page = product.browser().get(link)
        assert (page.status_code, page.text.count(f'href="{BACK}"')) == (404, 2)

    def test_a_link_that_this_browser_used_leads_to_the_settings_page(
        self, product: Product, caller: httpx.Client
    ) -> None:
        browser, link = product.browser(), product.connect_link()
        browser.post(link)
        assert browser.get(link).headers["Location"] == f"{APP}/settings"
        assert browser.post(link).headers["Location"] == f"{APP}/settings"
        other = browser.get(f"{APP}/connect/unknown")
        assert other.status_code == 404
        assert f'href="{APP}/settings"' in other.text

    def test_a_session_that_ended_leads_back(self, product: Product, caller: httpx.Client) -> None:
        browser = product.browser()
        confirm(product, browser, return_to=BACK)
        product.clock.advance(3600)
        page = browser.get("/settings")
        assert (page.status_code, page.text.count(f'href="{BACK}"')) == (403, 2)

    def test_an_error_of_the_service_can_be_tried_again(self, product: Product, caller: httpx.Client) -> None:
        browser = product.browser()
        product.open_settings(browser)
        vars(product.services)["calendar_store"] = UnavailableStore()
        page = browser.get("/settings")
        assert page.status_code == 503
        assert 'href="">Try again</a>' in page.text

    @pytest.mark.parametrize(
        "path",
        [
            "/settings/check",
            "/settings/sign-out",
            "/settings/video",
            "/settings/calendars/c-1/video",
            "/settings/bookings/b-1/retry",
            "/settings/connect/daily",
            "/oauth/zoom/start",
        ],
    )
    def test_the_address_of_a_form_leads_to_the_settings_page(
        self, product: Product, caller: httpx.Client, path: str
    ) -> None:
        assert product.browser().get(path).headers["Location"] == f"{APP}/settings"


class TestInAFrame:
    @pytest.fixture
    def browser(self, product: Product, caller: httpx.Client) -> httpx.Client:
        browser = product.browser()
        browser.headers.update(FRAMED)
        return browser

    def test_a_browser_without_cookies_there_continues_in_a_window(
        self, product: Product, browser: httpx.Client
    ) -> None:
        link = product.connect_link()
        page = browser.post(link)
        assert "Continue in a new window" in page.text
        assert f'href="{link}" target="_blank"' in page.text
        assert "frame-ancestors https://app.example.com;" in page.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in page.headers
        window = product.browser()
        assert "Connect Zoom" in press(window, window.get(link), "/connect/").text

    def test_errors_are_shown_within_the_frame(self, product: Product, browser: httpx.Client) -> None:
        link = product.connect_link(return_to=BACK)
        product.clock.advance(601)
        page = browser.get(link)
        assert "frame-ancestors https://app.example.com;" in page.headers["Content-Security-Policy"]
        assert BACK not in page.text
        unknown = browser.get(f"{APP}/connect/unknown")
        assert "frame-ancestors 'none'" in unknown.headers["Content-Security-Policy"]

    def test_outside_a_frame_nothing_is_probed(self, product: Product, caller: httpx.Client) -> None:
        assert "Set-Cookie" not in product.browser().get(product.connect_link()).headers


class TestTheJoinPage:
    @pytest.fixture
    def hosted(self, product: Product, caller: httpx.Client) -> Product:
        product.connect_with_key("daily", {"api_key": DAILY_KEY})
        caller.put("/v1/calendars/c-1", json=calendar())
        caller.put("/v1/bookings/b-1", json=booking())
        product.settle()
        return product

    def test_offers_the_recipient_their_calendar_file(self, hosted: Product) -> None:
        guest, host = (hosted.mails.to(email)[-1].invite for email in ("guest@example.com", "host@example.com"))
        page = hosted.browser().get(str(guest.join_url))
        assert "Have your camera and microphone ready" in page.text
        assert f"{guest.join_url}/invite.ics" in page.text
        file = hosted.browser().get(f"{guest.join_url}/invite.ics")
        assert file.headers["Content-Type"] == "text/calendar; charset=utf-8; method=REQUEST"
        content = file.text.replace("\r\n ", "")
        assert f"UID:{guest.uid}" in content and str(guest.join_url) in content
        assert str(host.join_url) not in content

    def test_has_none_for_a_link_that_names_no_one_or_someone_uninvited(self, hosted: Product) -> None:
        shared = hosted.caller().get("/v1/bookings/b-1").json()["meeting"]["join_url"]
        assert "invite.ics" not in hosted.browser().get(shared).text
        assert hosted.browser().get(f"{shared}/invite.ics").status_code == 404
        guest = hosted.mails.to("guest@example.com")[-1].invite.join_url
        other = {"name": "Other Guest", "email": "other@example.com"}
        hosted.caller().put("/v1/bookings/b-1", json=booking(guests=[other]))
        assert hosted.browser().get(f"{guest}/invite.ics").status_code == 403
        assert hosted.browser().get(f"{APP}/j/unknown/invite.ics").status_code == 404
