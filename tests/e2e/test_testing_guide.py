"""The guide to testing: it names every state, and each of its rows does what it says on the local stack."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from chalicelib.domain.connection import ConnectionState, Reason
from chalicelib.domain.invitation import InvitationState, Trouble
from chalicelib.domain.meeting import MeetingReason, MeetingState
from chalicelib.webhooks.model import DeliveryState
from infra.local import break_command
from infra.local.stack import CALENDAR_ID, HOST_EMAIL, PASSWORD, USER_ID, LocalStack
from infra.local.visitor import press, sign_in_and_consent

GUIDE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def rows(heading: str) -> Iterator[tuple[str, str, str, str]]:
    """(state, reason, first fault, whole row) of the rows of a section that break something."""
    section = GUIDE.split(f"## {heading}\n")[1].split("\n## ")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        faults = re.findall(r"make break FAULT=([a-z-]+)", line)
        if line.startswith("| `") and faults:
            yield cells[0].strip("| `"), cells[1].strip("`"), faults[0], line


class Integration:
    """A developer who calls the API of the stack, with another booking and guest each time."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        headers = {"Authorization": f"Bearer {stack.demo.api_key}"}
        self.api = httpx.Client(base_url=stack.app_url, headers=headers, timeout=60)
        self.console = httpx.Client(base_url=stack.console_url, timeout=60)
        self._numbers = count(1)

    def connect(self) -> None:
        body = {"email": HOST_EMAIL}
        link = self.api.post(f"/v1/users/{USER_ID}/connect-links", json=body).raise_for_status().json()["url"]
        with httpx.Client(timeout=30) as browser:
            settings = press(browser, browser.get(link), "/connect/")
            leave = press(browser, settings, "/oauth/zoom/start", follow=False)
            browser.get(sign_in_and_consent(browser, leave.headers["Location"], HOST_EMAIL, PASSWORD))
        self.locate("video")

    def connection(self) -> tuple[str, str | None]:
        connection = self.api.get(f"/v1/users/{USER_ID}/connection").raise_for_status().json()
        return connection["state"], connection["reason"]

    def locate(self, kind: str) -> None:
        host = {"user_id": USER_ID, "name": "Demo Host", "email": HOST_EMAIL}
        calendar = {"name": "Introduction", "host": host, "location": {"type": kind}}
        self.api.put(f"/v1/calendars/{CALENDAR_ID}", json=calendar).raise_for_status()

    def book(self, *, wait: int = 20, name: str | None = None, guest: str | None = None, **more: Any) -> dict[str, Any]:
        name = name or f"b-{next(self._numbers)}"
        starts_at = self.stack.clock() + more.pop("starts_in", timedelta(days=30))
        booking = {
            "calendar_id": CALENDAR_ID,
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(minutes=30)).isoformat(),
            "time_zone": "Europe/Berlin",
            "title": "Introduction",
            "guests": [{"name": "Demo Guest", "email": guest or f"{name}@example.com"}],
        }
        wanted = {"Prefer": f"wait={wait}"}
        return self.api.put(f"/v1/bookings/{name}", json=booking | more, headers=wanted).raise_for_status().json()

    def get(self, booking_id: str) -> dict[str, Any]:
        return self.api.get(f"/v1/bookings/{booking_id}").raise_for_status().json()

    def break_(self, fault: str) -> None:
        self.console.post(f"/break/{fault}").raise_for_status()

    def received(self) -> list[str]:
        return [webhook["type"] for webhook in self.console.get("/webhooks.json").json() if webhook["is_signed"]]

    def until(self, holds: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 15
        while not (result := holds()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert result
        return result

    def meets(self, booking_id: str, state: str, reason: str | None = None) -> dict[str, Any]:
        """Wait for a state of the meeting."""
        return self.until(lambda: (b := self.get(booking_id)) and meeting(b) == (state, reason) and b)

    def has_guest(self, booking_id: str, state: str, reason: str | None) -> None:
        """Wait for a state of the guest's invitation."""
        self.until(lambda: guest(self.get(booking_id)) == (state, reason))


def meeting(booking: dict[str, Any]) -> tuple[str, str | None]:
    return booking["meeting"]["state"], booking["meeting"]["reason"]


def guest(booking: dict[str, Any]) -> tuple[str, str | None] | None:
    return next(((i["state"], i["reason"]) for i in booking["invitations"] if i["role"] == "guest"), None)


@pytest.fixture(scope="module")
def integration(stack: LocalStack) -> Integration:
    return Integration(stack)


@pytest.fixture
def connected(integration: Integration) -> Iterator[Integration]:
    """Everything works, and the host is connected."""
    integration.console.post("/break/repair").raise_for_status()
    if integration.connection() != ("connected", None):
        integration.connect()
    yield integration
    integration.console.post("/break/repair").raise_for_status()


def test_every_state_and_reason_is_on_the_page() -> None:
    for word in (*MeetingState, *MeetingReason, *ConnectionState, *Reason, *InvitationState, *Trouble, *DeliveryState):
        assert f"`{word}`" in GUIDE, word


@pytest.mark.exhaustive
def test_every_fault_is_on_the_page_and_every_fault_of_the_page_exists(stack: LocalStack) -> None:
    named = set(re.findall(r"make break FAULT=([a-z-]+)", GUIDE)) - {"repair"}
    assert named == {one.name for one in stack.breakage.breaks}


@pytest.mark.exhaustive
def test_the_commands_of_the_page_run(integration: Integration) -> None:
    environment = os.environ | {"CONSOLE": integration.stack.console_url}
    for block in BLOCKS:
        command = ["bash", "-euo", "pipefail", "-c", block]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.exhaustive
def test_bookings_without_a_connection_get_no_link(integration: Integration) -> None:
    integration.locate("phone")
    assert meeting(integration.book()) == ("none", "location_not_video")


@pytest.mark.exhaustive
@pytest.mark.parametrize(("state", "reason", "fault", "row"), [*rows("Meetings")], ids=lambda text: str(text)[:25])
def test_each_fault_gives_a_meeting_the_state_that_the_row_says(
    connected: Integration, state: str, reason: str, fault: str, row: str
) -> None:
    events = re.findall(r"`((?:meeting|connection)\.\w+)`", row)
    before = {event: connected.received().count(event) for event in events}
    if reason == "disconnected":
        connected.break_(fault)
        booking = connected.book()
        connected.api.delete(f"/v1/users/{USER_ID}/connection").raise_for_status()
    elif reason == "start_passed":
        connected.break_(fault)
        booking = connected.book(starts_in=timedelta(minutes=10))
        connected.break_("skip-hour")
    else:
        connected.break_(fault)
        booking = connected.book(wait=0 if fault == "provider-slow" else 20 if state != "pending" else 2)
    connected.meets(booking["id"], state, reason or None)
    if fault == "provider-slow":  # Its create must end here, or the next fault strikes it.
        connected.meets(booking["id"], "ready")
    if any(event.startswith("connection.") for event in events):
        time.sleep(0.3)
        connected.break_("skip-minute")  # The schedule delivers them, if nothing else does before.
    connected.until(lambda: all(connected.received().count(event) > before[event] for event in events))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "fault", ["provider-down", "provider-daily-limit", "provider-rejects", "provider-loses-response"]
)
def test_the_link_follows_after_the_repair(connected: Integration, fault: str) -> None:
    connected.break_(fault)
    booking = connected.book(wait=2)
    connected.console.post("/break/repair").raise_for_status()
    if fault == "provider-rejects":
        connected.api.post(f"/v1/bookings/{booking['id']}/retry").raise_for_status()
    else:
        for name in ("skip-minute", "skip-minute") if fault != "provider-daily-limit" else ("skip-day",):
            connected.break_(name)
    connected.meets(booking["id"], "ready")


@pytest.mark.exhaustive
def test_a_meeting_that_its_host_deletes_is_created_again(connected: Integration) -> None:
    booking = connected.book()
    connected.break_("meeting-deleted")
    connected.until(lambda: (b := connected.get(booking["id"])) and link(b) not in (None, link(booking)))
    connected.break_("meeting-takes-place")
    connected.until(lambda: {"meeting.started", "meeting.joined", "meeting.ended"} <= set(connected.received()))


def link(booking: dict[str, Any]) -> str | None:
    return booking["meeting"]["join_url"]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("state", "reason", "fault"), [row[:3] for row in rows("Invitations")], ids=str)
def test_each_fault_gives_an_invitation_the_state_that_the_row_says(
    connected: Integration, state: str, reason: str, fault: str
) -> None:
    connected.break_(fault)
    booking = connected.book(wait=5)
    if state == "sending":
        time.sleep(0.3)
        assert guest(connected.get(booking["id"])) in (None, ("sending", None))
        connected.console.post("/break/repair").raise_for_status()
        connected.break_("skip-hour")
        connected.has_guest(booking["id"], "sent", None)
        return
    connected.has_guest(booking["id"], state, reason or None)
    if state == "bounced":
        connected.console.post("/break/repair").raise_for_status()
        again = connected.book(guest=booking["guests"][0]["email"])
        connected.has_guest(again["id"], "suppressed", "blocked")


@pytest.mark.exhaustive
@pytest.mark.parametrize(("state", "fault"), [(row[0], row[2]) for row in rows("Webhook deliveries")], ids=str)
def test_each_fault_gives_a_delivery_the_state_that_the_row_says(
    connected: Integration, state: str, fault: str
) -> None:
    path = "/v1/webhook-endpoints/console"

    def delivers_nothing() -> bool:
        return not connected.api.get(f"{path}/deliveries?state=pending").raise_for_status().json()["items"]

    # Else the fault strikes a retry of an earlier event, and an endpoint that is gone is disabled before the booking.
    connected.break_("skip-hour")
    connected.until(delivers_nothing)
    connected.break_(fault)
    booking = connected.book()

    def delivery() -> dict[str, Any] | None:
        items = connected.api.get(f"{path}/deliveries").raise_for_status().json()["items"]
        return next((item for item in items if item["payload"]["data"].get("booking_id") == booking["id"]), None)

    connected.until(lambda: (found := delivery()) and found["state"] == state)
    if fault == "webhook-slow":
        return
    connected.console.post("/break/repair").raise_for_status()
    endpoint = connected.api.get(path).json()
    connected.api.put(path, json={"url": endpoint["url"], "events": endpoint["events"]}).raise_for_status()
    connected.break_("skip-hour")
    if fault == "webhook-down":
        connected.until(lambda: (found := delivery()) and found["state"] == "delivered")


@pytest.mark.exhaustive
def test_a_connection_is_broken_and_deauthorized_as_the_page_says(connected: Integration) -> None:
    assert connected.connection() == ("connected", None)
    connected.break_("token-revoked")
    connected.api.post(f"/v1/users/{USER_ID}/connection/check").raise_for_status()
    assert connected.connection() == ("broken", "reconnect_needed")
    connected.connect()
    connected.break_("app-removed")
    assert connected.connection() == ("none", "deauthorized")


@pytest.mark.exhaustive
def test_what_happens_to_a_booking_whose_connection_ended(connected: Integration) -> None:
    moved, cancelled, removed = connected.book(), connected.book(), connected.book()
    connected.api.delete(f"/v1/bookings/{removed['id']}").raise_for_status()
    connected.meets(removed["id"], "removed")
    connected.api.delete(f"/v1/users/{USER_ID}/connection").raise_for_status()
    connected.book(name=moved["id"], starts_in=timedelta(days=31))
    connected.meets(moved["id"], "ready", "not_updatable")
    connected.api.delete(f"/v1/bookings/{cancelled['id']}").raise_for_status()
    connected.meets(cancelled["id"], "removed", "left_at_provider")
    assert meeting(connected.book()) == ("none", "not_connected")


@pytest.mark.exhaustive
def test_guests_whom_you_email_yourself_are_not_mailed(connected: Integration) -> None:
    booking = connected.book(emails={"guests": False})
    connected.has_guest(booking["id"], "not_sent", None)


@pytest.mark.exhaustive
def test_make_break_lists_breaks_and_repairs(stack: LocalStack, capsys: pytest.CaptureFixture[str]) -> None:
    ports = {"MEETLINK_CONSOLE_PORT": stack.console_url.rpartition(":")[2]}
    assert break_command.main("provider-down", ports) == 0
    assert break_command.main("", ports) == 0
    assert re.search(r"provider-down +BROKEN", capsys.readouterr().out)
    assert break_command.main("repair", ports) == 0
    assert stack.breakage.active == []
    assert break_command.main("no-such-fault", ports) == 1
    assert "choose one of provider-down" in capsys.readouterr().err
    assert break_command.main("", {"MEETLINK_CONSOLE_PORT": "1"}) == 1
    assert "make run" in capsys.readouterr().err
