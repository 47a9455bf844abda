"""The two tables of webhooks: endpoints, and the deliveries to each of them."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

import msgspec
from msgspec.structs import replace
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.errors import LostRace
from chalicelib.store.tables import (
    DeliveryItem,
    EndpointItem,
    due_shard,
    from_milliseconds,
    milliseconds,
    translated,
)
from chalicelib.webhooks.events import Event
from chalicelib.webhooks.model import LOG_LIFE, Delivery, DeliveryKey, DeliveryState, Endpoint

_LEASE_MS = 60_000
"""Longer than one try. A sender that dies leaves the delivery due again after this."""


class EndpointStore:
    """The endpoints table. A workspace has a handful, so they are always read all at once."""

    def get(self, workspace_id: str, endpoint_id: str) -> Endpoint | None:
        with translated():
            try:
                item = EndpointItem.get(workspace_id, endpoint_id, consistent_read=True)
            except EndpointItem.DoesNotExist:
                return None
        return _endpoint(item)

    def all(self, workspace_id: str) -> list[Endpoint]:
        """In order of id, read consistently."""
        with translated():
            return [_endpoint(item) for item in EndpointItem.query(workspace_id, consistent_read=True)]

    def put(self, endpoint: Endpoint) -> None:
        """Create (version 0) or replace the version that was read. Raises `LostRace` if somebody else wrote."""
        item = EndpointItem(
            endpoint.workspace_id,
            endpoint.endpoint_id,
            version=endpoint.version + 1,
            document=msgspec.json.encode(endpoint).decode(),
            disabled_at=milliseconds(endpoint.disabled_at) if endpoint.disabled_at else None,
            disabled_reason=endpoint.disabled_reason,
            failures=endpoint.failures,
            paused_until=milliseconds(endpoint.paused_until) if endpoint.paused_until else None,
        )
        unread = EndpointItem.endpoint_id.does_not_exist()
        condition: Condition = EndpointItem.version == endpoint.version if endpoint.version else unread
        with translated():
            item.save(condition=condition)

    def delete(self, workspace_id: str, endpoint_id: str) -> bool:
        """Whether there was such an endpoint."""
        try:
            with translated():
                EndpointItem(workspace_id, endpoint_id).delete(condition=EndpointItem.endpoint_id.exists())
        except LostRace:
            return False
        return True

    def disable(self, endpoint: Endpoint, reason: str, now: datetime) -> None:
        """Send nothing more, unless the workspace changed the endpoint since it was read."""
        actions: list[Action] = [
            EndpointItem.disabled_at.set(milliseconds(now)),
            EndpointItem.disabled_reason.set(reason),
        ]
        self._note(endpoint, actions, EndpointItem.version == endpoint.version)

    def failed(self, endpoint: Endpoint, paused_until: datetime | None) -> None:
        """Count one more failure in a row."""
        actions: list[Action] = [EndpointItem.failures.set(endpoint.failures + 1)]
        if paused_until is not None:
            actions.append(EndpointItem.paused_until.set(milliseconds(paused_until)))
        self._note(endpoint, actions, EndpointItem.endpoint_id.exists())

    def recovered(self, endpoint: Endpoint) -> None:
        """Forget earlier failures."""
        actions: list[Action] = [EndpointItem.failures.set(0), EndpointItem.paused_until.remove()]
        self._note(endpoint, actions, EndpointItem.endpoint_id.exists())

    def _note(self, endpoint: Endpoint, actions: list[Action], condition: Condition) -> None:
        with suppress(LostRace), translated():
            EndpointItem(endpoint.workspace_id, endpoint.endpoint_id).update(actions, condition=condition)


def _endpoint(item: EndpointItem) -> Endpoint:
    return replace(
        msgspec.json.decode(item.document, type=Endpoint),
        version=int(item.version),
        disabled_at=from_milliseconds(item.disabled_at) if item.disabled_at is not None else None,
        disabled_reason=item.disabled_reason,
        failures=int(item.failures),
        paused_until=from_milliseconds(item.paused_until) if item.paused_until is not None else None,
    )


class _Document(msgspec.Struct):
    event_id: str
    type: str
    body: str
    created_at: datetime
    """When the event was queued."""


class DeliveryStore:
    """The deliveries table."""

    def owe(self, event: Event, endpoint: Endpoint, now: datetime) -> DeliveryKey | None:
        """Owe the event to the endpoint, due now; None if it was owed already, and so perhaps delivered by now."""
        key = DeliveryKey(endpoint.workspace_id, endpoint.endpoint_id, _name(event))
        document = _Document(event.event_id, event.type, event.body().decode(), now)
        hash_key = _hash_key(key.workspace_id, key.endpoint_id)
        item = DeliveryItem(
            hash_key,
            key.name,
            document=msgspec.json.encode(document).decode(),
            state=DeliveryState.PENDING.value,
            due_shard=due_shard(hash_key, key.name),
            due_at=milliseconds(now),
            expires_at=int((now + LOG_LIFE).timestamp()),
        )
        try:
            with translated():
                item.save(condition=DeliveryItem.delivery_name.does_not_exist())
        except LostRace:
            return None
        return key

    def get(self, key: DeliveryKey) -> Delivery | None:
        with translated():
            try:
                return _delivery(DeliveryItem.get(*_keys(key), consistent_read=True))
            except DeliveryItem.DoesNotExist:
                return None

    def lease(self, key: DeliveryKey, now: datetime) -> Delivery | None:
        """Begin a try; None if the delivery is not due or somebody else has begun one."""
        item = DeliveryItem(*_keys(key))
        actions: list[Action] = [
            DeliveryItem.attempts.set(DeliveryItem.attempts + 1),
            DeliveryItem.last_attempt_at.set(milliseconds(now)),
            DeliveryItem.due_at.set(milliseconds(now) + _LEASE_MS),
        ]
        try:
            with translated():
                item.update(actions, condition=DeliveryItem.due_at <= milliseconds(now))
        except LostRace:
            return None
        return _delivery(item)

    def finish(self, key: DeliveryKey, state: DeliveryState, status: int | None, error: str | None) -> None:
        """Delivered, or given up."""
        self._record(key, status, error, DeliveryState(state), None)

    def postpone(self, key: DeliveryKey, until: datetime, status: int | None, error: str | None) -> None:
        """A try failed; the next comes at `until`."""
        self._record(key, status, error, DeliveryState.PENDING, until)

    def hold(self, key: DeliveryKey, until: datetime) -> None:
        """Put off without a try, if it is still owed."""
        actions: list[Action] = [DeliveryItem.due_at.set(milliseconds(until))]
        with suppress(LostRace), translated():
            DeliveryItem(*_keys(key)).update(actions, condition=DeliveryItem.due_at.exists())

    def due(self, shard: int, now: datetime, limit: int) -> list[DeliveryKey]:
        """Deliveries in one of `DUE_SHARDS` partitions whose time has come, longest overdue first."""
        with translated():
            found = DeliveryItem.due.query(str(shard), DeliveryItem.due_at <= milliseconds(now), limit=limit)
            return [_key(item) for item in found]

    def page(
        self, workspace_id: str, endpoint_id: str, *, limit: int, after: str | None
    ) -> tuple[list[Delivery], str | None]:
        """An endpoint's log, newest first: at most `limit` after the name `after`, and the next such name, if any."""
        older = DeliveryItem.delivery_name < after if after else None
        key = _hash_key(workspace_id, endpoint_id)
        with translated():
            items = list(
                DeliveryItem.query(key, older, limit=limit + 1, scan_index_forward=False, consistent_read=True)
            )
        deliveries = [_delivery(item) for item in items[:limit]]
        return deliveries, deliveries[-1].key.name if len(items) > limit else None

    def _record(
        self, key: DeliveryKey, status: int | None, error: str | None, state: DeliveryState, due_at: datetime | None
    ) -> None:
        actions: list[Action] = [
            DeliveryItem.state.set(state.value),
            DeliveryItem.status.remove() if status is None else DeliveryItem.status.set(status),
            DeliveryItem.error.remove() if error is None else DeliveryItem.error.set(error),
        ]
        if due_at is None:
            actions += [DeliveryItem.due_shard.remove(), DeliveryItem.due_at.remove()]
        else:
            actions.append(DeliveryItem.due_at.set(milliseconds(due_at)))
        # What somebody else has finished meanwhile, after our lease, stays finished.
        with suppress(LostRace), translated():
            DeliveryItem(*_keys(key)).update(actions, condition=DeliveryItem.due_at.exists())


def _name(event: Event) -> str:
    """The sort key. Its beginning is `Delivery.created_at`."""
    return f"{milliseconds(event.filed_at or event.at):015d}-{event.event_id}"


def _hash_key(workspace_id: str, endpoint_id: str) -> str:
    return f"{workspace_id}#{endpoint_id}"


def _keys(key: DeliveryKey) -> tuple[str, str]:
    return _hash_key(key.workspace_id, key.endpoint_id), key.name


def _key(item: DeliveryItem) -> DeliveryKey:
    workspace_id, _, endpoint_id = item.endpoint_key.partition("#")
    return DeliveryKey(workspace_id, endpoint_id, item.delivery_name)


def _delivery(item: DeliveryItem) -> Delivery:
    document = msgspec.json.decode(item.document, type=_Document)
    return Delivery(
        key=_key(item),
        event_id=document.event_id,
        type=document.type,
        body=document.body.encode(),
        created_at=from_milliseconds(int(item.delivery_name.partition("-")[0])),
        queued_at=document.created_at,
        state=DeliveryState(item.state),
        attempts=int(item.attempts),
        status=int(item.status) if item.status is not None else None,
        error=item.error,
        last_attempt_at=from_milliseconds(item.last_attempt_at) if item.last_attempt_at is not None else None,
        next_attempt_at=from_milliseconds(item.due_at) if item.due_at is not None else None,
    )
