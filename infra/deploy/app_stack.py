"""Deploy the whole app as one CloudFormation stack, for pipelines (`--bucket`).

The result equals that of `chalice deploy`: functions have the same names, triggers the same options. A stage uses one
of the two ways, never both.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from botocore.config import Config

from infra.deploy import chalice_cli, chalice_config, gateway, stacks, triggers
from infra.deploy.stage import API, DeployError, Say, Stage

CONCERN = "app"


def deploy(stage: Stage, queue_arn: str, bucket: str, say: Say, *, default_address_closed: bool = False) -> None:
    """Package the app, upload code and template to the bucket, and create or update the stack."""
    if chalice_cli.resources(stage):
        raise DeployError(
            "This stage was deployed without --bucket. Deploy it without, or run --down first (its data is kept)."
        )
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        merge = directory / "merge.json"
        additions = template_additions(stage, queue_arn, default_address_closed=default_address_closed)
        merge.write_text(json.dumps(additions), encoding="utf-8")
        chalice_cli.run(stage, "package", "--merge-template", str(merge), str(directory / "out"))
        template = json.loads((directory / "out" / "sam.json").read_text(encoding="utf-8"))
        code = _upload(stage, bucket, (directory / "out" / "deployment.zip").read_bytes(), "zip")
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": code}
    if missing := _missing_triggers(stage):
        # CloudFormation does not notice that a mapping was deleted by hand. It creates the mapping again only after an
        # update without it.
        say(f"triggers to create again: {', '.join(missing)}")
        _apply_template(stage, bucket, without_triggers(template, missing))
    _apply_template(stage, bucket, template)


def without_triggers(template: Mapping[str, Any], functions: Iterable[str]) -> dict[str, Any]:
    """Return the template without the event source mappings of these functions."""
    changed: dict[str, Any] = deepcopy(dict(template))
    for function in functions:
        del changed["Resources"][_logical_id(function)]["Properties"]["Events"][_event_id(function)]
    return changed


def _missing_triggers(stage: Stage) -> list[str]:
    """Return the functions without an event source mapping, if the stack exists."""
    if not stacks.outputs(stage, CONCERN):
        return []
    client = stage.client("lambda")
    return [function for function in triggers.SOURCES if not triggers.mappings(client, stage.function(function))]


def _apply_template(stage: Stage, bucket: str, template: Mapping[str, Any]) -> None:
    # The template exceeds the size limit of a request.
    key = _upload(stage, bucket, json.dumps(template, sort_keys=True).encode(), "json")
    source = {
        "TemplateURL": object_url(stage, bucket, key),
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    stacks.create_or_update(stage, CONCERN, source)


def object_url(stage: Stage, bucket: str, key: str) -> str:
    """Return the URL of an object, with its region: S3 routes URLs without a region to older regions only."""
    options = Config(s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"})
    client = stage.session.client("s3", config=options)
    url: str = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    return url.partition("?")[0]


def template_additions(stage: Stage, queue_arn: str, *, default_address_closed: bool = False) -> dict[str, Any]:
    """Return SAM properties that Chalice's template lacks: functions' names, options of triggers and of the API."""
    functions = {
        _logical_id(name): {"Properties": _properties(stage, name, queue_arn)}
        for name in chalice_config.function_names()
    }
    properties = gateway.sam_properties(stage, default_address_closed=default_address_closed)
    # Without the version SAM creates a second public stage of the API, called "Stage":
    # github.com/aws/serverless-application-model issue 191.
    return {"Resources": {**functions, "RestAPI": {"Properties": {"OpenApiVersion": "2.0", **properties}}}}


def _properties(stage: Stage, function: str, queue_arn: str) -> dict[str, Any]:
    properties: dict[str, Any] = {"FunctionName": stage.function(function)}
    if function in triggers.SOURCES:
        options = triggers.mapping_options(function, queue_arn)
        if options.get("FilterCriteria") == {"Filters": []}:
            del options["FilterCriteria"]
        properties["Events"] = {_event_id(function): {"Properties": options}}
    if function in triggers.ASYNCHRONOUS:
        on_failure = {"OnFailure": {"Type": "SQS", "Destination": queue_arn}}
        properties["EventInvokeConfig"] = {**triggers.ASYNCHRONOUS[function], "DestinationConfig": on_failure}
    return properties


def _logical_id(function: str) -> str:
    """Return Chalice's logical id of the function."""
    return "APIHandler" if function == API else function.title().replace("_", "")


def _event_id(function: str) -> str:
    """Return Chalice's logical id of the function's event source."""
    return f"{_logical_id(function)}{'Sqs' if function in triggers.QUEUES else 'Dynamodb'}EventSource"


def _upload(stage: Stage, bucket: str, content: bytes, kind: str) -> str:
    """Upload an object named by its hash, so that unchanged code does not change the stack. Return its key."""
    key = f"{stage.stack(CONCERN)}/{hashlib.sha256(content).hexdigest()}.{kind}"
    stage.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
    return key
