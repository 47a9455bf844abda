"""CloudFormation stacks, one for each concern, brought to what their templates in `infra/` say."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.stage import DeployError, Stage

_TEMPLATES = Path(__file__).parents[1]
_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 1800.0
_GONE = "DELETE_COMPLETE"


def apply(stage: Stage, concern: str, **parameters: str) -> dict[str, str]:
    """Create or update the concern's stack; its outputs."""
    template = (_TEMPLATES / f"{concern}.yaml").read_text(encoding="utf-8")
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    return bring(stage, concern, {"TemplateBody": template, "Parameters": given})


def bring(stage: Stage, concern: str, source: Mapping[str, Any]) -> dict[str, str]:
    """Bring the concern's stack to `source`, in the words of CreateStack; its outputs.

    A failed create or update is not rolled back: what was made stays, and the next run goes on from there. A rollback
    would leave tables behind that keep their data, and then collide with them.
    """
    client, name = stage.client("cloudformation"), stage.stack(concern)
    _wait(client, name)
    arguments = {
        **source,
        "StackName": name,
        "Tags": [{"Key": "meetlink:stage", "Value": stage.name}],
        "DisableRollback": True,
    }
    if find(client, name) is None:
        client.create_stack(**arguments)
    else:
        _update(client, arguments)
    stack = _wait(client, name)
    if stack is None or not _is_whole(stack):
        raise DeployError(f"The stack {name} is {_state(stack)}: {_reasons(client, name)}")
    return _outputs(stack)


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
    return stack is not None and stack["StackStatus"].endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE"))


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _update(client: Any, arguments: Mapping[str, Any]) -> None:
    try:
        client.update_stack(**arguments)
    except ClientError as error:
        # CloudFormation has no code of its own for this.
        if "No updates are to be performed" not in error.response["Error"]["Message"]:
            raise


def _wait(client: Any, name: str) -> dict[str, Any] | None:
    ends = time.monotonic() + _PATIENCE_SECONDS
    while (stack := find(client, name)) is not None and stack["StackStatus"].endswith("IN_PROGRESS"):
        if time.monotonic() > ends:
            raise DeployError(f"The stack {name} is still {stack['StackStatus']}; run this again later.")
        time.sleep(_POLL_SECONDS)
    return stack


def _state(stack: Mapping[str, Any] | None) -> str:
    return str(stack["StackStatus"]) if stack else "gone"


def _reasons(client: Any, name: str) -> str:
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    said = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed]
    return "; ".join(dict.fromkeys(said)) or "no reason given"
