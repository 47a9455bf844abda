"""Deliver events to webhook endpoints: signed, at least once, with retries for a day."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.deadline import NO_DEADLINE, Deadline
from chalicelib.domain.webhook_signing import signed_headers
from chalicelib.observability import log
from chalicelib.store.encryption import Encryption
from chalicelib.webhooks.events import TEST_EVENT
from chalicelib.webhooks.model import Attempt, Delivery, DeliveryKey, DeliveryState, Endpoint
from chalicelib.webhooks.signing_secrets import endpoint_owner, open_keys
from chalicelib.webhooks.store import DeliveryStore, EndpointStore

if TYPE_CHECKING:  # Importing httpcore takes time at every cold start, and only deliveries need it.
    from chalicelib.webhooks.http_sender import Post

_GONE = 410
_RETRY_DELAYS_MINUTES = (1, 2, 5, 15, 30, 60, 120, 240, 480, 480)
_GIVE_UP_AFTER = timedelta(days=1)
_LONGEST_PAUSE_MINUTES = 60
_SLOW_MS = 5000
_SLOW_ANSWERS = 5
"""After this many slow responses in a row, an endpoint is paused; after as many more, again and for longer."""
_LONGEST_SLOW_PAUSE_MINUTES = 15
ATTEMPT_SECONDS = 15.0
"""The longest that one attempt takes, with the writes after it."""


class WebhookDeliveries:
    """Delivers events. Concurrent and repeated calls are safe: an attempt is made under a lease on the delivery."""

    def __init__(
        self,
        endpoints: EndpointStore,
        deliveries: DeliveryStore,
        encryption: Encryption,
        post: Post,
        clock: Callable[[], datetime],
        random: Random,
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._encryption = encryption
        self._post = post
        self._clock = clock
        self._random = random

    def deliver(self, keys: Iterable[DeliveryKey], deadline: Deadline = NO_DEADLINE) -> None:
        """Attempt deliveries of one endpoint, in order. Raises only `StoreError`."""
        for key in keys:
            if not deadline.allows(ATTEMPT_SECONDS):
                return  # The schedule finds the others in the index of due work.
            endpoint = self._endpoints.get(key.workspace_id, key.endpoint_id)
            if endpoint and endpoint.paused_until and endpoint.paused_until > self._clock():
                self._deliveries.postpone(key, endpoint.paused_until)
                continue
            delivery = self._deliveries.lease(key, self._clock())
            if delivery is not None:
                self._attempt(endpoint, delivery)

    def deliver_once(self, endpoint: Endpoint, key: DeliveryKey) -> Delivery | None:
        """Make one attempt, even if the endpoint is disabled. Return the delivery afterwards."""
        delivery = self._deliveries.lease(key, self._clock())
        if delivery is not None:
            self._attempt(replace(endpoint, disabled_at=None), delivery)
        return self._deliveries.get(key)

    def _attempt(self, endpoint: Endpoint | None, delivery: Delivery) -> None:
        if endpoint is None or endpoint.disabled_at is not None:
            self._deliveries.cancel(delivery.key, "endpoint_removed" if endpoint is None else "endpoint_disabled")
            return
        started_at = self._clock()
        outcome = self._post(endpoint.url, self._headers(endpoint, delivery), delivery.body)
        duration_ms = round((self._clock() - started_at).total_seconds() * 1000)
        attempt = Attempt(started_at, duration_ms, outcome.status, outcome.error)
        if outcome.error is not None:
            self._handle_failure(endpoint, delivery, attempt)
            return
        self._deliveries.finish(delivery, DeliveryState.DELIVERED, attempt)
        if attempt.duration_ms > _SLOW_MS and delivery.type != TEST_EVENT:
            self._handle_slow_answer(endpoint, attempt)
        elif endpoint.failures or endpoint.slow_answers:
            self._endpoints.clear_failures(endpoint)

    def _handle_slow_answer(self, endpoint: Endpoint, attempt: Attempt) -> None:
        slow_answers = endpoint.slow_answers + 1
        paused_until = pause_after_slow_answers(slow_answers, self._clock())
        log.info(
            "a webhook endpoint responds slowly",
            workspace_id=endpoint.workspace_id,
            endpoint_id=endpoint.endpoint_id,
            took_ms=attempt.duration_ms,
            slow_answers=slow_answers,
            paused_until=paused_until and paused_until.isoformat(),
        )
        self._endpoints.record_slow_answer(endpoint, paused_until)

    def _handle_failure(self, endpoint: Endpoint, delivery: Delivery, attempt: Attempt) -> None:
        now = self._clock()
        if attempt.status == _GONE:
            self._endpoints.disable(endpoint, "gone", now)
        retry_at = next_attempt(delivery, now, self._random)
        if attempt.status == _GONE or retry_at is None or delivery.type == TEST_EVENT:
            self._deliveries.finish(delivery, DeliveryState.FAILED, attempt)
        else:
            self._deliveries.schedule_retry(delivery, retry_at, attempt)
        if delivery.type != TEST_EVENT:
            self._endpoints.record_failure(endpoint, pause_after(endpoint.failures + 1, now))

    def _headers(self, endpoint: Endpoint, delivery: Delivery) -> dict[str, str]:
        now = self._clock()
        valid = [secret for secret in endpoint.secrets if secret.is_valid(now)]
        keys = open_keys(self._encryption, endpoint_owner(endpoint.workspace_id), valid)
        return signed_headers(keys, delivery.event_id, now, delivery.body)


def next_attempt(delivery: Delivery, now: datetime, random: Random) -> datetime | None:
    """Return when to retry a failed delivery, with growing delays for one day; None to give up."""
    if now >= delivery.queued_at + _GIVE_UP_AFTER:
        return None
    minutes = _RETRY_DELAYS_MINUTES[min(delivery.attempts, len(_RETRY_DELAYS_MINUTES)) - 1]
    delay = timedelta(minutes=minutes * random.uniform(0.9, 1.1))
    return min(now + delay, delivery.queued_at + _GIVE_UP_AFTER)


def pause_after_slow_answers(slow_answers: int, now: datetime) -> datetime | None:
    """Return until when to pause an endpoint after this many slow responses in a row, or None.

    A slow receiver occupies a worker for seconds, which the webhooks of others need.
    """
    rounds, rest = divmod(slow_answers, _SLOW_ANSWERS)
    if rest or not rounds:
        return None
    return now + timedelta(minutes=min(2.0 ** min(rounds - 1, 10), _LONGEST_SLOW_PAUSE_MINUTES))


def pause_after(failures: int, now: datetime) -> datetime | None:
    """Return until when to pause an endpoint after this many failures in a row, or None.

    A single failure may be caused by the event. A second one in a row is caused by the endpoint.
    """
    if failures < 2:
        return None
    return now + timedelta(minutes=min(2.0 ** min(failures - 2, 10), _LONGEST_PAUSE_MINUTES))
