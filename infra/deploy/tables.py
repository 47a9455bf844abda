"""What a table has beside its items. A restored table lacks it, and CloudFormation does not notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from infra.deploy import settings
from infra.deploy.findings import Finding, problem, warning
from infra.deploy.stage import DeployError, Stage
from infra.tables import table_definitions

_STREAMS = {"bookings": "MEETLINK_BOOKINGS_STREAM_ARN", "connections": "MEETLINK_CONNECTIONS_STREAM_ARN"}
"""Tables with a stream, and the settings that name it."""


def ensure_complete(stage: Stage, say: Callable[[str], None]) -> dict[str, str]:
    """Give tables the stream, expiry, recovery and protection that they lack. Return the streams' ARNs, by setting.

    The ARNs in the stack's outputs are not used: they are those of the last update. Raises `DeployError` for a table
    that is missing.
    """
    client = stage.client("dynamodb")
    for table in table_definitions(stage.table_prefix):
        name = table["TableName"]
        if _describe(client, name) is None:
            raise DeployError(
                f'The table {name} is missing. Restore it as docs/operators.md, "Disaster recovery", describes, and '
                "run this again."
            )
        for lacking, add in _gaps(client, table).items():
            say(f"{name} lacks {lacking}: added")
            add()
            client.get_waiter("table_exists").wait(TableName=name)
    return _streams(stage)


def check(stage: Stage) -> Iterator[Finding]:
    """Report tables that are missing, or that lack what the deployment gives them."""
    client = stage.client("dynamodb")
    for table in table_definitions(stage.table_prefix):
        name = table["TableName"]
        if _describe(client, name) is None:
            yield problem(f'The table {name} is missing. Restore it: docs/operators.md, "Disaster recovery".')
            continue
        for lacking in _gaps(client, table):
            yield warning(f"The table {name} lacks {lacking}. Deploy again.")
    known = settings.known(stage)
    for variable, arn in _streams(stage).items():
        if arn != known.get(variable):
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


def _gaps(client: Any, table: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """What the table lacks, and how to add it."""
    name = table["TableName"]
    found = _describe(client, name) or {}
    gaps: dict[str, Callable[[], Any]] = {}
    if "StreamSpecification" in table and not found.get("StreamSpecification", {}).get("StreamEnabled"):
        stream = {"StreamEnabled": True, **table["StreamSpecification"]}
        gaps["its stream"] = partial(client.update_table, TableName=name, StreamSpecification=stream)
    if "TimeToLiveSpecification" in table:
        expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if expiry["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
            wanted = table["TimeToLiveSpecification"]
            gaps["expiry"] = partial(client.update_time_to_live, TableName=name, TimeToLiveSpecification=wanted)
    if "PointInTimeRecoverySpecification" in table:
        backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        if recovery != "ENABLED":
            wanted = table["PointInTimeRecoverySpecification"]
            gaps["point-in-time recovery"] = partial(
                client.update_continuous_backups, TableName=name, PointInTimeRecoverySpecification=wanted
            )
    if table.get("DeletionProtectionEnabled") and not found.get("DeletionProtectionEnabled"):
        gaps["deletion protection"] = partial(client.update_table, TableName=name, DeletionProtectionEnabled=True)
    return gaps
