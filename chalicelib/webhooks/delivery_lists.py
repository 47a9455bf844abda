"""Pages of an endpoint's deliveries, newest first, and which of them to list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct

from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import DeliveryItem
from chalicelib.webhooks.model import Delivery, DeliveryState
from chalicelib.webhooks.store import delivery_of, endpoint_key

_MAX_QUERIES = 10
"""How many queries a page makes at most; then it ends with a cursor."""
_FILTERED_ROWS = 300
"""How many deliveries one query of a filtered list reads."""


class DeliveryQuery(Struct, frozen=True):
    """Which deliveries to list."""

    workspace_id: str
    endpoint_id: str
    state: DeliveryState | None = None
    type: str | None = None
    """The type of the event."""
    since: datetime | None = None
    """The earliest time of the event, inclusive."""
    until: datetime | None = None
    """The latest time of the event, exclusive."""

    @property
    def is_filtered(self) -> bool:
        return self.state is not None or self.type is not None


def read_page(query: DeliveryQuery, *, limit: int, after: str | None) -> tuple[list[Delivery], str | None]:
    """Return at most `limit` deliveries, newest first, after the name `after`; and the next name.

    A page of a filtered list can be shorter than `limit`, even empty, and still have a next name.
    """
    deliveries: list[Delivery] = []
    for number, response in enumerate(_responses(query, after, limit + 1), 1):
        for row in response["Items"]:
            delivery = delivery_of(DeliveryItem.from_raw_data(row))
            if delivery.key.name == after or query.type not in (None, delivery.type):
                continue
            if len(deliveries) == limit:
                return deliveries, deliveries[-1].key.name
            deliveries.append(delivery)
        rest = response.get("LastEvaluatedKey")
        if rest and number == _MAX_QUERIES:
            return deliveries, rest["delivery_name"]["S"]
    return deliveries, None


def _responses(query: DeliveryQuery, after: str | None, limit: int) -> Iterator[dict[str, Any]]:
    low = _name_at(query.since) if query.since else "0"
    high = min(_name_at(query.until) if query.until else "9", after or "9")
    if low > high:
        return
    state = DeliveryItem.state == query.state.value if query.state else None
    rows = DeliveryItem.query(
        endpoint_key(query.workspace_id, query.endpoint_id),
        DeliveryItem.delivery_name.between(low, high),
        state,
        scan_index_forward=False,
        consistent_read=True,
        page_size=_FILTERED_ROWS if query.is_filtered else limit + (after is not None),
    )
    with translated_errors():
        yield from rows.page_iter


def _name_at(moment: datetime) -> str:
    """Return the start of the names of deliveries at this time."""
    return f"{int(moment.timestamp() * 1000):015d}"
