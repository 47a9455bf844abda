"""What the product asks of AWS, counted as AWS charges for it: watched from moto's side.

DynamoDB on demand: a write costs a unit for each begun kB of the row (the larger of before and after), the same for
each index that it changes, twice in a transaction. A consistent read costs a unit for each begun 4 kB, twice in a
transaction, half if eventually consistent.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import pytest
from moto.core.botocore_stubber import BotocoreStubber

from infra.tables import table_definitions
from tests.support.aws import Aws

_WRITES = {"PutItem", "UpdateItem", "DeleteItem"}
_READS = {"GetItem", "Query"}
_SERVICES = {"DynamoDB_20120810": "dynamodb", "TrentService": "kms", "secretsmanager": "secretsmanager"}
Item = dict[str, Any]


class Meter:
    """`calls` counts operations, such as `dynamodb:UpdateItem bookings`; `units` what is charged for."""

    def __init__(self, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self.units: Counter[str] = Counter()
        self._aws = aws
        self._tables = {definition["TableName"]: definition for definition in table_definitions(aws.table_prefix)}
        self._watches = False
        answer = BotocoreStubber.__call__

        def watch(stubber: Any, event_name: str, request: Any, **others: Any) -> Any:
            if not self._watches:
                return answer(stubber, event_name, request, **others)
            with self._blind():
                before = list(self._touched(request))
            said = answer(stubber, event_name, request, **others)
            with self._blind():
                self._note(request, before, said)
            return said

        monkeypatch.setattr(BotocoreStubber, "__call__", watch)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count from here to there."""
        self._watches = True
        try:
            yield
        finally:
            self._watches = False

    @contextmanager
    def _blind(self) -> Iterator[None]:
        self._watches = False
        try:
            yield
        finally:
            self._watches = True

    def _note(self, request: Any, before: list[tuple[str, Item, Item | None]], said: Any) -> None:
        service, operation, body = _parse(request)
        table = body.get("TableName", "").removeprefix(self._aws.table_prefix)
        index = f"/{body['IndexName']}" if "IndexName" in body else ""
        self.calls[f"{service}:{operation} {table}{index}".strip()] += 1
        if service != "dynamodb":
            self.units[f"{service} calls"] += 1
            return
        factor = 2 if operation.startswith("Transact") else 1
        if operation == "BatchGetItem":  # Each row by itself; those of this product are below 4 kB.
            self.units["reads"] += sum(len(wanted["Keys"]) for wanted in body["RequestItems"].values())
            return
        if operation in _READS or operation == "TransactGetItems":
            size = max(1, len(said.content))
            half = 1 if body.get("ConsistentRead") or operation != "Query" else 2
            self.units["reads"] += factor * ceil(size / 4096) / half  # type: ignore[assignment]
        for name, key, old in before:
            self.units["writes"] += factor * self._written(name, old, self._get(name, key))

    def _touched(self, request: Any) -> Iterator[tuple[str, Item, Item | None]]:
        """Rows that the call writes, as they are now."""
        service, operation, body = _parse(request)
        if service != "dynamodb":
            return
        parts = [part for item in body.get("TransactItems", ()) for verb, part in item.items() if verb != "Get"]
        for part in [body] if operation in _WRITES else parts:
            name = part["TableName"]
            whole = part.get("Key") or part["Item"]
            key = {k["AttributeName"]: whole[k["AttributeName"]] for k in self._tables[name]["KeySchema"]}
            yield name, key, self._get(name, key)

    def _get(self, table: str, key: Item) -> Item | None:
        answer = self._aws.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)
        found: Item | None = answer.get("Item")
        return found

    def _written(self, table: str, old: Item | None, new: Item | None) -> int:
        units = max(1, ceil(max(_size(old), _size(new)) / 1024))
        for index in self._tables[table].get("GlobalSecondaryIndexes", ()):
            names = [part["AttributeName"] for part in index["KeySchema"]]
            keys = [{n: i[n] for n in names} if i and all(n in i for n in names) else None for i in (old, new)]
            if keys[0] != keys[1]:
                units += sum(key is not None for key in keys)
            elif keys[1] is not None:
                projected = index["Projection"].get("NonKeyAttributes", ())
                units += any((old or {}).get(name) != (new or {}).get(name) for name in projected)
        return units


def passing(records: list[dict[str, Any]], patterns: tuple[dict[str, Any], ...]) -> int:
    """How many stream records pass a filter of an event source mapping; the patterns in use know `exists` and names."""
    return sum(not patterns or any(_matches(record, pattern) for pattern in patterns) for record in records)


def _matches(value: Any, pattern: Any) -> bool:
    if isinstance(pattern, dict):
        return all(_matches((value or {}).get(name), part) for name, part in pattern.items())
    return any(value is not None if one == {"exists": True} else value == one for one in pattern)


def _size(item: Item | None) -> int:
    """Bytes of a row, nearly as DynamoDB counts them."""
    return sum(len(name) + len(str(next(iter(value.values())))) for name, value in (item or {}).items())


def _parse(request: Any) -> tuple[str, str, dict[str, Any]]:
    target = request.headers["X-Amz-Target"]
    api, _, operation = (target.decode() if isinstance(target, bytes) else target).partition(".")
    service = _SERVICES.get(api, api)
    return service, operation, json.loads(request.body)
