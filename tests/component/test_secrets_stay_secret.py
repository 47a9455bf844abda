"""Canaries in every secret: none may show up in logs, mails, stream images, answers or tables (RELIABILITY 22)."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.connection import Tokens
from chalicelib.errors import MeetlinkError
from chalicelib.handlers import booking_stream
from chalicelib.store.deployment_secrets import Credentials
from infra.local.standins.faults import Action, Fault
from infra.local.visitor import press
from tests.support.product import CREDENTIALS, LambdaContext, Product, booking


@pytest.fixture
def noisy(connected: Product, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Product:
    """Everything is logged, at every level."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("botocore").setLevel(
        logging.INFO
    )  # Its debug lines quote whole requests; they are never shipped.
    return connected


def test_no_secret_leaves_through_logs_mails_streams_answers_or_tables(
    noisy: Product, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    images: list[Any] = []
    said: list[str] = []
    tokens: set[str] = set()
    live_through_trouble(noisy, images, said, tokens)

    printed = capfd.readouterr()
    places = {
        "logs": caplog.text + printed.out + printed.err,
        "mails": "".join(letter.raw.decode("utf-8", "replace") for letter in noisy.mails.sent),
        "notices": "".join(notice.text for notice in noisy.mails.notices),
        "streams": json.dumps(images, default=str),
        "answers": "".join(said),
        "tables": json.dumps([noisy.aws.scan(name) for name in TABLES], default=str),
    }
    canaries = secrets_of(tokens)

    assert len(canaries) >= 8
    hits = [(place, name) for place, text in places.items() for name, secret in canaries.items() if secret in text]
    assert hits == []


TABLES = ("bookings", "connections", "grants", "calendars", "workspaces", "ephemeral")


def live_through_trouble(product: Product, images: list[Any], said: list[str], tokens: set[str]) -> None:
    """Book, refresh, fail in every way, break, disconnect: and keep what was said."""
    caller = product.caller()
    faults = [
        Fault("/v2/users/me/meetings", Action.BEFORE, status=401, body={"code": 124, "message": "Invalid token"}),
        Fault("/v2/users/me/meetings", Action.BEFORE, status=400, body="not json at all"),
        Fault("/v2/users/me/meetings", Action.LOST_AFTER),
        Fault("/oauth/token", Action.BEFORE, status=500, body="oops"),
        Fault("/v2/meetings/", Action.AFTER, status=200, body={"error": "strange"}),
    ]
    for number, fault in enumerate([None, *faults]):
        if fault is not None:
            product.zoom.faults.add(fault)
        said.append(caller.put(f"/v1/bookings/b-{number}", json=booking(days=30 + number)).text)
        images += deliver(product)
        product.clock.advance(3600)
        product.tick()
        said.append(caller.get(f"/v1/bookings/b-{number}").text)
        tokens |= set(product.zoom.identity.all_tokens())
    browser = product.browser()
    settings = product.open_settings(browser)
    said.append(settings.text)
    said.append(browser.get("/oauth/zoom/callback?state=guess&code=canary-code").text)
    said.append(press(browser, browser.get("/settings/disconnect"), "/settings/disconnect").text)
    product.tick()
    images += deliver(product)


def deliver(product: Product) -> list[Any]:
    seen: list[Any] = []
    while records := product.stream_records():
        seen += records
        booking_stream.settle_records({"Records": records}, LambdaContext(), product.services)
    return seen


def secrets_of(tokens: set[str]) -> dict[str, str]:
    """What must stay inside: every token that Zoom ever gave, host links, the app's and the deployment's secrets."""
    found = {name: value for name, value in CREDENTIALS.items() if name != "ZOOM_CLIENT_ID"}
    found["tag secret"] = "tag-secret-1"
    found["authorization code"] = "canary-code"
    found["host link"] = "zak="
    return found | {f"token {number}": token for number, token in enumerate(sorted(tokens))}


def test_values_that_hold_secrets_do_not_show_them() -> None:
    tokens = Tokens("access-canary", "refresh-canary", datetime.now(UTC))
    credentials = Credentials("id", "secret-canary", "webhook-canary")

    assert "canary" not in repr(tokens) + repr(credentials) + str(MeetlinkError(tokens))
