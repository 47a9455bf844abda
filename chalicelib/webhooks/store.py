"""The two tables of webhooks: endpoints, and the deliveries to each of them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec.structs import replace
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.decoding import decode_json
from chalicelib.errors import LostRace
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import DUE_PARTITIONS, DeliveryItem, EndpointItem, choose_partition
from chalicelib.webhooks.events import Event
from chalicelib.webhooks.model import LOG_LIFE, Attempt, Delivery, DeliveryKey, DeliveryState, Endpoint

_LEASE = timedelta(seconds=60)
"""Longer than one attempt. If the sender is killed, the delivery is due again after this time."""


_ENDED: list[Action] = [DeliveryItem.due_shard.remove(), DeliveryItem.due_at.remove()]


class EndpointStore:
    """The endpoints table. A workspace has few endpoints, so they are always read together."""

    def get(self, workspace_id: str, endpoint_id: str) -> Endpoint | None:
        """Read an endpoint consistently."""
        item = EndpointItem.find(workspace_id, endpoint_id)
        return _endpoint_of(item) if item else None

    def list_by_workspace(self, workspace_id: str) -> list[Endpoint]:
        """Read a workspace's endpoints consistently, in order of id."""
        with translated_errors():
            return [_endpoint_of(item) for item in EndpointItem.query(workspace_id, consistent_read=True)]

    def put(self, endpoint: Endpoint) -> None:
        """Create (version 0) or replace the version that was read.

        Raises `LostRace` if another request wrote in the meantime.
        """
        item = EndpointItem(
            endpoint.workspace_id,
            endpoint.endpoint_id,
            version=endpoint.version + 1,
            document=msgspec.json.encode(endpoint).decode(),
            disabled_at=endpoint.disabled_at,
            disabled_reason=endpoint.disabled_reason,
            failures=endpoint.failures,
            slow_answers=endpoint.slow_answers or None,
            paused_until=endpoint.paused_until,
        )
        is_new, is_current = EndpointItem.endpoint_id.does_not_exist(), EndpointItem.version == endpoint.version
        condition: Condition = is_current if endpoint.version else is_new
        with translated_errors():
            item.save(condition=condition)

    def delete(self, workspace_id: str, endpoint_id: str) -> bool:
        """Delete an endpoint. Return whether it existed."""
        try:
            with translated_errors():
                EndpointItem(workspace_id, endpoint_id).delete(condition=EndpointItem.endpoint_id.exists())
        except LostRace:
            return False
        return True

    def disable(self, endpoint: Endpoint, reason: str, now: datetime) -> None:
        """Stop sending to an endpoint, unless the workspace changed it since it was read."""
        actions: list[Action] = [EndpointItem.disabled_at.set(now), EndpointItem.disabled_reason.set(reason)]
        self._update(endpoint, actions, EndpointItem.version == endpoint.version)

    def record_failure(self, endpoint: Endpoint, paused_until: datetime | None) -> None:
        """Count one more failure in a row. It ends a row of slow responses."""
        failures = EndpointItem.failures.set(endpoint.failures + 1)
        actions: list[Action] = [failures, EndpointItem.slow_answers.remove()]
        if paused_until is not None:
            actions.append(EndpointItem.paused_until.set(paused_until))
        self._update(endpoint, actions, EndpointItem.endpoint_id.exists())

    def record_slow_answer(self, endpoint: Endpoint, paused_until: datetime | None) -> None:
        """Count one more slow response in a row. It is a success, so it ends a row of failures and their pause."""
        slow_answers = EndpointItem.slow_answers.set(endpoint.slow_answers + 1)
        actions: list[Action] = [EndpointItem.failures.set(0), slow_answers]
        if paused_until is not None:
            actions.append(EndpointItem.paused_until.set(paused_until))
        elif endpoint.failures:  # Otherwise the pause is that of another delivery's slow response.
            actions.append(EndpointItem.paused_until.remove())
        self._update(endpoint, actions, EndpointItem.endpoint_id.exists())

    def clear_failures(self, endpoint: Endpoint) -> None:
        """Reset the counts of failures and of slow responses, and end the pause."""
        counts = [EndpointItem.failures.set(0), EndpointItem.slow_answers.remove()]
        actions: list[Action] = [*counts, EndpointItem.paused_until.remove()]
        self._update(endpoint, actions, EndpointItem.endpoint_id.exists())

    def _update(self, endpoint: Endpoint, actions: list[Action], condition: Condition) -> None:
        with suppress(LostRace), translated_errors():
            EndpointItem(endpoint.workspace_id, endpoint.endpoint_id).update(actions, condition=condition)


class DeliveryStore:
    """The deliveries table: pending deliveries, and for some days a log of those that ended."""

    def enqueue(self, event: Event, endpoint: Endpoint, now: datetime) -> DeliveryKey | None:
        """Store a delivery of the event to the endpoint, due now. Return None if it was enqueued before."""
        key = DeliveryKey(endpoint.workspace_id, endpoint.endpoint_id, _name(event))
        hash_key, range_key = _keys(key)
        document = _Document(event.event_id, event.type, event.body().decode(), now)
        item = DeliveryItem(
            hash_key,
            range_key,
            document=msgspec.json.encode(document).decode(),
            state=DeliveryState.PENDING.value,
            due_shard=choose_partition(DUE_PARTITIONS, hash_key, range_key),
            due_at=now,
            expires_at=now + LOG_LIFE,
        )
        try:
            with translated_errors():
                item.save(condition=DeliveryItem.delivery_name.does_not_exist())
        except LostRace:
            return None
        return key

    def get(self, key: DeliveryKey) -> Delivery | None:
        """Read a delivery consistently."""
        item = DeliveryItem.find(*_keys(key))
        return delivery_of(item) if item else None

    def lease(self, key: DeliveryKey, now: datetime) -> Delivery | None:
        """Begin an attempt. Return None if the delivery is not due or another sender has begun one."""
        item = DeliveryItem(*_keys(key))
        actions: list[Action] = [
            DeliveryItem.attempts.set(DeliveryItem.attempts + 1),
            DeliveryItem.last_attempt_at.set(now),
            DeliveryItem.due_at.set(now + _LEASE),
        ]
        try:
            with translated_errors():
                item.update(actions, condition=DeliveryItem.due_at <= now)
        except LostRace:
            return None
        return delivery_of(item)

    def cancel(self, key: DeliveryKey, error: str) -> None:
        """Record that a delivery ended without an attempt."""
        self._update(key, [*_result(DeliveryState.FAILED, None, error), *_ENDED])

    def finish(self, delivery: Delivery, state: DeliveryState, attempt: Attempt) -> None:
        """Record the last attempt of a delivery, which then remains in the log."""
        self._update(delivery.key, [*_attempted(delivery, state, attempt), *_ENDED])

    def schedule_retry(self, delivery: Delivery, at: datetime, attempt: Attempt) -> None:
        """Record a failed attempt. The delivery is due again at `at`."""
        actions = _attempted(delivery, DeliveryState.PENDING, attempt)
        self._update(delivery.key, [*actions, DeliveryItem.due_at.set(at)])

    def postpone(self, key: DeliveryKey, until: datetime) -> None:
        """Make a pending delivery due at `until`, without an attempt."""
        self._update(key, [DeliveryItem.due_at.set(until)])

    def due(self, partition: str, now: datetime, limit: int) -> list[DeliveryKey]:
        """Return deliveries that are due in one of `DUE_PARTITIONS`, longest overdue first."""
        return [_key_of(item) for item in DeliveryItem.due.find(partition, now, limit)]

    def resend(self, key: DeliveryKey, now: datetime) -> Delivery | None:
        """Make a delivery due now, with a new day of retries. Return it as it is then; None if it does not exist.

        One that is being attempted, or due within a minute, is left as it is.
        """
        delivery = self.get(key)
        if delivery is None:
            return None
        try:
            self._make_due(key, delivery, now)
        except LostRace:
            return self.get(key)  # A sender has a lease on it, or it was sent again meanwhile.
        return self.get(key)

    def _make_due(self, key: DeliveryKey, delivery: Delivery, now: datetime) -> None:
        hash_key, range_key = _keys(key)
        document = _Document(delivery.event_id, delivery.type, delivery.body.decode(), now)
        actions: list[Action] = [
            DeliveryItem.document.set(msgspec.json.encode(document).decode()),
            DeliveryItem.state.set(DeliveryState.PENDING.value),
            DeliveryItem.attempts.set(0),
            DeliveryItem.due_shard.set(choose_partition(DUE_PARTITIONS, hash_key, range_key)),
            DeliveryItem.due_at.set(now),
            DeliveryItem.expires_at.set(now + LOG_LIFE),
        ]
        is_idle = DeliveryItem.due_at.does_not_exist() | (DeliveryItem.due_at > now + _LEASE)
        with translated_errors():
            DeliveryItem(hash_key, range_key).update(actions, condition=DeliveryItem.delivery_name.exists() & is_idle)

    def _update(self, key: DeliveryKey, actions: list[Action]) -> None:
        # A delivery that another sender has finished after our lease ended stays finished.
        with suppress(LostRace), translated_errors():
            DeliveryItem(*_keys(key)).update(actions, condition=DeliveryItem.due_at.exists())


class _Document(msgspec.Struct):
    event_id: str
    type: str
    body: str
    queued_at: datetime


def _endpoint_of(item: EndpointItem) -> Endpoint:
    return replace(
        decode_json(item.document, Endpoint),
        version=int(item.version),
        disabled_at=item.disabled_at,
        disabled_reason=item.disabled_reason,
        failures=int(item.failures),
        slow_answers=int(item.slow_answers or 0),
        paused_until=item.paused_until,
    )


def delivery_of(item: DeliveryItem) -> Delivery:
    """Decode a row."""
    document = decode_json(item.document, _Document)
    return Delivery(
        key=_key_of(item),
        event_id=document.event_id,
        type=document.type,
        body=document.body.encode(),
        created_at=datetime.fromtimestamp(int(item.delivery_name.partition("-")[0]) / 1000, UTC),
        queued_at=document.queued_at,
        state=DeliveryState(item.state),
        attempts=int(item.attempts),
        status=int(item.status) if item.status is not None else None,
        error=item.error,
        last_attempt_at=item.last_attempt_at,
        attempt_log=decode_json(item.attempt_log or "[]", tuple[Attempt, ...]),
        next_attempt_at=item.due_at,
    )


def _attempted(delivery: Delivery, state: DeliveryState, attempt: Attempt) -> list[Action]:
    log = msgspec.json.encode(delivery.log_attempt(attempt)).decode()
    return [*_result(state, attempt.status, attempt.error), DeliveryItem.attempt_log.set(log)]


def _result(state: DeliveryState, status: int | None, error: str | None) -> list[Action]:
    return [
        DeliveryItem.state.set(state.value),
        DeliveryItem.status.remove() if status is None else DeliveryItem.status.set(status),
        DeliveryItem.error.remove() if error is None else DeliveryItem.error.set(error),
    ]


def _name(event: Event) -> str:
    """Return the sort key of a delivery. It begins with `Delivery.created_at`."""
    filed_at = event.filed_at or event.at
    return f"{int(filed_at.timestamp() * 1000):015d}-{event.event_id}"


def endpoint_key(workspace_id: str, endpoint_id: str) -> str:
    """Return the partition key of an endpoint's deliveries."""
    return f"{workspace_id}#{endpoint_id}"


def _keys(key: DeliveryKey) -> tuple[str, str]:
    return endpoint_key(key.workspace_id, key.endpoint_id), key.name


def _key_of(item: DeliveryItem) -> DeliveryKey:
    workspace_id, _, endpoint_id = item.endpoint_key.partition("#")
    return DeliveryKey(workspace_id, endpoint_id, item.delivery_name)
