"""Taking a stage away. Data goes only if the command says so, by the stage's name."""

from __future__ import annotations

from collections.abc import Callable

from infra.deploy import budget, chalice_cli, chalice_state, packaging, settings, stacks
from infra.deploy.stage import Stage
from infra.tables import table_definitions

WITHOUT_DATA = ("dashboard", "alarms", "logs", "mail", "queue")
"""Stacks that are made again with nothing lost but logs."""
WITH_DATA = ("secrets", "tables", "key")
_RECOVERY_DAYS = 30


def take_down(stage: Stage, *, delete_data: bool, say: Callable[[str], None]) -> None:
    """Delete the stage's functions, API and alarms; its tables, key and secrets only with `delete_data`.

    Deleted tables leave a backup for 35 days, the key and the secrets can be had back for 30: so AWS keeps them.
    """
    _forget_domain(stage)
    # API Gateway keeps an API that a domain name leads to.
    stacks.remove(stage, "domain")
    chalice_state.complete(stage)
    if chalice_cli.resources(stage):
        chalice_cli.run(stage, "delete")
    for concern in (packaging.CONCERN, *WITHOUT_DATA):
        say(f"stack {concern} ...")
        stacks.remove(stage, concern)
    budget.remove(stage)
    if not delete_data:
        say("Tables, key and secrets are kept: nothing else knows what is in them.")
        return
    for concern in WITH_DATA:
        say(f"stack {concern}, and what it retains ...")
        stacks.remove(stage, concern)
    _delete_tables(stage)
    _delete_secrets(stage)
    _delete_key(stage)


def _forget_domain(stage: Stage) -> None:
    """Else the next deployment would send browsers to a name that nothing answers at."""
    variables, domain = settings.known(stage), stacks.parameters(stage, "domain").get("Domain")
    if domain and variables.get("PUBLIC_BASE_URL") == settings.address_at(domain):
        settings.write(stage, {name: value for name, value in variables.items() if name != "PUBLIC_BASE_URL"})


def _delete_tables(stage: Stage) -> None:
    client = stage.client("dynamodb")
    for table in table_definitions(stage.table_prefix):
        name = table["TableName"]
        try:
            client.update_table(TableName=name, DeletionProtectionEnabled=False)
            client.get_waiter("table_exists").wait(TableName=name)
            client.delete_table(TableName=name)
        except client.exceptions.ResourceNotFoundException:
            continue


def _delete_secrets(stage: Stage) -> None:
    client = stage.client("secretsmanager")
    named = {"Filters": [{"Key": "name", "Values": [stage.secrets_prefix]}]}
    for page in client.get_paginator("list_secrets").paginate(**named):
        for secret in page["SecretList"]:
            client.delete_secret(SecretId=secret["ARN"], RecoveryWindowInDays=_RECOVERY_DAYS)


def _delete_key(stage: Stage) -> None:
    client, alias = stage.client("kms"), f"alias/{stage.table_prefix.rstrip('-')}"
    try:
        key_id = client.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"]
    except client.exceptions.NotFoundException:
        return
    client.delete_alias(AliasName=alias)
    client.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=_RECOVERY_DAYS)
