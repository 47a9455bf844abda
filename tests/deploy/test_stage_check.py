"""Checking a stage, with responses as AWS's own models have them: the local AWS has no sandbox and no limits."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import cfnlint.data.AdditionalSpecs
import pytest
from chalice.app import Chalice

from infra.deploy import __main__ as command
from infra.deploy import account, chalice_config, rest_api, ses_identity, stacks, stage_check, triggers
from infra.deploy.check_results import CheckResult, problem, run_check, warning
from infra.deploy.stage import DeployError, Stage
from tests.support.fake_aws import ACCOUNT, FakeSession

STREAM = f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/meetlink-ci-bookings/stream/2027-01-01T00:00:00.000"
QUEUE = f"arn:aws:sqs:eu-central-1:{ACCOUNT}:meetlink-ci-work"
MAIL_FROM = "invitations@example.com"
PATHS = [
    {"id": "r1", "path": "/"},
    {"id": "r2", "parentId": "r1", "pathPart": "v1", "path": "/v1"},
    {
        "id": "r3",
        "parentId": "r2",
        "pathPart": "bookings",
        "path": "/v1/bookings",
        "resourceMethods": {"GET": {"httpMethod": "GET"}},
    },
]
"""docs.aws.amazon.com/apigateway/latest/api/API_GetResources.html: what has no methods has no `resourceMethods`."""
HEALTHY: dict[str, Any] = {
    "EnforcementStatus": "HEALTHY",
    "ProductionAccessEnabled": True,
    "SendingEnabled": True,
    "SendQuota": {"Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 12.0},
}
SIGNED: dict[str, Any] = {
    "IdentityType": "DOMAIN",
    "VerifiedForSendingStatus": True,
    "DkimAttributes": {"SigningEnabled": True, "Status": "SUCCESS", "Tokens": ["one"]},
}
UNSIGNED = {"DkimAttributes": {"SigningEnabled": True, "Status": "PENDING", "Tokens": ["one", "two"]}}

FAILED_MAIL_FROM = {
    "MailFromDomain": "bounces.example.com",
    "MailFromDomainStatus": "FAILED",
    "BehaviorOnMxFailure": "USE_DEFAULT_VALUE",
}


@pytest.fixture
def stage(aws: FakeSession, tmp_path: Path) -> Stage:
    variables = {"MEETLINK_BOOKINGS_STREAM_ARN": STREAM, "MEETLINK_CONNECTIONS_STREAM_ARN": STREAM}
    variables |= {queue.variable: QUEUE for queue in triggers.QUEUES.values()}
    (tmp_path / ".chalice").mkdir()
    config = {"stages": {"ci": {"environment_variables": variables}}}
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(config))
    return Stage("ci", aws, tmp_path)


def found(results: Iterator[CheckResult]) -> list[tuple[bool, str]]:
    """Whether each is a problem, and how it begins."""
    return [(result.is_problem, " ".join(result.text.split()[:4])) for result in results]


@pytest.mark.parametrize(
    ("route", "missing"),
    [("/v1/bookings", []), ("/v1", [problem("API Gateway has no route GET /v1. Deploy again.")])],
)
def test_a_path_that_only_leads_to_others_has_no_routes(
    route: str, missing: list[CheckResult], stage: Stage, aws: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "outputs", lambda *_: {"RestAPIId": "api-1", "EndpointURL": "https://api-1.example/"})
    aws.reply("apigateway", "get_resources", {"items": PATHS}, {"restApiId": "api-1"})
    app = Chalice(app_name="meetlink", configure_logs=False)
    app.route(route)(lambda: None)
    assert list(stage_check._routes(stage, app)) == missing


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"ProductionAccessEnabled": False}, [(True, "SES is in its")]),
        ({"SendingEnabled": False}, [(True, "Sending is switched off")]),
        ({"SendingEnabled": False, "EnforcementStatus": "SHUTDOWN"}, [(True, "SES has paused this")]),
        ({"EnforcementStatus": "PROBATION"}, [(False, "SES is reviewing this")]),
        ({"SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 199.0}}, [(False, "SES has sent 199")]),
        ({"SendQuota": {"Max24HourSend": -1.0, "SentLast24Hours": 9e6}}, []),
    ],
)
def test_an_account_that_does_not_mail_everyone_is_a_problem(
    changes: dict[str, Any], expected: list[Any], stage: Stage, aws: FakeSession
) -> None:
    aws.reply("sesv2", "get_account", HEALTHY | changes)
    assert found(account.check_sending(stage)) == expected


def test_a_sandbox_says_how_the_last_request_for_production_access_ended(stage: Stage, aws: FakeSession) -> None:
    details = {"Details": {"ReviewDetails": {"Status": "DENIED", "CaseId": "1"}}}
    aws.reply("sesv2", "get_account", HEALTHY | {"ProductionAccessEnabled": False} | details)
    (result,) = account.check_sending(stage)
    assert "First deployment to a new account" in result.text and "DENIED" in result.text


@pytest.mark.parametrize(
    ("domain", "address", "expected"),
    [
        (SIGNED, None, []),
        (SIGNED | UNSIGNED | {"VerifiedForSendingStatus": False}, None, [(True, "SES does not send")]),
        (SIGNED | UNSIGNED, None, [(False, f"Emails from {MAIL_FROM} are")]),
        (None, None, [(True, "SES does not send")]),
        (None, {"VerifiedForSendingStatus": True}, [(False, f"Emails from {MAIL_FROM} are")]),
        (SIGNED | {"MailFromAttributes": FAILED_MAIL_FROM}, None, [(False, "SES does not use")]),
    ],
)
def test_a_sender_has_a_clean_bill_only_if_its_domain_signs(
    domain: dict[str, Any] | None, address: dict[str, Any] | None, expected: list[Any], stage: Stage, aws: FakeSession
) -> None:
    for identity in (domain, address):
        if identity is None:
            aws.refuse("sesv2", "get_email_identity", "NotFoundException")
        else:
            aws.reply("sesv2", "get_email_identity", identity)
    assert found(ses_identity.check_sender(stage, MAIL_FROM)) == expected


def test_a_new_domain_is_registered_without_feedback_by_mail_and_its_records_are_listed(
    stage: Stage, aws: FakeSession
) -> None:
    zone = {"SigningHostedZone": "dkim.eu-central-1.amazonses.com"}
    aws.refuse("sesv2", "get_email_identity", "NotFoundException")
    aws.reply("sesv2", "create_email_identity", {}, {"EmailIdentity": "example.com"})
    asked = {"EmailIdentity": "example.com", "EmailForwardingEnabled": False}
    aws.reply("sesv2", "put_email_identity_feedback_attributes", {}, asked)
    aws.reply("sesv2", "get_email_identity", {"DkimAttributes": UNSIGNED["DkimAttributes"] | zone})
    _, *records = ses_identity.ensure_identity(stage, MAIL_FROM)
    assert [record.split() for record in records][:2] == [
        ["one._domainkey.example.com", "CNAME", "one.dkim.eu-central-1.amazonses.com"],
        ["two._domainkey.example.com", "CNAME", "two.dkim.eu-central-1.amazonses.com"],
    ]
    assert records[2].split()[:3] == ["_dmarc.example.com", "TXT", '"v=DMARC1;']


def test_a_domain_that_signs_is_left_alone(stage: Stage, aws: FakeSession) -> None:
    aws.reply("sesv2", "get_email_identity", SIGNED)
    assert ses_identity.ensure_identity(stage, MAIL_FROM) == []


@pytest.mark.parametrize(("limit", "expected"), [(10, [(False, "Lambda runs at most")]), (200, []), (1000, [])])
def test_a_low_limit_of_lambda_is_a_warning(limit: int, expected: list[Any], stage: Stage, aws: FakeSession) -> None:
    aws.reply("lambda", "get_account_settings", {"AccountLimit": {"ConcurrentExecutions": limit}})
    assert found(account.check_concurrency(stage)) == expected


@pytest.mark.parametrize(
    ("today", "warnings"),
    [(date(2026, 12, 31), 0), (date(2027, 1, 1), 1), (date(2028, 1, 1), 1)],
)
def test_the_end_of_a_runtime_is_a_warning_from_180_days_before(
    today: date, warnings: int, stage: Stage, aws: FakeSession
) -> None:
    for _ in chalice_config.function_names():
        aws.reply("lambda", "get_function_configuration", {"Runtime": "python3.11"})
    assert found(account.check_runtime(stage, today)) == [(False, "AWS supports python3.11 until")] * warnings


def test_the_ends_of_runtimes_are_those_that_cfn_lint_knows() -> None:
    data = Path(cfnlint.data.AdditionalSpecs.__file__).with_name("LmbdRuntimeLifecycle.json")
    lifecycle = json.loads(data.read_text(encoding="utf-8"))
    assert {name: str(ends) for name, ends in account.SUPPORT_ENDS.items()} == {
        name: lifecycle[name]["deprecated"] for name in account.SUPPORT_ENDS
    }


@pytest.mark.parametrize(
    ("subscriptions", "expected"),
    [
        ([], [(False, "No one receives alarms.")]),
        (
            [{"SubscriptionArn": "PendingConfirmation", "Endpoint": "ops@example.com"}],
            [(False, "ops@example.com receives alarms only")],
        ),
        ([{"SubscriptionArn": "Deleted", "Endpoint": "ops@example.com"}], [(False, "No one receives alarms.")]),
        ([{"SubscriptionArn": "arn:aws:sns:eu-central-1:1:x:y", "Endpoint": "ops@example.com"}], []),
    ],
)
def test_alarms_that_no_one_receives_are_a_warning(
    subscriptions: list[Any], expected: list[Any], stage: Stage, aws: FakeSession
) -> None:
    aws.reply("sts", "get_caller_identity", {"Account": ACCOUNT})
    topic = {"TopicArn": f"arn:aws:sns:eu-central-1:{ACCOUNT}:meetlink-ci-alarms"}
    aws.reply("sns", "list_subscriptions_by_topic", {"Subscriptions": subscriptions}, topic)
    assert found(account.check_alarm_topic(stage)) == expected


def test_an_account_without_a_budget_is_a_warning(stage: Stage, aws: FakeSession) -> None:
    aws.reply("sts", "get_caller_identity", {"Account": ACCOUNT})
    aws.reply("budgets", "describe_budgets", {}, {"AccountId": ACCOUNT, "MaxResults": 1})
    assert found(account.check_budget(stage)) == [(False, "This account has no")]


@pytest.mark.parametrize(("address", "is_problem"), [("https://meet.invalid", True), ("https://proxy.example", False)])
def test_a_domain_that_is_not_in_dns_is_a_problem_if_links_lead_there(
    address: str, is_problem: bool, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "parameters", lambda *_: {"Domain": "meet.invalid"})
    monkeypatch.setattr(stacks, "outputs", lambda *_: {"Target": "d-1.execute-api.eu-central-1.amazonaws.com"})
    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    chalice_config.write_environment(stage, chalice_config.environment(stage) | {"PUBLIC_BASE_URL": address})
    (result,) = account.check_domain(stage)
    assert result.is_problem is is_problem
    assert "meet.invalid CNAME d-1.execute-api.eu-central-1.amazonaws.com" in result.text


def unknown_host(*_: Any) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"State": "Disabled"}, [(True, "The stream of meetlink-ci-on_booking")]),
        (
            {"EventSourceArn": STREAM.replace("2027", "2026")},
            [(True, f"meetlink-ci-on_booking reads {STREAM.replace('2027', '2026')} instead")],
        ),
        ({"StartingPosition": "LATEST"}, [(False, "meetlink-ci-on_booking starts to read")]),
        ({"ParallelizationFactor": 1}, [(True, "ParallelizationFactor of the stream")]),
    ],
)
def test_a_function_reads_the_stages_own_stream_from_its_beginning(
    changes: dict[str, Any], expected: list[Any], stage: Stage, aws: FakeSession
) -> None:
    for name in triggers.SOURCES:
        arn = QUEUE if name in triggers.QUEUES else STREAM
        mapping = {"State": "Enabled", "EventSourceArn": arn, "StartingPosition": "TRIM_HORIZON"}
        mapping |= triggers.mapping_options(name, "arn:aws:sqs:eu-central-1:1:q")
        mapping |= changes if name == "on_booking" else {}
        mapping = {key: value for key, value in mapping.items() if key != "FilterCriteria" or value["Filters"]}
        aws.reply("lambda", "list_event_source_mappings", {"EventSourceMappings": [mapping]})
    assert found(stage_check._mappings(stage, "arn:aws:sqs:eu-central-1:1:q")) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, r"^meetlink-ci-on_booking reads no stream: its event source mapping is missing\. Deploy again\.$"),
        (
            2,
            r"^meetlink-ci-on_booking has 2 event source mappings .*: delete all but one of 0{36}, 1{36} \(",
        ),
    ],
)
def test_a_function_that_does_not_have_one_mapping_is_a_problem_with_what_to_do(
    count: int, expected: str, stage: Stage, aws: FakeSession
) -> None:
    for name in triggers.SOURCES:
        arn = QUEUE if name in triggers.QUEUES else STREAM
        mapping = {"State": "Enabled", "EventSourceArn": arn, "StartingPosition": "TRIM_HORIZON"}
        mapping |= triggers.mapping_options(name, "arn:aws:sqs:eu-central-1:1:q")
        mapping = {key: value for key, value in mapping.items() if key != "FilterCriteria" or value["Filters"]}
        mappings = [mapping | {"UUID": f"{number}" * 36} for number in range(count if name == "on_booking" else 1)]
        aws.reply("lambda", "list_event_source_mappings", {"EventSourceMappings": mappings})
    (result,) = stage_check._mappings(stage, "arn:aws:sqs:eu-central-1:1:q")
    assert result.is_problem and re.search(expected, result.text)


def test_a_stage_of_another_account_or_region_is_not_checked_further(stage: Stage, aws: FakeSession) -> None:
    for _ in range(2):
        aws.reply("sts", "get_caller_identity", {"Account": "999999999999"})
    assert [result.is_problem for result in stage_check.check(stage)] == [True]


def test_a_stage_that_was_never_deployed_is_refused(stage: Stage) -> None:
    chalice_config.write_environment(stage, {})
    with pytest.raises(DeployError, match="Deploy it first"):
        stage_check.check(stage)


@pytest.mark.parametrize("is_vital", [True, False])
def test_a_check_that_aws_refuses_is_a_problem_only_if_it_is_vital(
    is_vital: bool, stage: Stage, aws: FakeSession
) -> None:
    aws.refuse("sesv2", "get_account", "AccessDeniedException")
    (result,) = run_check("whether SES sends email", lambda: account.check_sending(stage), is_vital=is_vital)
    assert result.is_problem is is_vital
    assert result.text.startswith("Could not check whether SES sends email: ") and "AccessDenied" in result.text


@pytest.mark.parametrize(
    ("results", "code", "expected"),
    [
        ([], 0, "Bookings are settled and mailed: https://api.example"),
        ([warning("w")], 0, "Warning: w"),
        ([problem("p"), warning("w")], 1, "Not ready: 1 problem."),
    ],
)
def test_the_exit_code_says_whether_bookings_are_settled_and_mailed(
    results: list[CheckResult],
    code: int,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Stage, "account", lambda _: ACCOUNT)
    monkeypatch.setattr(stage_check, "check", lambda _: results)
    monkeypatch.setattr(rest_api, "address", lambda _: "https://api.example")
    monkeypatch.setattr(rest_api, "find_api", lambda _: ("api-1", "https://api.example"))
    monkeypatch.setattr(stacks, "parameters", lambda *_: {})
    assert command.main(["--stage", "ci", "--region", "eu-central-1", "--check"]) == code
    assert expected in capsys.readouterr().out
