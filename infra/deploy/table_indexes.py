"""Indexes of tables: add missing ones, one at a time, and wait until each can be read. Existing ones never change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from infra.deploy.check_results import CheckResult, problem, warning
from infra.deploy.stage import DeployError, Say

_POLL_SECONDS = 5.0
_REPORT_SECONDS = 60.0
_PATIENCE_SECONDS = 6 * 3600.0
Index = dict[str, Any]


def add_missing(
    client: Any,
    table: dict[str, Any],
    say: Say,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Add the table's missing indexes, and wait until all of them are ACTIVE.

    DynamoDB builds one new index of a table at a time. After an interruption the next run continues to wait. Raises
    `DeployError` if an existing index differs from its definition.
    """
    name, existing = table["TableName"], _existing(client, table["TableName"])
    for index in table.get("GlobalSecondaryIndexes", ()):
        present = existing.get(index["IndexName"])
        if present is None:
            say(f"{name}: adding the index {index['IndexName']}. DynamoDB needs minutes, for a large table hours ...")
            say('After the deployment, fill it from existing rows: docs/operators.md, "Lists and backfill".')
            _add(client, table, index)
        elif _differs(present, index):
            raise DeployError(_difference(name, index))
        _wait(client, name, index["IndexName"], say, sleep, clock)


def check(client: Any, table: dict[str, Any]) -> Iterator[CheckResult]:
    """Report indexes that are missing, not yet filled or different."""
    name, existing = table["TableName"], _existing(client, table["TableName"])
    for index in table.get("GlobalSecondaryIndexes", ()):
        present = existing.get(index["IndexName"])
        if present is None:
            yield problem(f"The table {name} lacks the index {index['IndexName']}. Deploy again.")
        elif _differs(present, index):
            yield problem(_difference(name, index))
        elif not _is_ready(present):
            yield warning(f"The index {index['IndexName']} of {name} is still being filled.")


def _existing(client: Any, name: str) -> dict[str, Index]:
    indexes = client.describe_table(TableName=name)["Table"].get("GlobalSecondaryIndexes", ())
    return {index["IndexName"]: index for index in indexes}


def _add(client: Any, table: dict[str, Any], index: Index) -> None:
    keys = {part["AttributeName"] for part in index["KeySchema"]}
    client.update_table(
        TableName=table["TableName"],
        AttributeDefinitions=[part for part in table["AttributeDefinitions"] if part["AttributeName"] in keys],
        GlobalSecondaryIndexUpdates=[{"Create": index}],
    )


def _wait(
    client: Any, name: str, index_name: str, say: Say, sleep: Callable[[float], None], clock: Callable[[], float]
) -> None:
    started_at = reported_at = clock()
    while not _is_ready(_existing(client, name).get(index_name)):
        now = clock()
        if now - started_at > _PATIENCE_SECONDS:
            raise DeployError(f"The index {index_name} of {name} is still being filled. Run this again to wait for it.")
        if now - reported_at >= _REPORT_SECONDS:
            reported_at = now
            say(f"{name}: the index {index_name} is being filled, {(now - started_at) / 60:.0f} minutes so far ...")
        sleep(_POLL_SECONDS)
    client.get_waiter("table_exists").wait(TableName=name)


def _is_ready(index: Index | None) -> bool:
    if index is None:
        return False
    # The local CloudFormation reports no status of indexes.
    return index.get("IndexStatus", "ACTIVE") == "ACTIVE" and not index.get("Backfilling")


def _differs(present: Index, index: Index) -> bool:
    return _form(present) != _form(index)


def _form(index: Index) -> tuple[Any, ...]:
    keys = tuple(sorted((part["KeyType"], part["AttributeName"]) for part in index["KeySchema"]))
    projection = index["Projection"]
    return keys, projection["ProjectionType"], frozenset(projection.get("NonKeyAttributes") or ())


def _difference(name: str, index: Index) -> str:
    return (
        f"The index {index['IndexName']} of {name} has other keys or attributes than this release defines. A "
        "deployment does not change existing indexes: deploy the release that created it."
    )
