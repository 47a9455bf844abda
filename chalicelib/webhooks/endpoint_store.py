"""Webhook endpoints: what a workspace set, and how they have been doing."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

import msgspec
from msgspec.structs import replace
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.errors import LostRace
from chalicelib.store.tables import EndpointItem, from_milliseconds, milliseconds, translated
from chalicelib.webhooks.model import Endpoint


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
