"""Stacks on a CloudFormation that rolls back, and in the states that a failed operation leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.deploy import stacks, table_settings
from infra.deploy.stage import DeployError, Stage
from infra.local.aws import REGION, LocalAws
from infra.tables import read_template
from tests.support import deploy_child

Calls = list[tuple[str, dict[str, Any]]]
TABLES = sorted(name for name, resource in read_template()["Resources"].items())


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    services = ("cloudformation", "dynamodb", "dynamodbstreams", "sns", "cloudwatch", "monitoring")
    with LocalAws(services=services, child=Path(deploy_child.__file__)) as aws:
        yield aws


@pytest.fixture
def calls() -> Calls:
    return []


@pytest.fixture
def stage(aws: LocalAws, calls: Calls, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage for each test, whose calls of CloudFormation are written down."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
    monkeypatch.setattr(stacks, "_POLL_SECONDS", 0.02)
    session = boto3.Session("test", "test", region_name=REGION)
    session.events.register(
        "provide-client-params.cloudformation",
        lambda params, model, **_: calls.append((model.name, params)),
    )
    return Stage(f"s{abs(hash(request.node.name)) % 10**9}", session)


def changes(calls: Calls) -> Calls:
    return [(name, given) for name, given in calls if name in ("CreateStack", "UpdateStack")]


def protected(template: str) -> dict[str, bool]:
    resources = json.loads(template)["Resources"]
    return {name: resource["Properties"]["DeletionProtectionEnabled"] for name, resource in resources.items()}


def tables(stage: Stage) -> list[str]:
    return [name for name in stage.client("dynamodb").list_tables()["TableNames"] if stage.table_prefix in name]


def fail_once(stage: Stage) -> None:
    """Add a resource that cannot be created to the next stack."""
    is_first = iter([True])

    def add(params: dict[str, Any], **_: Any) -> None:
        if next(is_first, False):
            template = json.loads(params["TemplateBody"])
            template["Resources"]["Handle"] = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
            template["Resources"]["Never"] = {
                "Type": "AWS::CloudFormation::WaitCondition",
                "DependsOn": TABLES,
                "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "1"},
            }
            params["TemplateBody"] = json.dumps(template)

    stage.session.events.register("provide-client-params.cloudformation.CreateStack", add)


def test_tables_are_created_without_protection_and_protected_by_a_second_update(stage: Stage, calls: Calls) -> None:
    stacks.apply_tables(stage)
    (created, first), (updated, second) = changes(calls)
    assert (created, updated) == ("CreateStack", "UpdateStack")
    assert protected(first["TemplateBody"]) == dict.fromkeys(TABLES, False)
    assert "DeletionProtectionEnabled: true" in second["TemplateBody"] and "{" in second["TemplateBody"]
    dynamodb = stage.client("dynamodb")
    assert len(tables(stage)) == len(TABLES)
    for name in tables(stage):
        assert dynamodb.describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"]


def test_no_rollback_is_switched_off_and_rollback_deletes_what_is_new(stage: Stage, calls: Calls) -> None:
    """AWS refuses replacements, such as another alarm address, on a stack whose rollback is switched off."""
    stacks.apply_tables(stage)
    stacks.apply(stage, "alarms", Stage=stage.name, ApiStage="x", Email="old@example.com")
    stacks.apply(stage, "alarms", Stage=stage.name, ApiStage="x", Email="new@example.com")
    assert len(changes(calls)) == 4
    for _, given in changes(calls):
        assert given["RetainExceptOnCreate"] is True
        assert "DisableRollback" not in given and "OnFailure" not in given
    topic = f"arn:aws:sns:{REGION}:000000000000:meetlink-{stage.name}-alarms"
    listed = stage.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [subscription["Endpoint"] for subscription in listed] == ["new@example.com"]


def test_only_a_table_that_an_upgrade_adds_is_unprotected_meanwhile(stage: Stage, calls: Calls) -> None:
    less = json.loads(json.dumps(read_template()))
    del less["Resources"]["GrantsTable"]
    given = [{"ParameterKey": "TablePrefix", "ParameterValue": stage.table_prefix}]
    stacks.create_or_update(stage, "tables", {"TemplateBody": json.dumps(less), "Parameters": given})
    calls.clear()
    stacks.apply_tables(stage)
    (_, first), _ = changes(calls)
    assert protected(first["TemplateBody"]) == dict.fromkeys(TABLES, True) | {"GrantsTable": False}
    calls.clear()
    stacks.apply_tables(stage)
    assert [name for name, _ in changes(calls)] == ["UpdateStack"]


def test_a_failed_first_deployment_leaves_nothing_and_the_next_run_heals_it(stage: Stage) -> None:
    fail_once(stage)
    with pytest.raises(DeployError, match="ROLLBACK_COMPLETE: Never: "):
        stacks.apply_tables(stage)
    assert tables(stage) == []
    stacks.apply_tables(stage)
    assert len(tables(stage)) == len(TABLES)


@pytest.mark.parametrize("has_items", [True, False])
def test_a_table_in_the_way_is_deleted_only_if_it_has_no_items(stage: Stage, has_items: bool) -> None:
    fail_once(stage)
    with pytest.raises(DeployError):
        stacks.apply_tables(stage)
    dynamodb, obstacle = stage.client("dynamodb"), f"{stage.table_prefix}grants"
    dynamodb.create_table(
        TableName=obstacle,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "other", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}],
        DeletionProtectionEnabled=True,
    )
    if not has_items:
        stacks.apply_tables(stage)
        keys = dynamodb.describe_table(TableName=obstacle)["Table"]["KeySchema"]
        assert keys == [{"AttributeName": "grant_id", "KeyType": "HASH"}]
        return
    dynamodb.put_item(TableName=obstacle, Item={"other": {"S": "g"}})
    for _ in range(2):
        with pytest.raises(DeployError, match=f"{obstacle} has items"):
            stacks.apply_tables(stage)
    assert dynamodb.scan(TableName=obstacle)["Count"] == 1


class FakeCloudFormation:
    """One stack, with the transitions that the CloudFormation user guide documents for failed operations."""

    def __init__(self, state: str, *, is_stuck: bool = False, has_updates: bool = True) -> None:
        self.state: str | None = state
        self.did: list[str] = []
        self._is_stuck = is_stuck
        self._has_updates = has_updates

    def describe_stacks(self, **given: str) -> dict[str, Any]:
        if self.state is None:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "does not exist"}}, "DescribeStacks")
        return {"Stacks": [{"StackName": given["StackName"], "StackStatus": self.state}]}

    def get_paginator(self, _: str) -> Any:
        event = {
            "LogicalResourceId": "Thing",
            "ResourceStatus": "UPDATE_FAILED",
            "ResourceStatusReason": "In the way",
            "PhysicalResourceId": "thing",
            "StackId": "stack",
        }
        return SimpleNamespace(paginate=lambda **_: [{"StackEvents": [event]}])

    def create_stack(self, **_: Any) -> None:
        assert self.state is None
        self._do("create", "CREATE_COMPLETE")

    def update_stack(self, **_: Any) -> None:
        assert self.state in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
        if not self._has_updates:
            error = {"Code": "ValidationError", "Message": "No updates are to be performed."}
            raise ClientError({"Error": error}, "UpdateStack")
        self._do("update", "UPDATE_COMPLETE")

    def delete_stack(self, **_: Any) -> None:
        self._do("delete", self.state if self._is_stuck else None)

    def rollback_stack(self, **given: Any) -> None:
        assert given["RetainExceptOnCreate"] is True
        after = {"CREATE_FAILED": "ROLLBACK_COMPLETE", "UPDATE_FAILED": "UPDATE_ROLLBACK_COMPLETE"}
        self._do("rollback", after[str(self.state)])

    def continue_update_rollback(self, **_: Any) -> None:
        assert self.state == "UPDATE_ROLLBACK_FAILED"
        self._do("continue", self.state if self._is_stuck else "UPDATE_ROLLBACK_COMPLETE")

    def _do(self, what: str, state: str | None) -> None:
        self.did.append(what)
        self.state = state


def bring(fake: FakeCloudFormation) -> None:
    session = SimpleNamespace(client=lambda _: fake, region_name=REGION)
    stacks.create_or_update(Stage("ci", session), "queue", {})


@pytest.mark.parametrize(
    ("state", "does"),
    [
        ("CREATE_COMPLETE", ["update"]),
        ("UPDATE_ROLLBACK_COMPLETE", ["update"]),
        ("UPDATE_ROLLBACK_FAILED", ["continue", "update"]),
        ("UPDATE_FAILED", ["rollback", "update"]),
        ("CREATE_FAILED", ["rollback", "delete", "create"]),
        ("ROLLBACK_COMPLETE", ["delete", "create"]),
        ("ROLLBACK_FAILED", ["delete", "create"]),
        ("DELETE_FAILED", ["delete", "create"]),
        ("REVIEW_IN_PROGRESS", ["delete", "create"]),
    ],
)
def test_a_stack_in_any_state_is_continued_or_cleaned_up(state: str, does: list[str]) -> None:
    fake = FakeCloudFormation(state)
    bring(fake)
    assert fake.did == does


@pytest.mark.parametrize("state", ["UPDATE_ROLLBACK_FAILED", "ROLLBACK_FAILED"])
def test_a_stack_that_cannot_be_recovered_is_reported_with_the_reason_and_what_to_do(state: str) -> None:
    with pytest.raises(DeployError, match=rf"{state}.*Thing: In the way.*CloudFormation console"):
        bring(FakeCloudFormation(state, is_stuck=True))


def test_a_stack_that_was_rolled_back_to_what_is_wanted_is_whole() -> None:
    fake = FakeCloudFormation("UPDATE_ROLLBACK_COMPLETE", has_updates=False)
    bring(fake)
    assert fake.did == []


def test_a_restored_table_gets_back_its_stream_expiry_recovery_and_protection(stage: Stage) -> None:
    stacks.apply_tables(stage)
    said: list[str] = []
    # The local CloudFormation sets neither expiry nor recovery, so the first call has something to add as well.
    before = table_settings.ensure_complete(stage, said.append)
    dynamodb, name = stage.client("dynamodb"), f"{stage.table_prefix}bookings"
    backup = dynamodb.create_backup(TableName=name, BackupName="before")["BackupDetails"]["BackupArn"]
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=name)
    with pytest.raises(DeployError, match=f"The table {name} is missing. Restore it"):
        table_settings.ensure_complete(stage, said.append)
    assert [f.text for f in table_settings.check(stage) if name in f.text and f.is_problem]
    dynamodb.restore_table_from_backup(TargetTableName=name, BackupArn=backup)
    stacks.apply_tables(stage)
    after = table_settings.ensure_complete(stage, said.append)
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert table["DeletionProtectionEnabled"]
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert after == before | {"MEETLINK_BOOKINGS_STREAM_ARN": table["LatestStreamArn"]}
    assert dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    said.clear()
    assert table_settings.ensure_complete(stage, said.append) == after
    assert said == []


def test_a_stream_that_was_switched_off_is_reported_and_switched_on(stage: Stage) -> None:
    stacks.apply_tables(stage)
    dynamodb, name = stage.client("dynamodb"), f"{stage.table_prefix}connections"
    dynamodb.update_table(TableName=name, StreamSpecification={"StreamEnabled": False})
    texts = [finding.text for finding in table_settings.check(stage)]
    assert f"The table {name} lacks its stream. Deploy again." in texts
    assert "MEETLINK_CONNECTIONS_STREAM_ARN is not the table's stream, which is switched off. Deploy again." in texts
    arn = table_settings.ensure_complete(stage, lambda _: None)["MEETLINK_CONNECTIONS_STREAM_ARN"]
    assert arn == dynamodb.describe_table(TableName=name)["Table"]["LatestStreamArn"]
