"""Rows of the stage's tables as they lie there: for what concerns all tables, whatever stands in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

from infra.tables import table_definitions

_SECRET = {"tokens", "sealed", "digest", "verifier"}
"""Never shown: sealed tokens and secrets, digests of keys. They are nobody's personal data."""
_deserializer, _serializer = TypeDeserializer(), TypeSerializer()


@dataclass(frozen=True)
class Row:
    """`content` has its documents, which are JSON in text, as values: nested as deep as they go."""

    table: str
    key: Mapping[str, str]
    content: Mapping[str, Any]

    @property
    def workspace_id(self) -> str | None:
        """Whose row it is; grants belong to no workspace, and of some short-lived rows nobody knows."""
        match self.table:
            case "grants":
                return None
            case "workspaces":
                return self.key["workspace_id"].partition("#")[0]
            case "deliveries":
                return self.key["endpoint_key"].partition("#")[0]
            case "ephemeral":
                kind, _, rest = self.key["key"].partition("#")
                if kind in ("rate", "told", "cancelled", "epoch"):
                    return rest.partition("#")[0]
                document = self.content.get("document")
                return document.get("workspace_id") if isinstance(document, dict) else None
        return self.key["workspace_id"]

    def shown(self) -> dict[str, Any]:
        """The row as an export has it."""
        shown: dict[str, Any] = {"table": self.table, **_without_secrets(self.content)}
        return shown


class Tables:
    """`client` is a boto3 DynamoDB client."""

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._keys = {
            definition["TableName"].removeprefix(prefix): [part["AttributeName"] for part in definition["KeySchema"]]
            for definition in table_definitions(prefix)
        }

    def __iter__(self) -> Iterator[Row]:
        """Every row of every table, read consistently."""
        for table in self._keys:
            yield from self.rows(table)

    def rows(self, table: str) -> Iterator[Row]:
        pages = self._client.get_paginator("scan").paginate(TableName=self._prefix + table, ConsistentRead=True)
        for page in pages:
            for item in page["Items"]:
                content = {name: _plain(_deserializer.deserialize(value)) for name, value in item.items()}
                yield Row(table, {name: content[name] for name in self._keys[table]}, content)

    def delete(self, row: Row, *, unless: str | None = None) -> bool:
        """Whether the row could be deleted: `unless` names an attribute that it must not have got meanwhile."""
        condition = {"ConditionExpression": f"attribute_not_exists({unless})"} if unless else {}
        key = {name: _serializer.serialize(value) for name, value in row.key.items()}
        try:
            self._client.delete_item(TableName=self._prefix + row.table, Key=key, **condition)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def put_back(self, table: str, source: str, workspace_id: str | None, *, really: bool) -> int:
        """Copy the rows that a restored table, `source`, has and `table` lacks; how many those are.

        What is there stays as it is. Raises `KeyError` for a table that the product does not have.
        """
        put, keys, lacking = self._client.put_item, self._keys[table], 0
        there = {tuple(row.key.values()) for row in self.rows(table)}
        for page in self._client.get_paginator("scan").paginate(TableName=source):
            for item in page["Items"]:
                key = tuple(str(_deserializer.deserialize(item[name])) for name in keys)
                if key in there or workspace_id not in (None, item.get("workspace_id", {}).get("S")):
                    continue
                lacking += 1
                if really:
                    with suppress(self._client.exceptions.ConditionalCheckFailedException):
                        put(TableName=self._prefix + table, Item=item, ConditionExpression=_NEW, **_naming(keys))
        return lacking


_NEW = "attribute_not_exists(#key)"


def _naming(keys: list[str]) -> dict[str, Any]:
    return {"ExpressionAttributeNames": {"#key": keys[0]}}


def texts(value: Any) -> Iterator[str]:
    """Every text in a value, also the names of its parts."""
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
    """Whatever stands under that name, at any depth."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key == name:
                yield part
            yield from values(part, name)
    elif isinstance(value, (list, set, tuple)):
        for part in value:
            yield from values(part, name)


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value[:1] == "{":
        with suppress(ValueError):
            return _plain(json.loads(value))
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, set):
        return sorted(map(str, value))
    if isinstance(value, Binary):
        return bytes(value)
    return value if value is None or isinstance(value, (str, bool, bytes)) else int(value)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(part) for name, part in value.items() if name not in _SECRET}
    if isinstance(value, list):
        return [_without_secrets(part) for part in value]
    return value
