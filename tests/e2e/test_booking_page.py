"""The example: a guest books on the page, gets the link, and cancels, with each of its backends."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from infra.local.stack import LocalStack
from tests.e2e import accessibility
from tests.e2e.test_readme import free_ports
from tests.support import npm
from tests.support.guide_reader import client, connect, environment

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "booking-page"
pytestmark = [pytest.mark.browser, pytest.mark.exhaustive]


def python_backend() -> list[str]:
    return [sys.executable, str(EXAMPLE / "server.py")]


def node_backend() -> list[str]:
    """`npm install` links the client into the example; the same is done here, in the build folder."""
    home_of_client = npm.install(
        ROOT / "clients" / "typescript", purpose="the example's backend in JavaScript is NOT tested"
    )
    subprocess.run(["npm", "run", "--silent", "build"], cwd=home_of_client, check=True, timeout=120)
    home = home_of_client.parent / "booking-page"
    shutil.copytree(EXAMPLE, home, dirs_exist_ok=True)
    (home / "node_modules").mkdir(exist_ok=True)
    link = home / "node_modules" / "meetlink"
    link.unlink(missing_ok=True)
    link.symlink_to(home_of_client)
    return ["node", str(home / "server.mjs")]


@contextmanager
def running(command: list[str], stack: LocalStack) -> Iterator[str]:
    """The address of the page. The host is connected where the first start says so."""
    (port,) = free_ports(1)
    path = {"PYTHONPATH": str(ROOT / "clients" / "python" / "src")}
    settings = os.environ | environment(stack) | path | {"PORT": str(port)}
    first = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=30, check=False)
    assert first.returncode == 1
    connect(re.findall(r"http\S+/connect/[^\s,]+", first.stderr)[0])
    process = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"The booking page is at http://localhost:{port}\n"
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def guest(browser: Browser) -> Iterator[Page]:
    """A German guest in New York."""
    context = browser.new_context(locale="de-DE", timezone_id="America/New_York")
    yield context.new_page()
    context.close()


def test_a_guest_books_gets_the_link_and_cancels(stack: LocalStack, guest: Page) -> None:
    with running(python_backend(), stack) as site:
        refuse_what_is_no_form(site)
        book_and_cancel(stack, guest, site)


@pytest.mark.node
def test_the_backend_in_javascript_does_the_same(stack: LocalStack, guest: Page) -> None:
    with client(stack) as meetlink:
        meetlink.disconnect("host")  # Of the test before.
        for calendar in [calendar["id"] for calendar in meetlink.list_calendars()]:
            meetlink.delete_calendar(calendar)
    with running(node_backend(), stack) as site:
        refuse_what_is_no_form(site)
        book_and_cancel(stack, guest, site)


def refuse_what_is_no_form(site: str) -> None:
    for headers, body, status in [
        ({}, "", 411),
        ({"Content-Length": "10001"}, "", 413),
        ({"Content-Length": "x"}, "", 400),
        ({"Content-Length": "4"}, "null", 400),
        ({"Content-Length": "2"}, "{}", 400),
        ({"Content-Length": "1"}, "{", 400),
    ]:
        assert status_of_post(site, headers, body) == status, (headers, body)


def status_of_post(site: str, headers: dict[str, str], body: str) -> int:
    """Send exactly these headers: a client would correct them."""
    connection = HTTPConnection(site.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/api/bookings")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    status = connection.getresponse().status
    connection.close()
    return status


def book_and_cancel(stack: LocalStack, guest: Page, site: str) -> None:
    guest.goto(site)
    last_day = guest.get_by_role("group", name="Day").get_by_role("button").last
    last_day.click()
    slot = guest.get_by_role("group", name="Time").get_by_role("button").first
    assert slot.text_content() in ("03:00", "04:00"), "08:00 UTC in New York, in winter or summer"
    slot.click()
    accessibility.check(guest, "example-choose")
    guest.get_by_label("Your name").fill("Demo Guest")
    guest.get_by_label("Your email address").fill("guest@nowhere")
    guest.get_by_role("button", name="Book this time").click()
    expect(guest.get_by_role("alert")).to_have_text("This is not an e-mail address.")

    guest.get_by_label("Your email address").fill("guest@example.com")
    guest.get_by_role("button", name="Book this time").click()
    join = guest.get_by_role("link", name="Join the meeting")
    expect(join).to_be_visible()
    accessibility.check(guest, "example-booked")
    booking_id = guest.url.rpartition("/")[2]
    with client(stack) as meetlink:
        booking = meetlink.get_booking(booking_id)
        assert join.get_attribute("href") == booking["meeting"]["join_url"]
        assert (booking["guests"][0]["language"], booking["time_zone"]) == ("de-DE", "America/New_York")
        assert booking["links"]["cancel"] == guest.url

        guest.reload()
        guest.get_by_role("button", name="Cancel this booking").click()
        expect(guest.get_by_role("heading", name="Your booking is cancelled")).to_be_visible()
        assert meetlink.get_booking(booking_id)["status"] == "cancelled"
