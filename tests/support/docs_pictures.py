"""Take the pictures of the guides in Chromium, from the local stack: `python -m tests.support.docs_pictures`."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from chalicelib import wiring
from chalicelib.domain.daily_counts import DayCounts
from infra.local.stack import HOST_EMAIL, PASSWORD, LocalStack, Ports

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZE = {"width": 820, "height": 480}
WIDE = {"width": 1100, "height": 640}
USER = "host-1"


def take_pictures(stack: LocalStack, browser: Browser, directory: Path, language: str = "en-GB") -> None:
    """Connect a host by clicking, book once, and write `link.png`, `connected-new.png` and `connected.png`."""
    with browser.new_context(viewport=SIZE, locale=language) as context:  # type: ignore[arg-type]
        page = context.new_page()
        api = httpx.Client(base_url=stack.app_url, headers={"Authorization": f"Bearer {stack.demo.api_key}"})
        link = api.post(f"/v1/users/{USER}/connect-links", json={"email": HOST_EMAIL}).raise_for_status().json()["url"]
        page.goto(link)
        page.screenshot(path=directory / "link.png")
        put_calendar(api, "phone")
        connect(page)
        page.screenshot(path=directory / "connected-new.png")
        book(api)
        page.goto(f"{stack.app_url}/settings")
        page.screenshot(path=directory / "connected.png", full_page=True)


def take_workspace_pictures(stack: LocalStack, browser: Browser, directory: Path, language: str = "en-GB") -> None:
    """With a connected host, write the pictures `workspace-….png`."""
    with browser.new_context(viewport=WIDE, locale=language) as context:  # type: ignore[arg-type]
        page = context.new_page()
        api = httpx.Client(base_url=stack.app_url, headers={"Authorization": f"Bearer {stack.demo.api_key}"})
        members = [{"email": "admin@example.com", "role": "admin"}, {"email": "support@example.com"}]
        api.put("/v1/members", json={"members": members}).raise_for_status()
        break_provider(stack, "provider-rejects")
        book(api, "b-42", "Second opinion", days=4)
        break_provider(stack, "repair")
        break_provider(stack, "provider-down")
        book(api, "b-43", "First appointment", days=5)
        for _ in range(2):
            break_provider(stack, "skip-minute")
        link = api.post("/v1/workspace-links", json={"email": "support@example.com"}).raise_for_status().json()["url"]
        page.goto(link)
        page.locator("main button").click()
        page.wait_for_url("**/workspace/*")
        count_a_month(stack.demo.workspace_id)
        for name in ("bookings", "bookings/b-43", "overview", "members"):
            page.goto(f"{stack.app_url}/workspace/{name}")
            picture = "booking" if name.endswith("b-43") else name
            page.screenshot(path=directory / f"workspace-{picture}.png", full_page=True)


def count_a_month(workspace_id: str) -> None:
    """Let the overview show a month."""
    store, today = wiring.services().daily_count_store, datetime.now(UTC).date()
    for back in range(1, 30):
        links = (back * 7) % 23
        late = int(back % 6 == 0)
        times = (0, links // 2, links - links // 2, 0, 0, late, 0, 0, 0, 0)
        store.add(workspace_id, today - timedelta(days=back), DayCounts(links + late, int(back % 7 == 3), times))


def break_provider(stack: LocalStack, fault: str) -> None:
    httpx.post(f"{stack.console_url}/break/{fault}", timeout=60).raise_for_status()


def connect(page: Page) -> None:
    page.locator("main button").click()
    page.locator("form[action$='/oauth/zoom/start'] button").click()
    page.get_by_label("email").fill(HOST_EMAIL)
    page.get_by_label("password").fill(PASSWORD)
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url("**/settings*")


def put_calendar(api: httpx.Client, location: str) -> None:
    host = {"user_id": USER, "name": "Demo Host", "email": HOST_EMAIL, "time_zone": "Europe/Berlin"}
    calendar = {"name": "Introduction", "host": host, "location": {"type": location}}
    api.put("/v1/calendars/introduction", json=calendar).raise_for_status()


def book(api: httpx.Client, booking_id: str = "picture", title: str = "Introductory call", days: int = 3) -> None:
    put_calendar(api, "video")
    starts_at = datetime.now(UTC).replace(hour=9, minute=30, second=0, microsecond=0) + timedelta(days=days)
    booking = {
        "calendar_id": "introduction",
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(minutes=30)).isoformat(),
        "time_zone": "Europe/Berlin",
        "title": title,
        "guests": [{"name": "Demo Guest", "email": "guest@example.com", "time_zone": "America/New_York"}],
    }
    api.put(f"/v1/bookings/{booking_id}", json=booking, headers={"Prefer": "wait=20"}).raise_for_status()
    time.sleep(1)  # The emails are on their way.


if __name__ == "__main__":
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with LocalStack(Ports()) as running, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        take_pictures(running, chromium, IMAGES)
        take_workspace_pictures(running, chromium, IMAGES)
