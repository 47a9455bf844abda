"""The other way to deploy: one CloudFormation stack of the whole app, for pipelines.

It comes out as the direct way does; functions have the same names, triggers the same options. A stage is deployed in
one way or the other, never in both.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from botocore.config import Config

from infra.deploy import chalice_cli, gateway, settings, stacks, triggers
from infra.deploy.stage import API, DeployError, Stage

CONCERN = "app"


def deploy(
    stage: Stage, queue_arn: str, bucket: str, say: Callable[[str], None], *, default_address_closed: bool = False
) -> None:
    """Package the app, put the parts into the bucket, and bring the stack to them."""
    if chalice_cli.resources(stage):
        raise DeployError("This stage was deployed by `chalice deploy`: take it down first, its data stays.")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        merge = directory / "merge.json"
        merge.write_text(
            json.dumps(additions(stage, queue_arn, default_address_closed=default_address_closed)), encoding="utf-8"
        )
        chalice_cli.run(stage, "package", "--merge-template", str(merge), str(directory / "out"))
        template = json.loads((directory / "out" / "sam.json").read_text(encoding="utf-8"))
        code = _upload(stage, bucket, (directory / "out" / "deployment.zip").read_bytes(), "zip")
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": code}
    if lost := _lost_triggers(stage):
        # CloudFormation takes a mapping that was deleted by hand for one that is there, and creates it only after it
        # was out of the template.
        say(f"triggers that have to be created again: {', '.join(lost)}")
        _bring(stage, bucket, without_triggers(template, lost))
    _bring(stage, bucket, template)


def without_triggers(template: Mapping[str, Any], functions: Iterable[str]) -> dict[str, Any]:
    """Return the template without the event source mappings of these functions."""
    changed: dict[str, Any] = deepcopy(dict(template))
    for function in functions:
        del changed["Resources"][_logical(function)]["Properties"]["Events"][_event(function)]
    return changed


def _lost_triggers(stage: Stage) -> list[str]:
    """The functions that read no stream although the stack has been made."""
    if not stacks.outputs(stage, CONCERN):
        return []
    client = stage.client("lambda")
    return [function for function in triggers.STREAMS if not triggers.mappings(client, stage.function(function))]


def _bring(stage: Stage, bucket: str, template: Mapping[str, Any]) -> None:
    # Too long to be given along.
    key = _upload(stage, bucket, json.dumps(template, sort_keys=True).encode(), "json")
    source = {
        "TemplateURL": object_url(stage, bucket, key),
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    stacks.bring(stage, CONCERN, source)


def object_url(stage: Stage, bucket: str, key: str) -> str:
    """The address of an object, with its region: S3 routes the address without one to older regions only."""
    options = Config(s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"})
    client = stage.session.client("s3", config=options)
    url: str = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    return url.partition("?")[0]


def additions(stage: Stage, queue_arn: str, *, default_address_closed: bool = False) -> dict[str, Any]:
    """What Chalice's template lacks: names of functions, and options of triggers, in the words of AWS SAM."""
    functions = {_logical(name): {"Properties": _properties(stage, name, queue_arn)} for name in settings.functions()}
    # Without it SAM makes a second public stage of the API, called "Stage": github.com/aws/serverless-application-model
    # issue 191.
    additions = gateway.additions(stage, default_address_closed=default_address_closed)
    api = {"Properties": {"OpenApiVersion": "2.0", **additions}}
    return {"Resources": {**functions, "RestAPI": api}}


def _properties(stage: Stage, function: str, queue_arn: str) -> dict[str, Any]:
    properties: dict[str, Any] = {"FunctionName": stage.function(function)}
    if function in triggers.STREAMS:
        options = triggers.mapping_options(function, queue_arn)
        if not options["FilterCriteria"]["Filters"]:
            del options["FilterCriteria"]
        properties["Events"] = {_event(function): {"Properties": options}}
    if function in triggers.ASYNCHRONOUS:
        on_failure = {"OnFailure": {"Type": "SQS", "Destination": queue_arn}}
        properties["EventInvokeConfig"] = {**triggers.ASYNCHRONOUS[function], "DestinationConfig": on_failure}
    return properties


def _logical(function: str) -> str:
    """Chalice's name of the function in its template."""
    return "APIHandler" if function == API else function.title().replace("_", "")


def _event(function: str) -> str:
    """Chalice's name of the function's stream in its template."""
    return f"{_logical(function)}DynamodbEventSource"


def _upload(stage: Stage, bucket: str, content: bytes, kind: str) -> str:
    """Named by what is in it: the same code is no change."""
    key = f"{stage.stack(CONCERN)}/{hashlib.sha256(content).hexdigest()}.{kind}"
    stage.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
    return key
