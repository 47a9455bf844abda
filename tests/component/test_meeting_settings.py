"""Settings of meetings, from the calendar to the provider and back to the booking."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from infra.local.standins.faults import Action, Fault
from tests.support.answers import assert_problem
from tests.support.product import Product, booking, calendar

ALL = {
    "waiting_room": False,
    "join_before_host_minutes": 10,
    "recording": "cloud",
    "mute_on_entry": True,
    "summary": True,
    "passcode": "none",
}


@pytest.fixture
def caller(product: Product) -> httpx.Client:
    product.connect()
    return product.caller()


def video(**settings: Any) -> dict[str, Any]:
    return calendar({"type": "video", "settings": settings})


def settled(product: Product, booking_id: str = "b-1", **changes: Any) -> dict[str, Any]:
    assert product.caller().put(f"/v1/bookings/{booking_id}", json=booking(**changes)).is_success
    assert product.settle() == []
    shown: dict[str, Any] = product.caller().get(f"/v1/bookings/{booking_id}").json()
    return shown


def test_a_calendars_settings_are_on_its_bookings_and_at_the_provider(product: Product, caller: httpx.Client) -> None:
    assert caller.put("/v1/calendars/c-1", json=video(**ALL)).json()["location"] == {"type": "video", "settings": ALL}
    shown = settled(product)
    assert shown["location"]["settings"] == ALL
    assert shown["meeting"]["settings"] == ALL
    assert shown["meeting"]["settings_ignored"] == []
    (meeting,) = product.zoom.meetings.values()
    assert meeting.password == ""
    assert meeting.settings["jbh_time"] == 10
    # A change of the calendar is for new bookings, and a settled one costs no call.
    assert caller.put("/v1/calendars/c-1", json=video(summary=False)).status_code == 200
    calls = len(product.zoom.faults.calls)
    assert settled(product)["location"]["settings"] == ALL
    assert len(product.zoom.faults.calls) == calls
    assert settled(product, "b-2")["location"]["settings"] == {"summary": False}


def test_a_calendar_without_settings_leaves_them_to_the_account(product: Product, caller: httpx.Client) -> None:
    assert caller.put("/v1/calendars/c-1", json=calendar()).json()["location"] == {"type": "video", "settings": None}
    shown = settled(product)
    assert (shown["meeting"]["settings"], shown["meeting"]["settings_ignored"]) == (None, [])
    (meeting,) = product.zoom.meetings.values()
    assert meeting.settings["waiting_room"] is True  # The host's own setting at the stand-in.
    shown = settled(product, days=36)
    assert [call.method for call in product.zoom.faults.calls if "/meetings/" in call.path] == ["PATCH"]


def test_another_calendars_settings_come_with_a_move(product: Product, caller: httpx.Client) -> None:
    caller.put("/v1/calendars/c-1", json=calendar())
    caller.put("/v1/calendars/c-2", json=video(recording="cloud"))
    link = settled(product)["meeting"]["join_url"]
    product.zoom.held.locked = {"auto_recording": "local"}
    moved = settled(product, calendar_id="c-2")
    assert (moved["meeting"]["join_url"], moved["meeting"]["settings"]) == (link, {"recording": "local"})


def test_settings_that_cannot_be_read_back_do_no_harm(product: Product, caller: httpx.Client) -> None:
    caller.put("/v1/calendars/c-1", json=video(recording="cloud"))
    link = settled(product)["meeting"]["join_url"]
    product.zoom.faults.add(Fault(r"/v2/meetings/[0-9]+$", Action.BEFORE, method="GET", status=503))
    moved = settled(product, days=36)["meeting"]
    assert (moved["state"], moved["join_url"], moved["settings"]) == ("ready", link, {"recording": "cloud"})


def test_a_passcode_that_the_accounts_rules_refuse_is_left_to_zoom(product: Product, caller: httpx.Client) -> None:
    product.zoom.held.passcode_pattern = re.compile("[0-9]+")
    caller.put("/v1/calendars/c-1", json=video(passcode="generate"))
    shown = settled(product)["meeting"]
    assert (shown["state"], shown["settings"]) == ("ready", {"passcode": "generate"})
    assert shown["passcode"]


@pytest.mark.parametrize(
    ("settings", "pointer"),
    [
        ({"waiting_room": "yes"}, "/location/settings/waiting_room"),
        ({"waiting_room": None}, "/location/settings/waiting_room"),
        ({"join_before_host_minutes": 7}, "/location/settings/join_before_host_minutes"),
        ({"join_before_host_minutes": True}, "/location/settings/join_before_host_minutes"),
        ({"waiting_room": True, "join_before_host_minutes": 5}, "/location/settings/join_before_host_minutes"),
        ({"recording": "both"}, "/location/settings/recording"),
        ({"lobby": True}, "/location/settings/lobby"),
    ],
)
def test_an_invalid_setting_is_refused(caller: httpx.Client, settings: dict[str, Any], pointer: str) -> None:
    answer = caller.put("/v1/calendars/c-1", json=video(**settings))
    assert_problem(answer, 422, "invalid_input", pointer)


def test_never_before_the_host_is_a_setting_and_not_an_unset_one(product: Product, caller: httpx.Client) -> None:
    caller.put("/v1/calendars/c-1", json=video(join_before_host_minutes=None))
    assert settled(product)["location"]["settings"] == {"join_before_host_minutes": None}
    (meeting,) = product.zoom.meetings.values()
    assert meeting.settings["join_before_host"] is False


def test_the_possible_settings_are_shown(product: Product, caller: httpx.Client) -> None:
    caller.put("/v1/calendars/c-1", json=calendar())
    providers = {provider["name"]: provider["settings"] for provider in caller.get("/v1/providers").json()["items"]}
    assert providers["zoom"]["join_before_host_minutes"] == [0, 5, 10, 15, None]
    video_location, phone, *_ = caller.get("/v1/calendars/c-1/locations").json()["locations"]
    assert (video_location["settings"], phone["settings"]) == (providers["zoom"], None)


class TestAnotherProvider:
    @pytest.fixture
    def webex_host(self, product: Product, caller: httpx.Client) -> httpx.Client:
        """A calendar that was set up for Zoom, whose host connected Jitsi since."""
        caller.put("/v1/calendars/c-1", json=video(waiting_room=True, recording="cloud"))
        product.clock.advance(timedelta(days=1).total_seconds())
        product.connect_with_key("jitsi", {"server": "meet.example.com"})
        return caller

    def test_what_the_new_provider_does_not_support_is_listed_on_the_booking(
        self, product: Product, webex_host: httpx.Client
    ) -> None:
        shown = settled(product, days=40)["meeting"]
        assert (shown["state"], shown["provider"]) == ("ready", "jitsi")
        assert (shown["settings"], shown["settings_ignored"]) == (None, ["waiting_room", "recording"])

    def test_the_calendar_refuses_it_and_says_what_is_possible(self, webex_host: httpx.Client) -> None:
        answer = webex_host.put("/v1/calendars/c-1", json=video(waiting_room=True))
        assert_problem(answer, 422, "unsupported_setting", "/location/settings/waiting_room")
        (error,) = answer.json()["errors"]
        assert error["detail"] == "Jitsi Meet does not support this setting. It supports no settings."
