"""Options of the command line. Stacks are a dictionary here."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.deploy import budget, chalice_config, chalice_state, stacks
from infra.deploy.deploy_options import DeployOptions, resolve
from infra.deploy.deployment import apply_domain, apply_monitoring, deploy_stage
from infra.deploy.stage import DeployError, Stage
from infra.deploy.teardown import delete_stage

Stacks = dict[str, dict[str, str]]
OPTIONS = partial(DeployOptions, mail_from="invitations@example.com")
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text("{}")
    with mock_aws():
        yield Stage("ci", boto3.Session("test", "test", region_name="us-east-1"), tmp_path)


@pytest.fixture(autouse=True)
def applied(monkeypatch: pytest.MonkeyPatch) -> Stacks:
    """The parameters of every stack that was applied, by concern."""
    applied: Stacks = {}

    def apply(_: Stage, concern: str, **parameters: str) -> dict[str, str]:
        applied[concern] = parameters
        return {"Target": "target.example.com"}

    monkeypatch.setattr(stacks, "apply", apply)
    monkeypatch.setattr(stacks, "remove", lambda _, concern: applied.pop(concern, None))
    monkeypatch.setattr(chalice_state, "complete", lambda _: [])
    monkeypatch.setattr(stacks, "outputs", lambda *_: {})
    monkeypatch.setattr(stacks, "is_complete", lambda _, concern: concern in applied)
    monkeypatch.setattr(stacks, "parameters", lambda _, concern: applied.get(concern, {}))
    return applied


def test_an_alarm_address_is_remembered(stage: Stage, applied: Stacks) -> None:
    apply_monitoring(stage, resolve(stage, OPTIONS(alarm_email="operator@example.com")))
    apply_monitoring(stage, resolve(stage, OPTIONS()))
    assert applied["alarms"]["Email"] == "operator@example.com"


def test_without_a_wish_there_is_no_budget(stage: Stage, applied: Stacks) -> None:
    apply_monitoring(stage, resolve(stage, OPTIONS(alarm_email="operator@example.com")))
    assert sorted(applied) == ["alarms", "dashboard"]
    assert budget.find_limit(stage) is None


def test_a_domain_becomes_the_address_once_the_api_answers_there(stage: Stage) -> None:
    options = OPTIONS(domain="meet.example.com", certificate=CERTIFICATE)
    assert resolve(stage, options, lambda _: False).settings == {}
    assert resolve(stage, options, lambda _: True).settings == {"PUBLIC_BASE_URL": "https://meet.example.com"}
    elsewhere = {"PUBLIC_BASE_URL": "https://proxy.example.com"}
    options = OPTIONS(domain="meet.example.com", certificate=CERTIFICATE, settings=elsewhere)
    assert resolve(stage, options, lambda _: True).settings == elsewhere


def test_a_domain_is_remembered(stage: Stage, applied: Stacks) -> None:
    applied["domain"] = {"Domain": "meet.example.com", "Certificate": CERTIFICATE}
    resolved = resolve(stage, OPTIONS(), lambda _: False)
    assert (resolved.domain, resolved.certificate) == ("meet.example.com", CERTIFICATE)


def test_a_domain_that_is_remembered_is_the_address_where_none_is_known(stage: Stage, applied: Stacks) -> None:
    """In the second run, and in a clone whose `.chalice/config.json` was never committed."""
    applied["domain"] = {"Domain": "meet.example.com", "Certificate": CERTIFICATE}
    assert resolve(stage, OPTIONS(), lambda _: True).settings == {"PUBLIC_BASE_URL": "https://meet.example.com"}
    chalice_config.write_environment(stage, {"PUBLIC_BASE_URL": "https://proxy.example.com"})
    assert resolve(stage, OPTIONS(), lambda _: True).settings == {}


def test_until_a_new_domain_answers_links_have_the_apis_own_address_and_not_the_old_domain(
    stage: Stage, applied: Stacks
) -> None:
    applied["domain"] = {"Domain": "old.example.com", "Certificate": CERTIFICATE}
    chalice_config.write_environment(stage, {"PUBLIC_BASE_URL": "https://old.example.com"})
    options = OPTIONS(domain="new.example.com", certificate=CERTIFICATE)
    resolved = resolve(stage, options, lambda _: False)
    assert (resolved.settings, set(resolved.unset)) == ({}, {"PUBLIC_BASE_URL"})
    assert resolve(stage, options, lambda _: True).settings == {"PUBLIC_BASE_URL": "https://new.example.com"}


@pytest.mark.parametrize(
    ("address", "kept"),
    [("https://meet.example.com", {}), ("https://proxy.example.com", {"PUBLIC_BASE_URL": "https://proxy.example.com"})],
)
def test_a_domain_that_is_taken_down_is_no_longer_the_address(
    stage: Stage, applied: Stacks, address: str, kept: dict[str, str]
) -> None:
    applied["domain"] = {"Domain": "meet.example.com", "Certificate": CERTIFICATE}
    chalice_config.write_environment(stage, {"MEETLINK_STAGE": "ci", "PUBLIC_BASE_URL": address})
    delete_stage(stage, delete_data=False, say=print)
    assert chalice_config.environment(stage) == {"MEETLINK_STAGE": "ci"} | kept
    assert "domain" not in applied


CLOSING = partial(OPTIONS, close_default_address=True)
DOMAIN = {"Domain": "meet.example.com", "Certificate": CERTIFICATE}


def test_a_closed_default_address_is_remembered_until_it_is_opened(stage: Stage, applied: Stacks) -> None:
    applied["domain"] = DOMAIN
    chalice_config.write_environment(stage, {"PUBLIC_BASE_URL": "https://meet.example.com"})
    (stage.chalice_directory / "deployed").mkdir()
    for options, closed in (
        (CLOSING(), "closed"),
        (OPTIONS(), "closed"),
        (OPTIONS(close_default_address=False), "open"),
    ):
        apply_domain(stage, resolve(stage, options, lambda _: True), print)
        assert applied["domain"]["DefaultAddress"] == closed
    apply_domain(stage, resolve(stage, OPTIONS(), lambda _: True), print)
    assert applied["domain"]["DefaultAddress"] == "open"


@pytest.mark.parametrize(
    ("remembered", "public", "responds", "options", "says"),
    [
        ({}, None, True, {}, "--domain"),
        (
            {},
            None,
            True,
            {"domain": "meet.example.com", "certificate": CERTIFICATE},
            "not respond at meet.example.com yet",
        ),
        (DOMAIN, "https://meet.example.com", True, {"domain": "new.example.com"}, "not respond at new.example.com yet"),
        (DOMAIN, "https://proxy.example.com", True, {}, "begin with https://proxy.example.com"),
        (DOMAIN, None, False, {}, "begin with the default address"),
        (DOMAIN, "https://meet.example.com", True, {"unset": ["PUBLIC_BASE_URL"]}, "begin with the default address"),
        (DOMAIN, "https://meet.example.com", False, {}, "does not respond"),
    ],
)
def test_the_default_address_stays_open_without_a_domain_that_responds_and_is_in_links(
    stage: Stage,
    applied: Stacks,
    remembered: dict[str, str],
    public: str | None,
    responds: bool,
    options: dict[str, Any],
    says: str,
) -> None:
    applied |= {"domain": remembered} if remembered else {}
    chalice_config.write_environment(stage, {"PUBLIC_BASE_URL": public} if public else {})
    with pytest.raises(DeployError, match=says):
        resolve(stage, CLOSING(**options), lambda _: responds)


def test_a_broken_api_behind_a_closed_default_address_can_be_deployed(stage: Stage, applied: Stacks) -> None:
    applied["domain"] = DOMAIN | {"DefaultAddress": "closed"}
    chalice_config.write_environment(stage, {"PUBLIC_BASE_URL": "https://meet.example.com"})
    assert resolve(stage, OPTIONS(), lambda _: False).close_default_address is True


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mail_from": None}, "--mail-from"),
        ({"domain": "meet.example.com"}, "--certificate"),
        ({"domain": "meet.example.com", "certificate": CERTIFICATE.replace("us-east-1", "eu-west-1")}, "us-east-1"),
        ({"certificate": CERTIFICATE}, "--domain"),
        ({"monthly_budget": "50"}, "--alarm-email"),
        ({"monthly_budget": "fifty", "alarm_email": "operator@example.com"}, "US dollars"),
        ({"monthly_budget": "0", "alarm_email": "operator@example.com"}, "US dollars"),
    ],
)
def test_what_cannot_be_fulfilled_is_refused_before_anything_is_made(
    stage: Stage, applied: Stacks, options: dict[str, str | None], says: str
) -> None:
    with pytest.raises(DeployError, match=says):
        deploy_stage(stage, OPTIONS(**options), print)
    assert applied == {}


def test_a_stage_from_a_bucket_stays_with_it(stage: Stage, applied: Stacks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "outputs", lambda *_: {"EndpointURL": "https://api.example.com"})
    with pytest.raises(DeployError, match="--bucket"):
        deploy_stage(stage, OPTIONS(), print)
    assert applied == {}


def test_deleted_secrets_that_still_have_their_names_are_told_with_what_to_do(stage: Stage, applied: Stacks) -> None:
    client = stage.client("secretsmanager")
    for secret in ("meetlink/ci/deployment", "meetlink/ci/providers/zoom", "meetlink/cicd/deployment"):
        client.create_secret(Name=secret, SecretString="{}")
        client.delete_secret(SecretId=secret, RecoveryWindowInDays=30)
    with pytest.raises(DeployError, match="keeps this stage's deleted secrets") as refused:
        deploy_stage(stage, OPTIONS(), print)
    assert applied == {}
    _, *ways = str(refused.value).split(" aws ")
    assert [way.split()[-1] for way in ways] == ["meetlink/ci/deployment", "meetlink/ci/providers/zoom"]
    for way in ways:
        assert way.startswith("secretsmanager delete-secret --region us-east-1 --force-delete-without-recovery")
        client.delete_secret(SecretId=way.split()[-1], ForceDeleteWithoutRecovery=True)
    assert resolve(stage, OPTIONS()).mail_from == "invitations@example.com"


def test_a_stage_that_has_its_secrets_may_have_lost_one_since(stage: Stage, applied: Stacks) -> None:
    client = stage.client("secretsmanager")
    client.create_secret(Name="meetlink/ci/providers/zoom", SecretString="{}")
    client.delete_secret(SecretId="meetlink/ci/providers/zoom", RecoveryWindowInDays=30)
    applied["secrets"] = {}
    assert resolve(stage, OPTIONS()).mail_from == "invitations@example.com"
