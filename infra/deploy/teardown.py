"""Delete a stage; its data only if the operator confirms it with the stage's name."""

from __future__ import annotations

from infra.deploy import app_stack, budget, chalice_cli, chalice_config, chalice_state, receiving, stacks
from infra.deploy.stage import Say, Stage
from infra.tables import table_definitions

WITHOUT_DATA = ("dashboard", "alarms", "logs", "mail", "queue")
"""Stacks whose deletion loses only logs."""
WITH_DATA = ("secrets", "tables", "key")
_RECOVERY_DAYS = 30


def delete_stage(stage: Stage, *, delete_data: bool, say: Say) -> None:
    """Delete the stage's functions, API and alarms; its tables, key and secrets only with `delete_data`.

    AWS keeps a backup of deleted tables for 35 days. The key and the secrets can be restored for 30 days.
    """
    _unset_base_url(stage)
    # API Gateway does not delete an API that a domain name is mapped to.
    stacks.remove(stage, "domain")
    chalice_state.complete(stage)
    if chalice_cli.resources(stage):
        chalice_cli.run(stage, "delete")
    receiving.remove(stage, say)
    for concern in (app_stack.CONCERN, *WITHOUT_DATA):
        say(f"stack {concern} ...")
        stacks.remove(stage, concern)
    budget.remove(stage)
    if not delete_data:
        say("Kept the stage's data: its tables, key and secrets. --delete-data deletes them too.")
        return
    for concern in WITH_DATA:
        say(f"stack {concern}, and the data that it retains ...")
        stacks.remove(stage, concern)
    _delete_tables(stage)
    _delete_secrets(stage)
    _delete_key(stage)


def _unset_base_url(stage: Stage) -> None:
    """Remove `PUBLIC_BASE_URL` if it is the stage's domain: links of the next deployment would lead nowhere."""
    variables, domain = chalice_config.environment(stage), stacks.parameters(stage, "domain").get("Domain")
    if domain and variables.get("PUBLIC_BASE_URL") == chalice_config.base_url(domain):
        chalice_config.write_environment(
            stage, {name: value for name, value in variables.items() if name != "PUBLIC_BASE_URL"}
        )


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
    filters = [{"Key": "name", "Values": [stage.secrets_prefix]}]
    for page in client.get_paginator("list_secrets").paginate(Filters=filters):
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
