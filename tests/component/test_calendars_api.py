"""`/v1/calendars` (DESIGN 7 and 11)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.answers import as_far_as, assert_problem
from tests.support.product import Product, booking, calendar

PATH = "/v1/calendars/c-1"


@pytest.fixture
def caller(product: Product) -> httpx.Client:
    return product.caller()


def test_a_new_calendar_is_answered_201_and_a_changed_one_200(product: Product, caller: httpx.Client) -> None:
    created = caller.put(PATH, json=calendar("phone"))
    product.clock.advance(60)
    changed = caller.put(PATH, json=calendar("in_person", name="Renamed"))
    assert (created.status_code, changed.status_code) == (201, 200)
    expected = {
        "id": "c-1",
        "name": "Renamed",
        "host": calendar()["host"],
        "location": {"type": "in_person", "address": None},
        "created_at": "2026-12-01T09:30:00Z",
        "updated_at": "2026-12-01T09:31:00Z",
    }
    assert as_far_as(expected, changed.json()) == expected
    assert caller.get(PATH).json() == changed.json()


@pytest.mark.parametrize(
    "location",
    [
        {"type": "phone", "phone": "+49 69 1234 5678"},
        {"type": "in_person", "address": "1 Example Street, 12345 Example"},
        {"type": "custom_link", "url": "https://example.com/room?x=1"},
    ],
)
def test_a_location_is_answered_as_it_was_put_and_is_on_the_booking(
    caller: httpx.Client, location: dict[str, Any]
) -> None:
    assert caller.put(PATH, json=calendar(location)).json()["location"] == location
    assert caller.put("/v1/bookings/b-1", json=booking()).json()["location"] == location


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "http://example.com:8080/a?b=c#d",
        "https://müller.example/raum",
        "https://[2001:db8::1]/",
        "https://example.com:99999/",
        "https://ex*ample.com/",
        "https://example..com/",
        "https://exa$mple.com/",
        "https://-/",
    ],
)
def test_a_link_that_is_accepted_is_in_the_invitation(product: Product, caller: httpx.Client, url: str) -> None:
    answer = caller.put(PATH, json=calendar({"type": "custom_link", "url": url}))
    if answer.status_code == 422:
        return
    caller.put("/v1/bookings/b-1", json=booking())
    product.settle()
    event = caller.get("/v1/bookings/b-1/invite.ics").text
    assert "LOCATION:http" in event, "accepted, but left out of the invitation"


@pytest.mark.parametrize(
    ("location", "pointer"),
    [
        ({}, "/location/type"),
        ({"type": "carrier_pigeon"}, "/location/type"),
        ({"type": "custom_link"}, "/location/url"),
        ({"type": "custom_link", "url": "javascript:alert(1)"}, "/location/url"),
        ({"type": "custom_link", "url": "//example.com"}, "/location/url"),
        ({"type": "custom_link", "url": "https://"}, "/location/url"),
        ({"type": "custom_link", "url": "https://a b.example"}, "/location/url"),
        ({"type": "custom_link", "url": "https://example.com/\r\nX: y"}, "/location/url"),
        ({"type": "custom_link", "url": "https://user:secret@example.com"}, "/location/url"),
        ({"type": "custom_link", "url": "https://[::1"}, "/location/url"),
        ({"type": "phone", "phone": 7}, "/location/phone"),
        ("video", "/location"),
        (None, "/location"),
    ],
)
def test_a_location_that_makes_no_sense_is_named(caller: httpx.Client, location: Any, pointer: str) -> None:
    assert_problem(caller.put(PATH, json=calendar() | {"location": location}), 422, "invalid_input", pointer)


@pytest.mark.parametrize(
    ("host", "pointer"),
    [
        ({"email": "nobody"}, "/host/email"),
        ({"email": None}, "/host/email"),
        ({"user_id": "with space"}, "/host/user_id"),
        ({"user_id": ""}, "/host/user_id"),
        ({"name": 3}, "/host/name"),
        ({"time_zone": "Mars/Olympus"}, "/host/time_zone"),
    ],
)
def test_a_host_that_makes_no_sense_is_named(caller: httpx.Client, host: dict[str, Any], pointer: str) -> None:
    body = calendar("phone")
    body["host"] |= host
    assert_problem(caller.put(PATH, json=body), 422, "invalid_input", pointer)


def test_video_without_a_connection_is_refused_with_the_reason(caller: httpx.Client) -> None:
    assert_problem(caller.put(PATH, json=calendar()), 409, "not_connected", "/location/type")


def test_a_calendar_that_was_video_cannot_become_video_again_without_a_connection(connected: Product) -> None:
    caller = connected.caller()
    caller.put(PATH, json=calendar("phone"))
    caller.delete("/v1/users/u-1/connection")
    assert_problem(caller.put(PATH, json=calendar()), 409, "not_connected", "/location/type")


def test_an_unknown_calendar_is_404_everywhere(caller: httpx.Client) -> None:
    for answer in (caller.get(PATH), caller.delete(PATH), caller.get(f"{PATH}/locations")):
        assert_problem(answer, 404, "not_found")


def test_a_deleted_calendar_is_gone_and_takes_no_bookings(caller: httpx.Client) -> None:
    caller.put(PATH, json=calendar("phone"))
    answer = caller.delete(PATH)
    assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(caller.delete(PATH), 404, "not_found")
    assert_problem(caller.put("/v1/bookings/b-1", json=booking()), 422, "unknown_calendar", "/calendar_id")


def test_calendars_come_in_pages(caller: httpx.Client) -> None:
    for number in range(5):
        caller.put(f"/v1/calendars/c-{number}", json=calendar("phone"))
    found, cursor = [], None
    for _ in range(3):
        answer = caller.get("/v1/calendars", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        found += [item["id"] for item in answer["items"]]
        cursor = answer["next_cursor"]
    assert (found, cursor) == ([f"c-{number}" for number in range(5)], None)


def test_a_workspace_without_calendars_has_an_empty_list(caller: httpx.Client) -> None:
    assert caller.get("/v1/calendars").json() == {"items": [], "next_cursor": None}


def test_a_calendar_without_a_readable_name_is_called_by_its_id(caller: httpx.Client) -> None:
    assert caller.put(PATH, json=calendar("phone", name="\u202e\x00")).json()["name"] == "c-1"
