"""A workspace's webhook endpoints: registered, changed, their secrets rotated, tried out."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from msgspec.structs import replace

from chalicelib.domain.webhook_signing import new_secret
from chalicelib.errors import Conflict, LostRace, NotFound
from chalicelib.store.encryption import Encryption
from chalicelib.webhooks.delivery import WebhookDeliveries
from chalicelib.webhooks.events import TEST_EVENT, Event, event_id
from chalicelib.webhooks.model import MOST_ENDPOINTS, SECRET_OVERLAP, Delivery, Endpoint
from chalicelib.webhooks.signing_secrets import endpoint_owner, seal
from chalicelib.webhooks.store import DeliveryStore, EndpointStore

T = TypeVar("T")
_TRIES = 5


class WebhookEndpoints:
    """Secrets are answered once, when they are made. Writes raise `LostRace` if others write again and again."""

    def __init__(
        self,
        endpoints: EndpointStore,
        deliveries: DeliveryStore,
        deliverer: WebhookDeliveries,
        vault: Encryption,
        clock: Callable[[], datetime],
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._deliverer = deliverer
        self._vault = vault
        self._clock = clock

    def get(self, workspace_id: str, endpoint_id: str) -> Endpoint:
        """Raises `NotFound`."""
        endpoint = self._endpoints.get(workspace_id, endpoint_id)
        if endpoint is None:
            raise NotFound("There is no webhook endpoint with this id in your workspace.")
        return endpoint

    def put(
        self, workspace_id: str, endpoint_id: str, url: str, events: tuple[str, ...]
    ) -> tuple[Endpoint, str | None]:
        """Create (then with its secret) or change; a disabled endpoint is enabled again. Raises `Conflict`."""
        return _retried(lambda: self._put(workspace_id, endpoint_id, url, events))

    def _put(
        self, workspace_id: str, endpoint_id: str, url: str, events: tuple[str, ...]
    ) -> tuple[Endpoint, str | None]:
        now = self._clock()
        known = self._endpoints.all(workspace_id)
        before = next((e for e in known if e.endpoint_id == endpoint_id), None)
        if before is not None:
            after = replace(before, url=url, events=events, disabled_at=None, disabled_reason=None)
            if after != before:
                after = replace(after, updated_at=now, failures=0, paused_until=None)
                self._endpoints.put(after)
            return after, None
        if len(known) >= MOST_ENDPOINTS:
            raise _too_many()
        text = new_secret()
        secret = seal(self._vault, endpoint_owner(workspace_id), text, now)
        endpoint = Endpoint(workspace_id, endpoint_id, url, events, (secret,), created_at=now, updated_at=now)
        self._endpoints.put(endpoint)
        if len(self._endpoints.all(workspace_id)) > MOST_ENDPOINTS:
            # Others were created since the count. Each request that sees too many takes its own away, so that never
            # more than these stay, whichever order the requests came in.
            self._endpoints.delete(workspace_id, endpoint_id)
            raise _too_many()
        return endpoint, text

    def rotate(self, workspace_id: str, endpoint_id: str) -> tuple[Endpoint, str]:
        """A new secret; the newest former one signs beside it for a day more. Raises `NotFound`."""
        return _retried(lambda: self._rotate(workspace_id, endpoint_id))

    def _rotate(self, workspace_id: str, endpoint_id: str) -> tuple[Endpoint, str]:
        now, endpoint = self._clock(), self.get(workspace_id, endpoint_id)
        text = new_secret()
        former = replace(endpoint.secrets[-1], expires_at=now + SECRET_OVERLAP)
        current = seal(self._vault, endpoint_owner(workspace_id), text, now)
        rotated = replace(endpoint, secrets=(former, current), updated_at=now)
        self._endpoints.put(rotated)
        return rotated, text

    def delete(self, workspace_id: str, endpoint_id: str) -> None:
        """Nothing more is sent, retries included. Raises `NotFound`."""
        if not self._endpoints.delete(workspace_id, endpoint_id):
            raise NotFound("There is no webhook endpoint with this id in your workspace.")

    def test(self, workspace_id: str, endpoint_id: str) -> Delivery:
        """Send a test event now, once, and tell what came of it. Raises `NotFound`."""
        now, endpoint = self._clock(), self.get(workspace_id, endpoint_id)
        name = event_id(TEST_EVENT, workspace_id, endpoint_id, secrets.token_hex(16))
        event = Event(workspace_id, name, TEST_EVENT, now, {"endpoint_id": endpoint_id})
        key = self._deliveries.owe(event, endpoint, now)
        delivery = self._deliverer.test(endpoint, key) if key else None
        if delivery is None:
            raise NotFound("The test was overtaken: the delivery is gone.")
        return delivery

    def log(
        self, workspace_id: str, endpoint_id: str, *, limit: int, after: str | None
    ) -> tuple[list[Delivery], str | None]:
        """What was sent, newest first. Raises `NotFound`."""
        self.get(workspace_id, endpoint_id)
        return self._deliveries.page(workspace_id, endpoint_id, limit=limit, after=after)


def _retried(act: Callable[[], T]) -> T:
    """Do it again after a lost race, a few times."""
    for _ in range(_TRIES - 1):
        with suppress(LostRace):
            return act()
    return act()


def _too_many() -> Conflict:
    return Conflict(f"A workspace has at most {MOST_ENDPOINTS} endpoints. Delete one first.", reason="too_many")
