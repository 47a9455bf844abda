"""Disconnecting with and without the coming meetings, confirming a connection, and trying one out."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from infra.local.standins.faults import Action, Fault
from tests.support.product import ACCOUNT, Product, booking, calendar


def test_the_preview_lists_the_meetings_that_would_keep_links_no_one_can_change(connected: Product) -> None:
    book(connected, "b-1")
    book(connected, "b-2", days=40)

    preview = connected.caller().delete("/v1/users/u-1/connection?dry_run=true").json()["upcoming"]

    assert [entry["booking_id"] for entry in preview] == ["b-1", "b-2"]
    assert all(entry["join_url"] and entry["starts_at"] for entry in preview)
    assert connected.caller().get("/v1/users/u-1/connection").json()["state"] == "connected"


def test_meetings_can_be_removed_before_leaving(connected: Product) -> None:
    book(connected, "b-1")

    connected.caller().delete("/v1/users/u-1/connection?meetings=delete")
    assert connected.caller().get("/v1/users/u-1/connection").json()["state"] == "none"
    connected.settle()

    assert connected.zoom.meetings == {}
    known = meeting(connected, "b-1")
    assert (known["state"], known["join_url"]) == ("none", None)
    assert connected.mails.to("guest@example.com")[-1].invite.join_url is None


def test_after_the_meetings_are_removed_the_access_is_revoked(connected: Product) -> None:
    book(connected, "b-1")

    connected.caller().delete("/v1/users/u-1/connection?meetings=delete")
    connected.settle()
    connected.tick()
    connected.tick()

    assert connected.aws.scan("connections") == []
    assert connected.aws.scan("grants") == []


def test_a_booking_made_while_meetings_are_being_removed_gets_none(connected: Product) -> None:
    connected.caller().delete("/v1/users/u-1/connection?meetings=delete")

    assert book(connected, "b-2")["reason"] == "not_connected"


def test_a_provider_that_is_down_does_not_keep_anyone_from_leaving(connected: Product) -> None:
    book(connected, "b-1")
    connected.zoom.faults.add(Fault("/v2/meetings/", Action.BEFORE, status=503, times=None))

    connected.caller().delete("/v1/users/u-1/connection?meetings=delete")
    connected.settle()
    for _ in range(3):
        connected.tick(13 * 3600)

    assert connected.caller().get("/v1/users/u-1/connection").json()["state"] == "none"
    assert connected.aws.scan("connections") == []


@pytest.fixture
def cautious(product: Product) -> Product:
    """A workspace whose backend confirms connections before they count."""
    product.caller()
    workspace = product.services.workspace_store.get("ws-1")
    assert workspace is not None
    product.services.workspace_store.put(replace(workspace, confirms_connections=True))
    return product


def confirm(product: Product, account_id: str = "zoom-user-1") -> httpx.Response:
    return product.caller().post("/v1/users/u-1/connection/confirm", json={"account_id": account_id})


def test_a_connection_that_must_be_confirmed_waits_as_pending_and_gives_no_links(cautious: Product) -> None:
    cautious.connect()

    known = cautious.caller().get("/v1/users/u-1/connection").json()
    assert (known["state"], known["reason"]) == ("pending", "not_confirmed")
    answer = cautious.caller().put("/v1/calendars/c-1", json=calendar())
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:meetlink:problem:not_confirmed")


def test_once_confirmed_it_counts_for_bookings_made_from_then_on(cautious: Product) -> None:
    cautious.connect()
    cautious.clock.advance(60)

    confirmed = confirm(cautious).json()
    cautious.caller().put("/v1/calendars/c-1", json=calendar())

    assert confirmed["state"] == "connected"
    assert book(cautious, "b-1")["state"] == "ready"


def test_reconnecting_a_confirmed_account_needs_no_second_confirmation(cautious: Product) -> None:
    cautious.connect()
    confirm(cautious)
    cautious.clock.advance(60)

    cautious.connect()

    assert cautious.caller().get("/v1/users/u-1/connection").json()["state"] == "connected"


def test_there_is_nothing_to_confirm_without_a_connection(product: Product) -> None:
    answer = confirm(product)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:meetlink:problem:not_connected")


def test_a_check_tries_every_step_and_leaves_nothing_behind(connected: Product) -> None:
    report = connected.caller().post("/v1/users/u-1/connection/check").json()

    assert report["ok"] is True
    names = ["connection", "token", "scopes", "account", "create_meeting", "delete_meeting"]
    assert [step["step"] for step in report["steps"]] == names
    assert connected.zoom.meetings == {}


def test_a_check_reports_what_guests_will_experience(connected: Product) -> None:
    experience = connected.caller().post("/v1/users/u-1/connection/check").json()["guest_experience"]

    assert (experience["admission"], experience["moderator"]) == ("knock", "host_account")
    assert experience["observed"] is True
    assert "Waiting Room" in experience["notes"][0]


def test_a_check_that_cannot_read_what_guests_experience_still_deletes_its_meeting(connected: Product) -> None:
    connected.zoom.faults.add(Fault(r"/v2/meetings/\d+$", Action.BEFORE, method="GET", status=500))

    report = connected.caller().post("/v1/users/u-1/connection/check").json()

    assert report["ok"] is True
    assert report["guest_experience"]["observed"] is False
    assert connected.zoom.meetings == {}


def test_a_check_stops_at_the_first_step_that_fails_and_says_what_to_do(connected: Product) -> None:
    body = {"code": 3161, "message": "This user is not able to host meetings."}
    connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, status=400, body=body))

    report = connected.caller().post("/v1/users/u-1/connection/check").json()

    assert report["ok"] is False
    assert report["steps"][-1]["step"] == "create_meeting"
    assert report["guest_experience"] is None
    assert "licence" in report["steps"][-1]["detail"]


def test_a_check_renews_a_token_that_is_not_accepted_any_more(connected: Product) -> None:
    body = {"code": 124, "message": "Invalid access token."}
    connected.zoom.faults.add(Fault("/v2/users/me$", Action.BEFORE, method="GET", status=401, body=body))

    report = connected.caller().post("/v1/users/u-1/connection/check").json()

    assert report["ok"] is True
    assert connected.zoom.meetings == {}


def test_a_check_that_finds_the_access_taken_away_says_so_and_marks_it(connected: Product) -> None:
    with connected.zoom.lock:
        connected.zoom.identity.end_grant(ACCOUNT.user_id)

    report = connected.caller().post("/v1/users/u-1/connection/check").json()

    assert report["steps"][-1] == {
        "step": "account",
        "ok": False,
        "detail": "The account has to be reconnected on the settings page.",
    }
    assert connected.caller().get("/v1/users/u-1/connection").json()["state"] == "broken"


def test_a_check_without_a_connection_says_so(product: Product) -> None:
    report = product.caller().post("/v1/users/u-1/connection/check").json()

    assert [(step["step"], step["ok"]) for step in report["steps"]] == [("connection", False)]


def book(product: Product, booking_id: str, *, days: float = 35) -> dict[str, Any]:
    assert product.caller().put("/v1/calendars/c-1", json=calendar()).is_success
    answer = product.caller().put(f"/v1/bookings/{booking_id}", json=booking(days=days))
    assert answer.status_code == 201, answer.text
    product.settle()
    return meeting(product, booking_id)


def meeting(product: Product, booking_id: str) -> dict[str, Any]:
    known: dict[str, Any] = product.caller().get(f"/v1/bookings/{booking_id}").json()["meeting"]
    return known
