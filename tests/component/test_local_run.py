"""`make run` ends when it is asked to, however often, and however busy it is."""

from __future__ import annotations

import html
import json
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# Another signal arrives at each line that a handler executes.
INTERRUPTED = """
    import signal, sys
    from infra.local.run import StopSignals

    def interrupt(*_):
        if left and left.pop():
            signal.raise_signal(signal.SIGTERM)
        return interrupt

    stop, left = StopSignals(), [True] * 200
    assert not stop.has_arrived()
    sys.settrace(interrupt)
    signal.raise_signal(signal.SIGTERM)
    sys.settrace(None)
    assert stop.has_arrived()
    stop.wait()
"""
# Threads that compete for the interpreter delay the handlers.
BUSY = """
    import threading
    from infra.local.run import StopSignals

    stop = StopSignals()
    for _ in range(8):
        threading.Thread(target=lambda: [hash(n) for n in iter(int, 1)], daemon=True).start()
    print("ready", flush=True)
    stop.wait()
    print("stopped", flush=True)
"""

# A stack with a provider that people connect with a key.
WITH_A_KEY = """
    import httpx, json, time
    from datetime import UTC, datetime
    from infra.local.run import _addresses
    from infra.local.stack import LocalStack, Ports
    from tests.support.product import booking as make_booking

    BOOKING = make_booking(start=datetime.now(UTC))

    with LocalStack(Ports(), provider="jaas") as stack:
        authorization = {"Authorization": f"Bearer {stack.demo.api_key}"}
        providers = httpx.get(f"{stack.app_url}/v1/providers", headers=authorization, timeout=30).json()
        console = httpx.get(f"{stack.console_url}/", timeout=30).text
        booking = f"{stack.app_url}/v1/bookings/b-1"
        httpx.put(booking, json=BOOKING | {"calendar_id": stack.demo.calendar_id}, headers=authorization, timeout=30)
        while not (mails := stack.mailbox.mails("guest@example.com")):
            time.sleep(0.05)
        answer = {"answer": "TENTATIVE", "program": "apple"}
        httpx.post(f"{stack.console_url}/inbox/{mails[0].id}/answer", data=answer, timeout=30)
        people = httpx.get(booking, headers=authorization, timeout=30).json()["invitations"]
        answers = {person["email"]: person["answer"] for person in people}
        print(json.dumps([_addresses(stack), console, dict(stack.stand_in.key_form), providers, answers]))
"""


def start(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_signals_that_interrupt_the_handlers_of_earlier_ones_stop_the_process() -> None:
    running = start(INTERRUPTED)
    try:
        assert running.wait(30) == 0
    finally:
        running.kill()
        running.wait()


def test_a_storm_of_signals_stops_a_busy_process() -> None:
    running = start(BUSY)
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        until = time.monotonic() + 30
        while running.poll() is None and time.monotonic() < until:
            running.send_signal(signal.SIGTERM)
            running.send_signal(signal.SIGINT)
        assert running.stdout.readline() == "stopped\n"
    finally:
        running.kill()
        running.wait()


def test_a_stack_offers_only_the_provider_that_runs_in_it_and_shows_private_keys_on_the_console_alone() -> None:
    """And it receives what calendars answer."""
    done = start(WITH_A_KEY)
    printed, _ = done.communicate(timeout=60)
    assert done.returncode == 0
    addresses, console, form, providers, answers = json.loads(printed.splitlines()[-1])
    assert "PRIVATE KEY" in form["private_key"]
    assert "PRIVATE KEY" not in addresses
    assert f"app_id: {form['app_id']}    key_id: demo    private_key: see the console" in addresses
    assert form["private_key"].strip() in html.unescape(console)
    assert [provider["name"] for provider in providers["items"]] == ["jaas"]
    assert answers == {"host@example.com": None, "guest@example.com": "tentative"}


SEVERAL = """
    import httpx, json
    from infra.local.stack import LocalStack, Ports

    with LocalStack(Ports(), provider="zoom,google_meet,daily") as stack:
        authorization = {"Authorization": f"Bearer {stack.demo.api_key}"}
        providers = httpx.get(f"{stack.app_url}/v1/providers", headers=authorization, timeout=30).json()
        console = httpx.get(f"{stack.console_url}/", timeout=30).text
        stack.breakage.start("provider-down")
        down = [httpx.get(url, timeout=30).status_code for url in stack.provider_urls.values()]
        print(json.dumps([[p["name"] for p in providers["items"] if p["configured"]], console, down]))
"""


@pytest.mark.exhaustive
def test_a_stack_has_several_providers_when_it_is_asked_to() -> None:
    done = start(SEVERAL)
    printed, _ = done.communicate(timeout=60)
    assert done.returncode == 0
    providers, console, down = json.loads(printed.splitlines()[-1])
    assert sorted(providers) == ["daily", "google_meet", "zoom"]
    assert "Google Meet, Daily" in console
    assert down == [503, 503, 503]
