"""Is it there? Read back from AWS, and asked over HTTP: an exit code of a deployment proves nothing."""

from __future__ import annotations

import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from infra.deploy import chalice, packaging, settings, stacks, triggers
from infra.deploy.stage import Stage

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 2.0


def problems(stage: Stage, app: Any, queue_arn: str) -> list[str]:
    """Everything that is not as it should be, one line each; an empty list is what one wants to see.

    `app` is the Chalice app that was deployed.
    """
    missing = list(_functions(stage))
    if missing:
        return missing
    return [
        *_routes(stage, app),
        *_mappings(stage, queue_arn),
        *_schedules(stage),
        *_topic(stage),
        *_alarms(stage),
        *_health(stage),
    ]


def address(stage: Stage) -> str:
    """Where the API answers. Another AWS than Amazon's has it under its own address, and only there it is asked."""
    public = settings.known(stage).get("PUBLIC_BASE_URL")
    if public:
        return public
    api_id, url = rest_api(stage)
    endpoint = str(stage.client("apigateway").meta.endpoint_url)
    if _is_amazons(endpoint):
        return url
    # As ministack and LocalStack have it; their own answers name an address at Amazon that belongs to nobody, or worse.
    return f"{endpoint.rstrip('/')}/_aws/execute-api/{api_id}/{settings.api_stage(stage)}/"


def _is_amazons(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def rest_api(stage: Stage) -> tuple[str, str]:
    """The API's id and its own address, from the way in which the stage was deployed; empty if there is none."""
    packaged = stacks.outputs(stage, packaging.CONCERN)
    if packaged:
        return packaged["RestAPIId"], packaged["EndpointURL"]
    known = chalice.resources(stage).get("rest_api", {})
    return str(known.get("rest_api_id", "")), str(known.get("rest_api_url", ""))


def _functions(stage: Stage) -> Iterator[str]:
    client = stage.client("lambda")
    for name in settings.functions():
        try:
            variables = client.get_function_configuration(FunctionName=stage.function(name)).get("Environment", {})
        except client.exceptions.ResourceNotFoundException:
            yield f"There is no function {stage.function(name)}."
            continue
        if variables.get("Variables", {}) != settings.known(stage):
            yield f"The settings of {stage.function(name)} are not those of .chalice/config.json."


def _routes(stage: Stage, app: Any) -> Iterator[str]:
    api_id, _ = rest_api(stage)
    if not api_id:
        yield "There is no REST API."
        return
    pages = stage.client("apigateway").get_paginator("get_resources").paginate(restApiId=api_id)
    items = [item for page in pages for item in page["items"]]
    # A path that only leads to others has no methods, and its answer no such key.
    found = {(item["path"], method) for item in items for method in item.get("resourceMethods", {})}
    wanted = {(path, method) for path, methods in app.routes.items() for method in methods}
    for path, method in sorted(wanted - found):
        yield f"API Gateway has no route {method} {path}."


def _mappings(stage: Stage, queue_arn: str) -> Iterator[str]:
    client = stage.client("lambda")
    for name in triggers.STREAMS:
        found = triggers.mappings(client, stage.function(name))
        if len(found) != 1:
            yield f"{stage.function(name)} reads {len(found)} streams, and should read one."
        for mapping in found:
            if mapping["State"] != "Enabled":
                yield f"The stream of {stage.function(name)} is {mapping['State']}."
            for option in triggers.differing(mapping, triggers.mapping_options(name, queue_arn)):
                yield f"{option} of the stream of {stage.function(name)} is {mapping.get(option)}."


def _schedules(stage: Stage) -> Iterator[str]:
    client = stage.client("events")
    for name in triggers.SCHEDULES:
        rules = client.list_rule_names_by_target(TargetArn=_arn(stage, name))["RuleNames"]
        if not any(client.describe_rule(Name=rule)["State"] == "ENABLED" for rule in rules):
            yield f"No schedule invokes {stage.function(name)}."


def _topic(stage: Stage) -> Iterator[str]:
    topic = settings.known(stage)["MEETLINK_MAIL_EVENTS_TOPIC"]
    pages = stage.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    if _arn(stage, "on_mail_event") not in {s["Endpoint"] for page in pages for s in page["Subscriptions"]}:
        yield f"Nobody listens to {topic}."


def _alarms(stage: Stage) -> Iterator[str]:
    pages = stage.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=stage.table_prefix)
    found = {alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]}
    resources = stage.client("cloudformation").get_paginator("list_stack_resources")
    for page in resources.paginate(StackName=stage.stack("alarms")):
        for resource in page["StackResourceSummaries"]:
            is_alarm = resource["ResourceType"] == "AWS::CloudWatch::Alarm"
            if is_alarm and resource["PhysicalResourceId"] not in found:
                yield f"There is no alarm {resource['PhysicalResourceId']}."


def _health(stage: Stage) -> Iterator[str]:
    url = address(stage).rstrip("/") + "/health"
    if _is_amazons(url) and not _is_amazons(str(stage.client("apigateway").meta.endpoint_url)):
        yield f"GET {url} was not asked: it is at Amazon, and AWS_ENDPOINT_URL points elsewhere."
        return
    ends = time.monotonic() + _PATIENCE_SECONDS
    while True:
        said = _get(url)
        if said == "200":
            return
        # A new address takes a while to be known to name servers, and a new role to be known to Lambda.
        if time.monotonic() > ends:
            yield f"GET {url} answers {said}."
            return
        time.sleep(_PAUSE_SECONDS)


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 — our own address
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except (OSError, ValueError) as error:
        return f"nothing ({type(error).__name__})"


def _arn(stage: Stage, function: str) -> str:
    name = stage.function(function)
    return str(stage.client("lambda").get_function_configuration(FunctionName=name)["FunctionArn"])
