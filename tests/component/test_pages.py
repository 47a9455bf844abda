"""The browser's pages (DESIGN 11, RELIABILITY 11, 12, 16, 21)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from infra.local.standins.faults import Action, Fault
from infra.local.visitor import press
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import ACCOUNT, APP, SECOND_ACCOUNT, WORKSPACE, Product, recorded_event

HTML = "text/html; charset=utf-8"
CSRF = re.compile(r'name="csrf" value="([^"]+)"')


def assert_page(answer: httpx.Response, status: int, *words: str) -> None:
    """A page for people, which says something, and not a problem detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == HTML
    for word in words:
        assert word in answer.text


NOT_STARTED_HERE = "problem=not_started_here&provider=zoom"


def assert_leads_on(answer: httpx.Response, query: str) -> None:
    """A redirect to the settings page, which can be reloaded."""
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{APP}/settings?{query}")


def state_of(browser: httpx.Client, settings: httpx.Response) -> str:
    """Press Connect: the state that goes to Zoom."""
    leave = press(browser, settings, "/oauth/zoom/start", follow=False)
    return parse_qs(urlsplit(leave.headers["Location"]).query)["state"][0]


def connection_state(product: Product, user_id: str = "u-1") -> str:
    return str(product.caller().get(f"/v1/users/{user_id}/connection").json()["state"])


class TestTheLink:
    def test_it_shows_whose_workspace_and_user_it_is_for(self, product: Product) -> None:
        product.caller(name="Example Workspace")
        url = product.connect_link("u-1", name="Demo Host", email="host@example.com")
        page = product.browser().get(url)
        assert_page(page, 200, "Example Workspace", "Demo Host", "host@example.com")

    def test_names_are_shown_as_text(self, product: Product) -> None:
        product.caller(name="<script>alert(1)</script>")
        page = product.browser().get(product.connect_link(name='"><img src=x onerror=alert(1)>'))
        assert "<script" not in page.text
        assert "<img" not in page.text

    def test_looking_does_not_use_it_up_and_sets_no_cookie(self, product: Product) -> None:
        url, browser = product.connect_link(), product.browser()
        for _ in range(3):
            page = browser.get(url)
            assert_page(page, 200)
            assert "Set-Cookie" not in page.headers
        assert_page(press(browser, page, "/connect/"), 200, "Connect Zoom")

    def test_its_button_works_once(self, product: Product) -> None:
        url = product.connect_link()
        first, second = product.browser(), product.browser()
        page, same_page = first.get(url), second.get(url)
        assert_page(press(first, page, "/connect/"), 200)
        assert_page(press(second, same_page, "/connect/"), 404, "already used")
        assert_page(second.get(url), 404, "Ask for a new one")

    def test_it_ends_after_ten_minutes(self, product: Product) -> None:
        url, browser = product.connect_link(), product.browser()
        page = browser.get(url)
        product.clock.advance(599)
        assert_page(browser.get(url), 200)
        product.clock.advance(1)
        assert_page(browser.get(url), 404, "expired")
        assert_page(press(browser, page, "/connect/"), 404, "expired")

    @pytest.mark.parametrize("token", ["unknown", "a%20b", "%22%3E", "x" * 200, "abc)"])
    def test_what_is_no_link_is_a_page_that_says_what_to_do(self, product: Product, token: str) -> None:
        answer = product.browser().get(f"{APP}/connect/{token}")
        assert 400 <= answer.status_code < 500
        assert answer.headers["Content-Type"] == HTML, answer.text

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://localhost:8001"},
            {"Origin": "https://localhost:8000"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": APP, "Sec-Fetch-Site": "cross-site"},
        ],
    )
    def test_another_sites_form_opens_no_session_and_does_not_use_it_up(
        self, product: Product, headers: dict[str, str]
    ) -> None:
        url, browser = product.connect_link(), product.browser()
        refused = browser.post(url, headers=headers)
        assert_page(refused, 403)
        assert "Set-Cookie" not in refused.headers
        own = {"Origin": APP, "Sec-Fetch-Site": "same-origin"}
        assert browser.post(url, headers=own).status_code == 303

    def test_a_mail_of_the_service_may_hold_it_so_it_works_from_another_application(self, product: Product) -> None:
        page = product.browser().get(product.connect_link(), headers={"Sec-Fetch-Site": "none"})
        assert_page(page, 200)


class TestTheSession:
    def test_without_one_the_settings_are_403_and_say_what_to_do(self, product: Product) -> None:
        assert_page(product.browser().get("/settings"), 403, "Open the settings page again")

    def test_it_ends_after_an_hour(self, product: Product) -> None:
        browser = product.browser()
        product.open_settings(browser)
        product.clock.advance(3599)
        assert_page(browser.get("/settings"), 200)
        product.clock.advance(1)
        assert_page(browser.get("/settings"), 403)

    def test_it_stands_in_the_table_only_as_a_hash(self, product: Product) -> None:
        browser = product.browser()
        product.open_settings(browser)
        (cookie,) = browser.cookies.jar
        assert cookie.value
        assert cookie.value not in repr(product.aws.scan("ephemeral"))

    def test_a_made_up_cookie_opens_nothing(self, product: Product) -> None:
        browser = product.browser()
        product.open_settings(browser)
        for value in ("", "x", "a" * 43):
            assert product.stranger().get("/settings", headers={"Cookie": f"meetlink={value}"}).status_code == 403

    def test_on_http_on_loopback_its_cookie_is_plain(self, product: Product) -> None:
        answer = product.browser().post(product.connect_link())
        name, *attributes = answer.headers["Set-Cookie"].split("; ")
        assert name.startswith("meetlink=")
        assert set(attributes) == {"Path=/", "Max-Age=3600", "HttpOnly", "SameSite=Lax"}

    def test_everywhere_else_it_is_secure_and_bound_to_the_host(self, moto_aws: Aws, clock: FakeClock) -> None:
        product = Product(
            moto_aws, clock, base_url="https://meet.example.com", PUBLIC_BASE_URL="https://meet.example.com"
        )
        answer = product.browser().post(product.connect_link())
        name, *attributes = answer.headers["Set-Cookie"].split("; ")
        assert name.startswith("__Host-meetlink=")
        assert set(attributes) == {"Path=/", "Max-Age=3600", "HttpOnly", "SameSite=Lax", "Secure"}
        assert ">Connected<" in product.connect_in_browser().text

    @pytest.mark.parametrize("host", ["meet.example.com", "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1"])
    def test_plain_http_elsewhere_drops_neither(self, product: Product, host: str) -> None:
        url = product.connect_link()
        answer = product.browser().post(url, headers={"Host": host})
        assert answer.headers["Set-Cookie"].startswith("__Host-")
        assert "; Secure" in answer.headers["Set-Cookie"]

    def test_behind_api_gateway_the_host_header_decides_nothing(self, product: Product) -> None:
        token = urlsplit(product.connect_link()).path.rsplit("/", 1)[1]
        event = recorded_event("api_gateway_put_booking")
        event |= {"path": f"/connect/{token}", "httpMethod": "POST", "pathParameters": {"token": token}, "body": None}
        event["requestContext"] |= {
            "resourcePath": "/connect/{token}",
            "httpMethod": "POST",
            "path": f"/api/connect/{token}",
        }
        event["headers"] = {"host": "localhost", "content-type": "application/x-www-form-urlencoded"}
        answer = product.app(event, None)
        assert answer["statusCode"] == 303
        assert answer["headers"]["Location"].startswith(
            "https://abcde12345.execute-api.eu-central-1.amazonaws.com/api/"
        )
        assert answer["headers"]["Set-Cookie"].startswith("__Host-")

    def test_opening_a_link_for_another_user_ends_what_the_browser_could_do_before(self, product: Product) -> None:
        browser = product.browser()
        first = product.open_settings(browser, "u-1")
        product.open_settings(browser, "u-2")
        stale = browser.post("/settings/disconnect", data={"csrf": CSRF.findall(first.text)[0]})
        assert_page(stale, 403)


class TestForms:
    @pytest.mark.parametrize("path", ["/settings/disconnect", "/oauth/zoom/start"])
    @pytest.mark.parametrize(
        "form",
        [{}, {"csrf": ""}, {"csrf": "x"}, {"csrf": "é"}, {"csrf": "\x00"}, {"CSRF": "x"}],
        ids=repr,
    )
    def test_without_the_right_token_nothing_happens(self, product: Product, path: str, form: dict[str, str]) -> None:
        product.connect()
        browser = product.browser()
        product.open_settings(browser)
        assert_page(browser.post(path, data=form), 403, "out of date")
        assert connection_state(product) == "connected"

    @pytest.mark.parametrize("path", ["/settings/disconnect", "/oauth/zoom/start"])
    def test_the_token_of_another_session_is_not_the_right_one(self, product: Product, path: str) -> None:
        mine, theirs = product.browser(), product.browser()
        product.open_settings(mine)
        token = CSRF.findall(product.open_settings(theirs).text)[0]
        assert_page(mine.post(path, data={"csrf": token}), 403)

    @pytest.mark.parametrize("path", ["/settings/disconnect", "/oauth/zoom/start"])
    def test_without_a_session_nothing_happens(self, product: Product, path: str) -> None:
        assert_page(product.browser().post(path, data={"csrf": "x"}), 403)

    @pytest.mark.parametrize("content", [b"\xff\xfe", b"csrf=%ff%fe", b"a=1&" * 100, b"&=&=&", b"csrf"], ids=repr)
    def test_a_form_that_cannot_be_read_is_refused(self, product: Product, content: bytes) -> None:
        browser = product.browser()
        product.open_settings(browser)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert_page(browser.post("/settings/disconnect", content=content, headers=kind), 403)

    def test_a_form_that_is_too_large_is_refused(self, product: Product) -> None:
        browser = product.browser()
        product.open_settings(browser)
        assert_page(browser.post("/settings/disconnect", data={"csrf": "x" * 20000}), 413)

    def test_disconnect_disconnects_and_says_so(self, product: Product) -> None:
        product.connect()
        browser = product.browser()
        product.open_settings(browser)
        done = press(browser, browser.get("/settings/disconnect"), "/settings/disconnect", follow=False)
        assert_page(browser.get(done.headers["Location"]), 200, "Disconnected.")
        assert connection_state(product) == "none"

    def test_an_unknown_provider_cannot_be_started(self, product: Product) -> None:
        browser = product.browser()
        token = CSRF.findall(product.open_settings(browser).text)[0]
        assert_page(browser.post("/oauth/carrier_pigeon/start", data={"csrf": token}), 404)

    def test_a_form_may_come_without_a_content_type(self, product: Product) -> None:
        browser = product.browser()
        page = browser.get(product.connect_link())
        assert browser.post(page.url, content=b"").status_code == 303


class TestTheRedirectPair:
    @pytest.fixture
    def browser(self, product: Product) -> httpx.Client:
        return product.browser()

    def test_what_goes_to_zoom_is_bound_to_this_attempt(self, product: Product, browser: httpx.Client) -> None:
        settings = product.open_settings(browser)
        queries = []
        for _ in range(2):
            leave = press(browser, settings, "/oauth/zoom/start", follow=False)
            assert leave.status_code == 303
            queries.append(parse_qs(urlsplit(leave.headers["Location"]).query))
        for query in queries:
            assert query["response_type"] == ["code"]
            assert query["redirect_uri"] == [f"{APP}/oauth/zoom/callback"]
            assert query["code_challenge_method"] == ["S256"]
            assert len(query["state"][0]) >= 43
        assert queries[0]["state"] != queries[1]["state"]
        assert queries[0]["code_challenge"] != queries[1]["code_challenge"]

    def test_denied_consent_is_told_on_the_settings_page(self, product: Product, browser: httpx.Client) -> None:
        back = product.consent(browser, product.open_settings(browser), allow=False)
        assert_page(browser.get(back, follow_redirects=True), 200, "Nothing was connected", "Connect Zoom")
        assert connection_state(product) == "none"

    def test_after_denying_one_can_connect(self, product: Product, browser: httpx.Client) -> None:
        back = product.consent(browser, product.open_settings(browser), allow=False)
        page = browser.get(back, follow_redirects=True)
        browser.get(product.consent(browser, page))
        assert connection_state(product) == "connected"

    def test_a_state_works_once(self, product: Product, browser: httpx.Client) -> None:
        back = product.consent(browser, product.open_settings(browser))
        assert_leads_on(browser.get(back), "notice=connected")
        assert_leads_on(browser.get(back), NOT_STARTED_HERE)
        assert_page(browser.get(back, follow_redirects=True), 200, "already finished")
        assert connection_state(product) == "connected"

    def test_a_denied_state_is_used_up(self, product: Product, browser: httpx.Client) -> None:
        back = product.consent(browser, product.open_settings(browser), allow=False)
        browser.get(back)
        assert_leads_on(browser.get(back.replace("error=access_denied", "code=x")), NOT_STARTED_HERE)

    def test_a_state_ends_after_ten_minutes(self, product: Product, browser: httpx.Client) -> None:
        settings = product.open_settings(browser)
        state = state_of(browser, settings)
        product.clock.advance(600)
        answer = browser.get(f"/oauth/zoom/callback?code=x&state={state}", follow_redirects=True)
        assert_page(answer, 200, "ten minutes", "Connect Zoom")

    @pytest.mark.parametrize("query", ["", "state=", "state=x", "code=x&state=unknown", "error=access_denied"])
    def test_a_state_that_is_none_is_refused(self, product: Product, browser: httpx.Client, query: str) -> None:
        product.open_settings(browser)
        assert_leads_on(browser.get(f"/oauth/zoom/callback?{query}"), NOT_STARTED_HERE)

    @pytest.mark.parametrize("has_session", [True, False])
    def test_another_browser_neither_succeeds_nor_burns_it(
        self, product: Product, browser: httpx.Client, has_session: bool
    ) -> None:
        back = product.consent(browser, product.open_settings(browser))
        other = product.browser()
        if has_session:
            product.open_settings(other, "u-2")
        if has_session:
            assert_leads_on(other.get(back), NOT_STARTED_HERE)
        else:
            assert_page(other.get(back), 403)
        assert (connection_state(product), connection_state(product, "u-2")) == ("none", "none")
        assert_leads_on(browser.get(back), "notice=connected")
        assert (connection_state(product), connection_state(product, "u-2")) == ("connected", "none")

    def test_a_victim_who_is_sent_the_attackers_callback_attaches_nothing(
        self, product: Product, browser: httpx.Client
    ) -> None:
        attackers = product.browser()
        back = product.consent(attackers, product.open_settings(attackers, "u-1"), SECOND_ACCOUNT)
        product.open_settings(browser, "u-2")
        assert_leads_on(browser.get(back), NOT_STARTED_HERE)
        assert connection_state(product, "u-2") == "none"

    def test_the_callback_of_another_provider_neither_succeeds_nor_burns_it(
        self, product: Product, browser: httpx.Client
    ) -> None:
        back = product.consent(browser, product.open_settings(browser))
        answer = browser.get(back.replace("/oauth/zoom/", "/oauth/google_meet/"))
        assert_leads_on(answer, "problem=not_started_here&provider=google_meet")
        assert_leads_on(browser.get(back), "notice=connected")

    def test_a_code_that_zoom_does_not_accept_is_told_on_the_settings_page(
        self, product: Product, browser: httpx.Client
    ) -> None:
        state = state_of(browser, product.open_settings(browser))
        answer = browser.get(f"/oauth/zoom/callback?code=made-up&state={state}", follow_redirects=True)
        assert_page(answer, 200, "Nothing was connected", "Connect Zoom")
        assert connection_state(product) == "none"

    @pytest.mark.parametrize("path", ["/oauth/token", "/v2/users/me"])
    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_a_zoom_that_is_out_is_told_on_the_settings_page(
        self, product: Product, browser: httpx.Client, path: str, status: int
    ) -> None:
        back = product.consent(browser, product.open_settings(browser))
        product.zoom.faults.add(Fault(path, Action.BEFORE, status=status, times=None))
        assert_page(browser.get(back, follow_redirects=True), 200, "Nothing was connected", "Connect Zoom")
        product.zoom.faults.clear()
        page = browser.get("/settings")
        browser.get(product.consent(browser, page))
        assert connection_state(product) == "connected"

    def test_missing_scopes_are_named_and_nothing_is_connected(self, product: Product, browser: httpx.Client) -> None:
        product.zoom.scopes = tuple(s for s in product.zoom.scopes if s != "meeting:delete:meeting")
        back = product.consent(browser, product.open_settings(browser))
        assert_page(browser.get(back, follow_redirects=True), 200, "meeting:delete:meeting")
        assert connection_state(product) == "none"
        assert product.aws.scan("grants") == []

    def test_the_classic_scopes_will_do(self, product: Product, browser: httpx.Client) -> None:
        product.zoom.scopes = ("meeting:write", "meeting:read", "user:read")
        browser.get(product.consent(browser, product.open_settings(browser)))
        assert connection_state(product) == "connected"

    def test_a_refused_attempt_leaves_an_earlier_connection_as_it_is(
        self, product: Product, browser: httpx.Client
    ) -> None:
        product.connect()
        browser.get(product.consent(browser, product.open_settings(browser), SECOND_ACCOUNT, allow=False))
        assert connection_state(product) == "connected"

    def test_the_page_after_connecting_holds_neither_code_nor_state(
        self, product: Product, browser: httpx.Client
    ) -> None:
        back = product.consent(browser, product.open_settings(browser))
        assert browser.get(back).headers["Location"] == f"{APP}/settings?notice=connected"


class TestEveryPage:
    @pytest.fixture
    def pages(self, connected: Product) -> dict[str, httpx.Response]:
        browser = connected.browser()
        link = browser.get(connected.connect_link())
        return {
            "link": link,
            "settings": press(browser, link, "/connect/"),
            "error": browser.get("/connect/unknown"),
            "denied": browser.get("/oauth/zoom/callback?state=x", follow_redirects=True),
            "foreign": connected.browser().get("/oauth/zoom/callback?state=x"),
        }

    def test_it_carries_the_security_headers(self, pages: dict[str, httpx.Response]) -> None:
        for name, page in pages.items():
            policy = page.headers["Content-Security-Policy"]
            for rule in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "style-src 'self'"):
                assert rule in policy, name
            assert "unsafe" not in policy
            assert page.headers["X-Content-Type-Options"] == "nosniff"
            assert page.headers["Cache-Control"] == "no-store"
            assert "max-age" in page.headers["Strict-Transport-Security"]
            assert page.headers["Referrer-Policy"] in ("no-referrer", "same-origin")

    def test_it_has_no_script_and_no_inline_style(self, pages: dict[str, httpx.Response]) -> None:
        for name, page in pages.items():
            assert not re.search(r"<script|<style|javascript:|\son\w+=|\sstyle=", page.text, re.IGNORECASE), name

    def test_only_the_settings_page_has_forms_that_may_lead_to_zoom(self, pages: dict[str, httpx.Response]) -> None:
        targets: dict[str, Any] = {
            name: page.headers["Content-Security-Policy"].split("form-action ")[1] for name, page in pages.items()
        }
        assert targets == {
            "link": "'self'",
            "settings": "'self' https://zoom.us",
            "error": "'self'",
            "denied": "'self' https://zoom.us",
            "foreign": "'self'",
        }

    def test_every_form_of_the_settings_page_has_its_token(self, pages: dict[str, httpx.Response]) -> None:
        page = pages["settings"].text
        assert page.count("<form") == len(CSRF.findall(page)) > 0

    def test_the_style_sheet_is_there_and_other_files_are_not(self, product: Product) -> None:
        browser = product.browser()
        assert browser.get("/assets/settings.css").headers["Content-Type"] == "text/css; charset=utf-8"
        for name in ("settings.html", "..", "base.html", "SETTINGS.CSS"):
            assert browser.get(f"/assets/{name}").status_code in (403, 404, 422)

    def test_the_way_back_is_the_one_from_the_list(self, product: Product) -> None:
        product.caller(return_to=["https://example.com/back?a=1&b=2"])
        browser = product.browser()
        link = product.connect_link(return_to="https://example.com/back?a=1&b=2")
        page = press(browser, browser.get(link), "/connect/")
        assert 'href="https://example.com/back?a=1&amp;b=2"' in page.text

    def test_a_notice_is_shown_only_if_it_is_true(self, product: Product) -> None:
        browser = product.browser()
        product.open_settings(browser)
        page = browser.get("/settings?notice=connected")
        assert "from now on" not in page.text
        assert WORKSPACE in page.text


class TestAddingTheAppAtTheProvider:
    """Zoom's "Add app" leads back with a code that no sign-in of ours asked for: without `state`."""

    def added(self, product: Product, browser: httpx.Client) -> str:
        login = {"email": ACCOUNT.email, "password": ACCOUNT.password}
        back = browser.post("https://zoom.us/apps/add", data=login)
        assert "state=" not in back.headers["Location"]
        return str(back.headers["Location"])

    def test_in_a_session_the_page_starts_the_sign_in_that_connects(self, product: Product) -> None:
        browser = product.browser()
        product.open_settings(browser)
        page = browser.get(self.added(product, browser))
        assert_page(page, 200, "One more step", "not connected here yet")
        assert connection_state(product) == "none"

        leave = press(browser, page, "/oauth/zoom/start", follow=False)
        assert leave.headers["Location"].startswith("https://zoom.us/oauth/authorize?")
        assert "https://zoom.us" in page.headers["Content-Security-Policy"]

    def test_without_a_session_it_says_where_to_connect(self, product: Product) -> None:
        page = product.browser().get(self.added(product, product.browser()))
        assert_page(page, 200, "Open your settings page", "Connect Zoom")
        assert "<form" not in page.text

    def test_someone_elses_code_connects_nothing(self, product: Product) -> None:
        browser = product.browser()
        product.open_settings(browser)
        browser.get("/oauth/zoom/callback?code=of-somebody-else")
        assert connection_state(product) == "none"
        assert [call for call in product.zoom.faults.calls if call.path == "/oauth/token"] == []

    def test_a_provider_that_no_one_signs_in_to_has_no_such_page(self, product: Product) -> None:
        assert product.browser().get("/oauth/jitsi/callback?code=1").status_code == 404
