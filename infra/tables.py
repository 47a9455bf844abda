"""The tables of `tables.yaml` and `indexes.yaml`; create them without CloudFormation, for the local stack and tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

_TEMPLATE = Path(__file__).with_name("tables.yaml")
_LATER_INDEXES = Path(__file__).with_name("indexes.yaml")
_SAME_IN_API = ("KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes")


@cache
def read_template() -> dict[str, Any]:
    """Parse the CloudFormation template. It is cached because many tests read it."""
    template: dict[str, Any] = yaml.safe_load(_TEMPLATE.read_text(encoding="utf-8"))
    return template


@cache
def read_later_indexes() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Parse the indexes that CloudFormation does not manage, by the table's name without a prefix."""
    indexes: dict[str, dict[str, list[dict[str, Any]]]] = yaml.safe_load(_LATER_INDEXES.read_text(encoding="utf-8"))
    return indexes


def table_definitions(prefix: str) -> list[dict[str, Any]]:
    """Return the properties of each table with all its indexes, and its name in a deployment with that prefix."""
    resources = read_template()["Resources"].values()
    properties = [r["Properties"] for r in resources if r["Type"] == "AWS::DynamoDB::Table"]
    return [_with_later_indexes(table) | {"TableName": _name(table, prefix)} for table in properties]


def create_tables(client: Any, prefix: str) -> str:
    """Create missing tables with a boto3 DynamoDB client. Return the ARN of the bookings stream.

    The tables are temporary, so they get no recovery and no deletion protection.
    """
    descriptions = [_create(client, table) for table in table_definitions(prefix)]
    return next(str(d["LatestStreamArn"]) for d in descriptions if d.get("LatestStreamArn"))


def connections_stream(client: Any, prefix: str) -> str:
    """Return the ARN of the connections stream of existing tables."""
    return str(client.describe_table(TableName=f"{prefix}connections")["Table"]["LatestStreamArn"])


def _with_later_indexes(table: dict[str, Any]) -> dict[str, Any]:
    later = read_later_indexes().get(_name(table, ""), {})
    return table | {key: [*table.get(key, []), *values] for key, values in later.items()}


def _name(table: dict[str, Any], prefix: str) -> str:
    return str(table["TableName"]["Fn::Sub"]).replace("${TablePrefix}", prefix)


def _create(client: Any, table: dict[str, Any]) -> dict[str, Any]:
    name = {"TableName": table["TableName"]}
    stream = {"StreamEnabled": True, **table["StreamSpecification"]} if "StreamSpecification" in table else None
    arguments = name | {key: table[key] for key in _SAME_IN_API if key in table}
    try:
        response = client.create_table(**arguments, **({"StreamSpecification": stream} if stream else {}))
    except client.exceptions.ResourceInUseException:
        existing: dict[str, Any] = client.describe_table(**name)["Table"]
        return existing
    description: dict[str, Any] = response["TableDescription"]
    # Emulators create the table immediately. DynamoDB takes seconds and refuses further changes until then.
    if description["TableStatus"] != "ACTIVE":
        client.get_waiter("table_exists").wait(**name, WaiterConfig={"Delay": 1})
    if "TimeToLiveSpecification" in table:
        client.update_time_to_live(**name, TimeToLiveSpecification=table["TimeToLiveSpecification"])
    return description
