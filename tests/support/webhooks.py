"""Receivers of webhooks, and the streams that events are read from, for tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from chalicelib.domain.webhook_signing import key_of, signed_headers
from chalicelib.handlers import webhook_streams
from chalicelib.webhooks.http_sender import Outcome
from infra.tables import connections_stream
from tests.support.clock import FakeClock
from tests.support.product import WORKSPACE, LambdaContext, Product, read_stream

VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET = "whsec_" + base64.b64encode(b"a booking system's own secret").decode()


@dataclass(frozen=True)
class Received:
    """A webhook that arrived."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event


class Receivers:
    """Every endpoint: records the webhooks that arrive and responds with `answers`, by default 204."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.take_seconds = 0.0
        self._clock = clock
        self.received: list[Received] = []
        self.answers: dict[str, Outcome] = {}

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        self.received.append(Received(url, headers, body))
        if self._clock is not None:
            self._clock.advance(self.take_seconds)
        return self.answers.get(url, Outcome(204))

    @classmethod
    def of(cls, product: Product) -> Receivers:
        """Replace the product's webhook transport by receivers."""
        receivers = cls(product.clock)
        product.services = replace(product.services, webhook_transport=receivers)
        return receivers

    def types(self) -> list[str]:
        return [webhook.event["type"] for webhook in self.received]


class Streams:
    """The two streams that events are read from, for one product."""

    def __init__(self, product: Product) -> None:
        self._product = product
        dynamodb = product.aws.client("dynamodb")
        self._connections_arn = connections_stream(dynamodb, product.aws.table_prefix)
        self._iterators: dict[tuple[str, str], str] = {}

    def announce(self) -> None:
        """Pass both streams' new records to their handlers."""
        services = self._product.services
        connections = {"Records": self.records(self._connections_arn)}
        webhook_streams.announce_connections(connections, LambdaContext(), services)
        webhook_streams.announce_bookings(
            {"Records": self.records(self._product.aws.stream_arn)}, LambdaContext(), services
        )

    def records(self, arn: str) -> list[dict[str, Any]]:
        """Return a stream's records since the last call."""
        return read_stream(self._product.aws, arn, self._iterators)


def send_event(
    product: Product,
    event: Any,
    *,
    secret: str = SECRET,
    workspace_id: str = WORKSPACE,
    message_id: str = "msg_1",
    **headers: str,
) -> httpx.Response:
    """POST a signed event as a booking system does. `headers` replace its headers."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    signed = signed_headers([key_of(secret)], message_id, product.clock(), body)
    signed |= {name.replace("_", "-"): value for name, value in headers.items()}
    address = f"/v1/webhooks/bookings/{workspace_id}"
    return product.stranger().post(address, content=body, headers={"Content-Type": "application/json"} | signed)
