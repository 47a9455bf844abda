"""The programs in docs/webhooks.md, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.domain.webhook_signing import key_of, signed_headers
from chalicelib.webhooks.events import EventType
from chalicelib.webhooks.http_sender import Outcome, WebhookSender
from infra.local.gateway import wsgi
from infra.local.standins.server import serve
from tests.support.aws import Aws
from tests.support.product import WORKSPACE, Product, calendar
from tests.support.webhooks import SECRET

GUIDE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", GUIDE, re.DOTALL))
python = pytest.param("py", id="python")
node = pytest.param("mjs", id="node", marks=pytest.mark.node)


def command(tmp_path: Path, name: str) -> list[str]:
    program = tmp_path / name
    program.write_text(PROGRAMS[name], encoding="utf-8")
    return [sys.executable if name.endswith(".py") else "node", str(program)]


@contextmanager
def running(arguments: list[str], port: int) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"WEBHOOK_SECRET": SECRET, "PORT": str(port)}
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("language", [python, node])
def test_the_receivers_take_what_is_genuine_once_and_refuse_the_rest(tmp_path: Path, language: str) -> None:
    port, now, body = free_port(), datetime.now(UTC), b'{"type":"meeting.ready","data":{"booking_id":"b-42"}}'
    url, send = f"http://127.0.0.1:{port}/", WebhookSender(to_loopback=True)
    keys = [key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), key_of(SECRET)]
    genuine = signed_headers(keys, "evt_1", now, body)
    late = signed_headers(keys, "evt_1", datetime.fromtimestamp(now.timestamp() - 400, UTC), body)
    with running(command(tmp_path, f"receiver.{language}"), port) as receiver:
        assert [send(url, genuine, body) for _ in range(2)] == [Outcome(204)] * 2
        for headers in (late, genuine | {"webhook-id": "evt_2"}, genuine | {"webhook-signature": "v1,"}, {}):
            assert send(url, headers, body) == Outcome(401, "bad_status")
        assert send(url, genuine, body + b" ") == Outcome(401, "bad_status")
        receiver.terminate()
        said = receiver.communicate(timeout=10)[0]
    assert said.count("meeting.ready") == 1
    assert "b-42" in said


@pytest.mark.parametrize("language", [python, node])
def test_the_senders_make_a_booking(tmp_path: Path, moto_aws: Aws, language: str) -> None:
    product = Product(moto_aws, lambda: datetime.now(UTC))  # type: ignore[arg-type]
    assert product.caller().put("/v1/calendars/c-1", json=calendar("phone")).status_code == 201
    assert product.caller().post("/v1/webhook-secrets", json={"secret": SECRET}).status_code == 201
    server = serve(wsgi(product.app), "127.0.0.1", 0)
    own = {"WEBHOOK_SECRET": SECRET, "MEETLINK_URL": server.url, "MEETLINK_WORKSPACE": WORKSPACE}
    try:
        sent = subprocess.run(
            command(tmp_path, f"sender.{language}"),
            env=os.environ | own,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        server.close()
    assert (sent.stdout.strip(), sent.stderr) == ("204", "")
    name = {"py": "b-python", "mjs": "b-node"}[language]
    assert product.caller().get(f"/v1/bookings/{name}").json()["title"] == "Introduction"


def test_the_guide_names_every_event() -> None:
    names = re.findall(r"^\| (`(?:meeting|connection|invitation|booking)\.\w+`.*?) \|", GUIDE, re.MULTILINE)
    inbound = {"booking.created", "booking.rescheduled", "booking.cancelled"}
    assert {event for cell in names for event in re.findall(r"`([\w.]+)`", cell)} - inbound == set(EventType)


def test_the_answers_of_the_guide_are_those_of_the_calls_before_them(product: Product) -> None:
    calls = re.findall(r"```sh\n(curl.*?)```\n\n```json\n(.*?)```", GUIDE, re.DOTALL)
    assert len(calls) == 2
    for command_line, answer in calls:
        method, path = re.findall(r'-X (\w+) "\$MEETLINK_URL([^"]*)"', command_line)[0]
        body = json.loads(re.findall(r"-d '(.*?)'", command_line)[0])
        made = product.caller().request(method, path, json=body)
        assert made.status_code == 201, made.text
        shown, actual = json.loads(answer), made.json()
        assert {name: type(value) for name, value in shown.items()} == {name: type(actual[name]) for name in shown}
