"""Complete Chalice's record of a stage (`.chalice/deployed/<stage>.json`) from AWS.

Chalice writes the record only at the end of a successful deployment. After a failed deployment, or in a clone without
the file, it would create everything again: a second REST API with another address, and triggers that AWS refuses as
duplicates. Every resource can be found, because its name follows from the stage's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from infra.deploy import app_stack, chalice_cli, chalice_config, stacks, triggers
from infra.deploy.stage import API, APP, DeployError, Stage

Resource = dict[str, Any]
_SUFFIXES = {"aws-cn": "amazonaws.com.cn"}


def complete(stage: Stage) -> list[str]:
    """Add the stage's existing resources to Chalice's record. Return the names of the resources that were added.

    Raises `DeployError` if the stage has several REST APIs: only the operator can know which one callers use.
    """
    if stacks.outputs(stage, app_stack.CONCERN):
        return []  # The stack owns all resources.
    recorded = chalice_cli.resources(stage)
    valid = {name: resource for name, resource in recorded.items() if not _is_gone(stage, resource)}
    added = {resource["name"]: resource for resource in _search(stage, valid)}
    if added or valid != recorded:
        _write(stage, {**valid, **added})
    return sorted(added)


def _is_gone(stage: Stage, resource: Resource) -> bool:
    """Return whether the resource is a trigger that was deleted. Chalice would try to update it."""
    if resource["resource_type"] not in ("dynamodb_event", "sqs_event"):
        return False
    function = resource["lambda_arn"].rpartition(":")[2]
    return resource["event_uuid"] not in {m["UUID"] for m in triggers.mappings(stage.client("lambda"), function)}


def _search(stage: Stage, recorded: dict[str, Resource]) -> Iterator[Resource]:
    for function in chalice_config.function_names():
        if f"{function}_role" not in recorded:
            yield from _role(stage, function)
        if function not in recorded:
            yield from _function(stage, function)
    for function in triggers.SOURCES:
        if f"{function}-{_kind(function)}-event-source" not in recorded:
            yield from _mapping(stage, function)
    for function in triggers.SCHEDULES:
        if f"{function}-event" not in recorded:
            yield from _rule(stage, function)
    for function in triggers.TOPICS:
        if f"{function}-sns-subscription" not in recorded:
            yield from _subscription(stage, function)
    if "rest_api" not in recorded:
        yield from _rest_api(stage)


def _role(stage: Stage, function: str) -> Iterator[Resource]:
    client, name = stage.client("iam"), f"{APP}-{stage.name}-{function}"
    try:
        arn = client.get_role(RoleName=name)["Role"]["Arn"]
    except client.exceptions.NoSuchEntityException:
        return
    yield {"name": f"{function}_role", "resource_type": "iam_role", "role_arn": arn, "role_name": name}


def _function(stage: Stage, function: str) -> Iterator[Resource]:
    arn = _arn(stage, function)
    if arn is not None:
        yield {"name": function, "resource_type": "lambda_function", "lambda_arn": arn}


def _kind(function: str) -> str:
    """Return Chalice's word for the kind of the function's event source."""
    return "sqs" if function in triggers.QUEUES else "dynamodb"


def _mapping(stage: Stage, function: str) -> Iterator[Resource]:
    source = chalice_config.environment(stage).get(triggers.SOURCES[function].variable)
    if _arn(stage, function) is None:
        return
    for mapping in triggers.mappings(stage.client("lambda"), stage.function(function)):
        if mapping["EventSourceArn"] == source:
            kind, arn = _kind(function), mapping["EventSourceArn"]
            own = {"queue_arn": arn, "queue": arn.rpartition(":")[2]} if kind == "sqs" else {"stream_arn": arn}
            yield {
                "name": f"{function}-{kind}-event-source",
                "resource_type": f"{kind}_event",
                **own,
                "event_uuid": mapping["UUID"],
                "lambda_arn": mapping["FunctionArn"],
            }


def _rule(stage: Stage, function: str) -> Iterator[Resource]:
    client, name = stage.client("events"), f"{stage.function(function)}-event"
    try:
        client.describe_rule(Name=name)
    except client.exceptions.ResourceNotFoundException:
        return
    yield {"name": f"{function}-event", "resource_type": "cloudwatch_event", "rule_name": name}


def _subscription(stage: Stage, function: str) -> Iterator[Resource]:
    topic, arn = chalice_config.environment(stage).get(triggers.TOPICS[function]), _arn(stage, function)
    if topic is None or arn is None:
        return
    client = stage.client("sns")
    try:
        pages = list(client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic))
    except client.exceptions.NotFoundException:
        return
    for subscription in (item for page in pages for item in page["Subscriptions"]):
        if subscription["Endpoint"] == arn:
            yield {
                "name": f"{function}-sns-subscription",
                "resource_type": "sns_event",
                "topic": topic,
                "topic_arn": topic,
                "lambda_arn": arn,
                "subscription_arn": subscription["SubscriptionArn"],
            }


def _rest_api(stage: Stage) -> Iterator[Resource]:
    client = stage.client("apigateway")
    pages = client.get_paginator("get_rest_apis").paginate()
    ids = [api["id"] for page in pages for api in page["items"] if api["name"] == APP]
    own = [id_ for id_ in ids if _leads_to(client, id_, stage.function(API))]
    if len(own) > 1:
        raise DeployError(
            f"This stage has several REST APIs: {', '.join(own)}. Find out which one callers use, delete the "
            "others (aws apigateway delete-rest-api --rest-api-id ID), and run this again."
        )
    suffix = _SUFFIXES.get(stage.session.get_partition_for_region(stage.region), "amazonaws.com")
    for id_ in own:
        url = f"https://{id_}.execute-api.{stage.region}.{suffix}/{chalice_config.api_stage(stage)}/"
        yield {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": id_, "rest_api_url": url}


def _leads_to(client: Any, api_id: str, function: str) -> bool:
    """Return whether the API's routes invoke the function."""
    for page in client.get_paginator("get_resources").paginate(restApiId=api_id, embed=["methods"]):
        for resource in page["items"]:
            for method in resource.get("resourceMethods", {}).values():
                if f":function:{function}/" in method.get("methodIntegration", {}).get("uri", ""):
                    return True
    return False


def _arn(stage: Stage, function: str) -> str | None:
    client = stage.client("lambda")
    try:
        return str(client.get_function_configuration(FunctionName=stage.function(function))["FunctionArn"])
    except client.exceptions.ResourceNotFoundException:
        return None


def _write(stage: Stage, resources: dict[str, Resource]) -> None:
    path = stage.chalice_directory / "deployed" / f"{stage.name}.json"
    path.parent.mkdir(exist_ok=True)
    record = {"resources": list(resources.values()), "schema_version": "2.0", "backend": "api"}
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
