"""A test workspace: the title chooses what happens to a meeting, and no one but its members gets an email."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from chalicelib.domain.meeting import MeetingRequest
from chalicelib.handlers import operations
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.rehearsal import Rehearsal
from tests.support.clock import START
from tests.support.product import Product, booking, calendar

MEMBER = "developer@example.com"


@pytest.fixture
def caller(product: Product) -> httpx.Client:
    """The caller of the connected test workspace `try`."""
    made = operations.run(
        {"do": "create-workspace", "workspace_id": "try", "test": True, "admin_emails": [MEMBER]}, product.services
    )
    caller = product.browser()
    caller.headers["Authorization"] = f"Bearer {made['api_key']}"
    link = caller.post("/v1/users/u-1/connect-links", json={}).json()["url"]
    from infra.local.visitor import press

    browser = product.browser()
    settings = press(browser, browser.get(link), "/connect/")
    assert "Zoom" not in settings.text
    page = press(browser, settings, "/settings/connect/test", typed={"account": "Rehearsal"})
    assert "Connected" in page.text
    caller.put("/v1/calendars/c-1", json=calendar()).raise_for_status()
    return caller


def put(product: Product, caller: httpx.Client, title: str, **changes: Any) -> dict[str, Any]:
    caller.put("/v1/bookings/b-1", json=booking(title=title, **changes)).raise_for_status()
    product.settle()
    found: dict[str, Any] = caller.get("/v1/bookings/b-1").json()
    return found


def states(made: dict[str, Any]) -> tuple[str, str | None]:
    return made["meeting"]["state"], made["meeting"]["reason"]


def test_the_title_chooses_what_happens_to_the_meeting(product: Product, caller: httpx.Client) -> None:
    failed = put(product, caller, "Fail, please")
    assert states(failed) == ("failed", "provider_rejected")
    assert "title" in failed["meeting"]["detail"]
    assert states(put(product, caller, "Wait for it")) == ("waiting", "rate_limited")
    assert states(put(product, caller, "Failure and waiting list")) == ("ready", None)
    made = put(product, caller, "Introduction")
    assert made["meeting"]["join_url"].startswith("https://example.com/test-meeting/")
    caller.delete("/v1/bookings/b-1")
    product.settle()
    assert states(caller.get("/v1/bookings/b-1").json()) == ("removed", None)


def test_every_setting_and_cohost_is_accepted(product: Product, caller: httpx.Client) -> None:
    settings = {"waiting_room": True, "recording": "local", "passcode": "none"}
    cohosts = [{"user_id": "u-2", "name": "Demo Co-host", "email": MEMBER}]
    body = calendar({"type": "video", "settings": settings}, cohosts=cohosts)
    caller.put("/v1/calendars/c-1", json=body).raise_for_status()
    for days in (35, 36):
        made = put(product, caller, "Introduction", days=days)
        assert made["meeting"]["settings"] == settings
        assert [cohost["state"] for cohost in made["cohosts"]] == ["host"]


def test_a_slow_meeting_takes_five_seconds() -> None:
    slept: list[float] = []
    provider = Rehearsal(HttpClient(httpx.Client), lambda: START, sleep=slept.append)
    day = START + timedelta(days=1)
    for title in ("Slow introduction", "Slowly"):
        assert provider.create("Test", MeetingRequest("t-1", title, "", day, day, "UTC")).join_url
    assert slept == [5]


def test_waiting_meetings_do_not_delay_those_of_other_bookings(product: Product, caller: httpx.Client) -> None:
    for number in range(5):
        caller.put(f"/v1/bookings/w-{number}", json=booking(title="wait")).raise_for_status()
        product.settle()
    assert states(put(product, caller, "Introduction")) == ("ready", None)


def test_only_members_get_emails(product: Product, caller: httpx.Client) -> None:
    guests = [
        {"name": "Demo Guest", "email": "guest@example.com"},
        {"name": "Developer", "email": "Developer@example.com"},
    ]
    made = put(product, caller, "Introduction", guests=guests)
    assert {i["email"]: (i["state"], i["reason"]) for i in made["invitations"]} == {
        "host@example.com": ("suppressed", "blocked"),
        "guest@example.com": ("suppressed", "blocked"),
        "Developer@example.com": ("sent", None),
    }
    assert [letter.invite.recipient.email for letter in product.mails.sent] == ["Developer@example.com"]
    put(product, caller, "fail")
    assert product.mails.notices == []


def test_no_other_workspace_sees_or_connects_the_provider_test(product: Product) -> None:
    caller = product.caller()
    assert "test" not in [provider["name"] for provider in caller.get("/v1/providers").json()["items"]]
    assert caller.post("/v1/users/u-1/connect-links", json={"provider": "test"}).status_code == 422
    assert "/settings/connect/test" not in product.open_settings(product.browser()).text
    workspace = product.services.workspace_store.get("ws-1")
    assert "test" not in [p.name for p in product.services.offered_providers.list_for(workspace.providers)]


def test_a_workspace_is_for_tests_from_its_creation_or_never(product: Product) -> None:
    def run(do: str, **fields: Any) -> dict[str, Any]:
        return operations.run({"do": do, **fields}, product.services)

    assert "api_key" in run("create-workspace", workspace_id="try", test=True)
    assert "api_key" in run("create-workspace", workspace_id="real")
    assert "created so" in run("create-workspace", workspace_id="other", providers=["test"])["error"]
    assert (
        "Leave providers out" in run("create-workspace", workspace_id="other", test=True, providers=["zoom"])["error"]
    )
    assert "true or false" in run("create-workspace", workspace_id="other", test="yes")["error"]
    assert "created so" in run("set-lists", workspace_id="real", providers=["test"])["error"]
    assert "created so" in run("set-lists", workspace_id="try", providers=[])["error"]
    assert "created so" in run("set-lists", workspace_id="try", providers=["test", "zoom"])["error"]
    assert run("set-lists", workspace_id="try", admin_emails=["a@example.com"])["providers"] == ["test"]
