"""What Zoom was recorded to answer, read by the provider and compared with the stand-in."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from chalicelib.domain.meeting import MeetingRequest
from chalicelib.providers.base import Deauthorized
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.zoom import Zoom
from infra.local.standins.zoom import Account
from infra.local.standins.zoom import Zoom as StandIn
from infra.local.standins.zoom.bodies import created, listed, user
from tests.contract.zoom_stand_in.visit import Receiver

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "recorded" / "zoom.json").read_text())
STARTS_AT, ENDS_AT = datetime(2026, 5, 14, 10, tzinfo=UTC), datetime(2026, 5, 14, 10, 30, tzinfo=UTC)
REQUEST = MeetingRequest("t" * 32, "Talk", "Questions first.", STARTS_AT, ENDS_AT, "Africa/Nairobi")
NOW = datetime(2026, 5, 13, 12, tzinfo=UTC)


def answering(*names: str, **changes: Any) -> Zoom:
    """The provider at a Zoom that gives these recorded answers, one after the other."""
    answers = iter([RECORDED[name] for name in names])

    def answer(_: httpx.Request) -> httpx.Response:
        known = next(answers)
        body = known["body"]
        return httpx.Response(known["status"], json=body | changes) if body is not None else httpx.Response(204)

    return Zoom(HttpClient(lambda: httpx.Client(transport=httpx.MockTransport(answer))), lambda: NOW)


def test_an_account_has_its_address_with_the_scope_that_we_ask_for() -> None:
    account = answering("account").read_account("token")
    assert (account.email, account.organization) == ("host@example.com", "aAbBcCdDeEfFgGhHiIjJkK")


@pytest.mark.parametrize("email", [None, "", 5, "x" * 400])
def test_an_account_without_a_readable_address_connects_all_the_same(email: Any) -> None:
    account = answering("account", email=email).read_account("token")
    assert (account.id, account.email) == ("aBcDeFgHiJkLmNoPqRsTuV", "" if email != 5 else "5")


def test_a_free_accounts_meeting_has_a_passcode_and_no_numbers() -> None:
    meeting = answering("create").create("token", REQUEST)
    assert (meeting.id, meeting.passcode, meeting.dial_in) == ("80000000001", "AbCd12", ())
    assert "zak" not in repr(meeting)


def test_changing_and_deleting_are_done() -> None:
    zoom = answering("update", "delete")
    assert zoom.update("token", "80000000001", REQUEST) is None
    zoom.delete("token", "80000000001")


def test_someone_elses_meeting_of_the_same_start_is_not_taken_for_ours() -> None:
    """The recorded list leaves the empty agenda out: the meeting itself is asked."""
    assert answering("list", "get").find("token", REQUEST) == []


def test_the_event_of_a_removed_app_is_read() -> None:
    known = RECORDED["deauthorized"]["body"]
    raw = json.dumps(known, separators=(",", ":")).encode()
    seconds = str(int(NOW.timestamp()))
    signed = hmac.new(b"secret", b"v0:" + seconds.encode() + b":" + raw, hashlib.sha256).hexdigest()
    headers = {"x-zm-request-timestamp": seconds, "x-zm-signature": f"v0={signed}"}
    event = answering().read_event(headers, raw, "secret")
    at = datetime.fromtimestamp(known["event_ts"] / 1000, UTC)
    assert event == Deauthorized("aBcDeFgHiJkLmNoPqRsTuV", at)


class TestTheStandIn:
    @pytest.fixture
    def zoom(self) -> StandIn:
        free = Account("user-1", "account-1", "host@example.com", "password-1", "Demo Host", type=1)
        secrets = {"client_id": "client-1", "client_secret": "client-secret-1", "webhook_secret": "webhook-secret-1"}
        return StandIn(**secrets, redirect_uris=[], accounts=[free], clock=lambda: NOW, random=Random(1))

    def test_names_an_account_as_zoom_does(self, zoom: StandIn) -> None:
        body = user(zoom.accounts["user-1"])
        assert set(body) <= set(RECORDED["account"]["body"])
        assert "email" in body

    def test_answers_a_create_with_the_recorded_fields(self, zoom: StandIn) -> None:
        host = zoom.accounts["user-1"]
        meeting = zoom.held.create(host, {"topic": "Talk", "start_time": "2026-05-14T10:00:00Z"})
        body, known = created(meeting, host, zoom.web_url, zoom.mint), RECORDED["create"]["body"]
        assert set(known) - set(body) == set()
        assert set(body) - set(known) == {"agenda"}
        assert body["settings"]["audio"] == known["settings"]["audio"] == "voip"
        assert "global_dial_in_numbers" not in body["settings"]

    def test_lists_a_meeting_without_an_empty_agenda(self, zoom: StandIn) -> None:
        host = zoom.accounts["user-1"]
        zoom.held.create(host, {"topic": "Talk", "start_time": "2026-05-14T10:00:00Z"})
        body = listed(zoom.held.first_page(host, "scheduled", 30), 30, zoom.web_url, with_agenda=True)
        (shown,), (known,) = body["meetings"], RECORDED["list"]["body"]["meetings"]
        assert set(shown) == set(known)

    def test_sends_the_recorded_event_when_the_app_is_removed(self, zoom: StandIn) -> None:
        receiver = Receiver()
        zoom.webhook_url = "https://product.example/events"
        zoom.webhook_transport = httpx.WSGITransport(app=receiver.app)
        zoom.deauthorize("user-1")
        ((_, raw),) = receiver.events
        assert set(json.loads(raw)["payload"]) == set(RECORDED["deauthorized"]["body"]["payload"])
