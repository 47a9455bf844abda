"""The provider says goodbye: Zoom's `app_deauthorized` and `endpoint.url_validation`."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from chalicelib.providers.base import Deauthorized, Reply
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.zoom import Zoom
from infra.local.standins.faults import Action, Fault
from tests.support.product import ACCOUNT, Product, booking
from tests.support.steps import break_grant, connection

VECTORS = json.loads((Path(__file__).parent.parent / "contract" / "zoom-webhook-vectors.json").read_text())
ADDRESS = "/v1/webhooks/providers/zoom"


@pytest.fixture
def heard(connected: Product) -> Product:
    """A product that hears Zoom's webhooks."""
    connected.zoom.webhook_url = f"{connected.base_url}{ADDRESS}"
    connected.zoom.webhook_transport = connected.browser()._transport
    return connected


def test_zooms_check_of_the_address_is_answered(heard: Product) -> None:
    assert heard.zoom.validate_url() is True


def test_a_deauthorized_account_is_shown_as_such_at_once(heard: Product) -> None:
    deauthorize(heard)

    known = heard.caller().get("/v1/users/u-1/connection").json()
    assert (known["state"], known["reason"], known["account"]) == ("none", "deauthorized", None)


def test_nothing_of_the_accounts_tokens_or_owner_stays(heard: Product) -> None:
    deauthorize(heard)
    heard.tick()

    stored = json.dumps([heard.aws.scan(table) for table in ("grants", "connections")], default=str)
    assert heard.aws.scan("grants") == []
    assert ACCOUNT.email not in stored


def test_a_new_booking_after_deauthorization_gets_no_link_and_an_old_one_keeps_its_link(heard: Product) -> None:
    heard.caller().put("/v1/bookings/b-old", json=booking())
    heard.settle()
    deauthorize(heard)
    heard.caller().put("/v1/bookings/b-new", json=booking())
    heard.tick()

    old, new = (heard.caller().get(f"/v1/bookings/{name}").json()["meeting"] for name in ("b-old", "b-new"))
    assert old["state"] == "ready"
    assert old["join_url"]
    assert (new["state"], new["reason"]) == ("none", "deauthorized")


def test_a_connection_that_was_given_again_is_not_ended_by_a_late_delivery(heard: Product) -> None:
    before = heard.clock()
    heard.clock.advance(3600)
    heard.connect()

    answer = send(heard, "app_deauthorized", {"user_id": ACCOUNT.user_id}, event_ts=int(before.timestamp() * 1000))

    assert answer.status_code == 204
    assert heard.caller().get("/v1/users/u-1/connection").json()["state"] == "connected"


@pytest.mark.parametrize("seconds", [-299, -1, 0, 1, 299])
class TestAnEventFromAboutTheTimeOfTheAuthorization:
    """The two times come from two clocks, and some senders cut theirs to the second."""

    def about(self, heard: Product, seconds: float) -> httpx.Response:
        authorized_at = heard.clock()
        heard.clock.advance(300)
        event_ts = int((authorized_at.timestamp() + seconds) * 1000)
        return send(heard, "app_deauthorized", {"user_id": ACCOUNT.user_id}, event_ts=event_ts)

    def test_ends_a_connection_whose_tokens_the_provider_does_not_accept(self, heard: Product, seconds: float) -> None:
        heard.connect()
        break_grant(heard)
        assert self.about(heard, seconds).status_code == 204
        heard.tick()
        assert connection(heard)["reason"] == "deauthorized"

    def test_keeps_one_whose_tokens_the_provider_accepts(self, heard: Product, seconds: float) -> None:
        heard.connect()
        assert self.about(heard, seconds).status_code == 204
        assert connection(heard)["state"] == "connected"

    def test_is_to_be_sent_again_while_the_provider_does_not_respond(self, heard: Product, seconds: float) -> None:
        heard.connect()
        break_grant(heard)
        heard.zoom.faults.add(Fault("/v2/users/me$", Action.BEFORE, status=503))
        answer = self.about(heard, seconds)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert connection(heard)["state"] == "connected"
        assert send(heard, "app_deauthorized", {"user_id": ACCOUNT.user_id}).status_code == 204
        assert connection(heard)["reason"] == "deauthorized"


def test_the_same_delivery_twice_does_no_harm(heard: Product) -> None:
    deauthorize(heard)
    heard.tick()

    assert send(heard, "app_deauthorized", {"user_id": ACCOUNT.user_id}).status_code == 204


@pytest.mark.parametrize("what", ["tampered body", "wrong secret", "no signature", "old timestamp", "no timestamp"])
def test_an_event_that_is_not_proven_to_be_zooms_is_refused_and_changes_nothing(heard: Product, what: str) -> None:
    body, headers = signed(heard, "app_deauthorized", {"user_id": ACCOUNT.user_id})
    if what == "tampered body":
        body = body.replace(b"app_deauthorized", b"app_deauthorizee")
    elif what == "wrong secret":
        headers = signed(heard, "app_deauthorized", {"user_id": ACCOUNT.user_id}, secret="guessed")[1]
    elif what == "no signature":
        del headers["x-zm-signature"]
    elif what == "old timestamp":
        heard.clock.advance(301)
    else:
        del headers["x-zm-request-timestamp"]

    answer = heard.stranger().post(ADDRESS, content=body, headers=headers)

    assert answer.status_code == 401
    assert heard.caller().get("/v1/users/u-1/connection").json()["state"] == "connected"


def test_a_genuine_event_that_no_one_knows_is_accepted_and_ignored(heard: Product) -> None:
    assert send(heard, "meeting.started", {"anything": [1, 2]}).status_code == 204


def test_a_provider_without_webhooks_is_unknown_here(heard: Product) -> None:
    assert heard.stranger().post("/v1/webhooks/providers/nobody", content=b"{}").status_code == 404


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_vectors_that_zooms_own_receiver_judged_are_judged_alike(vector: dict[str, Any]) -> None:
    at = datetime.fromtimestamp(int(vector["timestamp"]), UTC)
    zoom = Zoom(HttpClient(httpx.Client), lambda: at)
    headers = {"x-zm-request-timestamp": vector["timestamp"], "x-zm-signature": vector["x-zm-signature"]}

    event = zoom.read_event(headers, vector["body"].encode(), vector["secret"])

    if vector["name"].endswith("tampered"):
        assert event is None
    elif vector["expected_encryptedToken"]:
        assert isinstance(event, Reply)
        assert event.body["encryptedToken"] == vector["expected_encryptedToken"]
    else:
        assert isinstance(event, Deauthorized)


def deauthorize(product: Product) -> None:
    product.clock.advance(1)
    delivery = product.zoom.deauthorize(ACCOUNT.user_id)
    assert delivery is not None


def send(product: Product, event: str, payload: dict[str, Any], **more: Any) -> httpx.Response:
    body, headers = signed(product, event, payload, **more)
    return product.stranger().post(ADDRESS, content=body, headers=headers)


def signed(
    product: Product, event: str, payload: dict[str, Any], *, event_ts: int | None = None, secret: str | None = None
) -> tuple[bytes, dict[str, str]]:
    timestamp = str(int(product.clock().timestamp()))
    at = event_ts if event_ts is not None else int(product.clock().timestamp() * 1000)
    body = json.dumps({"event": event, "event_ts": at, "payload": payload}).encode()
    key = (secret or product.zoom.webhook_secret).encode()
    signature = "v0=" + hmac.new(key, b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return body, {
        "content-type": "application/json",
        "x-zm-request-timestamp": timestamp,
        "x-zm-signature": signature,
    }
