"""The README's commands do what the README shows."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_demo_prints_the_steps_that_the_readme_shows() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.local.demo"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    shown = README.split("$ make demo\n")[1].split("```")[0]
    assert steps(done.stdout) == steps(shown)
    assert '"level"' not in done.stdout, "log lines hide the steps"


def test_the_demo_of_google_meet_shows_one_calendar_entry_for_the_host() -> None:
    command, environment = [sys.executable, "-m", "infra.local.demo"], os.environ | {"PROVIDER": "google_meet"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    entries = re.findall(r"The host's calendar +(1 entry|no entry)\b.*?(event|invitation|$)", done.stdout, re.M)
    assert entries == [("1 entry", "event"), ("1 entry", "event"), ("no entry", ""), ("1 entry", "invitation")]


@pytest.mark.exhaustive
def test_the_stack_keeps_running_until_it_is_told_to_stop_and_keeps_its_data(tmp_path: Path) -> None:
    ports = free_ports(4)
    names = ("MEETLINK_PORT", "MEETLINK_CONSOLE_PORT", "MEETLINK_PROVIDER_PORT", "MEETLINK_AWS_PORT")
    environment = os.environ | {name: str(port) for name, port in zip(names, ports, strict=True)}
    environment["MEETLINK_STATE_DIR"] = str(tmp_path)
    first, second = run_stack(environment, ports), run_stack(environment, ports)
    assert first["calendars"] == ["demo-calendar"]
    assert second == first | {"calendars": ["demo-calendar", first["created"]], "created": second["created"]}
    third = run_stack(environment | {"FRESH": "1"}, ports)
    assert third["calendars"] == ["demo-calendar"]
    assert third["key"] != first["key"]


def run_stack(environment: dict[str, str], ports: list[int]) -> dict[str, Any]:
    """Start the stack, create a calendar, and stop it: its key, and what it had before."""
    running = subprocess.Popen(
        [sys.executable, "-m", "infra.local.run"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        shown = ""
        while not shown.endswith("Requests to the API:\n"):
            line = running.stdout.readline()
            assert line, shown
            shown += line
        assert "ready." in shown
        demo = httpx.get(f"http://127.0.0.1:{ports[1]}/demo.json").json()
        key = {"Authorization": f"Bearer {demo['api_key']}"}
        listed = httpx.get(f"{demo['app_url']}/v1/calendars", headers=key).json()["items"]
        created = f"of-{time.monotonic_ns()}"
        body = {"name": "Call", "host": listed[0]["host"], "location": {"type": "phone"}}
        httpx.put(f"{demo['app_url']}/v1/calendars/{created}", headers=key, json=body).raise_for_status()
        assert httpx.get(f"{demo['console_url']}/inbox.json").json() == []
        exported = dict(re.findall(r"export (MEETLINK_\w+)=(\S+)", shown))
        assert exported == {"MEETLINK_URL": demo["app_url"], "MEETLINK_KEY": demo["api_key"]}
    finally:
        for _ in range(3):  # make's process group gets each signal more than once.
            running.send_signal(signal.SIGTERM)
        status = running.wait(30)

    assert status == 0
    assert all(is_free(port) for port in ports)
    return {"key": demo["api_key"], "calendars": [one["id"] for one in listed], "created": created}


def test_a_taken_port_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment = os.environ | {"MEETLINK_PORT": str(taken.getsockname()[1]), **other_ports()}
        done = subprocess.run(
            [sys.executable, "-m", "infra.local.run"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("The local stack did not start: port ")
    assert "Traceback" not in done.stderr


def test_every_make_target_that_the_documents_name_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    documents = [README, *(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))]

    named = {target for text in documents for target in re.findall(r"`make ([a-z-]+)|^\$ make ([a-z-]+)", text, re.M)}

    assert {"".join(target) for target in named} <= set(re.findall(r"^([a-z-]+):", makefile, re.M))


def test_every_port_setting_of_the_readme_has_the_default_that_the_stack_has() -> None:
    from infra.local.stack import ports_from_environment

    ports = ports_from_environment({})

    shown = {name: int(value) for name, value in re.findall(r"`(MEETLINK_\w*PORT)` \| (\d+)", README)}
    assert shown == {
        "MEETLINK_PORT": ports.app,
        "MEETLINK_CONSOLE_PORT": ports.console,
        "MEETLINK_PROVIDER_PORT": ports.provider,
        "MEETLINK_AWS_PORT": ports.aws,
    }


def steps(output: str) -> list[str]:
    """What each line is about; addresses, times and amounts differ from run to run."""
    labels = [line[2:35].strip() for line in output.splitlines() if line.startswith("  ") and "  " in line.strip()]
    return [label for label in labels if label and not label.startswith("invite.ics")]


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def other_ports() -> dict[str, str]:
    names = ("MEETLINK_CONSOLE_PORT", "MEETLINK_PROVIDER_PORT", "MEETLINK_AWS_PORT")
    return dict(zip(names, map(str, free_ports(3)), strict=True))


def is_free(port: int) -> bool:
    ends = time.monotonic() + 2
    while time.monotonic() < ends:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                time.sleep(0.05)
            else:
                return True
    return False
