"""Who visits the stand-in Zoom: a browser, an app with its tokens, and the receiver of its events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from flask import Flask, request

from infra.local.standins.zoom import Account
from infra.local.standins.zoom.webhooks import hex_hmac
from infra.local.visitor import sign_in_and_consent

WEB, API, PRODUCT = "https://zoom.us", "https://api.zoom.us", "https://product.example"
REDIRECT = f"{PRODUCT}/callback?from=zoom"
CLIENT = ("client-1", "client-secret-1")
USER_MEETINGS, MEETING = "/users/{userId}/meetings", "/meetings/{meetingId}"
HOST = Account("user-1", "account-1", "host@example.com", "password-1", "Demo Host", timezone="Europe/Berlin")
OTHER = Account("user-2", "account-2", "other@example.com", "password-2", "Other Host")
VERIFIER = "v" * 43
BOOKING = {"type": 2, "topic": "Talk", "agenda": "mark-1", "start_time": "2026-03-02T10:00:00Z", "duration": 30}


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **units: float) -> None:
        self.now += timedelta(**units)


class Receiver:
    """The product's webhook endpoint."""

    def __init__(self) -> None:
        self.app = Flask(__name__)
        self.app.add_url_rule("/events", view_func=self.receive, methods=["POST"])
        self.secret = "webhook-secret-1"
        self.events: list[tuple[Mapping[str, str], str]] = []

    def receive(self) -> tuple[dict[str, str], int]:
        self.events.append((dict(request.headers), request.get_data(as_text=True)))
        token = request.get_json()["payload"].get("plainToken", "")
        return {"plainToken": token, "encryptedToken": hex_hmac(self.secret, token)}, 200


def authorize_url(**changes: str) -> str:
    query = {"response_type": "code", "client_id": CLIENT[0], "redirect_uri": REDIRECT, "state": "s-1"} | changes
    return f"{WEB}/oauth/authorize?{urlencode(query)}"


def consent(client: httpx.Client, account: Account = HOST, **changes: str) -> dict[str, list[str]]:
    back = sign_in_and_consent(client, authorize_url(**changes), account.email, account.password)
    return parse_qs(urlsplit(back).query)


def exchange(client: httpx.Client, code: str, **changes: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT} | changes
    return client.post(f"{WEB}/oauth/token", data=form, auth=CLIENT)


def refresh(client: httpx.Client, refresh_token: str, **more: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token} | more
    return client.post(f"{WEB}/oauth/token", data=form, auth=CLIENT)


def connect(client: httpx.Client, account: Account = HOST) -> dict[str, Any]:
    return exchange(client, consent(client, account)["code"][0]).json()


class Api:
    """Calls below /v2 with one access token."""

    def __init__(self, client: httpx.Client, access_token: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {access_token}"}

    def __call__(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        return self.client.request(method, f"{API}/v2{path}", json=body, params=params or None, headers=self.headers)

    def create(self, **changes: Any) -> httpx.Response:
        return self("POST", "/users/me/meetings", BOOKING | changes)


def field_errors(answer: httpx.Response) -> list[str]:
    assert (answer.status_code, answer.json()["code"]) == (400, 300)
    return [error["field"] for error in answer.json()["errors"]]
