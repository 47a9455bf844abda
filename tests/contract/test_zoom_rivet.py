"""Zoom's own Node client (`@zoom/rivet`) works against the stand-in, unchanged but for its base addresses.

A stand-in is only believable when a client that we did not write works against it (PROVIDERS 12).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.standins.server import serve
from infra.local.standins.zoom import Account, Zoom, create_app
from infra.local.visitor import sign_in_and_consent

pytestmark = pytest.mark.node

SOURCE = Path(__file__).parent / "rivet"
BUILD = Path(__file__).parents[2] / "build" / "rivet"
HOST = Account("user-1", "account-1", "host@example.com", "password-1", "Demo Host", timezone="Europe/Berlin")


class RivetError(Exception):
    """The client raised an error."""


class Rivet:
    """The client in a process of its own, with its receiver for callbacks and events on `port`."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{port}"
        self._read()

    def __call__(self, order: str, argument: Any = None) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"order": order, "argument": argument}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RivetError(answer["error"])
        return answer.get("result")


@dataclass
class Stage:
    """The stand-in, the client and where they listen."""

    zoom: Zoom
    rivet: Rivet
    url: str

    def connect(self) -> httpx.Response:
        """Go to the client's install page, allow the app, and come back to its callback."""
        with httpx.Client(trust_env=False) as browser:
            start = browser.get(f"{self.rivet.url}/zoom/oauth/install")
            # The cookie of the state is marked Secure: no jar sends it over loopback HTTP.
            cookie = start.headers["Set-Cookie"].split(";")[0]
            asked = start.headers["Location"].replace("https://zoom.us", self.url)
            back = sign_in_and_consent(browser, asked, HOST.email, HOST.password)
            return browser.get(back, headers={"Cookie": cookie})


@pytest.fixture(scope="module")
def modules() -> Path:
    """The client, installed from the lock file into the build folder if it is not there yet."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        message = "Node.js and npm are missing: Zoom's own client was NOT run against the stand-in"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted, installed = (SOURCE / "package-lock.json").read_bytes(), BUILD / ".installed"
        for name in ("package.json", "package-lock.json", "drive.mjs"):
            shutil.copyfile(SOURCE / name, BUILD / name)
        if not installed.exists() or installed.read_bytes() != wanted:
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
            subprocess.run(command, cwd=BUILD, check=True, timeout=300)
            installed.write_bytes(wanted)
    return BUILD


@pytest.fixture
def stage(modules: Path) -> Iterator[Stage]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    zoom = Zoom(
        client_id="client-1",
        client_secret="client-secret-1",
        webhook_secret="webhook-secret-1",
        redirect_uris=[f"http://127.0.0.1:{port}/zoom/oauth/callback"],
        accounts=[HOST],
        webhook_url=f"http://127.0.0.1:{port}/zoom/events",
    )
    with serve(create_app(zoom)) as server:
        # No proxy may stand between: an empty environment but for the search path.
        environment = {
            "PATH": os.environ["PATH"],
            "STANDIN_URL": server.url,
            "RECEIVER_PORT": str(port),
            "CLIENT_ID": zoom.identity.client_id,
            "CLIENT_SECRET": zoom.identity.client_secret,
            "WEBHOOK_SECRET": zoom.webhook_secret,
        }
        with subprocess.Popen(
            ["node", "drive.mjs"],
            cwd=modules,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield Stage(zoom, Rivet(process, port), server.url)
            finally:
                process.kill()


@pytest.fixture
def connected(stage: Stage) -> Stage:
    assert stage.connect().status_code == 200
    return stage


def test_it_connects(stage: Stage) -> None:
    answer = stage.connect()
    assert answer.status_code == 200
    assert "successfully authorized" in answer.text


def test_it_lives_through_a_meeting(connected: Stage) -> None:
    rivet, zoom = connected.rivet, connected.zoom
    booking = {"type": 2, "topic": "Talk", "start_time": "2030-01-01T10:00:00Z", "duration": 30}

    created = rivet("create", booking)
    assert (created["statusCode"], created["data"]["topic"]) == (201, "Talk")
    assert created["trackingId"]
    meeting_id = created["data"]["id"]
    assert [meeting["id"] for meeting in rivet("list")["data"]["meetings"]] == [meeting_id]

    assert rivet("update", {"meetingId": meeting_id, "body": {"duration": 45}})["statusCode"] == 204
    assert rivet("get", meeting_id)["data"]["duration"] == 45

    assert rivet("delete", meeting_id)["statusCode"] == 204
    assert zoom.meetings == {}


def test_it_understands_a_refusal(connected: Stage) -> None:
    with pytest.raises(RivetError, match=r'\[404/3001\]: "Meeting does not exist: 1\."'):
        connected.rivet("get", 1)


def test_it_refreshes_again_and_again(connected: Stage) -> None:
    for refreshes in (1, 2):
        connected.rivet("age")
        assert connected.rivet("list")["statusCode"] == 200
        assert connected.zoom.refresh_calls == refreshes


def test_its_receiver_proves_that_it_knows_the_secret(stage: Stage) -> None:
    assert stage.zoom.validate_url()


def test_its_receiver_accepts_a_deauthorization(connected: Stage) -> None:
    delivery = connected.zoom.deauthorize(HOST.user_id)
    assert delivery is not None
    assert delivery.accepted
    assert [event["payload"]["user_id"] for event in connected.rivet("events")] == [HOST.user_id]
    with pytest.raises(RivetError, match="401/124"):
        connected.rivet("list")


def test_its_receiver_accepts_the_events_of_a_meeting(connected: Stage) -> None:
    body = {"type": 2, "topic": "Talk", "start_time": "2030-01-01T10:00:00Z", "duration": 30}
    meeting_id = connected.rivet("create", body)["data"]["id"]
    connected.rivet("update", {"meetingId": meeting_id, "body": {"duration": 45}})
    deliveries = connected.zoom.sessions.take_place(meeting_id, is_recorded=True)
    deliveries += connected.zoom.sessions.delete_by_hand(meeting_id)
    assert [delivery.accepted for delivery in deliveries] == [True] * len(deliveries)
    received = {event["name"]: event["payload"]["object"] for event in connected.rivet("events")}
    assert set(received) == {
        "meeting.updated",
        "meeting.deleted",
        "meeting.started",
        "meeting.ended",
        "meeting.participant_joined",
        "meeting.participant_left",
        "recording.completed",
    }
    assert {str(about["id"]) for about in received.values()} == {str(meeting_id)}


@pytest.mark.parametrize(
    ("event", "declared"),
    [
        ("meeting.updated", "MeetingUpdatedEvent"),
        ("meeting.deleted", "MeetingDeletedEvent"),
        ("meeting.started", "MeetingStartedEvent"),
        ("meeting.ended", "MeetingEndedEvent"),
        ("meeting.participant_joined", "MeetingParticipantJoinedEvent"),
        ("meeting.participant_left", "MeetingParticipantLeftEvent"),
        ("recording.completed", "RecordingCompletedEvent"),
    ],
)
def test_the_payloads_have_every_field_that_the_client_declares(
    modules: Path, stage: Stage, event: str, declared: str
) -> None:
    sent: list[tuple[str, Any]] = []
    stage.zoom.send = lambda name, payload, **others: sent.append((name, payload))  # type: ignore[method-assign,assignment,func-returns-value]
    meeting = stage.zoom.held.create(HOST, {"type": 2, "start_time": "2030-01-01T10:00:00Z"})
    stage.zoom.sessions.take_place(meeting.id, is_recorded=True)
    stage.zoom.sessions.change_by_hand(meeting.id, duration=45)
    stage.zoom.sessions.delete_by_hand(meeting.id)
    text = (modules / "node_modules" / "@zoom" / "rivet" / "meetings" / "meetings.d.ts").read_text()
    lines = text.split(f"type {declared} = ")[1].split("\n};\n")[0].splitlines()[1:]
    payloads = [payload for name, payload in sent if name == event]
    assert payloads
    for payload in payloads:
        assert missing_fields({"payload": payload}, lines) == []


def missing_fields(value: Any, lines: list[str]) -> list[str]:
    """The required fields of a declaration, one a line, that the payload lacks."""
    missing, path = [], []
    for line in lines:
        if found := re.match(r"( +)(\w+)(\??): ", line):
            del path[len(found[1]) // 4 - 1 :]
            path.append((found[2], found[3] == "?"))
            names = [name for name, _ in path]
            if names[0] == "payload" and not any(optional for _, optional in path) and not has(value, names):
                missing.append(".".join(names))
    return missing


def has(value: Any, names: list[str]) -> bool:
    for name in names:
        value = value[0] if isinstance(value, list) else value
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True
