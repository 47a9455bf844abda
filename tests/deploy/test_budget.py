"""The monthly budget, which lives in one region for all stages of the account."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from infra.deploy import budget, stacks
from infra.deploy.deploy_options import DeployOptions, resolve
from infra.deploy.deployment import apply_monitoring
from infra.deploy.stage import Stage
from infra.local.aws import LocalAws

MAIL_FROM = "invitations@example.com"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(services=("budgets", "cloudformation", "secretsmanager", "sts")) as aws:
        yield aws


@pytest.fixture
def stage(aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """In a region whose CloudFormation has no budgets."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
    monkeypatch.setattr(stacks, "apply", lambda *_, **__: {})
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text("{}")
    stage = Stage("ci", boto3.Session("test", "test", region_name="eu-north-1"), tmp_path)
    yield stage
    budget.remove(stage)


def mailed(stage: Stage) -> dict[str, list[str]]:
    """Who is mailed, by kind of notification."""
    client = stage.session.client("budgets", region_name="us-east-1")
    names = {"AccountId": stage.account(), "BudgetName": "meetlink-ci-budget"}
    found = {}
    for notification in client.describe_notifications_for_budget(**names)["Notifications"]:
        listed = client.describe_subscribers_for_notification(**names, Notification=notification)["Subscribers"]
        found[notification["NotificationType"]] = [subscriber["Address"] for subscriber in listed]
    return found


def deploy(stage: Stage, alarm_email: str | None = None, monthly_budget: str | None = None) -> None:
    apply_monitoring(
        stage,
        resolve(stage, DeployOptions(mail_from=MAIL_FROM, alarm_email=alarm_email, monthly_budget=monthly_budget)),
    )


def test_the_budget_is_made_and_changed_and_its_address_replaced(stage: Stage) -> None:
    deploy(stage, "old@example.com", "50")
    assert budget.find_limit(stage) == "50"
    assert mailed(stage) == {"ACTUAL": ["old@example.com"], "FORECASTED": ["old@example.com"]}
    deploy(stage, "new@example.com")
    assert budget.find_limit(stage) == "50"
    assert mailed(stage) == {"ACTUAL": ["new@example.com"], "FORECASTED": ["new@example.com"]}
    deploy(stage, "new@example.com", "75.50")
    assert budget.find_limit(stage) == "75.50"


def test_the_budgets_api_is_asked_in_the_one_region_that_it_has(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as real:
        real.delenv("AWS_ENDPOINT_URL")
        assert budget._client(stage).meta.endpoint_url == "https://budgets.amazonaws.com"


def test_a_run_without_wishes_asks_nothing_of_budgets(stage: Stage) -> None:
    asked: list[str] = []
    stage.session.events.register("before-call.budgets", lambda model, **_: asked.append(model.name))
    deploy(stage)
    assert asked == []
    budget.remove(stage)
    assert asked == ["DescribeBudget"]
