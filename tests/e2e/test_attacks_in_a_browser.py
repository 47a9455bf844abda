"""Someone wants another person's account on their own user: each attempt with real browsers on both sides.

RELIABILITY 11 and 12. The attacker hosts as `attacker`, the victim owns the Zoom account; nothing may join the two
without the victim seeing whose user it is and agreeing.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from chalicelib import wiring
from infra.local.stack import HOST_EMAIL, PASSWORD, WORKSPACE_ID, LocalStack
from infra.local.visitor import sign_in_and_consent
from tests.e2e.test_settings_in_a_browser import connect_link, connection, sign_in_at_zoom

pytestmark = [pytest.mark.browser, pytest.mark.exhaustive]
"""`tests/component/test_pages.py` and `test_takeover.py` try the same attacks over HTTP, in every run."""


@pytest.fixture
def attacker(page: Page) -> Page:
    return page


@pytest.fixture
def victim(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


def test_a_forwarded_link_names_the_user_and_workspace_and_does_nothing_by_being_opened(
    stack: LocalStack, victim: Page
) -> None:
    victim.goto(connect_link(stack, "attacker-1"))

    text = victim.inner_text("main")
    assert "attacker-1" in text
    assert "Demo Workspace" in text
    assert "If this is not you, close this page." in text
    assert victim.context.cookies(stack.app_url) == []
    assert connection(stack, "attacker-1")["state"] == "none"


def test_an_authorization_that_the_attacker_started_cannot_be_finished_by_the_victim(
    stack: LocalStack, attacker: Page, victim: Page
) -> None:
    authorize = start_at_zoom(attacker, connect_link(stack, "attacker-2"))

    victim.goto(authorize)
    sign_in_at_zoom(victim)
    victim.get_by_role("button", name="Allow").click()

    expect(victim.get_by_role("alert")).to_contain_text("was not started in this browser")
    assert connection(stack, "attacker-2")["state"] == "none"


def test_the_refused_attempt_does_not_burn_the_state_for_the_browser_that_owns_it(
    stack: LocalStack, attacker: Page, victim: Page
) -> None:
    authorize = start_at_zoom(attacker, connect_link(stack, "host-3"))
    victim.goto(authorize)
    sign_in_at_zoom(victim)
    victim.get_by_role("button", name="Allow").click()
    victim.get_by_role("alert").wait_for()

    attacker.goto(authorize)
    sign_in_at_zoom(attacker)
    attacker.get_by_role("button", name="Allow").click()

    expect(attacker.get_by_text("Connected", exact=True)).to_be_visible()
    assert connection(stack, "host-3")["state"] == "connected"


def test_a_callback_address_that_was_taken_from_the_victim_attaches_nothing_to_the_attacker(
    stack: LocalStack, attacker: Page, victim: Page
) -> None:
    start_at_zoom(attacker, connect_link(stack, "attacker-4"))
    authorize = start_at_zoom(victim, connect_link(stack, "victim-4"))
    with httpx.Client() as at_zoom:  # The victim's own consent, up to the redirect that the attacker gets hold of.
        callback = sign_in_and_consent(at_zoom, authorize, HOST_EMAIL, PASSWORD)

    attacker.goto(callback)

    expect(attacker.get_by_role("alert")).to_contain_text("This sign-in was not started in this browser")
    assert connection(stack, "attacker-4")["state"] == "none"


def test_a_foreign_page_cannot_put_the_victims_browser_into_the_attackers_session(
    stack: LocalStack, victim: Page
) -> None:
    link = connect_link(stack, "attacker-5")

    victim.goto(f"data:text/html,<form method=post action='{link}'><button>Win a prize</button></form>")
    victim.get_by_role("button").click()

    expect(victim.get_by_role("alert")).to_contain_text("use the button on its page")
    assert victim.context.cookies(stack.app_url) == []


def test_a_victim_who_does_agree_is_held_back_until_the_callers_backend_confirms(
    stack: LocalStack, victim: Page
) -> None:
    require_confirmation()
    victim.goto(connect_link(stack, "attacker-6"))
    victim.get_by_role("button", name="Continue").click()
    victim.get_by_role("button", name="Connect Zoom").click()
    sign_in_at_zoom(victim)
    victim.get_by_role("button", name="Allow").click()

    expect(victim.get_by_text("Waiting for confirmation")).to_be_visible()
    known = connection(stack, "attacker-6")
    assert (known["state"], known["reason"]) == ("pending", "not_confirmed")
    assert known["account"] == {"id": "zoom-user-1", "email": HOST_EMAIL}


def start_at_zoom(page: Page, link: str) -> str:
    """Open the link, press Connect, and stop at Zoom's door: the authorize address with the state in it."""
    page.goto(link)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Connect Zoom").click()
    page.get_by_label("email").wait_for()
    return page.url


def require_confirmation() -> None:
    """The demo workspace's operator asks for confirmation of connections."""
    workspaces = wiring.services().workspace_store
    workspace = workspaces.get(WORKSPACE_ID)
    assert workspace is not None
    workspaces.put(replace(workspace, confirms_connections=True))
