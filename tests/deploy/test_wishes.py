"""What the command line may ask for beside a deployment. The local AWS has no budgets: stacks are a dictionary here."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from infra.deploy import stacks
from infra.deploy.stage import DeployError, Stage
from infra.deploy.up import Wishes, name, watch

Stacks = dict[str, dict[str, str]]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text("{}")
    return Stage("ci", boto3.Session("test", "test", region_name="us-east-1"), tmp_path)


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> Stacks:
    """The parameters of every stack that was applied, by concern."""
    made: Stacks = {}

    def apply(_: Stage, concern: str, **parameters: str) -> dict[str, str]:
        made[concern] = parameters
        return {}

    monkeypatch.setattr(stacks, "apply", apply)
    monkeypatch.setattr(stacks, "parameters", lambda _, concern: made.get(concern, {}))
    return made


def test_a_budget_tells_whoever_hears_alarms_and_is_remembered(stage: Stage, made: Stacks) -> None:
    watch(stage, Wishes(alarm_email="operator@example.com", monthly_budget="50"))
    watch(stage, Wishes())
    assert made["budget"] == {"Stage": "ci", "Limit": "50", "Email": "operator@example.com"}


def test_without_a_wish_there_is_no_budget(stage: Stage, made: Stacks) -> None:
    watch(stage, Wishes(alarm_email="operator@example.com"))
    assert sorted(made) == ["alarms", "dashboard"]


def test_a_budget_that_would_tell_nobody_is_refused(stage: Stage) -> None:
    with pytest.raises(DeployError, match="--alarm-email"):
        watch(stage, Wishes(monthly_budget="50"))


def test_a_domain_without_certificate_is_refused(stage: Stage) -> None:
    with pytest.raises(DeployError, match="--certificate"):
        name(stage, Wishes(domain="meet.example.com"), print)
