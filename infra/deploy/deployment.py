"""Deploy a stage, step by step. Every step is idempotent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from infra import docs_site
from infra.deploy import (
    account,
    app_stack,
    budget,
    bytecode,
    chalice_cli,
    chalice_config,
    chalice_state,
    default_address,
    deploy_options,
    gateway,
    lambda_package,
    receiving,
    rest_api,
    running_functions,
    stacks,
    stage_check,
    table_settings,
    triggers,
)
from infra.deploy.check_results import CheckResult
from infra.deploy.deploy_options import DeployOptions
from infra.deploy.ses_identity import ensure_identity
from infra.deploy.stage import Say, Stage

_RETRY_SECONDS = (5, 10, 20, 40)
"""Waits before Chalice runs again. IAM usually publishes changes within seconds."""


@dataclass(frozen=True)
class StackOutputs:
    """What the app needs to know about the stacks' resources."""

    variables: dict[str, str]
    """The functions' environment variables."""
    names: dict[str, str]
    """Values of the names in the policies' templates."""


def deploy_stage(stage: Stage, options: DeployOptions, say: Say) -> list[CheckResult]:
    """Deploy the stage, then check it."""
    options = deploy_options.resolve(stage, options)
    closes_address = bool(options.close_default_address)
    if closes_address and not default_address.is_closed(stacks.parameters(stage, "domain")):
        default_address.require_unused(stage, rest_api.find_api(stage)[1], datetime.now(UTC), say)
    say("guides, bytecode, package ...")
    docs_site.build(stage.project)
    bytecode.compile_project(stage.project)
    lambda_package.build(stage)
    outputs = prepare_stage(stage, options, say)
    _deploy_app(stage, options, outputs, say)
    if options.receive:
        receiving.apply_rule(stage, str(options.mail_from), say)
    else:
        receiving.remove(stage, say)
    if options.web_acl:
        gateway.associate_web_acl(stage, rest_api.find_api(stage)[0], options.web_acl)
    apply_domain(stage, options, say)
    say("alarms, dashboard ...")
    apply_monitoring(stage, options)
    say("checking the stage ...")
    return stage_check.check(stage)


def prepare_stage(stage: Stage, options: DeployOptions, say: Say) -> StackOutputs:
    """Create or update the stacks, settings and policies that `chalice deploy` needs."""
    mail_from = str(options.mail_from)
    say("stacks: tables, key, secrets, queue, mail, logs ...")
    outputs = _apply_stacks(stage, mail_from, say)
    received = receiving.apply_bucket(stage) if options.receive else {}
    for hint in ensure_identity(stage, mail_from):
        say(hint)
    say("settings and policies in .chalice ...")
    functions = running_functions.fetch_functions(stage)
    limit = {"MEETLINK_LAMBDA_CONCURRENCY": str(account.concurrency_limit(stage))}
    fixed = outputs.variables | received | limit | dict(options.settings or {})
    merged = running_functions.merge_environment(stage, functions, fixed, options.unset, say)
    chalice_config.write_environment(stage, merged)
    running_functions.preserve_options(stage, functions, say)
    chalice_config.write_policies(stage, outputs.names)
    return outputs


def _deploy_app(stage: Stage, options: DeployOptions, outputs: StackOutputs, say: Say) -> None:
    """Deploy functions, triggers and API, with Chalice or as one CloudFormation stack."""
    queue_arn, closed = outputs.names["DeadLettersArn"], bool(options.close_default_address)
    gateway.ensure_log_role(stage)
    if removed := triggers.remove_stale(stage, outputs.variables):
        say(f"triggers to create again: {', '.join(removed)}")
    if options.bucket is None:
        deploy_with_chalice(stage, say)
        triggers.configure(stage, queue_arn)
        gateway.configure(stage, rest_api.find_api(stage)[0])
        default_address.set_closed(stage, rest_api.find_api(stage)[0], closed=closed)
    else:
        say("chalice package, stack app ...")
        app_stack.deploy(stage, queue_arn, options.bucket, say, default_address_closed=closed)


def deploy_with_chalice(
    stage: Stage,
    say: Say,
    run: Callable[[Stage, str], None] = chalice_cli.run,
    complete_record: Callable[[Stage], list[str]] = chalice_state.complete,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Run `chalice deploy`. Retry while Lambda cannot read the streams with new roles yet."""
    for retry_seconds in (*_RETRY_SECONDS, None):
        if resources := complete_record(stage):
            say(f"found resources of an earlier deployment: {', '.join(resources)}")
        say("chalice deploy ...")
        try:
            run(stage, "deploy")
        except chalice_cli.StreamNotReadable:
            if retry_seconds is None:
                raise
            say(f"Lambda cannot read a stream with its new role yet. Retrying in {retry_seconds} seconds ...")
            sleep(retry_seconds)
        else:
            break


def apply_domain(stage: Stage, options: DeployOptions, say: Say) -> None:
    """Create or update the stack of the stage's domain name, if it has one."""
    if not options.domain:
        return
    say("domain ...")
    outputs = stacks.apply(
        stage,
        "domain",
        Domain=options.domain,
        Certificate=str(options.certificate),
        **{default_address.PARAMETER: "closed" if options.close_default_address else "open"},
        Api=rest_api.find_api(stage)[0],
        ApiStage=chalice_config.api_stage(stage),
    )
    say(f"DNS: {options.domain} CNAME {outputs['Target']}")
    base_url = chalice_config.base_url(options.domain)
    if not chalice_config.environment(stage).get("PUBLIC_BASE_URL"):
        say(f"Links still begin with the default address. When {base_url}/health responds, run this again to use it.")


def apply_monitoring(stage: Stage, options: DeployOptions) -> None:
    """Create or update the alarms, the dashboard and the budget."""
    api_stage, email = chalice_config.api_stage(stage), options.alarm_email or ""
    stacks.apply(stage, "alarms", Stage=stage.name, ApiStage=api_stage, Email=email)
    stacks.apply(stage, "dashboard", Stage=stage.name, ApiStage=api_stage)
    if options.monthly_budget:
        budget.apply(stage, options.monthly_budget, email)


def _apply_stacks(stage: Stage, mail_from: str, say: Say) -> StackOutputs:
    stacks.apply_tables(stage)
    streams = table_settings.ensure_complete(stage, say)
    key = stacks.apply(stage, "key", Stage=stage.name)
    stacks.apply(stage, "secrets", SecretsPrefix=stage.secrets_prefix)
    queue = stacks.apply(stage, "queue", Stage=stage.name)
    mail = stacks.apply(stage, "mail", Stage=stage.name)
    stacks.apply(stage, "logs", Stage=stage.name)
    variables = {
        "MEETLINK_STAGE": stage.name,
        "MEETLINK_TABLE_PREFIX": stage.table_prefix,
        **streams,
        "MEETLINK_EMAILS_QUEUE_ARN": queue["EmailsQueueArn"],
        "MEETLINK_WEBHOOKS_QUEUE_ARN": queue["WebhooksQueueArn"],
        "MEETLINK_KMS_KEY_ID": key["KeyArn"],
        "MEETLINK_SECRETS_PREFIX": stage.secrets_prefix,
        "MEETLINK_MAIL_FROM": mail_from,
        "MEETLINK_MAIL_CONFIGURATION_SET": mail["ConfigurationSet"],
        "MEETLINK_MAIL_EVENTS_TOPIC": mail["MailEventsTopic"],
        "MEETLINK_REPLIES_TOPIC": mail["RepliesTopic"],
    }
    return StackOutputs(variables, _policy_names(stage, streams, {**key, **queue, **mail}))


def _policy_names(stage: Stage, streams: dict[str, str], outputs: dict[str, str]) -> dict[str, str]:
    return {
        "Partition": stage.session.get_partition_for_region(stage.region),
        "Region": stage.region,
        "Account": stage.account(),
        "Stage": stage.name,
        "TablePrefix": stage.table_prefix,
        "SecretsPrefix": stage.secrets_prefix,
        "BookingsStreamArn": streams["MEETLINK_BOOKINGS_STREAM_ARN"],
        "ConnectionsStreamArn": streams["MEETLINK_CONNECTIONS_STREAM_ARN"],
        "KeyArn": outputs["KeyArn"],
        "DeadLettersArn": outputs["DeadLettersArn"],
        "EmailsQueueArn": outputs["EmailsQueueArn"],
        "WebhooksQueueArn": outputs["WebhooksQueueArn"],
        "ConfigurationSet": outputs["ConfigurationSet"],
    }
