"""Deliver what is owed to one endpoint: signed, one try at a time, at least once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from random import Random

from msgspec.structs import replace

from chalicelib.domain.deadline import NO_DEADLINE, Deadline
from chalicelib.domain.webhook_signing import signed_headers
from chalicelib.store.encryption import Encryption
from chalicelib.webhooks.events import TEST_EVENT
from chalicelib.webhooks.http_sender import Outcome, Post
from chalicelib.webhooks.model import (
    Delivery,
    DeliveryKey,
    DeliveryState,
    Endpoint,
)
from chalicelib.webhooks.signing_secrets import endpoint_owner, open_keys
from chalicelib.webhooks.store import DeliveryStore, EndpointStore

_GONE = 410
_DELAYS_MINUTES = (1, 2, 5, 15, 30, 60, 120, 240, 480, 480)
_GIVE_UP_AFTER = timedelta(days=1)
_LONGEST_PAUSE_MINUTES = 60
TRY_SECONDS = 15.0
"""The longest that one try takes, with the writes after it."""


class WebhookDeliveries:
    """Safe to call for any delivery, any number of times, side by side: who claims a try makes it."""

    def __init__(
        self,
        endpoints: EndpointStore,
        deliveries: DeliveryStore,
        vault: Encryption,
        post: Post,
        clock: Callable[[], datetime],
        random: Random,
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._vault = vault
        self._post = post
        self._clock = clock
        self._random = random

    def deliver(self, keys: Iterable[DeliveryKey], deadline: Deadline = NO_DEADLINE) -> None:
        """Try deliveries of one endpoint, in order. Raises `StoreError` only."""
        for key in keys:
            if not deadline.allows(TRY_SECONDS):
                return  # The index of due work knows what is left.
            endpoint = self._endpoints.get(key.workspace_id, key.endpoint_id)
            if endpoint and endpoint.paused_until and endpoint.paused_until > self._clock():
                self._deliveries.hold(key, endpoint.paused_until)
                continue
            delivery = self._deliveries.lease(key, self._clock())
            if delivery is not None:
                self._try(endpoint, delivery)

    def test(self, endpoint: Endpoint, key: DeliveryKey) -> Delivery | None:
        """One try whatever the endpoint's state; the delivery afterwards."""
        delivery = self._deliveries.lease(key, self._clock())
        if delivery is not None:
            self._try(replace(endpoint, disabled_at=None), delivery)
        return self._deliveries.get(key)

    def _try(self, endpoint: Endpoint | None, delivery: Delivery) -> None:
        if endpoint is None or endpoint.disabled_at is not None:
            why = "endpoint_removed" if endpoint is None else "endpoint_disabled"
            self._deliveries.finish(delivery.key, DeliveryState.FAILED, None, why)
            return
        outcome = self._post(endpoint.url, self._headers(endpoint, delivery), delivery.body)
        if outcome.error is None:
            self._deliveries.finish(delivery.key, DeliveryState.DELIVERED, outcome.status, None)
            if endpoint.failures:
                self._endpoints.recovered(endpoint)
        else:
            self._failed(endpoint, delivery, outcome)

    def _failed(self, endpoint: Endpoint, delivery: Delivery, outcome: Outcome) -> None:
        now = self._clock()
        if outcome.status == _GONE:
            self._endpoints.disable(endpoint, "gone", now)
        again_at = next_attempt(delivery, now, self._random)
        if outcome.status == _GONE or again_at is None or delivery.type == TEST_EVENT:
            self._deliveries.finish(delivery.key, DeliveryState.FAILED, outcome.status, outcome.error)
        else:
            self._deliveries.postpone(delivery.key, again_at, outcome.status, outcome.error)
        if delivery.type != TEST_EVENT:
            self._endpoints.failed(endpoint, pause_after(endpoint.failures + 1, now))

    def _headers(self, endpoint: Endpoint, delivery: Delivery) -> dict[str, str]:
        now = self._clock()
        valid = [secret for secret in endpoint.secrets if secret.is_valid(now)]
        keys = open_keys(self._vault, endpoint_owner(endpoint.workspace_id), valid)
        return signed_headers(keys, delivery.event_id, now, delivery.body)


def next_attempt(delivery: Delivery, now: datetime, random: Random) -> datetime | None:
    """When to try a failed delivery again: ever later, for a day; None when it is given up."""
    if now >= delivery.queued_at + _GIVE_UP_AFTER:
        return None
    delay = _DELAYS_MINUTES[min(delivery.attempts, len(_DELAYS_MINUTES)) - 1] * random.uniform(0.9, 1.1)
    return min(now + timedelta(minutes=delay), delivery.queued_at + _GIVE_UP_AFTER)


def pause_after(failures: int, now: datetime) -> datetime | None:
    """Until when to leave an endpoint alone. One failure may be the event's; a second in a row is the endpoint's."""
    if failures < 2:
        return None
    return now + timedelta(minutes=min(2.0 ** min(failures - 2, 10), _LONGEST_PAUSE_MINUTES))
