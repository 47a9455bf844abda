"""What an organisation adds to the running functions survives the next deployment."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from infra.deploy import app_stack, chalice_config, running_functions
from infra.deploy.stage import API, Stage


class Absent(Exception):
    """There is no such function."""


class FakeLambda:
    """GetFunction and GetAccountSettings as Lambda answers them."""

    exceptions = SimpleNamespace(ResourceNotFoundException=Absent)

    def __init__(self, limit: int = 1000) -> None:
        self.functions: dict[str, dict[str, Any]] = {}
        self.limits = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit}

    def get_function(self, **given: str) -> dict[str, Any]:
        try:
            return {"Configuration": {}, **self.functions[given["FunctionName"]]}
        except KeyError:
            raise Absent from None

    def get_account_settings(self) -> dict[str, Any]:
        return {"AccountLimit": self.limits}


@pytest.fixture
def aws() -> FakeLambda:
    return FakeLambda()


@pytest.fixture
def stage(tmp_path: Path, aws: FakeLambda) -> Stage:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text("{}")
    stage = Stage("ci", SimpleNamespace(client=lambda _: aws, region_name="eu-central-1"), tmp_path)
    chalice_config.write_environment(stage, {"MEETLINK_STAGE": "ci"})
    return stage


def keep(stage: Stage) -> list[str]:
    said: list[str] = []
    running_functions.preserve_options(stage, running_functions.fetch_functions(stage), said.append)
    return said


def reserved(stage: Stage) -> dict[str, int]:
    found = {
        name: chalice_config.function_options(stage, name).get("reserved_concurrency")
        for name in chalice_config.function_names()
    }
    return {name: number for name, number in found.items() if number is not None}


def test_tags_layers_and_reserved_concurrency_of_a_running_function_are_kept(stage: Stage, aws: FakeLambda) -> None:
    tags = {"cost-centre": "42", "aws:x": "y", "aws-chalice": "version=1", "lambda:createdBy": "SAM"}
    aws.functions["meetlink-ci-on_booking"] = {
        "Tags": tags,
        "Configuration": {"Layers": [{"Arn": "arn:layer:1"}]},
        "Concurrency": {"ReservedConcurrentExecutions": 7},
    }
    assert "kept from meetlink-ci-on_booking: layers, reserved_concurrency, tags" in keep(stage)
    config = json.loads((stage.chalice_directory / "config.json").read_text())["stages"]["ci"]
    assert config["tags"] == {"meetlink:stage": "ci"}
    own = config["lambda_functions"]["on_booking"]
    assert (own["tags"], own["layers"], own["reserved_concurrency"]) == ({"cost-centre": "42"}, ["arn:layer:1"], 7)
    assert keep(stage) == []
    chalice_config.write_environment(stage, {"MEETLINK_STAGE": "ci"})
    assert chalice_config.function_options(stage, "on_booking")["layers"] == ["arn:layer:1"]


def test_what_the_file_sets_wins_over_the_running_function(stage: Stage, aws: FakeLambda) -> None:
    values = {"layers": [], "reserved_concurrency": 3, "tags": {"team": "a"}}
    chalice_config.write_function_options(stage, "on_booking", values)
    aws.functions["meetlink-ci-on_booking"] = {
        "Tags": {"team": "b"},
        "Configuration": {"Layers": [{"Arn": "arn:layer:1"}]},
        "Concurrency": {"ReservedConcurrentExecutions": 7},
    }
    keep(stage)
    options = chalice_config.function_options(stage, "on_booking")
    assert (options["layers"], options["reserved_concurrency"], options["tags"]["team"]) == ([], 3, "a")


@pytest.mark.parametrize(("limit", "api"), [(200, 50), (1000, 250)])
def test_concurrency_is_reserved_for_settling_and_the_api_has_a_ceiling(
    stage: Stage, aws: FakeLambda, limit: int, api: int
) -> None:
    aws.limits = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit}
    assert keep(stage) == []
    assert reserved(stage) == {"on_booking": 40, "on_schedule": 5, API: api}
    aws.limits["UnreservedConcurrentExecutions"] -= sum(reserved(stage).values())
    assert keep(stage) == []


@pytest.mark.parametrize(("limit", "unreserved"), [(10, 10), (199, 199), (200, 150)])
def test_a_small_account_reserves_nothing_and_the_command_says_so(
    stage: Stage, aws: FakeLambda, limit: int, unreserved: int
) -> None:
    """Another stage's reservations count, too."""
    aws.limits = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": unreserved}
    (said,) = keep(stage)
    assert f"No concurrency is reserved: this account runs {limit} functions at once" in said
    assert reserved(stage) == {}


def test_a_setting_that_only_the_running_functions_have_is_kept(stage: Stage, aws: FakeLambda) -> None:
    """As after a roll-back by check-out, and in a clone whose config.json was never committed."""
    running = {"A": "first", "B": "2", "C": "3", "D": "4"}
    aws.functions["meetlink-ci"] = {"Configuration": {"Environment": {"Variables": running}}}
    chalice_config.write_environment(stage, {"B": "second"})
    said: list[str] = []
    merged = running_functions.merge_environment(
        stage, running_functions.fetch_functions(stage), {"C": "fixed"}, ["D"], said.append
    )
    assert merged == {"A": "first", "B": "second", "C": "fixed"}
    assert [line.split()[0] for line in said] == ["A", "B"]
    assert not any(value in line for value in ("first", "second") for line in said)


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("us-east-1", "https://code.s3.us-east-1.amazonaws.com/k/a.json"),
        ("ap-southeast-3", "https://code.s3.ap-southeast-3.amazonaws.com/k/a.json"),
        ("cn-north-1", "https://code.s3.cn-north-1.amazonaws.com.cn/k/a.json"),
    ],
)
def test_the_templates_address_names_its_region(region: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    stage = Stage("ci", boto3.Session("test", "test", region_name=region))
    assert app_stack.object_url(stage, "code", "k/a.json") == url
