"""Create, update and delete the stage's CloudFormation stacks: one per concern, with a template in `infra/`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.stage import DeployError, Stage
from infra.tables import read_template, table_definitions

_TEMPLATES = Path(__file__).parents[1]
_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 1800.0
_GONE = "DELETE_COMPLETE"
_REVIEW = "REVIEW_IN_PROGRESS"
"""A stack that only has a change set: it has no resources, and waiting does not change it."""
_UNUSABLE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", _REVIEW)
"""A stack in one of these states can only be deleted."""
_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_STARTS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
_STABLE = (*_DONE, "UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")


def apply(stage: Stage, concern: str, **parameters: str) -> dict[str, str]:
    """Create or update the concern's stack and return its outputs."""
    template = (_TEMPLATES / f"{concern}.yaml").read_text(encoding="utf-8")
    return create_or_update(stage, concern, {"TemplateBody": template, "Parameters": _parameters(parameters)})


def apply_tables(stage: Stage) -> dict[str, str]:
    """Create or update the stack of the tables and return its outputs.

    New tables get deletion protection in a second update: otherwise CloudFormation could not roll back a failed
    creation.
    """
    parameters = {"TablePrefix": stage.table_prefix}
    _recover(stage, "tables")
    template, present = read_template(), _resources(stage, "tables")
    if new := [name for name in template["Resources"] if name not in present]:
        unprotected = json.dumps(_without_protection(template, new))
        create_or_update(stage, "tables", {"TemplateBody": unprotected, "Parameters": _parameters(parameters)})
    return apply(stage, "tables", **parameters)


def create_or_update(stage: Stage, concern: str, source: Mapping[str, Any]) -> dict[str, str]:
    """Create or update the concern's stack from `source`, arguments of CreateStack, and return its outputs.

    CloudFormation rolls back a failed create or update. With `RetainExceptOnCreate` it also deletes new resources that
    the template retains: otherwise they would collide with those of the next run.
    """
    client, name = stage.client("cloudformation"), stage.stack(concern)
    stack = _recover(stage, concern)
    arguments = {
        **source,
        "StackName": name,
        "Tags": [{"Key": "meetlink:stage", "Value": stage.name}],
        "RetainExceptOnCreate": True,
    }
    if stack is None:
        client.create_stack(**arguments)
    elif not _update(client, arguments):
        return _outputs(stack)
    stack = _wait(client, name)
    if stack is None or stack["StackStatus"] not in _DONE:
        raise DeployError(f"The stack {name} is {_state(stack)}: {_reasons(client, name)}")
    return _outputs(stack)


def _recover(stage: Stage, concern: str) -> dict[str, Any] | None:
    """Repair a stack that a failed operation left unusable. Return the stack, or None if it must be created."""
    client, name = stage.client("cloudformation"), stage.stack(concern)
    state = _state(_wait(client, name))
    if state == "UPDATE_ROLLBACK_FAILED":
        client.continue_update_rollback(StackName=name)
    elif state in ("UPDATE_FAILED", "CREATE_FAILED"):
        if state == "CREATE_FAILED":
            _release_tables(stage, concern)
        client.rollback_stack(StackName=name, RetainExceptOnCreate=True)
    stack = _wait(client, name)
    if _state(stack) in _UNUSABLE:
        _release_tables(stage, concern)
        client.delete_stack(StackName=name)
        stack = _wait(client, name)
        if stack is None:
            _delete_empty_tables(stage, concern)
    if stack is not None and not _is_stable(stack):
        raise DeployError(
            f"The stack {name} is {_state(stack)}, and CloudFormation cannot continue: {_reasons(client, name)}. Fix "
            "it in the CloudFormation console (Stack actions), then run this again."
        )
    return stack


def _release_tables(stage: Stage, concern: str) -> None:
    """Unprotect the tables of a stack whose creation failed, so that CloudFormation can delete them.

    Raises `DeployError` if a table has items.
    """
    if concern != "tables":
        return
    client, tables = stage.client("dynamodb"), list(_tables(stage))
    for name in tables:
        if client.scan(TableName=name, Limit=1, Select="COUNT", ConsistentRead=True)["Count"]:
            raise DeployError(
                f"The creation of {stage.stack(concern)} failed, but the table {name} has items, so nothing was "
                'deleted. If you need it, import it into the stack (docs/operators.md, "When a deployment fails"); '
                "if not, delete it. Then run this again."
            )
    for name in tables:
        client.update_table(TableName=name, DeletionProtectionEnabled=False)
        client.get_waiter("table_exists").wait(TableName=name)


def _delete_empty_tables(stage: Stage, concern: str) -> None:
    """Delete the tables that the deleted stack retained. `_release_tables` has checked that they are empty."""
    if concern != "tables":
        return
    client = stage.client("dynamodb")
    for name in _tables(stage):
        client.delete_table(TableName=name)
        client.get_waiter("table_not_exists").wait(TableName=name)


def _tables(stage: Stage) -> Iterator[str]:
    """Yield the names of the stage's existing tables."""
    client = stage.client("dynamodb")
    for table in table_definitions(stage.table_prefix):
        try:
            client.describe_table(TableName=table["TableName"])
        except client.exceptions.ResourceNotFoundException:
            continue
        yield table["TableName"]


def _parameters(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def _without_protection(template: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the template with these tables unprotected."""
    changed: dict[str, Any] = deepcopy(dict(template))
    for name in names:
        changed["Resources"][name]["Properties"]["DeletionProtectionEnabled"] = False
    return changed


def _resources(stage: Stage, concern: str) -> set[str]:
    """Return the logical names of the stack's resources; empty without a stack."""
    client, name = stage.client("cloudformation"), stage.stack(concern)
    if find(client, name) is None:
        return set()
    pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
    return {resource["LogicalResourceId"] for page in pages for resource in page["StackResourceSummaries"]}


def outputs(stage: Stage, concern: str) -> dict[str, str]:
    """Return the outputs of the concern's stack; empty without a stack."""
    return _outputs(find(stage.client("cloudformation"), stage.stack(concern)) or {})


def parameters(stage: Stage, concern: str) -> dict[str, str]:
    """Return the current parameters of the concern's stack; empty without a stack."""
    stack = find(stage.client("cloudformation"), stage.stack(concern)) or {}
    return {entry["ParameterKey"]: entry["ParameterValue"] for entry in stack.get("Parameters", [])}


def is_complete(stage: Stage, concern: str) -> bool:
    """Return whether the concern's stack exists and its last operation finished."""
    return _is_stable(find(stage.client("cloudformation"), stage.stack(concern)))


def remove(stage: Stage, concern: str) -> None:
    """Delete the concern's stack. Resources that the template retains are not deleted."""
    client, name = stage.client("cloudformation"), stage.stack(concern)
    if _wait(client, name) is None:
        return
    client.delete_stack(StackName=name)
    stack = _wait(client, name)
    if stack is not None:
        raise DeployError(f"The stack {name} is {_state(stack)}: {_reasons(client, name)}")


def find(client: Any, name: str) -> dict[str, Any] | None:
    """Return the stack's description, or None if it does not exist."""
    try:
        stack: dict[str, Any] = client.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    return None if stack["StackStatus"] == _GONE else stack


def _is_stable(stack: Mapping[str, Any] | None) -> bool:
    return stack is not None and stack["StackStatus"] in _STABLE


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _update(client: Any, arguments: Mapping[str, Any]) -> bool:
    """Start the update. Return False if nothing would change."""
    try:
        client.update_stack(**arguments)
    except ClientError as error:
        # CloudFormation has no error code for this.
        if "No updates are to be performed" not in error.response["Error"]["Message"]:
            raise
        return False
    return True


def _wait(client: Any, name: str) -> dict[str, Any] | None:
    ends = time.monotonic() + _PATIENCE_SECONDS
    while (stack := find(client, name)) is not None and _is_changing(stack):
        if time.monotonic() > ends:
            raise DeployError(f"The stack {name} is still {stack['StackStatus']}; run this again later.")
        time.sleep(_POLL_SECONDS)
    return stack


def _is_changing(stack: Mapping[str, Any]) -> bool:
    status = str(stack["StackStatus"])
    return status.endswith("IN_PROGRESS") and status != _REVIEW


def _state(stack: Mapping[str, Any] | None) -> str:
    return str(stack["StackStatus"]) if stack else "gone"


def _reasons(client: Any, name: str) -> str:
    """Return why the last operation failed. Events are sorted newest first and include earlier operations."""
    reasons: dict[str, None] = {}
    pages = client.get_paginator("describe_stack_events").paginate(StackName=name)
    for event in (event for page in pages for event in page["StackEvents"]):
        reason = event.get("ResourceStatusReason", "")
        if event["ResourceStatus"].endswith("FAILED") and "cancelled" not in reason:
            reasons[f"{event['LogicalResourceId']}: {reason}"] = None
        if event["ResourceStatus"] in _STARTS and event["PhysicalResourceId"] == event["StackId"]:
            break
    return "; ".join(reversed(reasons)) or "no reason given"
