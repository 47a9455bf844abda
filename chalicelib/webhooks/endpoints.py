"""Manage a workspace's webhook endpoints: create, change, rotate the secret, test, list and send events again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from msgspec.structs import replace

from chalicelib.domain.webhook_signing import new_secret
from chalicelib.errors import Conflict, LostRace, NotFound
from chalicelib.store.encryption import Encryption
from chalicelib.webhooks.delivery import WebhookDeliveries
from chalicelib.webhooks.delivery_lists import DeliveryQuery, read_page
from chalicelib.webhooks.events import TEST_EVENT, Event, event_id
from chalicelib.webhooks.model import MAX_ENDPOINTS, SECRET_OVERLAP, Delivery, DeliveryKey, DeliveryState, Endpoint
from chalicelib.webhooks.signing_secrets import endpoint_owner, seal_secret
from chalicelib.webhooks.store import DeliveryStore, EndpointStore

T = TypeVar("T")
_MAX_TRIES = 5


class WebhookEndpoints:
    """A secret is returned only when it is created. Writes raise `LostRace` if other requests keep writing."""

    def __init__(
        self,
        endpoints: EndpointStore,
        deliveries: DeliveryStore,
        sender: WebhookDeliveries,
        encryption: Encryption,
        clock: Callable[[], datetime],
        wake_up: Callable[[Sequence[DeliveryKey]], None],
    ) -> None:
        """`wake_up` wakes the function that makes deliveries which are due."""
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._sender = sender
        self._encryption = encryption
        self._clock = clock
        self._wake_up = wake_up

    def get(self, workspace_id: str, endpoint_id: str) -> Endpoint:
        """Return an endpoint. Raises `NotFound`."""
        endpoint = self._endpoints.get(workspace_id, endpoint_id)
        if endpoint is None:
            raise _not_found()
        return endpoint

    def put(
        self, workspace_id: str, endpoint_id: str, url: str, events: tuple[str, ...]
    ) -> tuple[Endpoint, str | None]:
        """Create or change an endpoint, and enable it if it was disabled. Return a new endpoint with its secret.

        Raises `Conflict` if the workspace has too many endpoints.
        """
        return _retry_lost_race(lambda: self._put(workspace_id, endpoint_id, url, events))

    def _put(
        self, workspace_id: str, endpoint_id: str, url: str, events: tuple[str, ...]
    ) -> tuple[Endpoint, str | None]:
        endpoints = self._endpoints.list_by_workspace(workspace_id)
        endpoint = next((e for e in endpoints if e.endpoint_id == endpoint_id), None)
        if endpoint is not None:
            return self._change(endpoint, url, events), None
        if len(endpoints) >= MAX_ENDPOINTS:
            raise _too_many()
        return self._create(workspace_id, endpoint_id, url, events)

    def _change(self, endpoint: Endpoint, url: str, events: tuple[str, ...]) -> Endpoint:
        changed = replace(endpoint, url=url, events=events, disabled_at=None, disabled_reason=None)
        if changed != endpoint:
            changed = replace(changed, updated_at=self._clock(), failures=0, slow_answers=0, paused_until=None)
            self._endpoints.put(changed)
        return changed

    def _create(
        self, workspace_id: str, endpoint_id: str, url: str, events: tuple[str, ...]
    ) -> tuple[Endpoint, str | None]:
        now, text = self._clock(), new_secret()
        secret = seal_secret(self._encryption, endpoint_owner(workspace_id), text, now)
        endpoint = Endpoint(workspace_id, endpoint_id, url, events, (secret,), created_at=now, updated_at=now)
        self._endpoints.put(endpoint)
        if len(self._endpoints.list_by_workspace(workspace_id)) > MAX_ENDPOINTS:
            # Concurrent requests created endpoints since the count. Each request that sees too many deletes its own,
            # so that the limit holds in whichever order the requests came.
            self._endpoints.delete(workspace_id, endpoint_id)
            raise _too_many()
        return endpoint, text

    def rotate_secret(self, workspace_id: str, endpoint_id: str) -> tuple[Endpoint, str]:
        """Create a new secret. The previous one signs too for another day. Raises `NotFound`."""
        return _retry_lost_race(lambda: self._rotate_secret(workspace_id, endpoint_id))

    def _rotate_secret(self, workspace_id: str, endpoint_id: str) -> tuple[Endpoint, str]:
        now, endpoint = self._clock(), self.get(workspace_id, endpoint_id)
        text = new_secret()
        previous = replace(endpoint.secrets[-1], expires_at=now + SECRET_OVERLAP)
        newest = seal_secret(self._encryption, endpoint_owner(workspace_id), text, now)
        rotated = replace(endpoint, secrets=(previous, newest), updated_at=now)
        self._endpoints.put(rotated)
        return rotated, text

    def delete(self, workspace_id: str, endpoint_id: str) -> None:
        """Delete an endpoint. Its pending deliveries are no longer sent. Raises `NotFound`."""
        if not self._endpoints.delete(workspace_id, endpoint_id):
            raise _not_found()

    def send_test(self, workspace_id: str, endpoint_id: str) -> Delivery:
        """Send a test event once, now. Return the delivery with its result. Raises `NotFound`."""
        now, endpoint = self._clock(), self.get(workspace_id, endpoint_id)
        identity = event_id(TEST_EVENT, workspace_id, endpoint_id, secrets.token_hex(16))
        event = Event(workspace_id, identity, TEST_EVENT, now, {"endpoint_id": endpoint_id})
        key = self._deliveries.enqueue(event, endpoint, now)
        delivery = self._sender.deliver_once(endpoint, key) if key else None
        if delivery is None:
            raise NotFound("The test delivery was deleted in the meantime.")
        return delivery

    def list_deliveries(
        self, query: DeliveryQuery, *, limit: int, after: str | None
    ) -> tuple[list[Delivery], str | None]:
        """Return a page of an endpoint's deliveries, newest first. Raises `NotFound`."""
        self.get(query.workspace_id, query.endpoint_id)
        return read_page(query, limit=limit, after=after)

    def get_delivery(self, key: DeliveryKey) -> Delivery:
        """Return a delivery. Raises `NotFound`."""
        self.get(key.workspace_id, key.endpoint_id)
        delivery = self._deliveries.get(key)
        if delivery is None:
            raise _no_delivery()
        return delivery

    def resend(self, key: DeliveryKey) -> Delivery:
        """Send an event again, with a new day of retries. Raises `NotFound`, or `Conflict` for a disabled endpoint."""
        self._resume(key.workspace_id, key.endpoint_id)
        delivery = self._deliveries.resend(key, self._clock())
        if delivery is None:
            raise _no_delivery()
        self._wake_up([key])
        return delivery

    def resend_failed(self, query: DeliveryQuery, *, limit: int, after: str | None) -> tuple[int, str | None]:
        """Send the failed events of a page again. Return how many those are, and the next name. Raises as `resend`."""
        self._resume(query.workspace_id, query.endpoint_id)
        failed, rest = read_page(replace(query, state=DeliveryState.FAILED), limit=limit, after=after)
        events = [delivery for delivery in failed if delivery.type != TEST_EVENT]
        for delivery in events:
            self._deliveries.resend(delivery.key, self._clock())
        self._wake_up([delivery.key for delivery in events])
        return len(events), rest

    def _resume(self, workspace_id: str, endpoint_id: str) -> None:
        """End the pause of an endpoint that failed: its workspace says that it works again."""
        endpoint = self.get(workspace_id, endpoint_id)
        if endpoint.disabled_at is not None:
            raise Conflict("The endpoint is disabled. Enable it with PUT, then send again.", reason="endpoint_disabled")
        if endpoint.failures or endpoint.slow_answers:
            self._endpoints.clear_failures(endpoint)


def _retry_lost_race(act: Callable[[], T]) -> T:
    for _ in range(_MAX_TRIES - 1):
        with suppress(LostRace):
            return act()
    return act()


def _not_found() -> NotFound:
    return NotFound("There is no webhook endpoint with this id in your workspace.")


def _no_delivery() -> NotFound:
    return NotFound("There is no delivery with this id for the endpoint. Deliveries are kept for 14 days.")


def _too_many() -> Conflict:
    return Conflict(f"A workspace has at most {MAX_ENDPOINTS} endpoints. Delete one first.", reason="too_many")
