"""Putting a stage up, step by step. Every step looks first, so it can be taken again."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from infra.deploy import (
    account,
    budget,
    bytecode,
    chalice_cli,
    chalice_state,
    default_address,
    gateway,
    live,
    package,
    packaging,
    settings,
    stacks,
    tables,
    triggers,
    verify,
)
from infra.deploy.findings import Finding
from infra.deploy.ses_identity import ensure_identity
from infra.deploy.stage import DeployError, Stage

Say = Callable[[str], None]
_PAUSES_SECONDS = (5, 10, 20, 40)
"""Before further runs of Chalice. IAM publishes changes within seconds as a rule."""


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for; None where it says nothing, and what the stage has stays."""

    mail_from: str | None = None
    alarm_email: str | None = None
    settings: Mapping[str, str] | None = None
    unset: Collection[str] = ()
    """Names of settings to remove."""
    bucket: str | None = None
    """Deploy through CloudFormation, with this bucket for the code."""
    domain: str | None = None
    """The API's own domain name."""
    certificate: str | None = None
    """ARN of the domain's certificate, in the stage's region."""
    monthly_budget: str | None = None
    """US dollars."""
    web_acl: str | None = None
    """ARN of the web ACL (AWS WAF) before the API. API Gateway itself remembers it."""
    close_default_address: bool | None = None
    """Whether the API answers at its domain alone."""


@dataclass(frozen=True)
class Foundation:
    """What the stacks made, in the words of the app's settings and of the policies."""

    variables: dict[str, str]
    names: dict[str, str]


def put_up(stage: Stage, wishes: Wishes, say: Say) -> list[Finding]:
    """Deploy the stage, then check it."""
    wishes = complete(stage, wishes)
    closed = bool(wishes.close_default_address)
    if closed and not default_address.is_closed(stacks.parameters(stage, "domain")):
        default_address.require_unused(stage, verify.rest_api(stage)[1], datetime.now(UTC), say)
    say("bytecode, package ...")
    bytecode.write(stage.project)
    package.build(stage)
    foundation = lay_foundation(stage, wishes, say)
    queue_arn = foundation.names["DeadLettersArn"]
    gateway.allow_access_log(stage)
    if removed := triggers.remove_stale(stage, foundation.variables):
        say(f"triggers that have to be created again: {', '.join(removed)}")
    if wishes.bucket is None:
        deploy_app(stage, say)
        triggers.tune(stage, queue_arn)
        gateway.tune(stage, verify.rest_api(stage)[0])
        default_address.bring(stage, verify.rest_api(stage)[0], closed=closed)
    else:
        say("chalice package, stack app ...")
        packaging.deploy(stage, queue_arn, wishes.bucket, say, default_address_closed=closed)
    if wishes.web_acl:
        gateway.protect(stage, verify.rest_api(stage)[0], wishes.web_acl)
    name(stage, wishes, say)
    say("alarms, dashboard ...")
    watch(stage, wishes)
    say("looking at what is there ...")
    return verify.check(stage)


def deploy_app(
    stage: Stage,
    say: Say,
    run: Callable[[Stage, str], None] = chalice_cli.run,
    find: Callable[[Stage], list[str]] = chalice_state.complete,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Run `chalice deploy`, again while Lambda cannot read the streams with roles that are new."""
    for pause_seconds in (*_PAUSES_SECONDS, None):
        if found := find(stage):
            say(f"found what an earlier deployment made: {', '.join(found)}")
        say("chalice deploy ...")
        try:
            run(stage, "deploy")
        except chalice_cli.StreamNotReadable:
            if pause_seconds is None:
                raise
            say(f"Lambda cannot read a stream with its new role yet. Trying again in {pause_seconds} seconds ...")
            sleep(pause_seconds)
        else:
            break


def complete(stage: Stage, wishes: Wishes, answers: Callable[[str], bool] | None = None) -> Wishes:
    """The wishes, with what the stage has for those that say nothing.

    `answers` says whether the API answers at an address. Raises DeployError for what could not be fulfilled, while
    nothing is made yet.
    """
    known, domain = settings.known(stage), stacks.parameters(stage, "domain")
    domain_name, old_name = wishes.domain or domain.get("Domain"), domain.get("Domain")
    public, unset = known.get("PUBLIC_BASE_URL"), set(wishes.unset)
    if old_name and domain_name != old_name and public == settings.address_at(old_name):
        # The old name goes with this deployment: links have the API's own address until the new one answers.
        unset.add("PUBLIC_BASE_URL")
    is_news = wishes.domain or not public
    address = settings.address_at(domain_name) if domain_name and is_news else None
    reach = answers or partial(_answers, stage)
    is_there = address is not None and reach(address)
    was_closed = default_address.is_closed(domain)
    whole = Wishes(
        mail_from=wishes.mail_from or known.get("MEETLINK_MAIL_FROM"),
        # An empty address is no wish to be no longer alarmed.
        alarm_email=wishes.alarm_email or stacks.parameters(stage, "alarms").get("Email"),
        settings=({"PUBLIC_BASE_URL": str(address)} if is_there else {}) | dict(wishes.settings or {}),
        unset=unset,
        bucket=wishes.bucket,
        domain=domain_name,
        certificate=wishes.certificate or domain.get("Certificate"),
        web_acl=wishes.web_acl,
        close_default_address=was_closed if wishes.close_default_address is None else wishes.close_default_address,
        # Looked up only for a new address: a pipeline that says nothing needs no rights on budgets.
        monthly_budget=wishes.monthly_budget or (budget.find_limit(stage) if wishes.alarm_email else None),
    )
    links = {**known, **dict.fromkeys(unset, ""), **(whole.settings or {})}.get("PUBLIC_BASE_URL")
    refusal = _refusal(stage, whole) or _closing_refusal(whole, old_name, links, None if was_closed else reach)
    if refusal:
        raise DeployError(refusal)
    return whole


def _answers(stage: Stage, address: str) -> bool:
    """Whether the API answers there: an address in links and mails that does not resolve yet is a dead link."""
    if verify.is_elsewhere(stage):
        return False
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=10) as response:  # noqa: S310 — https
            return bool(response.status == 200)
    except OSError:
        return False


def _refusal(stage: Stage, wishes: Wishes) -> str | None:
    if not wishes.mail_from:
        return "Say which address invitations come from: --mail-from invitations@your-domain"
    if wishes.domain and f":acm:{stage.region}:" not in (wishes.certificate or ""):
        return f"Say which certificate the domain has: --certificate, the ARN of one in ACM in {stage.region}."
    if wishes.certificate and not wishes.domain:
        return "Say which domain the certificate is for: --domain meet.your-domain"
    if wishes.monthly_budget and not wishes.alarm_email:
        return "Say who is told when the budget is used up: --alarm-email."
    if wishes.monthly_budget and not re.fullmatch(r"[1-9]\d*(\.\d{1,2})?", wishes.monthly_budget):
        return "Say the budget in US dollars a month, such as --monthly-budget 50."
    if wishes.web_acl and f":wafv2:{stage.region}:" not in wishes.web_acl:
        return f"Say which web ACL is before the API: --web-acl, the ARN of a regional one in {stage.region}."
    if wishes.bucket is None and stacks.outputs(stage, packaging.CONCERN):
        return "This stage was deployed with --bucket: say which, or take it down first."
    return _taken_names(stage)


def _closing_refusal(
    wishes: Wishes, old_domain: str | None, links: str | None, reach: Callable[[str], bool] | None
) -> str | None:
    """Return why the default address cannot be closed, or cannot stay closed.

    `links` is the address that links begin with. Without `reach`, the domain is not requested: an API that is broken
    must be deployable.
    """
    if not wishes.close_default_address:
        return None
    if not wishes.domain:
        return "The default address is the API's only one: --close-default-address needs --domain and --certificate."
    if wishes.domain != old_domain:
        return (
            f"The API does not answer at {wishes.domain} yet. Deploy with --no-close-default-address, set the DNS "
            "record, deploy again, and then close the default address."
        )
    address = settings.address_at(wishes.domain)
    if links != address:
        return (
            f"Links begin with {links or 'the default address'} and not with {address}, so the default address must "
            f"stay open. Deploy with --no-close-default-address, then with --set PUBLIC_BASE_URL={address}."
        )
    if reach is not None and not reach(address):
        return (
            f"{address}/health does not answer, so the default address must stay open. Check the domain's DNS record."
        )
    return None


def _taken_names(stage: Stage) -> str | None:
    """What to do about secrets of an earlier life of the stage, whose names nobody can use until they are gone."""
    if stacks.stands(stage, "secrets"):
        return None
    pages = (
        stage.client("secretsmanager")
        .get_paginator("list_secrets")
        .paginate(IncludePlannedDeletion=True, Filters=[{"Key": "name", "Values": [stage.secrets_prefix]}])
    )
    listed = [secret for page in pages for secret in page["SecretList"]]
    dying = [secret["Name"] for secret in listed if "DeletedDate" in secret]
    if not dying:
        return None
    delete = f"aws secretsmanager delete-secret --region {stage.region} --force-delete-without-recovery --secret-id"
    told = (
        "AWS still keeps this stage's deleted secrets, and their names with them.",
        "Take another name for the stage, or give up what is in them for good:",
    )
    return "\n".join((*told, *(f"  {delete} {name}" for name in dying)))


def lay_foundation(stage: Stage, wishes: Wishes, say: Say) -> Foundation:
    """Everything that Chalice needs before it deploys: stacks, settings, policies."""
    mail_from = str(wishes.mail_from)
    say("stacks: tables, key, secrets, queue, mail, logs ...")
    foundation = _make_stacks(stage, mail_from, say)
    for hint in ensure_identity(stage, mail_from):
        say(hint)
    say("settings and policies in .chalice ...")
    functions = live.read(stage)
    limit = {"MEETLINK_LAMBDA_CONCURRENCY": str(account.concurrency_limit(stage))}
    fixed = foundation.variables | limit | dict(wishes.settings or {})
    settings.write(stage, live.merge_variables(stage, functions, fixed, wishes.unset, say))
    live.keep_options(stage, functions, say)
    settings.write_policies(stage, foundation.names)
    return foundation


def name(stage: Stage, wishes: Wishes, say: Say) -> None:
    """The stage's own domain name, if there is one."""
    if not wishes.domain:
        return
    say("domain ...")
    api_id, _ = verify.rest_api(stage)
    parameters = {"Domain": wishes.domain, "Certificate": str(wishes.certificate)}
    remembered = {default_address.PARAMETER: "closed" if wishes.close_default_address else "open"}
    made = stacks.apply(stage, "domain", **parameters, **remembered, Api=api_id, ApiStage=settings.api_stage(stage))
    say(f"DNS: {wishes.domain} CNAME {made['Target']}")
    address = settings.address_at(wishes.domain)
    if not settings.known(stage).get("PUBLIC_BASE_URL"):
        say(f"Links keep the API's own address. When {address}/health answers, run this again: links then lead there.")


def watch(stage: Stage, wishes: Wishes) -> None:
    """The alarms, the dashboard and the budget."""
    api_stage, email = settings.api_stage(stage), wishes.alarm_email or ""
    stacks.apply(stage, "alarms", Stage=stage.name, ApiStage=api_stage, Email=email)
    stacks.apply(stage, "dashboard", Stage=stage.name, ApiStage=api_stage)
    if wishes.monthly_budget:
        budget.apply(stage, wishes.monthly_budget, email)


def _make_stacks(stage: Stage, mail_from: str, say: Say) -> Foundation:
    stacks.apply_tables(stage)
    streams = tables.ensure_complete(stage, say)
    key = stacks.apply(stage, "key", Stage=stage.name)
    stacks.apply(stage, "secrets", SecretsPrefix=stage.secrets_prefix)
    queue = stacks.apply(stage, "queue", Stage=stage.name)
    mail = stacks.apply(stage, "mail", Stage=stage.name)
    stacks.apply(stage, "logs", Stage=stage.name)
    variables = {
        "MEETLINK_STAGE": stage.name,
        "MEETLINK_TABLE_PREFIX": stage.table_prefix,
        **streams,
        "MEETLINK_KMS_KEY_ID": key["KeyArn"],
        "MEETLINK_SECRETS_PREFIX": stage.secrets_prefix,
        "MEETLINK_MAIL_FROM": mail_from,
        "MEETLINK_MAIL_CONFIGURATION_SET": mail["ConfigurationSet"],
        "MEETLINK_MAIL_EVENTS_TOPIC": mail["MailEventsTopic"],
    }
    names = {
        "Partition": stage.session.get_partition_for_region(stage.region),
        "Region": stage.region,
        "Account": stage.account(),
        "Stage": stage.name,
        "TablePrefix": stage.table_prefix,
        "SecretsPrefix": stage.secrets_prefix,
        "BookingsStreamArn": streams["MEETLINK_BOOKINGS_STREAM_ARN"],
        "ConnectionsStreamArn": streams["MEETLINK_CONNECTIONS_STREAM_ARN"],
        "KeyArn": key["KeyArn"],
        "DeadLettersArn": queue["DeadLettersArn"],
        "ConfigurationSet": mail["ConfigurationSet"],
    }
    return Foundation(variables, names)
