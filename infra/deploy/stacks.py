"""CloudFormation stacks, one for each concern, brought to what their templates in `infra/` say."""

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
"""Of a stack that only has a change set: it has no resources, and waiting does not change it."""
_UNUSABLE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", _REVIEW)
"""A stack in these states can only be deleted."""
_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_STARTS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
_STABLE = (*_DONE, "UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")


def apply(stage: Stage, concern: str, **parameters: str) -> dict[str, str]:
    """Create or update the concern's stack and return its outputs."""
    template = (_TEMPLATES / f"{concern}.yaml").read_text(encoding="utf-8")
    return bring(stage, concern, {"TemplateBody": template, "Parameters": _parameters(parameters)})


def apply_tables(stage: Stage) -> dict[str, str]:
    """Create or update the stack of the tables and return its outputs.

    A new table is created without deletion protection and protected by a second update: CloudFormation could not roll
    back a failed creation otherwise.
    """
    parameters = {"TablePrefix": stage.table_prefix}
    _recover(stage, "tables")
    template, present = read_template(), _resources(stage, "tables")
    if new := [name for name in template["Resources"] if name not in present]:
        unprotected = json.dumps(_without_protection(template, new))
        bring(stage, "tables", {"TemplateBody": unprotected, "Parameters": _parameters(parameters)})
    return apply(stage, "tables", **parameters)


def bring(stage: Stage, concern: str, source: Mapping[str, Any]) -> dict[str, str]:
    """Bring the concern's stack to `source`, in the words of CreateStack, and return its outputs.

    CloudFormation rolls a failed create or update back. `RetainExceptOnCreate` makes it delete what the failed
    operation created, also where the template retains it: otherwise the next run would collide with it.
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
    """Bring a stack that an operation left unusable to a state that can be updated; None if it has to be created."""
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
    if stack is not None and not _is_whole(stack):
        raise DeployError(
            f"The stack {name} is {_state(stack)}, and CloudFormation cannot continue: {_reasons(client, name)}. Solve "
            "that in the CloudFormation console (Stack actions), then run this again."
        )
    return stack


def _release_tables(stage: Stage, concern: str) -> None:
    """Let CloudFormation delete the tables of a stack whose creation failed. Raise `DeployError` if one has items."""
    if concern != "tables":
        return
    client, tables = stage.client("dynamodb"), list(_tables(stage))
    for name in tables:
        if client.scan(TableName=name, Limit=1, Select="COUNT", ConsistentRead=True)["Count"]:
            raise DeployError(
                f"The creation of {stage.stack(concern)} failed, but the table {name} has items, so nothing was "
                'deleted. If it is needed, import it into the stack (docs/operators.md, "When a deployment fails"); '
                "if not, delete it. Then run this again."
            )
    for name in tables:
        client.update_table(TableName=name, DeletionProtectionEnabled=False)
        client.get_waiter("table_exists").wait(TableName=name)


def _delete_empty_tables(stage: Stage, concern: str) -> None:
    """Delete what the deleted stack retained: `_release_tables` has made sure that there are no items."""
    if concern != "tables":
        return
    client = stage.client("dynamodb")
    for name in _tables(stage):
        client.delete_table(TableName=name)
        client.get_waiter("table_not_exists").wait(TableName=name)


def _tables(stage: Stage) -> Iterator[str]:
    """The stage's tables that exist."""
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
    """The template with these tables unprotected, and the others as they are."""
    changed: dict[str, Any] = deepcopy(dict(template))
    for name in names:
        changed["Resources"][name]["Properties"]["DeletionProtectionEnabled"] = False
    return changed


def _resources(stage: Stage, concern: str) -> set[str]:
    """The logical names of what the concern's stack has; nothing if there is no stack."""
    client, name = stage.client("cloudformation"), stage.stack(concern)
    if find(client, name) is None:
        return set()
    pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
    return {resource["LogicalResourceId"] for page in pages for resource in page["StackResourceSummaries"]}


def outputs(stage: Stage, concern: str) -> dict[str, str]:
    """What the concern's stack says of itself; nothing if there is none."""
    return _outputs(find(stage.client("cloudformation"), stage.stack(concern)) or {})


def parameters(stage: Stage, concern: str) -> dict[str, str]:
    """What the concern's stack was last made with; nothing if there is none."""
    stack = find(stage.client("cloudformation"), stage.stack(concern)) or {}
    return {given["ParameterKey"]: given["ParameterValue"] for given in stack.get("Parameters", [])}


def stands(stage: Stage, concern: str) -> bool:
    """Whether the concern's stack was made whole."""
    return _is_whole(find(stage.client("cloudformation"), stage.stack(concern)))


def remove(stage: Stage, concern: str) -> None:
    """Delete the concern's stack; resources that the template retains stay."""
    client, name = stage.client("cloudformation"), stage.stack(concern)
    if _wait(client, name) is None:
        return
    client.delete_stack(StackName=name)
    stack = _wait(client, name)
    if stack is not None:
        raise DeployError(f"The stack {name} is {_state(stack)}: {_reasons(client, name)}")


def find(client: Any, name: str) -> dict[str, Any] | None:
    """The stack's description; None if there is none."""
    try:
        stack: dict[str, Any] = client.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    return None if stack["StackStatus"] == _GONE else stack


def _is_whole(stack: Mapping[str, Any] | None) -> bool:
    return stack is not None and stack["StackStatus"] in _STABLE


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _update(client: Any, arguments: Mapping[str, Any]) -> bool:
    """Start the update; False if the stack is as the arguments want it."""
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
    """Why the last operation failed. Events come newest first, and those of earlier operations follow."""
    reasons: dict[str, None] = {}
    pages = client.get_paginator("describe_stack_events").paginate(StackName=name)
    for event in (event for page in pages for event in page["StackEvents"]):
        reason = event.get("ResourceStatusReason", "")
        if event["ResourceStatus"].endswith("FAILED") and "cancelled" not in reason:
            reasons[f"{event['LogicalResourceId']}: {reason}"] = None
        if event["ResourceStatus"] in _STARTS and event["PhysicalResourceId"] == event["StackId"]:
            break
    return "; ".join(reversed(reasons)) or "no reason given"
