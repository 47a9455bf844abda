"""The events the stand-in sends: signed as Zoom signs them (https://developers.zoom.us/docs/api/webhooks)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from infra.local.standins.base import Clock

# Zoom counts a later answer as a failure: https://developers.zoom.us/blog/webhook-delays.md
_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True)
class Delivery:
    """How an event was received; `status` is None without a response within three seconds.

    Real Zoom tries again after 5, 20 and 60 minutes; the stand-in does not, send the event again to see a repetition.
    """

    status: int | None
    body: bytes = b""

    @property
    def accepted(self) -> bool:
        """Zoom takes 200 and 204 as received."""
        return self.status in (200, 204)


def hex_hmac(secret: str, text: str) -> str:
    """HMAC-SHA256 in hexadecimal: both of a signature and of the answer to a URL validation."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def signature(secret: str, timestamp: str, body: str) -> str:
    """The x-zm-signature header's value."""
    return f"v0={hex_hmac(secret, f'v0:{timestamp}:{body}')}"


def send(
    *,
    url: str,
    secret: str,
    clock: Clock,
    event: str,
    payload: Mapping[str, Any],
    others: Mapping[str, str] | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Delivery:
    """Post one signed event. `others` are further fields next to its payload."""
    now = clock()
    content = {"event": event, "event_ts": int(now.timestamp() * 1000), "payload": payload, **(others or {})}
    # Compact like JSON.stringify: Zoom's own receiver checks the signature on JSON that it has serialized again.
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    timestamp = str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "x-zm-request-timestamp": timestamp,
        "x-zm-signature": signature(secret, timestamp, body),
    }
    with httpx.Client(transport=transport, timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
        try:
            answer = client.post(url, content=body.encode(), headers=headers)
        except httpx.TransportError:
            return Delivery(None)
    return Delivery(answer.status_code, answer.content)
