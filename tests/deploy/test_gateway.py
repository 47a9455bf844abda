"""What is set at API Gateway beside the routes, in the calls that AWS's own models accept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from samtranslator.translator.transform import transform

from chalicelib.api.problems import PREFIX, REASONS
from infra.deploy import chalice_config, default_address, gateway, stacks
from infra.deploy.stage import DeployError, Stage
from infra.gateway_responses import RESPONSES
from tests.support.fake_aws import ACCOUNT, FakeSession

API = {"restApiId": "api-1"}
STAGE_OF_API = API | {"stageName": "ci"}
LOGS = f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/aws/apigateway/meetlink-ci"
WEB_ACL = f"arn:aws:wafv2:eu-central-1:{ACCOUNT}:regional/webacl/site/1"
TUNED: dict[str, Any] = {
    "methodSettings": {"*/*": {"throttlingRateLimit": 500.0, "throttlingBurstLimit": 1000}},
    "accessLogSettings": {"destinationArn": LOGS, "format": gateway.LOG_FORMAT},
}


@pytest.fixture
def stage(aws: FakeSession, tmp_path: Path) -> Stage:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text("{}")
    return Stage("ci", aws, tmp_path)


def whoami(aws: FakeSession, times: int) -> None:
    for _ in range(times):
        aws.reply("sts", "get_caller_identity", {"Account": ACCOUNT})


def responses_there() -> list[dict[str, Any]]:
    """All of API Gateway's responses, as it returns them when they are ours."""
    return [
        {
            "responseType": kind,
            "statusCode": str(response.status),
            "responseParameters": gateway._parameters(response),
            "responseTemplates": {"application/json": response.body},
        }
        for kind, response in RESPONSES.items()
    ]


def test_every_response_of_api_gateway_is_a_problem_of_the_api() -> None:
    kinds = boto3.Session().client("apigateway", "us-east-1").meta.service_model.shape_for("GatewayResponseType").enum
    assert set(RESPONSES) == set(kinds)
    for kind, response in RESPONSES.items():
        assert REASONS[response.reason][0] == response.status, kind
        body = json.loads(response.body)
        assert (body["type"], body["status"]) == (PREFIX + response.reason, response.status)
        # API Gateway would take these for variables and for the ends of values.
        assert "$" not in response.body, kind
        assert "'" not in "".join(response.headers.values()), kind


def test_responses_that_chalice_overwrote_are_put_again_and_deployed(stage: Stage, aws: FakeSession) -> None:
    aws.reply("apigateway", "get_gateway_responses", {"items": responses_there()[1:]}, API | {"limit": 500})
    first = next(iter(RESPONSES))
    asked = API | responses_there()[0]
    assert asked["responseParameters"]["gatewayresponse.header.X-Request-Id"] == "context.requestId"
    assert asked["responseParameters"]["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
    assert (first, asked["statusCode"]) == ("MISSING_AUTHENTICATION_TOKEN", "404")
    aws.reply("apigateway", "put_gateway_response", {}, asked)
    aws.reply("apigateway", "create_deployment", {}, STAGE_OF_API)
    aws.reply("apigateway", "get_stage", TUNED, STAGE_OF_API)
    whoami(aws, 1)
    gateway.configure(stage, "api-1")


def test_a_new_stage_gets_its_throttle_and_its_access_log(stage: Stage, aws: FakeSession) -> None:
    aws.reply("apigateway", "get_gateway_responses", {"items": responses_there()})
    aws.reply("apigateway", "get_stage", {}, STAGE_OF_API)
    whoami(aws, 2)
    operations = [
        {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "500"},
        {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": "1000"},
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": LOGS},
        {"op": "replace", "path": "/accessLogSettings/format", "value": gateway.LOG_FORMAT},
    ]
    aws.reply("apigateway", "update_stage", {}, STAGE_OF_API | {"patchOperations": operations})
    gateway.configure(stage, "api-1")


def test_a_second_run_changes_nothing_and_a_check_is_content(stage: Stage, aws: FakeSession) -> None:
    for _ in range(2):
        aws.reply("apigateway", "get_gateway_responses", {"items": responses_there()})
        aws.reply("apigateway", "get_stage", TUNED, STAGE_OF_API)
    whoami(aws, 2)
    gateway.configure(stage, "api-1")
    assert list(gateway.check(stage, "api-1")) == []


def test_a_bare_chalice_deploy_is_a_warning(stage: Stage, aws: FakeSession) -> None:
    aws.reply("apigateway", "get_gateway_responses", {"items": []})
    aws.reply("apigateway", "get_stage", TUNED | {"accessLogSettings": {}})
    whoami(aws, 2)
    assert [result.is_problem for result in gateway.check(stage, "api-1")] == [False, False]


def test_no_path_and_no_query_string_is_in_the_access_log() -> None:
    """Links to connect and to join are secrets."""
    assert "$context.path" not in gateway.LOG_FORMAT and "querystring" not in gateway.LOG_FORMAT.lower()
    assert "$context.resourcePath" in gateway.LOG_FORMAT


def test_the_throttle_is_the_stages_own(stage: Stage) -> None:
    path = stage.chalice_directory / "config.json"
    path.write_text(json.dumps({"stages": {"ci": {"api_throttle": {"per_second": 20, "burst": 40}}}}))
    assert chalice_config.throttle(stage) == chalice_config.Throttle(20, 40)
    chalice_config.write_environment(stage, {})
    assert chalice_config.throttle(stage) == chalice_config.Throttle(20, 40)


@pytest.mark.parametrize("wrong", [{"per_second": 0}, {"burst": 0}, {"rate": 5}])
def test_a_throttle_that_lets_nothing_pass_is_refused(wrong: dict[str, int], stage: Stage) -> None:
    path = stage.chalice_directory / "config.json"
    path.write_text(json.dumps({"stages": {"ci": {"api_throttle": wrong}}}))
    with pytest.raises(DeployError, match="api_throttle"):
        chalice_config.throttle(stage)


@pytest.mark.parametrize("known", [None, WEB_ACL])
def test_a_web_acl_is_put_before_the_api_once(known: str | None, stage: Stage, aws: FakeSession) -> None:
    aws.reply("apigateway", "get_stage", {"webAclArn": known} if known else {}, STAGE_OF_API)
    if not known:
        api = "arn:aws:apigateway:eu-central-1::/restapis/api-1/stages/ci"
        aws.reply("wafv2", "associate_web_acl", {}, {"WebACLArn": WEB_ACL, "ResourceArn": api})
    gateway.associate_web_acl(stage, "api-1", WEB_ACL)


def test_the_accounts_role_for_logs_is_never_replaced(stage: Stage, aws: FakeSession) -> None:
    aws.reply("apigateway", "get_account", {"cloudwatchRoleArn": "arn:aws:iam::1:role/theirs"})
    gateway.ensure_log_role(stage)


def test_an_account_without_a_role_for_logs_gets_one_that_may_take_a_while(
    stage: Stage, aws: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(gateway.time, "sleep", waits.append)
    arn = f"arn:aws:iam::{ACCOUNT}:role/{gateway.LOG_ROLE}"
    role = {"Path": "/", "RoleName": gateway.LOG_ROLE, "RoleId": "A" * 16, "Arn": arn, "CreateDate": "2027-01-01"}
    aws.reply("apigateway", "get_account", {})
    aws.refuse("iam", "get_role", "NoSuchEntity")
    aws.reply("iam", "create_role", {"Role": role})
    policy = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    aws.reply("iam", "attach_role_policy", {}, {"RoleName": gateway.LOG_ROLE, "PolicyArn": policy})
    aws.refuse("apigateway", "update_account", "BadRequestException")
    operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}
    aws.reply("apigateway", "update_account", {}, {"patchOperations": [operation]})
    gateway.ensure_log_role(stage)
    assert len(waits) == 1


def test_a_deployment_without_rights_on_that_role_says_what_it_needs(stage: Stage, aws: FakeSession) -> None:
    aws.reply("apigateway", "get_account", {})
    aws.refuse("iam", "get_role", "AccessDenied")
    with pytest.raises(DeployError, match=gateway.LOG_ROLE):
        gateway.ensure_log_role(stage)


def test_the_template_of_a_pipeline_says_the_same(
    stage: Stage, aws: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What AWS SAM makes of it, with the translator that CloudFormation runs."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    whoami(aws, 1)
    body = {"swagger": "2.0", "info": {"title": "meetlink", "version": "1.0"}, "paths": {}}
    api = {"StageName": "ci", "DefinitionBody": body, **gateway.sam_properties(stage)}
    template = {"Resources": {"RestAPI": {"Type": "AWS::Serverless::Api", "Properties": api}}}
    made = transform(template, {}, FakePolicies())["Resources"]
    responses = made["RestAPI"]["Properties"]["Body"]["x-amazon-apigateway-gateway-responses"]
    assert {kind: {"responseType": kind, **found} for kind, found in responses.items()} == {
        found["responseType"]: found for found in responses_there()
    }
    stage_made = made["RestAPIciStage"]["Properties"]
    assert stage_made["AccessLogSetting"] == {"DestinationArn": LOGS, "Format": gateway.LOG_FORMAT}
    (limits,) = stage_made["MethodSettings"]
    assert (limits["ThrottlingRateLimit"], limits["ThrottlingBurstLimit"]) == (500.0, 1000)


@pytest.mark.parametrize("closed", [True, False])
def test_the_template_of_a_pipeline_closes_and_opens_the_default_address(
    stage: Stage, aws: FakeSession, monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    whoami(aws, 1)
    body = {"swagger": "2.0", "info": {"title": "meetlink", "version": "1.0"}, "paths": {}}
    api = {"StageName": "ci", "DefinitionBody": body, **gateway.sam_properties(stage, default_address_closed=closed)}
    template = {"Resources": {"RestAPI": {"Type": "AWS::Serverless::Api", "Properties": api}}}
    made = transform(template, {}, FakePolicies())["Resources"]["RestAPI"]["Properties"]["Body"]
    assert made["x-amazon-apigateway-endpoint-configuration"] == {"disableExecuteApiEndpoint": closed}


@pytest.mark.parametrize("closed", [True, False])
def test_the_default_address_is_closed_and_opened_with_a_deployment_of_the_api(
    stage: Stage, aws: FakeSession, closed: bool
) -> None:
    aws.reply("apigateway", "get_rest_api", {"disableExecuteApiEndpoint": not closed}, API)
    operation = {"op": "replace", "path": "/disableExecuteApiEndpoint", "value": str(closed)}
    aws.reply("apigateway", "update_rest_api", {}, API | {"patchOperations": [operation]})
    aws.reply("apigateway", "create_deployment", {}, STAGE_OF_API)
    default_address.set_closed(stage, "api-1", closed=closed)


@pytest.mark.parametrize("found", [{}, {"disableExecuteApiEndpoint": False}])
def test_a_default_address_that_is_open_already_is_not_touched(
    stage: Stage, aws: FakeSession, found: dict[str, Any]
) -> None:
    aws.reply("apigateway", "get_rest_api", found, API)
    default_address.set_closed(stage, "api-1", closed=False)


@pytest.mark.parametrize(
    ("disabled", "remembered", "says", "line"),
    [
        (False, {}, None, None),
        (True, {}, "it has no other address", None),
        (
            False,
            {"Domain": "meet.example.com", "DefaultAddress": "open"},
            None,
            "open, in addition to https://meet.example.com",
        ),
        (True, {"Domain": "meet.example.com", "DefaultAddress": "closed"}, None, "https://meet.example.com only"),
        (
            False,
            {"Domain": "meet.example.com", "DefaultAddress": "closed"},
            "is open and should be closed",
            "open, in addition to",
        ),
        (True, {"Domain": "meet.example.com"}, "is closed and should be open", "closed."),
    ],
)
def test_the_check_reports_the_default_address(
    stage: Stage,
    aws: FakeSession,
    monkeypatch: pytest.MonkeyPatch,
    disabled: bool,
    remembered: dict[str, str],
    says: str | None,
    line: str | None,
) -> None:
    monkeypatch.setattr(stacks, "parameters", lambda *_: remembered)
    for _ in range(2 if remembered else 1):
        aws.reply("apigateway", "get_rest_api", {"disableExecuteApiEndpoint": disabled}, API)
    results = [result.text for result in default_address.check(stage, "api-1")]
    assert [says in text for text in results] == ([True] if says else [])  # type: ignore[operator]
    output = default_address.describe(stage, "api-1")
    assert (line in output) if line and output else line is output


class FakePolicies:
    """The translator wants AWS's managed policies by name; there are none in this template."""

    def load(self) -> dict[str, str]:
        return {}
