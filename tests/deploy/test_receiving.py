"""Receiving email: one rule is added to what the account has, and nothing else is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dns.resolver
import pytest
import yaml  # type: ignore[import-untyped]

from infra.deploy import chalice_config, deploy_options, mail_exchange, receiving, stacks
from infra.deploy.deploy_options import DeployOptions
from infra.deploy.stage import DeployError, Stage
from tests.support.fake_aws import ACCOUNT, FakeSession

TEMPLATES = Path(__file__).parents[2] / "infra"
MAIL_FROM = "invitations@example.com"
BUCKET = f"meetlink-ci-mail-{ACCOUNT}-eu-central-1"
TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:meetlink-ci-replies"
INBOUND = "inbound-smtp.eu-central-1.amazonaws.com"
RULE: dict[str, Any] = {
    "Name": "meetlink-ci-replies",
    "Enabled": True,
    "TlsPolicy": "Optional",
    "Recipients": [MAIL_FROM],
    "Actions": [{"S3Action": {"BucketName": BUCKET, "TopicArn": TOPIC}}],
    "ScanEnabled": False,
}
OTHER: dict[str, Any] = {"Name": "of-someone-else", "Enabled": True, "Actions": []}
SAY: list[str] = []


@pytest.fixture
def stage(aws: FakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    variables = {receiving.VARIABLE: BUCKET, "MEETLINK_REPLIES_TOPIC": TOPIC, "MEETLINK_MAIL_FROM": MAIL_FROM}
    (tmp_path / ".chalice").mkdir()
    config = {"stages": {"ci": {"environment_variables": variables}}}
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(stacks, "outputs", lambda *_: {"Bucket": BUCKET})
    monkeypatch.setattr(stacks, "remove", lambda *_: None)
    return Stage("ci", aws, tmp_path)


def active(name: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"Metadata": {"Name": name}, "Rules": list(rules)}


def test_the_rule_is_added_to_the_active_rule_set(stage: Stage, aws: FakeSession) -> None:
    aws.reply("ses", "describe_active_receipt_rule_set", active("theirs", OTHER))
    aws.reply("ses", "describe_receipt_rule_set", active("theirs", OTHER), {"RuleSetName": "theirs"})
    aws.reply("ses", "create_receipt_rule", {}, {"RuleSetName": "theirs", "Rule": RULE})
    lines: list[str] = []
    receiving.apply_rule(stage, MAIL_FROM, lines.append)
    assert lines == [f"DNS: example.com MX 10 {INBOUND}"]


def test_where_none_is_active_a_rule_set_is_created_and_activated(stage: Stage, aws: FakeSession) -> None:
    aws.reply("ses", "describe_active_receipt_rule_set", {})
    aws.reply("ses", "create_receipt_rule_set", {}, {"RuleSetName": "meetlink"})
    aws.reply("ses", "describe_receipt_rule_set", active("meetlink"))
    aws.reply("ses", "create_receipt_rule", {}, {"RuleSetName": "meetlink", "Rule": RULE})
    aws.reply("ses", "set_active_receipt_rule_set", {}, {"RuleSetName": "meetlink"})
    receiving.apply_rule(stage, MAIL_FROM, SAY.append)


def test_a_run_that_was_interrupted_is_continued(stage: Stage, aws: FakeSession) -> None:
    aws.reply("ses", "describe_active_receipt_rule_set", {})
    aws.refuse("ses", "create_receipt_rule_set", "AlreadyExists")
    aws.reply("ses", "describe_receipt_rule_set", active("meetlink", RULE))
    aws.reply("ses", "set_active_receipt_rule_set", {}, {"RuleSetName": "meetlink"})
    receiving.apply_rule(stage, MAIL_FROM, SAY.append)


def test_a_rule_that_is_right_is_left_alone_and_another_is_changed(stage: Stage, aws: FakeSession) -> None:
    for present in (RULE, RULE | {"Recipients": ["old@example.com"]}):
        aws.reply("ses", "describe_active_receipt_rule_set", active("theirs", OTHER, present))
        aws.reply("ses", "describe_receipt_rule_set", active("theirs", OTHER, present))
    aws.reply("ses", "update_receipt_rule", {}, {"RuleSetName": "theirs", "Rule": RULE})
    for _ in range(2):
        receiving.apply_rule(stage, MAIL_FROM, SAY.append)


def test_teardown_removes_only_what_is_its_own(stage: Stage, aws: FakeSession) -> None:
    aws.reply("ses", "describe_active_receipt_rule_set", active("theirs", OTHER, RULE))
    aws.reply("ses", "list_receipt_rule_sets", {"RuleSets": [{"Name": "empty"}], "NextToken": "more"})
    aws.reply("ses", "describe_receipt_rule_set", active("empty"))
    aws.reply("ses", "list_receipt_rule_sets", {"RuleSets": [{"Name": "theirs"}]}, {"NextToken": "more"})
    aws.reply("ses", "describe_receipt_rule_set", active("theirs", OTHER, RULE))
    rule = {"RuleSetName": "theirs", "RuleName": "meetlink-ci-replies"}
    aws.reply("ses", "delete_receipt_rule", {}, rule)
    aws.reply("s3", "list_objects_v2", {"Contents": [{"Key": "mail-1"}], "IsTruncated": False}, {"Bucket": BUCKET})
    deleted = {"Bucket": BUCKET, "Delete": {"Objects": [{"Key": "mail-1"}], "Quiet": True}}
    aws.reply("s3", "delete_objects", {}, deleted)
    receiving.remove(stage, SAY.append)


@pytest.mark.parametrize("others", [0, 1])
def test_the_rule_set_that_was_created_goes_with_its_last_rule(stage: Stage, aws: FakeSession, others: int) -> None:
    rules = active("meetlink", *[OTHER] * others, RULE)
    aws.reply("ses", "describe_active_receipt_rule_set", rules)
    aws.reply("ses", "list_receipt_rule_sets", {"RuleSets": [{"Name": "meetlink"}]})
    aws.reply("ses", "describe_receipt_rule_set", rules)
    aws.reply("ses", "delete_receipt_rule", {})
    if not others:
        aws.reply("ses", "set_active_receipt_rule_set", {}, {})
        aws.reply("ses", "delete_receipt_rule_set", {}, {"RuleSetName": "meetlink"})
    aws.reply("s3", "list_objects_v2", {"IsTruncated": False})
    receiving.remove(stage, SAY.append)


def test_a_stage_that_receives_nothing_needs_no_rights_on_receipt_rules(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "outputs", lambda *_: {})
    receiving.remove(stage, SAY.append)


@pytest.mark.parametrize(
    ("exchanges", "exists", "words"),
    [
        ([], True, None),
        ([INBOUND], True, None),
        (["mx.example.net"], True, "--mail-from invitations@meet.example.com --receive"),
        ([INBOUND, "mx.example.net"], True, "mx.example.net"),
        (["inbound-smtp.us-east-1.amazonaws.com"], True, "inbound-smtp.us-east-1"),
        ([], False, "does not receive email in eu-central-1"),
    ],
)
def test_a_domain_whose_email_goes_elsewhere_and_a_region_without_receiving_are_refused(
    stage: Stage, exchanges: list[str], exists: bool, words: str | None
) -> None:
    obstacle = receiving.find_obstacle(stage, MAIL_FROM, lambda _: exchanges, lambda host: exists and host == INBOUND)
    assert obstacle is None if words is None else words in str(obstacle)


def test_what_is_no_address_cannot_receive(stage: Stage) -> None:
    assert "Pass an address" in str(receiving.find_obstacle(stage, "invitations", lambda _: [], lambda _: True))


def test_an_obstacle_stops_the_deployment_before_it_changes_anything(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "parameters", lambda *_: {})
    monkeypatch.setattr(stacks, "outputs", lambda *_: {})
    monkeypatch.setattr(stacks, "is_complete", lambda *_: True)
    monkeypatch.setattr(receiving, "find_obstacle", lambda _, mail_from: f"{mail_from} cannot receive")
    with pytest.raises(DeployError, match=r"new@example\.com cannot receive"):
        deploy_options.resolve(stage, DeployOptions(mail_from="new@example.com"), lambda _: False)
    with pytest.raises(DeployError, match="cannot receive"):
        deploy_options.resolve(stage, DeployOptions(receive=True), lambda _: False)
    kept = deploy_options.resolve(stage, DeployOptions(), lambda _: False)
    off = deploy_options.resolve(stage, DeployOptions(receive=False), lambda _: False)
    assert (kept.receive, off.receive, receiving.VARIABLE in off.unset) == (True, False, True)


@pytest.mark.parametrize(
    ("rules", "exchanges", "warnings"),
    [
        ([RULE], [INBOUND], 0),
        ([], [INBOUND], 1),
        ([RULE | {"Enabled": False}], [INBOUND], 1),
        ([RULE], [], 1),
        ([OTHER], ["mx.example.net"], 2),
    ],
)
def test_the_check_says_why_answers_do_not_arrive(
    stage: Stage, aws: FakeSession, rules: list[dict[str, Any]], exchanges: list[str], warnings: int
) -> None:
    aws.reply("ses", "describe_active_receipt_rule_set", active("theirs", *rules))
    results = list(receiving.check(stage, MAIL_FROM, lambda _: exchanges))
    assert [result.is_problem for result in results] == [False] * warnings


def test_dns_that_does_not_respond_is_no_missing_record(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise dns.resolver.LifetimeTimeout(timeout=10, errors=[])

    monkeypatch.setattr(dns.resolver, "resolve", fail)
    for look_up in (mail_exchange.find_exchanges, mail_exchange.exists):
        with pytest.raises(DeployError, match="Could not look up"):
            look_up("example.com")
    for absent in (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        monkeypatch.setattr(absent, "__init__", lambda *_, **__: None)
        monkeypatch.setattr(dns.resolver, "resolve", lambda *_, error=absent, **__: (_ for _ in ()).throw(error()))
        assert (mail_exchange.find_exchanges("example.com"), mail_exchange.exists("example.com")) == ([], False)


def test_ses_and_no_one_else_writes_into_the_bucket_and_a_day_is_the_longest_life() -> None:
    template = yaml.safe_load((TEMPLATES / "receiving.yaml").read_text())["Resources"]
    allowed, denied = template["MailPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (allowed["Principal"], allowed["Action"]) == ({"Service": "ses.amazonaws.com"}, "s3:PutObject")
    assert set(allowed["Condition"]) == {"StringEquals", "StringLike"}
    assert denied["Effect"] == "Deny"
    bucket = template["Mail"]["Properties"]
    assert [rule["ExpirationInDays"] for rule in bucket["LifecycleConfiguration"]["Rules"]] == [1]
    assert all(bucket["PublicAccessBlockConfiguration"].values())


def test_the_functions_policy_names_the_bucket_of_the_template() -> None:
    names = {"Partition": "aws", "Region": "eu-central-1", "Account": ACCOUNT, "Stage": "ci"}
    others = dict.fromkeys(("TablePrefix", "DeadLettersArn", "ConfigurationSet"), "x")
    policy = json.loads(chalice_config.render_policy("on_reply", names | others))
    (statement,) = [one for one in policy["Statement"] if "s3:GetObject" in one["Action"]]
    assert statement == {
        "Sid": "ReceivedMail",
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
    }
    longest = "meetlink-" + "s" * 20 + f"-mail-{ACCOUNT}-ap-northeast-1"
    assert len(longest) <= 63  # S3's limit.
