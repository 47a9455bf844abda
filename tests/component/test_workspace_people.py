"""The workspace's page of people: their connections, what waits for them, and connect links by email."""

from __future__ import annotations

import re

import httpx
import pytest

from chalicelib.errors import MailUnavailable
from chalicelib.handlers import email_queue
from infra.local.visitor import press
from tests.component.test_audit import entries
from tests.component.test_calls_per_booking import counted
from tests.support.product import ACCOUNT, APP, LambdaContext, Product, booking, calendar
from tests.support.queues import Queues
from tests.support.workspace_visitor import open_workspace


@pytest.fixture
def support(connected: Product) -> httpx.Client:
    """A member with the role support. u-1 is connected, u-2 hosts a calendar without a connection."""
    host = calendar("phone", user_id="u-2")
    host["host"] |= {"name": "Second Host", "email": "second@example.com", "language": "de"}
    connected.caller().put("/v1/calendars/c-2", json=host)
    browser = connected.browser()
    open_workspace(connected, browser)
    return browser


def text(page: httpx.Response) -> str:
    return " ".join(re.sub("<[^>]+>", " ", page.text).split())


def send(browser: httpx.Client, user_id: str) -> httpx.Response:
    page = browser.get("/workspace/people")
    return press(browser, page, "/workspace/people/link", typed={"user": user_id})


def test_it_lists_connections_and_hosts_without_one(connected: Product, support: httpx.Client) -> None:
    connected.zoom.identity.end_grant(ACCOUNT.user_id)
    for number in (1, 2):
        connected.caller().put(f"/v1/bookings/b-{number}", json=booking(days=30 + number))
    connected.settle()
    page = support.get("/workspace/people")
    assert f"Broken Zoom · {ACCOUNT.email} 2 bookings wait" in text(page)
    assert "host=u-1" in page.text
    assert "Hosts who are not connected" in text(page) and "Second Host second@example.com" in text(page)
    assert ACCOUNT.email not in support.get("/workspace/people?state=connected").text
    assert ACCOUNT.email in support.get("/workspace/people?state=broken").text
    assert "people?state=broken" in support.get("/workspace/overview").text


def test_a_host_whose_meetings_are_removed_after_disconnecting_is_listed(
    connected: Product, support: httpx.Client
) -> None:
    """The connection's row remains until the meetings are removed."""
    connected.caller().put("/v1/bookings/b-1", json=booking())
    connected.settle()
    answer = connected.caller().delete("/v1/users/u-1/connection?meetings=delete")
    assert answer.status_code == 204, answer.text
    assert connected.services.connection_store.get("ws-1", "u-1")
    page = text(support.get("/workspace/people"))
    assert "Second Host second@example.com" in page.partition("Hosts who are not connected")[2]
    assert "Demo Host host@example.com" in page.partition("Hosts who are not connected")[2]


def test_the_connections_of_all_hosts_are_read_in_one_call(connected: Product, support: httpx.Client) -> None:
    for number in range(8):
        connected.caller().put(f"/v1/calendars/c-1{number}", json=calendar("phone", user_id=f"u-1{number}"))
    with counted(connected) as calls:
        page = support.get("/workspace/people")
    assert all(f"u-1{number}" in page.text for number in range(8))
    assert calls.count("GetItem") < 8


def test_a_connect_link_goes_to_the_stored_address_in_the_hosts_language(
    connected: Product, support: httpx.Client
) -> None:
    assert "The link is on its way." in send(support, "u-2").text
    (notice,) = connected.mails.notices
    assert notice.to == "second@example.com"
    assert "Verbinden Sie Ihr Videokonto" in notice.subject
    link = re.findall(rf"{APP}/connect/[\w-]+", notice.text)[0]
    browser = connected.browser()
    page = browser.get(link)
    assert "Second Host" in page.text
    settings = press(browser, page, "/connect/")
    browser.get(connected.consent(browser, settings))
    assert connected.caller().get("/v1/users/u-2/connection").json()["state"] == "connected"
    assert "send-connect-link" in [entry["verb"] for entry in entries(connected)]


def test_three_links_an_hour_go_to_a_person(connected: Product, support: httpx.Client) -> None:
    pages = [send(support, "u-2").text for _ in range(4)]
    assert ["Three links were sent" in page for page in pages] == [False, False, False, True]
    assert len(connected.mails.notices) == 3
    connected.clock.advance(3600)
    open_workspace(connected, support)
    send(support, "u-2")
    assert len(connected.mails.notices) == 4


@pytest.mark.parametrize("user_id", ["u-unknown", "", "a b", "u-foreign"])
def test_no_link_is_sent_to_someone_without_an_address_here(
    connected: Product, support: httpx.Client, user_id: str
) -> None:
    connected.caller("ws-2").put("/v1/calendars/c-1", json=calendar("phone", user_id="u-foreign"))
    assert send(support, user_id).status_code == 404
    assert connected.mails.notices == []


def test_a_link_that_cannot_be_enqueued_is_not_called_sent(connected: Product, support: httpx.Client) -> None:
    """No schedule finds the request: without its message, no email would ever be sent."""
    queues = Queues(connected)
    queues.sqs.delete_queue(QueueUrl=queues.urls["Emails"])
    answer = send(support, "u-2")
    assert answer.status_code == 503
    assert "on its way" not in answer.text
    answer = connected.browser().post("/workspace/sign-in", data={"email": "support@example.com"})
    assert answer.status_code == 503


def test_the_email_function_sends_it_and_tries_again(connected: Product, support: httpx.Client) -> None:
    queues = Queues(connected)
    send(support, "u-2")
    messages = queues.messages("Emails")
    assert connected.mails.notices == []
    connected.mails.refusals.append(MailUnavailable("SES: Throttling"))
    event = {"Records": messages}
    assert email_queue.send_emails(event, LambdaContext(), connected.services)["batchItemFailures"] != []
    connected.clock.advance(20 * 60)
    for _ in range(2):
        assert email_queue.send_emails(event, LambdaContext(), connected.services) == {"batchItemFailures": []}
    assert len(connected.mails.notices) == 1
