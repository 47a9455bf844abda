"""Raw rows of the stage's tables, for commands that work on all tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from infra.progress import Progress
from infra.tables import table_definitions

_OMITTED = {"tokens", "sealed", "digest", "verifier"}
"""Attributes that an export omits: encrypted tokens and secrets, digests of keys. They are not personal data."""
_deserializer, _serializer = TypeDeserializer(), TypeSerializer()


_KINDS_BY_WORKSPACE = (
    "cancelled",
    "connect-emails",
    "epoch",
    "key-use",
    "mails-day",
    "mails-minute",
    "notified",
    "usage",
)
"""What keys of `ephemeral` begin with in which the workspace comes next."""


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    table: str
    """The table's name without the stage's prefix."""
    key: Mapping[str, str]
    content: Mapping[str, Any]
    """All attributes. Documents, which are stored as JSON, are parsed at every depth."""

    @property
    def workspace_id(self) -> str | None:
        """The row's workspace. None for grants, which belong to no workspace, some short-lived rows, and members."""
        match self.table:
            case "grants":
                return None
            case "workspaces":
                return self.key["workspace_id"].partition("#")[0]
            case "deliveries":
                return self.key["endpoint_key"].partition("#")[0]
            case "ephemeral":
                kind, _, rest = self.key["key"].partition("#")
                if kind in _KINDS_BY_WORKSPACE:
                    return rest.partition("#")[0]
                document = self.content.get("document")
                return document.get("workspace_id") if isinstance(document, dict) else None
            case "references":
                return self.content.get("workspace_id")
        return str(self.content["workspace_id"])

    @property
    def member_of(self) -> Sequence[str]:
        """The workspaces that have the row's address as a member; empty for other rows."""
        return self.content.get("workspace_ids", ()) if self.table == "references" else ()

    def export(self) -> dict[str, Any]:
        """Return the row for an export, without secrets."""
        exported: dict[str, Any] = {"table": self.table, **_without_secrets(self.content)}
        return exported


class Tables:
    """The tables of a stage."""

    def __init__(self, client: Any, prefix: str) -> None:
        """`client` is a boto3 DynamoDB client."""
        self._client = client
        self._prefix = prefix
        self._keys = {
            definition["TableName"].removeprefix(prefix): [part["AttributeName"] for part in definition["KeySchema"]]
            for definition in table_definitions(prefix)
        }

    def __iter__(self) -> Iterator[Row]:
        """Read every row of every table, consistently."""
        for table in self._keys:
            yield from self.rows(table)

    def scan_all(self) -> list[Row]:
        """Read every row of every table, and show the progress."""
        with Progress("rows read", self.estimate_size(*self._keys), qualifier="about") as progress:
            return list(progress.track(self))

    def rows(self, table: str) -> Iterator[Row]:
        pages = self._client.get_paginator("scan").paginate(TableName=self._prefix + table, ConsistentRead=True)
        for page in pages:
            for item in page["Items"]:
                content = {name: _parse(_deserializer.deserialize(value)) for name, value in item.items()}
                yield Row(table, {name: content[name] for name in self._keys[table]}, content)

    def estimate_size(self, *tables: str) -> int | None:
        """Return about how many rows the tables have; None if unknown. DynamoDB counts every six hours."""
        return self._estimate(*(self._prefix + table for table in tables))

    def delete(self, row: Row, *, unless: str | None = None) -> bool:
        """Delete the row, unless it has the attribute `unless` by now. Return whether it was deleted."""
        condition = {"ConditionExpression": f"attribute_not_exists({unless})"} if unless else {}
        key = {name: _serializer.serialize(value) for name, value in row.key.items()}
        try:
            self._client.delete_item(TableName=self._prefix + row.table, Key=key, **condition)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def put_back(self, table: str, source: str, workspace_id: str | None, *, apply: bool) -> int:
        """Copy rows of the restored table `source` that `table` lacks. Existing rows are not changed.

        Returns the number of missing rows, also without `apply`. Raises `KeyError` for an unknown table.
        """
        with Progress(f"rows of {table} read", self.estimate_size(table), qualifier="about") as progress:
            existing = {tuple(row.key.values()) for row in progress.track(self.rows(table))}
        missing = 0
        with Progress(f"rows of {source} read", self._estimate(source), qualifier="about") as progress:
            for item in progress.track(self._items(source)):
                key = tuple(str(_deserializer.deserialize(item[name])) for name in self._keys[table])
                if key in existing or workspace_id not in (None, item.get("workspace_id", {}).get("S")):
                    continue
                missing += 1
                if apply:
                    self._put_new(table, item)
        return missing

    def _items(self, table_name: str) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator("scan").paginate(TableName=table_name):
            yield from page["Items"]

    def _put_new(self, table: str, item: dict[str, Any]) -> None:
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.put_item(
                TableName=self._prefix + table,
                Item=item,
                ConditionExpression="attribute_not_exists(#key)",
                ExpressionAttributeNames={"#key": self._keys[table][0]},
            )

    def _estimate(self, *table_names: str) -> int | None:
        try:
            tables = [self._client.describe_table(TableName=name)["Table"] for name in table_names]
        except ClientError:
            return None  # The command works without an estimate, and reports errors of its own calls.
        return sum(int(table.get("ItemCount", 0)) for table in tables)


def texts(value: Any) -> Iterator[str]:
    """Yield every string in a value at any depth, including the keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from texts(part)
    elif isinstance(value, (list, set, tuple)):
        for part in value:
            yield from texts(part)


def values(value: Any, name: str) -> Iterator[Any]:
    """Yield the values of that key at any depth."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key == name:
                yield part
            yield from values(part, name)
    elif isinstance(value, (list, set, tuple)):
        for part in value:
            yield from values(part, name)


def _parse(value: Any) -> Any:
    if isinstance(value, str) and value[:1] == "{":
        with suppress(ValueError):
            return _parse(json.loads(value))
    if isinstance(value, dict):
        return {name: _parse(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_parse(part) for part in value]
    if isinstance(value, set):
        return sorted(map(str, value))
    if isinstance(value, Binary):
        return bytes(value)
    return value if value is None or isinstance(value, (str, bool, bytes)) else int(value)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(part) for name, part in value.items() if name not in _OMITTED}
    if isinstance(value, list):
        return [_without_secrets(part) for part in value]
    return value
