"""The bookings on the workspace's own pages: why one has no link, and what support can do about it."""

from __future__ import annotations

import re

import httpx
import pytest

from chalicelib.handlers.webhook_streams import announce_bookings
from chalicelib.wording import LANGUAGES, in_language
from infra.local.visitor import press
from tests.component.test_audit import entries
from tests.support.product import GUEST, WORKSPACE, LambdaContext, Product, booking
from tests.support.steps import put
from tests.support.webhooks import Receivers, Streams
from tests.support.workspace_visitor import open_workspace


@pytest.fixture
def support(acme: Product) -> httpx.Client:
    """A support person's browser, in a workspace with bookings in several states."""
    browser = acme.browser()
    open_workspace(acme, browser, workspace_id="acme")
    return browser


ALL = {"b-41", "b-42", "b-43"}
FOUND: dict[str, set[str]] = {
    "state=without": {"b-42", "b-43"},
    "state=ready": {"b-41"},
    "status=cancelled": set(),
    "host=u-1": ALL,
    "host=no-one": set(),
    "calendar=c-1&state=failed": {"b-42"},
    "reason=provider_unavailable": {"b-43"},
    "from=2027-01-06": {"b-42", "b-43"},
    "before=2027-01-06": {"b-41"},
    "from=nonsense&state=nonsense&reason=nonsense": ALL,
    "q=Guest@example.com": ALL,
    "q=stranger@example.com": set(),
}


def section(page: httpx.Response, name: str) -> str:
    found = re.search(rf'<section aria-labelledby="{name}">(.*?)</section>', page.text, re.DOTALL)
    assert found is not None, page.text
    return found[1]


class TestTheList:
    def test_those_without_a_link_come_first_with_reason_and_advice(self, support: httpx.Client) -> None:
        page = support.get("/workspace/bookings")
        without = section(page, "without")
        assert "/workspace/bookings/b-42" in without and "/workspace/bookings/b-43" in without
        assert "b-41" not in without
        assert "refuses the meeting" in without and "Check the title and the times" in without
        assert "does not respond" in without and "Nothing for now" in without
        assert page.text.index("Without a link") < page.text.index("Upcoming")
        assert "/workspace/bookings/b-41" in section(page, "list")

    def test_filters_and_search_find_what_the_apis_list_finds(self, support: httpx.Client) -> None:
        for query, shown in FOUND.items():
            page = support.get(f"/workspace/bookings?{query}")
            assert page.status_code == 200
            assert set(re.findall(r"/workspace/bookings/(b-\d+)", section(page, "list"))) == shown, query
            assert shown or "No booking matches" in page.text

    def test_a_booking_is_found_by_its_id(self, support: httpx.Client) -> None:
        found = support.get("/workspace/bookings?q=b-42")
        assert (found.status_code, found.headers["Location"].rpartition("/")[2]) == (303, "b-42")
        for unknown in ("b-99", "%22%3E", "x" * 500):
            page = support.get(f"/workspace/bookings?q={unknown}")
            assert (page.status_code, "There is no booking with the id" in page.text) == (404, True)

    def test_a_long_list_has_pages(self, connected: Product) -> None:
        for number in range(30):
            connected.caller().put(f"/v1/bookings/p-{number:02}", json=booking(days=35 + number))
        browser = connected.browser()
        open_workspace(connected, browser)
        first = browser.get("/workspace/bookings?status=confirmed")
        more = re.search(r'class="button" href="([^"]+)"', first.text)
        assert more is not None
        second = browser.get(more[1].replace("&amp;", "&"))
        listed = [re.findall(r"/workspace/bookings/(p-\d+)", section(page, "list")) for page in (first, second)]
        assert [len(names) for names in listed] == [25, 5]
        assert len(set(listed[0] + listed[1])) == 30

    def test_without_bookings_it_says_so(self, connected: Product) -> None:
        browser = connected.browser()
        page = open_workspace(connected, browser)
        assert "Every upcoming booking with video has its link." in page.text
        assert "There are no upcoming bookings." in page.text

    def test_it_speaks_the_browsers_language(self, support: httpx.Client) -> None:
        for language in LANGUAGES:
            support.headers["Accept-Language"] = language
            texts = in_language(language).workspace_pages.bookings
            listed, one = support.get("/workspace/bookings"), support.get("/workspace/bookings/b-43")
            assert texts.without_link in listed.text and texts.advice["provider_unavailable"] in one.text
            assert f'<html lang="{language}">' in one.text


class TestOneBooking:
    def test_it_has_the_reason_the_advice_and_a_retry(self, acme: Product, support: httpx.Client) -> None:
        page = support.get("/workspace/bookings/b-43")
        assert "does not respond" in page.text and "Nothing for now" in page.text
        acme.zoom.faults.clear()
        after = press(support, page, "/retry")
        assert "Trying again." in after.text
        acme.clock.advance(120)
        acme.settle()
        for _ in range(3):
            acme.tick()
        ready = support.get("/workspace/bookings/b-43")
        assert "Link ready" in ready.text and 'value="https://zoom.us/j/' in ready.text
        assert "/retry" not in ready.text
        (audited,) = [one for one in entries(acme, "acme") if one["verb"] == "retry-booking"]
        assert audited["caller"].startswith("member#")

    def test_its_history_has_emails_answers_events_and_webhooks(self, connected: Product) -> None:
        Receivers.of(connected)
        streams = Streams(connected)
        connected.caller().put("/v1/webhook-endpoints/e-1", json={"url": "https://receiver.example/hooks"})
        put(connected)
        records = streams.records(connected.aws.stream_arn)
        for record in records:  # moto's clock is the machine's.
            record["dynamodb"]["ApproximateCreationDateTime"] = connected.clock().timestamp()
        announce_bookings({"Records": records}, LambdaContext(), connected.services)
        link = str(connected.mails.to(GUEST["email"])[-1].invite.answer_url)
        guest = connected.browser()
        press(guest, guest.get(link), "/a/", typed={"answer": "tentative"})
        browser = connected.browser()
        open_workspace(connected, browser)
        page = browser.get("/workspace/bookings/b-1")
        rows = re.findall(r"<li class=\"\w+\"><time[^>]*>[^<]*</time> <span>([^<]*)</span>", page.text)
        assert [row for row in reversed(rows) if "Webhook" not in row] == [
            "Booked",
            "Link ready",
            "Invitation sent to 2",
            "Demo Guest: Maybe",
        ]
        assert "Webhook meeting.ready to e-1: delivered" in rows

    def test_an_invitation_is_sent_once_more_to_one_person(self, connected: Product) -> None:
        put(connected)
        browser = connected.browser()
        open_workspace(connected, browser)
        page = browser.get("/workspace/bookings/b-1")
        after = press(browser, page, "/resend", typed={"email": GUEST["email"]})
        assert "being sent again" in after.text
        connected.settle()
        assert (len(connected.mails.to(GUEST["email"])), len(connected.mails.to("host@example.com"))) == (2, 1)
        assert "Invitation sent again to 1" in browser.get("/workspace/bookings/b-1").text
        refused = press(browser, page, "/resend", typed={"email": "stranger@example.com"})
        assert refused.status_code == 409
        assert [one["verb"] for one in entries(connected, WORKSPACE)].count("resend-invitation") == 2

    def test_names_are_shown_as_text(self, connected: Product) -> None:
        put(connected, title="<script>alert(1)</script>", guests=[{"name": '"><img src=x>', "email": "g@example.com"}])
        browser = connected.browser()
        for page in (open_workspace(connected, browser), browser.get("/workspace/bookings/b-1")):
            assert "<script" not in page.text and "<img" not in page.text


def test_the_way_back_to_the_first_page_keeps_the_filter(acme: Product, support: httpx.Client) -> None:
    cursor = acme.caller("acme").get("/v1/bookings?status=confirmed&limit=1").json()["next_cursor"]
    page = support.get("/workspace/bookings", params={"status": "confirmed", "cursor": cursor})
    assert '/workspace/bookings?status=confirmed">First page</a>' in page.text
