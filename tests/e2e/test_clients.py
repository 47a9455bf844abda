"""The clients against the local stack: what their READMEs show works, and they accept the product's webhooks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from meetlink import webhooks
from meetlink.types import Event

from infra.local.stack import HOST_EMAIL, LocalStack
from tests.support import npm
from tests.support.guide_reader import GuideReader, blocks, client, connect, environment

CLIENTS = Path(__file__).parents[2] / "clients"


class Receiver(HTTPServer):
    """Receives webhooks with the Python client, and keeps the events."""

    secret = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ReceiverHandler)
        self.events: list[Event] = []


class ReceiverHandler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.events.append(webhooks.verify(body, dict(self.headers), self.server.secret))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def typescript() -> Path:
    home = npm.install(CLIENTS / "typescript", purpose="the TypeScript client is NOT tested")
    guide = (CLIENTS.parent / "docs" / "callers.md").read_text(encoding="utf-8")
    program = "\n".join(code for _, code in blocks(guide, "ts")).replace('"meetlink"', '"./index.js"')
    (home / "src" / "guide.ts").write_text(program, encoding="utf-8")  # The compiler checks it, too.
    subprocess.run(["npm", "run", "--silent", "build"], cwd=home, check=True, timeout=120)
    return home


def run_node(stack: LocalStack, home: Path, program: str) -> list[str]:
    """The lines that the program prints."""
    settings = os.environ | environment(stack)
    done = subprocess.run(["node", program], cwd=home, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def connect_user(stack: LocalStack, user_id: str) -> None:
    with client(stack) as meetlink:
        if meetlink.get_connection(user_id)["state"] != "connected":
            connect(meetlink.create_connect_link(user_id)["url"])


def test_the_readme_of_the_python_client_does_what_it_says(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(stack).items():
        monkeypatch.setenv(name, value)
    reader = GuideReader(stack)
    readme = (CLIENTS / "python" / "README.md").read_text(encoding="utf-8")
    printed = [reader.run(*block) for block in blocks(readme, "python")]
    assert printed[1].startswith("http")
    assert printed[2:] == ["", "409 not_connected\n", ""]


def test_webhooks_of_the_product_pass_the_clients_check(stack: LocalStack, receiver: Receiver) -> None:
    with client(stack) as meetlink:
        url = f"http://127.0.0.1:{receiver.server_port}/"
        receiver.secret = meetlink.put_endpoint("e-clients", {"url": url, "events": []})["secret"]
        assert meetlink.test_endpoint("e-clients")["state"] == "delivered"
        assert [delivery["type"] for delivery in meetlink.list_deliveries("e-clients")] == ["endpoint.test"]
        meetlink.delete_endpoint("e-clients")
    assert [event["type"] for event in receiver.events] == ["endpoint.test"]


@pytest.mark.node
@pytest.mark.exhaustive
class TestTheTypeScriptClient:
    def test_it_keeps_its_rules(self, typescript: Path) -> None:
        done = subprocess.run(["node", "--test", "test"], cwd=typescript, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    def test_its_readme_does_what_it_says(self, stack: LocalStack, typescript: Path) -> None:
        connect_user(stack, "u-1")
        readme = (typescript / "README.md").read_text(encoding="utf-8")
        program = "\n".join(code for _, code in blocks(readme, "js")).replace(
            'from "meetlink"', 'from "./dist/index.js"'
        )
        (typescript / "readme.mjs").write_text(program, encoding="utf-8")
        connect_link, join_url, problem = run_node(stack, typescript, "readme.mjs")
        assert "/connect/" in connect_link
        assert join_url.startswith("http")
        assert problem == "409 not_connected"

    def test_the_callers_guide_does_what_it_says(self, stack: LocalStack, typescript: Path) -> None:
        connect_user(stack, "u-4")
        connect_link, connected, booked, same_link, cancelled = run_node(stack, typescript, "dist/guide.js")
        assert "/connect/" in connect_link
        assert connected == f"connected {HOST_EMAIL}"
        assert booked.startswith("ready http")
        assert (same_link, cancelled) == ("true", "cancelled")
