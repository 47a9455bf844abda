"""A small DynamoDB in memory, for thousands of runs: moto takes milliseconds a call, this takes microseconds.

It knows the operations that pynamodb sends for this product and refuses all others; a test compares it with moto.
It answers in place of botocore, which would spend half of a run's time on requests that are never sent. pynamodb is the
real one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.connection.base import Connection

from chalicelib.store import tables
from tests.chaos.expressions import Item, Unsupported, comparable, condition, update

PREFIX = "chaos-"
Key = tuple[Any, ...]


class Refused(Exception):
    """An error that DynamoDB answers with."""

    def __init__(self, code: str, reasons: list[str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.reasons = reasons


@dataclass(frozen=True)
class Change:
    """A stream record's content."""

    old: Item | None
    new: Item | None


@dataclass
class _Table:
    """`partitions` holds the same items by hash attribute and its value: queries of large tables stay fast."""

    keys: tuple[str, ...]
    indexes: dict[str, tuple[str, str, frozenset[str]]]
    streams: bool
    items: dict[Key, Item] = field(default_factory=dict)
    partitions: dict[tuple[str, Any], dict[Key, Item]] = field(default_factory=lambda: defaultdict(dict))

    def key(self, item: Item) -> Key:
        return tuple(comparable(item[name]) for name in self.keys)

    def put(self, key: Key, item: Item) -> None:
        self.pop(key)
        self.items[key] = item
        for place in self._places(item):
            self.partitions[place][key] = item

    def pop(self, key: Key) -> Item | None:
        old = self.items.pop(key, None)
        for place in self._places(old or {}):
            del self.partitions[place][key]
        return old

    def _places(self, item: Item) -> list[tuple[str, Any]]:
        hashes = {self.keys[0], *(index[0] for index in self.indexes.values())}
        return [(name, comparable(item[name])) for name in hashes if name in item]


class MemoryDynamo:
    """The tables of a deployment's template. `on_change` hears of every change to a booking."""

    def __init__(self, definitions: list[dict[str, Any]], on_change: Callable[[Change], None]) -> None:
        self._tables = {definition["TableName"]: _table(definition) for definition in definitions}
        self._on_change = on_change

    def handle(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request. Raises `Refused`."""
        verb = getattr(self, f"_{operation}", None)
        if verb is None:
            raise Unsupported(operation)
        answer: dict[str, Any] = verb(request)
        return answer

    def all_items(self) -> Iterator[tuple[str, Item]]:
        """Every row of every table, with the table's name."""
        for name, table in self._tables.items():
            for item in table.items.values():
                yield name.removeprefix(PREFIX), item

    def items(self, table: str) -> list[Item]:
        """Every row, as on the wire."""
        return list(self._tables[PREFIX + table].items.values())

    def _GetItem(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = self._table(request).items.get(self._key(request))
        return {} if found is None else {"Item": found}

    def _PutItem(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        table = self._table(request)
        self._check(table, table.key(request["Item"]), request)
        self._write(table, request["Item"])
        return {}

    def _UpdateItem(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        table, key = self._table(request), self._key(request)
        self._check(table, key, request)
        item = dict(table.items.get(key) or request["Key"])
        change = update(request["UpdateExpression"], _names(request))
        change(item, request.get("ExpressionAttributeValues", {}))
        self._write(table, item)
        return {"Attributes": item}

    def _DeleteItem(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        table, key = self._table(request), self._key(request)
        self._check(table, key, request)
        old = table.pop(key)
        if old is not None and table.streams:
            self._on_change(Change(old, None))
        return {}

    def _BatchGetItem(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        found: dict[str, list[Item]] = {}
        for name, wanted in request["RequestItems"].items():
            table = self._tables[name]
            items = (table.items.get(table.key(key)) for key in wanted["Keys"])
            found[name] = [item for item in items if item is not None]
        return {"Responses": found, "UnprocessedKeys": {}}

    def _TransactGetItems(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"Responses": [self._GetItem(one["Get"]) for one in request["TransactItems"]]}

    def _TransactWriteItems(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        reasons = []
        for one in request["TransactItems"]:
            kind, part = next(iter(one.items()))
            table = self._table(part)
            key = table.key(part["Item"]) if kind == "Put" else self._key(part)
            reasons.append("None" if self._holds(table, key, part) else "ConditionalCheckFailed")
        if any(reason != "None" for reason in reasons):
            raise Refused("TransactionCanceledException", reasons)
        for one in request["TransactItems"]:
            kind, part = next(iter(one.items()))
            getattr(self, f"_{kind}Item")(part)
        return {}

    def _Query(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        table = self._table(request)
        names, values = _names(request), request.get("ExpressionAttributeValues", {})
        matches = condition(request["KeyConditionExpression"], names)
        keeps = condition(request["FilterExpression"], names) if "FilterExpression" in request else None
        index = request.get("IndexName")
        sort = (table.indexes[index][1] if index else table.keys[1]) or table.keys[0]
        keys = [sort, *table.keys] if index else [sort]
        partition = table.partitions.get(_partition(request, table.indexes[index][0] if index else table.keys[0]), {})
        needed = set(keys)
        found = [item for item in partition.values() if needed <= item.keys() and matches(item, values)]
        found.sort(key=lambda item: [comparable(item[k]) for k in keys], reverse=not request.get("ScanIndexForward", 1))
        if "ExclusiveStartKey" in request:
            start = [comparable(request["ExclusiveStartKey"][k]) for k in keys]
            found = [item for item in found if [comparable(item[k]) for k in keys] > start]
        limit = request.get("Limit", len(found))
        page, more = found[:limit], len(found) > limit
        kept = [_projected(item, table, index) for item in page if keeps is None or keeps(item, values)]
        answer: dict[str, Any] = {"Items": kept, "Count": len(kept), "ScannedCount": len(page)}
        if more:
            last_keys = {*table.keys, *(table.indexes[index][:2] if index else ())} - {""}
            answer["LastEvaluatedKey"] = {k: page[-1][k] for k in last_keys}
        return answer

    def _table(self, request: dict[str, Any]) -> _Table:
        return self._tables[request["TableName"]]

    def _key(self, request: dict[str, Any]) -> Key:
        return self._table(request).key(request["Key"])

    def _holds(self, table: _Table, key: Key, request: dict[str, Any]) -> bool:
        if "ConditionExpression" not in request:
            return True
        check = condition(request["ConditionExpression"], _names(request))
        return check(table.items.get(key, {}), request.get("ExpressionAttributeValues", {}))

    def _check(self, table: _Table, key: Key, request: dict[str, Any]) -> None:
        if not self._holds(table, key, request):
            raise Refused("ConditionalCheckFailedException")

    def _write(self, table: _Table, item: Item) -> None:
        key = table.key(item)
        old = table.items.get(key)
        table.put(key, item)
        if table.streams and old != item:
            self._on_change(Change(old, item))


Handler = Callable[[str, dict[str, Any]], dict[str, Any]]


class _Client:
    """What pynamodb's connections have for a botocore client while `answering` lasts."""

    handler: Handler | None = None

    def _make_api_call(self, operation: str, request: dict[str, Any]) -> Any:
        assert self.handler is not None
        try:
            return _copied(self.handler(operation, request))
        except Refused as refused:
            body: dict[str, Any] = {"Error": {"Code": refused.code, "Message": refused.code}}
            if refused.reasons:
                body["CancellationReasons"] = [{"Code": reason} for reason in refused.reasons]
            raise ClientError(body, operation) from refused  # type: ignore[arg-type]


_client = _Client()
_real_client = Connection.client


def _client_of(connection: Connection) -> Any:
    return _client if _client.handler is not None else _real_client.fget(connection)  # type: ignore[attr-defined]


@contextmanager
def answering(handler: Handler) -> Iterator[None]:
    """Have `handler` answer for DynamoDB, and the models bound to `PREFIX`."""
    Connection.client = property(_client_of)  # type: ignore[method-assign,assignment]
    tables.bind(PREFIX)
    before, _client.handler = _client.handler, handler
    try:
        yield
    finally:
        _client.handler = before


def _copied(value: Any) -> Any:
    """No one outside holds what the tables hold."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _partition(request: dict[str, Any], hash_key: str) -> tuple[str, Any]:
    """Which partition a query asks for: its condition begins with the hash key."""
    name, _, rest = request["KeyConditionExpression"].lstrip("(").partition(" = ")
    if request["ExpressionAttributeNames"][name] != hash_key:
        raise Unsupported(request["KeyConditionExpression"])
    return hash_key, comparable(request["ExpressionAttributeValues"][rest.split()[0].rstrip(")")])


def _names(request: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(request.get("ExpressionAttributeNames", {}).items()))


def _table(definition: dict[str, Any]) -> _Table:
    indexes = {}
    for index in definition.get("GlobalSecondaryIndexes", []):
        hash_key, sort_key = (*_schema(index), "")[:2]
        extra = frozenset(index["Projection"].get("NonKeyAttributes", []))
        indexes[index["IndexName"]] = (hash_key, sort_key, extra)
    return _Table(_schema(definition), indexes, streams=definition["TableName"] == PREFIX + "bookings")


def _schema(definition: dict[str, Any]) -> tuple[str, ...]:
    return tuple(key["AttributeName"] for key in definition["KeySchema"])


def _projected(item: Item, table: _Table, index: str | None) -> Item:
    if index is None:
        return item
    hash_key, sort_key, extra = table.indexes[index]
    kept = {*table.keys, hash_key, sort_key, *extra}
    return {name: value for name, value in item.items() if name in kept}
