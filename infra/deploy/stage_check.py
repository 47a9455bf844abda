"""Check a deployed stage: read its resources back from AWS and send a request to its API."""

from __future__ import annotations

import importlib
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from infra.deploy import (
    account,
    chalice_config,
    default_address,
    gateway,
    receiving,
    rest_api,
    ses_identity,
    stacks,
    table_settings,
    triggers,
)
from infra.deploy.check_results import CheckResult, problem, run_check, warning
from infra.deploy.stage import DeployError, Stage

_TIMEOUT_SECONDS = 60.0
_RETRY_SECONDS = 2.0


def check(stage: Stage) -> list[CheckResult]:
    """Return problems first, then warnings. Without a problem, bookings are settled and mailed.

    Raises `DeployError` if `.chalice/config.json` does not contain the stage.
    """
    if "MEETLINK_BOOKINGS_STREAM_ARN" not in chalice_config.environment(stage):
        raise DeployError(f"{stage.chalice_directory / 'config.json'} has no stage {stage.name}. Deploy it first.")
    if misplaced := list(_place(stage)):
        return misplaced
    queue_arn = stacks.outputs(stage, "queue").get("DeadLettersArn", "")
    return sorted(_check(stage, load_app(stage), queue_arn), key=lambda finding: not finding.is_problem)


def load_app(stage: Stage) -> Any:
    """Import the app as Chalice does: with the stage's settings instead of this command's environment."""
    environment = dict(os.environ)
    os.environ.update(chalice_config.environment(stage))
    try:
        return importlib.import_module("app").app
    finally:
        os.environ.clear()
        os.environ.update(environment)


def _check(stage: Stage, app: Any, queue_arn: str) -> Iterator[CheckResult]:
    run = partial(_run, stage)
    yield from run("the tables", table_settings.check)
    missing = list(run("the functions", _functions))
    yield from missing
    if not missing:
        # Without its functions, a stage lacks routes and triggers too.
        yield from run("the routes", _routes, app)
        yield from run("the API's stage", gateway.check, rest_api.find_api(stage)[0], is_vital=False)
        yield from run("the default address", default_address.check, rest_api.find_api(stage)[0], is_vital=False)
        yield from run("the streams and queues", _mappings, queue_arn)
        yield from run("the schedules", _schedules)
        yield from run("the email events", _topics)
        yield from run("the API", _health)
        yield from run("the functions' runtime", account.check_runtime, datetime.now(UTC).date(), is_vital=False)
    yield from run("whether SES sends email", account.check_sending)
    yield from run(
        "the email sender",
        ses_identity.check_sender,
        chalice_config.environment(stage).get("MEETLINK_MAIL_FROM", ""),
    )
    if receiving.is_on(stage):
        mail_from = chalice_config.environment(stage).get("MEETLINK_MAIL_FROM", "")
        yield from run("the receipt rule", receiving.check, mail_from, is_vital=False)
    yield from run("the alarms", _alarms, is_vital=False)
    yield from run("who receives alarms", account.check_alarm_topic, is_vital=False)
    yield from run("Lambda's limits", account.check_concurrency, is_vital=False)
    yield from run("the account's budgets", account.check_budget, is_vital=False)
    if not rest_api.is_on_emulator(stage):
        yield from run("the domain", account.check_domain)


def _run(
    stage: Stage, subject: str, check: Callable[..., Iterator[CheckResult]], *arguments: Any, is_vital: bool = True
) -> Iterator[CheckResult]:
    return run_check(subject, lambda: check(stage, *arguments), is_vital=is_vital)


def _place(stage: Stage) -> Iterator[CheckResult]:
    """Report credentials for another account or region than the stage's, which the streams' ARNs contain."""
    *_, region, account_id, _ = chalice_config.environment(stage)["MEETLINK_BOOKINGS_STREAM_ARN"].split(":", 5)
    if (account_id, region) != (stage.account(), stage.region):
        here = f"This is account {stage.account()}, {stage.region}."
        yield problem(f"The stage's tables are in account {account_id}, {region}. {here}")


def _functions(stage: Stage) -> Iterator[CheckResult]:
    client = stage.client("lambda")
    for name in chalice_config.function_names():
        try:
            variables = client.get_function_configuration(FunctionName=stage.function(name)).get("Environment", {})
        except client.exceptions.ResourceNotFoundException:
            yield problem(f"The function {stage.function(name)} does not exist. Deploy again.")
            continue
        if variables.get("Variables", {}) != chalice_config.environment(stage):
            yield problem(f"The settings of {stage.function(name)} differ from .chalice/config.json. Deploy again.")


def _routes(stage: Stage, app: Any) -> Iterator[CheckResult]:
    api_id, _ = rest_api.find_api(stage)
    if not api_id:
        yield problem("Neither .chalice/deployed nor a stack of the app contains a REST API. Deploy again.")
        return
    pages = stage.client("apigateway").get_paginator("get_resources").paginate(restApiId=api_id)
    items = [item for page in pages for item in page["items"]]
    # A path without methods, which only has subpaths, has no such key.
    deployed = {(item["path"], method) for item in items for method in item.get("resourceMethods", {})}
    expected = {(path, method) for path, methods in app.routes.items() for method in methods}
    for path, method in sorted(expected - deployed):
        yield problem(f"API Gateway has no route {method} {path}. Deploy again.")


def _mappings(stage: Stage, queue_arn: str) -> Iterator[CheckResult]:
    client = stage.client("lambda")
    for name in triggers.SOURCES:
        function, mappings = stage.function(name), triggers.mappings(client, stage.function(name))
        if not mappings:
            yield problem(f"{function} reads no {_source(name)}: its event source mapping is missing. Deploy again.")
        if len(mappings) > 1:
            ids = ", ".join(mapping["UUID"] for mapping in mappings)
            yield problem(
                f"{function} has {len(mappings)} event source mappings instead of one: delete all but one of {ids} "
                "(aws lambda delete-event-source-mapping --uuid UUID)."
            )
        for mapping in mappings:
            yield from _mapping(stage, name, mapping, queue_arn)


def _mapping(stage: Stage, name: str, mapping: dict[str, Any], queue_arn: str) -> Iterator[CheckResult]:
    function, arn = stage.function(name), chalice_config.environment(stage).get(triggers.SOURCES[name].variable)
    if mapping["State"] != "Enabled":
        yield problem(f"The {_source(name)} of {function} is {mapping['State']}.")
    if mapping["EventSourceArn"] != arn:
        yield problem(f"{function} reads {mapping['EventSourceArn']} instead of {arn}. Deploy again.")
    if name in triggers.STREAMS and mapping.get("StartingPosition") != triggers.STARTS_AT:
        yield warning(
            f"{function} starts to read its stream at {mapping.get('StartingPosition')}, so it may skip records "
            "written while Lambda creates or changes the trigger. Deploy again."
        )
    for option in triggers.differing(mapping, triggers.mapping_options(name, queue_arn)):
        yield problem(f"{option} of the {_source(name)} of {function} is {mapping.get(option)}. Deploy again.")


def _source(name: str) -> str:
    return "queue" if name in triggers.QUEUES else "stream"


def _schedules(stage: Stage) -> Iterator[CheckResult]:
    client = stage.client("events")
    for name in triggers.SCHEDULES:
        rules = client.list_rule_names_by_target(TargetArn=_arn(stage, name))["RuleNames"]
        if not any(client.describe_rule(Name=rule)["State"] == "ENABLED" for rule in rules):
            yield problem(f"No schedule invokes {stage.function(name)}. Deploy again.")


def _topics(stage: Stage) -> Iterator[CheckResult]:
    paginator = stage.client("sns").get_paginator("list_subscriptions_by_topic")
    for function, variable in triggers.TOPICS.items():
        topic = chalice_config.environment(stage)[variable]
        endpoints = {s["Endpoint"] for page in paginator.paginate(TopicArn=topic) for s in page["Subscriptions"]}
        if _arn(stage, function) not in endpoints:
            yield problem(f"{stage.function(function)} does not read {topic}, so its events are lost. Deploy again.")


def _alarms(stage: Stage) -> Iterator[CheckResult]:
    pages = stage.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=stage.table_prefix)
    existing = {alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]}
    resources = stage.client("cloudformation").get_paginator("list_stack_resources")
    for page in resources.paginate(StackName=stage.stack("alarms")):
        for resource in page["StackResourceSummaries"]:
            is_alarm = resource["ResourceType"] == "AWS::CloudWatch::Alarm"
            if is_alarm and resource["PhysicalResourceId"] not in existing:
                yield warning(f"The alarm {resource['PhysicalResourceId']} does not exist. Deploy again.")


def _health(stage: Stage) -> Iterator[CheckResult]:
    url = rest_api.address(stage).rstrip("/") + "/health"
    if rest_api.is_at_amazon(url) and rest_api.is_on_emulator(stage):
        yield problem(f"GET {url} was not checked: it is at Amazon, but AWS_ENDPOINT_URL names another endpoint.")
        return
    ends = time.monotonic() + _TIMEOUT_SECONDS
    while (result := _get(url)) != "200":
        # DNS needs some time for a new address, and Lambda for a new role.
        if time.monotonic() > ends:
            yield problem(f"GET {url} responds with {result}.")
            return
        time.sleep(_RETRY_SECONDS)


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 — the stage's own address
            return str(response.status)
    except urllib.error.HTTPError as error:
        return str(error.code)
    except (OSError, ValueError) as error:
        return f"nothing ({type(error).__name__})"


def _arn(stage: Stage, function: str) -> str:
    name = stage.function(function)
    return str(stage.client("lambda").get_function_configuration(FunctionName=name)["FunctionArn"])
