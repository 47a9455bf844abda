"""Receive the emails by which calendars answer: SES's receipt rule for the sender's address, and the bucket behind it.

An account has one active rule set in a region, and it may contain other rules. So the stage's rule is added to it. A
rule set is created and activated only if none is active. Other rules are never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from chalicelib.errors import MailRejected
from chalicelib.mail.addresses import ascii_address
from infra.deploy import chalice_config, mail_exchange, rest_api, stacks
from infra.deploy.check_results import CheckResult, warning
from infra.deploy.ses_identity import domain_of
from infra.deploy.stage import APP, DeployError, Say, Stage

CONCERN = "receiving"
VARIABLE = "MEETLINK_REPLIES_BUCKET"
RULE_SET = APP
"""The rule set that is created where none is active."""
FindExchanges = Callable[[str], list[str]]


def is_on(stage: Stage) -> bool:
    """Return whether the stage was deployed with receiving."""
    return bool(chalice_config.environment(stage).get(VARIABLE))


def find_obstacle(
    stage: Stage,
    mail_from: str,
    find_exchanges: FindExchanges = mail_exchange.find_exchanges,
    exists: Callable[[str], bool] = mail_exchange.exists,
) -> str | None:
    """Return why SES cannot receive the email of the sender's address here, and what to do; None if it can."""
    if rest_api.is_on_emulator(stage):
        return None
    try:
        domain = domain_of(ascii_address(mail_from))
    except MailRejected:
        return f"{mail_from} cannot receive email. Pass an address: --mail-from invitations@your-domain"
    inbound = mail_exchange.inbound_host(stage.region)
    if not exists(inbound):
        return f"Amazon SES does not receive email in {stage.region}. Deploy without --receive, or in another region."
    elsewhere = [host for host in find_exchanges(domain) if host != inbound]
    if not elsewhere:
        return None
    return (
        f"The email of {domain} goes to {', '.join(elsewhere)} (its MX record), and would stop arriving there. Use a "
        f"subdomain for invitations: --mail-from {mail_from.rpartition('@')[0]}@meet.{domain} --receive"
    )


def apply_bucket(stage: Stage) -> dict[str, str]:
    """Create or update the bucket. Return the functions' environment variables."""
    return {VARIABLE: stacks.apply(stage, CONCERN, Stage=stage.name)["Bucket"]}


def apply_rule(stage: Stage, mail_from: str, say: Say) -> None:
    """Add the stage's rule to the active rule set, or change it there. Functions must be deployed before."""
    client, rule = stage.client("ses"), _rule(stage, mail_from)
    active = client.describe_active_receipt_rule_set()
    if "Metadata" not in active:
        say(f"no receipt rule set is active in {stage.region}: activating {RULE_SET} ...")
        _create_rule_set(client)
    name = active.get("Metadata", {}).get("Name", RULE_SET)
    present = _find_rule(client.describe_receipt_rule_set(RuleSetName=name), rule["Name"])
    if present is None:
        # First in the set: a rule with a stop action would keep it from being reached. It has none itself.
        client.create_receipt_rule(RuleSetName=name, Rule=rule)
    elif _differs(present, rule):
        client.update_receipt_rule(RuleSetName=name, Rule=rule)
    if "Metadata" not in active:
        client.set_active_receipt_rule_set(RuleSetName=name)
    say(f"DNS: {domain_of(mail_from)} MX 10 {mail_exchange.inbound_host(stage.region)}")


def remove(stage: Stage, say: Say) -> None:
    """Delete the stage's rule, its emails and the bucket; the rule set too if this command created it and it is empty.

    Does nothing in a stage that does not receive email.
    """
    if not stacks.outputs(stage, CONCERN):
        return
    say("receipt rule, received emails ...")
    _remove_rule(stage)
    client, bucket = stage.client("s3"), stacks.outputs(stage, CONCERN)["Bucket"]
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        if objects := [{"Key": entry["Key"]} for entry in page.get("Contents", [])]:
            client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    stacks.remove(stage, CONCERN)


def check(
    stage: Stage, mail_from: str, find_exchanges: FindExchanges = mail_exchange.find_exchanges
) -> Iterator[CheckResult]:
    """Report what keeps calendars' answers from arriving. Bookings do not need them."""
    rules, rule = stage.client("ses").describe_active_receipt_rule_set(), _rule(stage, mail_from)
    present = _find_rule(rules, rule["Name"])
    if present is None or _differs(present, rule):
        yield warning(
            f"The active receipt rule set lacks the rule {rule['Name']}, or contains it with other values: answers of "
            "calendars are not received. Deploy again."
        )
    if rest_api.is_on_emulator(stage):
        return
    domain, inbound = domain_of(mail_from), mail_exchange.inbound_host(stage.region)
    try:
        exchanges = find_exchanges(domain)
    except DeployError as error:
        yield warning(str(error))
        return
    if exchanges != [inbound]:
        now = f"It is {', '.join(exchanges)}." if exchanges else "There is none."
        yield warning(f"Answers of calendars need the MX record: {domain} MX 10 {inbound}. {now}")


def _rule(stage: Stage, mail_from: str) -> dict[str, Any]:
    variables = chalice_config.environment(stage)
    return {
        "Name": f"{stage.table_prefix}replies",
        "Enabled": True,
        "TlsPolicy": "Optional",
        "Recipients": [ascii_address(mail_from)],
        "Actions": [
            {
                "S3Action": {
                    "BucketName": variables.get(VARIABLE, ""),
                    "TopicArn": variables.get("MEETLINK_REPLIES_TOPIC", ""),
                }
            }
        ],
        "ScanEnabled": False,
    }


def _create_rule_set(client: Any) -> None:
    try:
        client.create_receipt_rule_set(RuleSetName=RULE_SET)
    except client.exceptions.AlreadyExistsException:
        return  # A deployment was interrupted before it activated the set.


def _remove_rule(stage: Stage) -> None:
    """Delete the rule from every rule set: another one may have been active when it was added."""
    client, name = stage.client("ses"), f"{stage.table_prefix}replies"
    active = client.describe_active_receipt_rule_set().get("Metadata", {}).get("Name")
    for rule_set in _rule_sets(client):
        rules = client.describe_receipt_rule_set(RuleSetName=rule_set)
        if _find_rule(rules, name) is None:
            continue
        client.delete_receipt_rule(RuleSetName=rule_set, RuleName=name)
        if rule_set == RULE_SET and len(rules["Rules"]) == 1:
            if active == rule_set:
                client.set_active_receipt_rule_set()  # Without a name: none is active.
            client.delete_receipt_rule_set(RuleSetName=rule_set)


def _rule_sets(client: Any) -> Iterator[str]:
    arguments: dict[str, str] = {}
    while True:
        page = client.list_receipt_rule_sets(**arguments)
        yield from (entry["Name"] for entry in page.get("RuleSets", []))
        if not page.get("NextToken"):
            return
        arguments = {"NextToken": page["NextToken"]}


def _find_rule(rules: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((rule for rule in rules.get("Rules", []) if rule["Name"] == name), None)


def _differs(present: dict[str, Any], rule: dict[str, Any]) -> bool:
    return any(present.get(key) != value for key, value in rule.items())
