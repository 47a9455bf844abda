"""Settings of tables that a restored table lacks: streams, expiry, recovery, protection, later indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from infra.deploy import chalice_config, table_indexes
from infra.deploy.check_results import CheckResult, problem, warning
from infra.deploy.stage import DeployError, Say, Stage
from infra.tables import table_definitions

_STREAMS = {"bookings": "MEETLINK_BOOKINGS_STREAM_ARN", "connections": "MEETLINK_CONNECTIONS_STREAM_ARN"}
"""Tables with a stream, and the environment variables that contain its ARN."""


def ensure_complete(stage: Stage, say: Say) -> dict[str, str]:
    """Add missing streams, expiry, recovery, protection and indexes. Return the streams' ARNs, by environment variable.

    The stack's outputs are not used: they contain the ARNs of the stack's last update. Raises `DeployError` if a table
    is missing.
    """
    client = stage.client("dynamodb")
    for table in table_definitions(stage.table_prefix):
        name = table["TableName"]
        if _describe(client, name) is None:
            raise DeployError(
                f'The table {name} is missing. Restore it (docs/operators.md, "Disaster recovery"), then deploy again.'
            )
        for setting, add in _missing_settings(client, table).items():
            say(f"{name}: adding {setting}")
            add()
            client.get_waiter("table_exists").wait(TableName=name)
        table_indexes.add_missing(client, table, say)
    return _streams(stage)


def check(stage: Stage) -> Iterator[CheckResult]:
    """Report tables that are missing, or that lack settings."""
    client = stage.client("dynamodb")
    for table in table_definitions(stage.table_prefix):
        name = table["TableName"]
        if _describe(client, name) is None:
            yield problem(f'The table {name} is missing. Restore it: docs/operators.md, "Disaster recovery".')
            continue
        for setting in _missing_settings(client, table):
            yield warning(f"The table {name} lacks {setting}. Deploy again.")
        yield from table_indexes.check(client, table)
    variables = chalice_config.environment(stage)
    for variable, arn in _streams(stage).items():
        if arn != variables.get(variable):
            yield problem(f"{variable} is not the table's stream, which is {arn or 'switched off'}. Deploy again.")


def _describe(client: Any, name: str) -> dict[str, Any] | None:
    try:
        table: dict[str, Any] = client.describe_table(TableName=name)["Table"]
    except client.exceptions.ResourceNotFoundException:
        return None
    return table


def _streams(stage: Stage) -> dict[str, str]:
    client = stage.client("dynamodb")
    tables = {variable: _describe(client, stage.table_prefix + name) or {} for name, variable in _STREAMS.items()}
    return {
        variable: table["LatestStreamArn"] if table.get("StreamSpecification", {}).get("StreamEnabled") else ""
        for variable, table in tables.items()
    }


def _missing_settings(client: Any, table: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return the table's missing settings, each with a function that adds it."""
    name = table["TableName"]
    description = _describe(client, name) or {}
    missing: dict[str, Callable[[], Any]] = {}
    if "StreamSpecification" in table and not description.get("StreamSpecification", {}).get("StreamEnabled"):
        stream = {"StreamEnabled": True, **table["StreamSpecification"]}
        missing["its stream"] = partial(client.update_table, TableName=name, StreamSpecification=stream)
    if "TimeToLiveSpecification" in table:
        expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if expiry["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
            expiry = table["TimeToLiveSpecification"]
            missing["expiry"] = partial(client.update_time_to_live, TableName=name, TimeToLiveSpecification=expiry)
    if "PointInTimeRecoverySpecification" in table:
        backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        if recovery != "ENABLED":
            recovery = table["PointInTimeRecoverySpecification"]
            missing["point-in-time recovery"] = partial(
                client.update_continuous_backups, TableName=name, PointInTimeRecoverySpecification=recovery
            )
    if table.get("DeletionProtectionEnabled") and not description.get("DeletionProtectionEnabled"):
        missing["deletion protection"] = partial(client.update_table, TableName=name, DeletionProtectionEnabled=True)
    return missing
