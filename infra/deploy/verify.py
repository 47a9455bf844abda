"""Check a stage: read it back from AWS and request it over HTTP. A deployment's exit code proves neither."""

from __future__ import annotations

import importlib
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from infra.deploy import (
    account,
    chalice_cli,
    default_address,
    gateway,
    packaging,
    ses_identity,
    settings,
    stacks,
    tables,
    triggers,
)
from infra.deploy.findings import Finding, problem, run_check, warning
from infra.deploy.stage import DeployError, Stage

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 2.0


def check(stage: Stage) -> list[Finding]:
    """Compare the stage with what it needs; problems come first.

    Without a problem, bookings are settled and mailed. Raises `DeployError` if the stage was never deployed from here.
    """
    if "MEETLINK_BOOKINGS_STREAM_ARN" not in settings.known(stage):
        raise DeployError(f"{stage.chalice_directory / 'config.json'} has no stage {stage.name}. Deploy it first.")
    if misplaced := list(_place(stage)):
        return misplaced
    queue_arn = stacks.outputs(stage, "queue").get("DeadLettersArn", "")
    return sorted(_check(stage, load_app(stage), queue_arn), key=lambda finding: not finding.is_problem)


def load_app(stage: Stage) -> Any:
    """Import the app as Chalice does: with the stage's settings, which are not this command's own."""
    own = dict(os.environ)
    os.environ.update(settings.known(stage))
    try:
        return importlib.import_module("app").app
    finally:
        os.environ.clear()
        os.environ.update(own)


def _check(stage: Stage, app: Any, queue_arn: str) -> Iterator[Finding]:
    run = partial(_run, stage)
    yield from run("the tables", tables.check)
    missing = list(run("the functions", _functions))
    yield from missing
    if not missing:
        # A stage without a function lacks its routes and triggers as well.
        yield from run("the routes", _routes, app)
        yield from run("the API's stage", gateway.check, rest_api(stage)[0], is_vital=False)
        yield from run("the default address", default_address.check, rest_api(stage)[0], is_vital=False)
        yield from run("the streams", _mappings, queue_arn)
        yield from run("the schedules", _schedules)
        yield from run("the mails' events", _topic)
        yield from run("the API", _health)
        yield from run("the functions' runtime", account.check_runtime, datetime.now(UTC).date(), is_vital=False)
    yield from run("whether SES sends mail", account.check_sending)
    yield from run(
        "the sender of mails", ses_identity.check_sender, settings.known(stage).get("MEETLINK_MAIL_FROM", "")
    )
    yield from run("the alarms", _alarms, is_vital=False)
    yield from run("who receives alarms", account.check_alarm_topic, is_vital=False)
    yield from run("Lambda's limits", account.check_concurrency, is_vital=False)
    yield from run("the account's budgets", account.check_budget, is_vital=False)
    if not is_elsewhere(stage):
        yield from run("the domain", account.check_domain)


def _run(
    stage: Stage, subject: str, check: Callable[..., Iterator[Finding]], *arguments: Any, is_vital: bool = True
) -> Iterator[Finding]:
    return run_check(subject, lambda: check(stage, *arguments), is_vital=is_vital)


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


def is_elsewhere(stage: Stage) -> bool:
    """Whether the stage is at another AWS than Amazon's, such as an emulator."""
    return not _is_amazons(str(stage.client("apigateway").meta.endpoint_url))


def rest_api(stage: Stage) -> tuple[str, str]:
    """The API's id and its own address, from the way in which the stage was deployed; empty if there is none."""
    packaged = stacks.outputs(stage, packaging.CONCERN)
    if packaged:
        return packaged["RestAPIId"], packaged["EndpointURL"]
    known = chalice_cli.resources(stage).get("rest_api", {})
    return str(known.get("rest_api_id", "")), str(known.get("rest_api_url", ""))


def _place(stage: Stage) -> Iterator[Finding]:
    """The settings name the tables' streams by ARN: a stage lives in one account and one region."""
    *_, region, account_id, _ = settings.known(stage)["MEETLINK_BOOKINGS_STREAM_ARN"].split(":", 5)
    if (account_id, region) != (stage.account(), stage.region):
        here = f"This is account {stage.account()}, {stage.region}."
        yield problem(f"The stage's tables are in account {account_id}, {region}. {here}")


def _functions(stage: Stage) -> Iterator[Finding]:
    client = stage.client("lambda")
    for name in settings.functions():
        try:
            variables = client.get_function_configuration(FunctionName=stage.function(name)).get("Environment", {})
        except client.exceptions.ResourceNotFoundException:
            yield problem(f"There is no function {stage.function(name)}.")
            continue
        if variables.get("Variables", {}) != settings.known(stage):
            yield problem(f"The settings of {stage.function(name)} are not those of .chalice/config.json.")


def _routes(stage: Stage, app: Any) -> Iterator[Finding]:
    api_id, _ = rest_api(stage)
    if not api_id:
        yield problem("Neither .chalice/deployed nor a stack of the app names a REST API. Deploy again.")
        return
    pages = stage.client("apigateway").get_paginator("get_resources").paginate(restApiId=api_id)
    items = [item for page in pages for item in page["items"]]
    # A path that only leads to others has no methods, and its answer no such key.
    found = {(item["path"], method) for item in items for method in item.get("resourceMethods", {})}
    wanted = {(path, method) for path, methods in app.routes.items() for method in methods}
    for path, method in sorted(wanted - found):
        yield problem(f"API Gateway has no route {method} {path}.")


def _mappings(stage: Stage, queue_arn: str) -> Iterator[Finding]:
    client, variables = stage.client("lambda"), settings.known(stage)
    for name, wanted in triggers.STREAMS.items():
        function, found = stage.function(name), triggers.mappings(client, stage.function(name))
        stream = variables[wanted.variable]
        if not found:
            yield problem(f"{function} reads no stream: its event source mapping is missing. Deploy again.")
        if len(found) > 1:
            ids = ", ".join(mapping["UUID"] for mapping in found)
            yield problem(
                f"{function} has {len(found)} event source mappings, and should have one: delete all but one of {ids} "
                "(aws lambda delete-event-source-mapping --uuid UUID)."
            )
        for mapping in found:
            if mapping["State"] != "Enabled":
                yield problem(f"The stream of {function} is {mapping['State']}.")
            if mapping["EventSourceArn"] != stream:
                yield problem(f"{function} reads {mapping['EventSourceArn']}, and should read {stream}.")
            if mapping.get("StartingPosition") != "TRIM_HORIZON":
                yield warning(
                    f"{function} starts to read its stream at {mapping.get('StartingPosition')}, so what is written "
                    "while Lambda makes or changes the trigger may be skipped. Deploy again."
                )
            for option in triggers.differing(mapping, triggers.mapping_options(name, queue_arn)):
                yield problem(f"{option} of the stream of {function} is {mapping.get(option)}.")


def _schedules(stage: Stage) -> Iterator[Finding]:
    client = stage.client("events")
    for name in triggers.SCHEDULES:
        rules = client.list_rule_names_by_target(TargetArn=_arn(stage, name))["RuleNames"]
        if not any(client.describe_rule(Name=rule)["State"] == "ENABLED" for rule in rules):
            yield problem(f"No schedule invokes {stage.function(name)}.")


def _topic(stage: Stage) -> Iterator[Finding]:
    topic = settings.known(stage)["MEETLINK_MAIL_EVENTS_TOPIC"]
    pages = stage.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    if _arn(stage, "on_mail_event") not in {s["Endpoint"] for page in pages for s in page["Subscriptions"]}:
        yield problem(f"No function reads {topic}, so bounces go unnoticed. Deploy again.")


def _alarms(stage: Stage) -> Iterator[Finding]:
    pages = stage.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=stage.table_prefix)
    found = {alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]}
    resources = stage.client("cloudformation").get_paginator("list_stack_resources")
    for page in resources.paginate(StackName=stage.stack("alarms")):
        for resource in page["StackResourceSummaries"]:
            is_alarm = resource["ResourceType"] == "AWS::CloudWatch::Alarm"
            if is_alarm and resource["PhysicalResourceId"] not in found:
                yield warning(f"There is no alarm {resource['PhysicalResourceId']}.")


def _health(stage: Stage) -> Iterator[Finding]:
    url = address(stage).rstrip("/") + "/health"
    if _is_amazons(url) and is_elsewhere(stage):
        yield problem(f"GET {url} was not asked: it is at Amazon, and AWS_ENDPOINT_URL points elsewhere.")
        return
    ends = time.monotonic() + _PATIENCE_SECONDS
    while True:
        said = _get(url)
        if said == "200":
            return
        # A new address takes a while to be known to name servers, and a new role to be known to Lambda.
        if time.monotonic() > ends:
            yield problem(f"GET {url} answers {said}.")
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
