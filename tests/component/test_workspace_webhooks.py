"""Webhooks on the workspace's own pages: what was sent where, with payload and attempts, and sending it again."""

from __future__ import annotations

import re

import httpx
import pytest

from chalicelib.handlers import webhook_streams
from infra.local.visitor import press
from tests.component.test_audit import entries
from tests.support.product import LambdaContext, Product
from tests.support.webhooks import Receivers
from tests.support.workspace_visitor import open_workspace

ENDPOINT = "/workspace/webhooks/e-1"


@pytest.fixture
def support(acme: Product) -> httpx.Client:
    """A support person's browser, in a workspace with an event that its receiver refused for a day."""
    browser = acme.browser()
    open_workspace(acme, browser, workspace_id="acme")
    return browser


def deliver(product: Product) -> None:
    webhook_streams.deliver_due(LambdaContext(), product.services)


def delivery_path(browser: httpx.Client, query: str = "") -> str:
    found = re.search(r"/workspace/webhooks/e-1/deliveries/[\w-]+", browser.get(f"{ENDPOINT}{query}").text)
    assert found is not None
    return found[0]


def test_endpoints_are_listed_with_their_state(acme: Product, support: httpx.Client) -> None:
    page = support.get("/workspace/webhooks")
    assert "https://receiver.example/hooks" in page.text and "meeting.ready" in page.text and "Enabled" in page.text
    endpoint = acme.services.endpoint_store.get("acme", "e-1")
    assert endpoint is not None
    acme.services.endpoint_store.disable(endpoint, "gone", acme.clock())
    assert "Disabled" in support.get("/workspace/webhooks").text
    page = support.get(ENDPOINT)
    assert "This endpoint is disabled." in page.text and "resend-failed" not in page.text


def test_a_delivery_has_its_payload_and_attempts(support: httpx.Client) -> None:
    page = support.get(delivery_path(support))
    assert "meeting.ready" in page.text and ">failed<" in page.text
    assert "&#34;booking_id&#34;: &#34;b-41&#34;" in page.text
    assert page.text.count("<code>500 bad_status</code>") == 10


def test_deliveries_are_filtered(support: httpx.Client) -> None:
    for query, is_listed in (
        ("?state=failed", True),
        ("?state=delivered", False),
        ("?type=meeting.ready", True),
        ("?type=meeting.failed", False),
    ):
        page = support.get(f"{ENDPOINT}{query}").text
        assert ("/deliveries/" in page) == is_listed
        assert is_listed or "No delivery matches" in page


def test_one_event_is_sent_again(acme: Product, support: httpx.Client) -> None:
    receivers = Receivers.of(acme)
    path = delivery_path(support)
    assert "is being sent again" in press(support, support.get(path), "/resend").text
    deliver(acme)
    assert receivers.types() == ["meeting.ready"]
    assert ">delivered<" in support.get(path).text
    assert [one["verb"] for one in entries(acme, "acme")].count("resend-webhook") == 1


def test_failed_events_are_sent_again(acme: Product, support: httpx.Client) -> None:
    receivers = Receivers.of(acme)
    assert "are being sent again" in press(support, support.get(ENDPOINT), "/resend-failed").text
    deliver(acme)
    assert receivers.types() == ["meeting.ready"]


def test_unknown_ones_are_404_and_a_workspace_without_endpoints_says_so(acme: Product, support: httpx.Client) -> None:
    for path in ("/workspace/webhooks/e-9", f"{ENDPOINT}/deliveries/d-9"):
        assert support.get(path).status_code == 404
    browser = acme.browser()
    open_workspace(acme, browser, workspace_id="ws-2")
    assert "There are no webhook endpoints." in browser.get("/workspace/webhooks").text
