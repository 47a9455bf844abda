"""The console's own webhook receiver: it checks each signature and shows each payload."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from infra.local.console.live import live_part
from infra.local.standins.base import Clock

RECEIVE_PATH = "/webhooks/receive"
_KEPT = 200


@dataclass(frozen=True)
class ReceivedWebhook:
    """One delivery that the receiver accepted."""

    id: str
    type: str
    received_at: datetime
    is_signed: bool
    payload: str
    """The body, indented."""


class Receiver:
    """The deliveries of this run, in memory. Safe to use from many threads."""

    def __init__(self, clock: Clock) -> None:
        self.secret = ""
        """The endpoint's `whsec_…`, once it is registered."""
        self._clock = clock
        self._lock = threading.Lock()
        self._received: deque[ReceivedWebhook] = deque(maxlen=_KEPT)

    @property
    def received(self) -> list[ReceivedWebhook]:
        """What was received, oldest first."""
        with self._lock:
            return list(self._received)

    def restore(self, webhooks: Iterable[ReceivedWebhook]) -> None:
        """Continue with the deliveries of an earlier start."""
        with self._lock:
            self._received.extend(webhooks)

    def receive(self, message_id: str, timestamp: str, signatures: str, body: bytes) -> None:
        """Keep a delivery."""
        event = json.loads(body)
        webhook = ReceivedWebhook(
            message_id,
            str(event.get("type", "")),
            self._clock(),
            self._is_signed(f"{message_id}.{timestamp}.".encode() + body, signatures),
            json.dumps(event, indent=2, ensure_ascii=False),
        )
        with self._lock:
            self._received.append(webhook)

    def _is_signed(self, content: bytes, signatures: str) -> bool:
        key = b64decode(self.secret.removeprefix("whsec_"))
        expected = "v1," + b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
        return any(hmac.compare_digest(expected, signature) for signature in signatures.split(" "))


def create_received(receiver: Receiver) -> Blueprint:
    """`POST /webhooks/receive`, `GET /webhooks` and `GET /webhooks.json`."""
    blueprint, pages = Blueprint("received", __name__), _ReceivedPages(receiver)
    blueprint.post(RECEIVE_PATH)(pages.receive)
    blueprint.get("/webhooks")(pages.show)
    blueprint.get("/webhooks/live")(pages.live)
    blueprint.get("/webhooks.json")(pages.list_all)
    return blueprint


@dataclass(frozen=True)
class _ReceivedPages:
    receiver: Receiver

    def receive(self) -> tuple[str, int]:
        headers = request.headers
        self.receiver.receive(
            headers.get("webhook-id", ""),
            headers.get("webhook-timestamp", ""),
            headers.get("webhook-signature", ""),
            request.get_data(),
        )
        return "", 204

    def show(self) -> str:
        return render_template("webhooks.html", webhooks=self.receiver.received[::-1])

    def live(self) -> dict[str, Any]:
        return live_part(render_template("_webhooks.html", webhooks=self.receiver.received[::-1]))

    def list_all(self) -> Response:
        received = [asdict(webhook) for webhook in self.receiver.received]
        return jsonify([webhook | {"payload": json.loads(webhook["payload"])} for webhook in received])
