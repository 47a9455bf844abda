"""The account, the region and the Python that a command works with, and what it says if one of them is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import botocore.session
import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    SSOTokenLoadError,
)
from moto import mock_aws

from infra.deploy import __main__ as command
from infra.deploy import location
from infra.deploy.aws_errors import explain
from infra.deploy.stage import APP, DeployError, Stage

ACCOUNT = "123456789012"
STREAM = "arn:aws:dynamodb:{region}:{account}:table/meetlink-ci-bookings/stream/2027-01-01T00:00:00.000"
FUNCTION = "arn:aws:lambda:{region}:{account}:function:meetlink-ci"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".chalice" / "deployed").mkdir(parents=True)
    (tmp_path / ".chalice" / "config.json").write_text("{}")
    return tmp_path


@pytest.fixture
def stage(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield in_region(project, "eu-central-1")


def in_region(project: Path, region: str) -> Stage:
    return Stage("ci", boto3.Session("test", "test", region_name=region), project)


def in_config(project: Path, region: str, account: str) -> None:
    variables = {"MEETLINK_BOOKINGS_STREAM_ARN": STREAM.format(region=region, account=account)}
    (project / ".chalice" / "config.json").write_text(
        json.dumps({"stages": {"ci": {"environment_variables": variables}}})
    )


def in_memory(project: Path, region: str, account: str) -> None:
    functions = [{"name": "api_handler", "lambda_arn": FUNCTION.format(region=region, account=account)}]
    (project / ".chalice" / "deployed" / "ci.json").write_text(json.dumps({"resources": functions}))


@pytest.mark.parametrize("known", [in_config, in_memory])
@pytest.mark.parametrize(("region", "number"), [("us-east-1", ACCOUNT), ("eu-central-1", "210987654321")])
def test_a_stage_that_is_elsewhere_is_refused(
    stage: Stage, known: Callable[[Path, str, str], None], region: str, number: str
) -> None:
    known(stage.project, region, number)
    with pytest.raises(DeployError, match=f"is in {region} of account {number}.*--region and --profile"):
        location.require_match(stage)


@pytest.mark.parametrize("known", [in_config, in_memory])
def test_a_stage_that_is_here_is_accepted(stage: Stage, known: Callable[[Path, str, str], None]) -> None:
    known(stage.project, "eu-central-1", ACCOUNT)
    location.require_match(stage)


def test_in_a_fresh_clone_the_roles_say_where_the_stage_is(stage: Stage) -> None:
    """Roles have one name for all regions: a deployment to another region would rewrite their policies."""
    iam, role = stage.client("iam"), f"{APP}-ci-on_booking"
    iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    statement = {"Effect": "Allow", "Action": ["dynamodb:GetItem"]}
    statement["Resource"] = f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/meetlink-ci-bookings"
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=json.dumps(policy))
    location.require_match(stage)
    with pytest.raises(DeployError, match="is in eu-central-1"):
        location.require_match(in_region(stage.project, "us-east-1"))


def test_a_region_without_ses_is_refused_in_one_sentence(stage: Stage) -> None:
    with pytest.raises(DeployError, match="Amazon SES is not available in eu-south-2: choose another region"):
        location.require_match(in_region(stage.project, "eu-south-2"))


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two profiles, and keys of a third account in the environment."""
    keys = "aws_access_key_id = FROM{0}\naws_secret_access_key = x\n"
    file = tmp_path / "credentials"
    file.write_text(f"[default]\n{keys.format('DEFAULT')}[other]\n{keys.format('OTHER')}")
    (tmp_path / "config").write_text("[profile other]\nregion = eu-west-1\n")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROMENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "x")
    monkeypatch.setenv("AWS_PROFILE", "default")


def test_a_profile_means_the_same_credentials_in_each_step(profiles: None) -> None:
    """boto3 with its sessions, pynamodb with botocore's, and Chalice in its own process."""
    location.select("other", None)
    assert boto3.Session().get_credentials().access_key == "FROMOTHER"
    assert boto3.Session().region_name == "eu-west-1"
    assert botocore.session.get_session().get_credentials().access_key == "FROMOTHER"
    code = "import botocore.session; print(botocore.session.get_session().get_credentials().access_key)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout == "FROMOTHER\n"


def test_without_a_profile_the_environment_stays_as_it_is(profiles: None) -> None:
    before = dict(os.environ)
    location.select(None, None)
    assert dict(os.environ) == before


@pytest.mark.parametrize("command", [["infra.deploy"], ["infra.operate", "workspace", "list"]])
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--stage", "ci"], "pass --region"),
        (["--stage", "ci", "--region", "eu-west-1", "--profile", "absent"], "list-profiles"),
        (["--stage", "no-such-name", "--region", "eu-west-1"], "lowercase letters"),
    ],
)
def test_a_command_that_cannot_start_says_why_and_prints_no_traceback(
    command: list[str], arguments: list[str], says: str, profiles: None
) -> None:
    root = Path(__file__).parents[2]
    child = subprocess.run(
        [sys.executable, "-m", *command, *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    assert child.returncode == 1
    assert says in child.stdout + child.stderr
    assert "Traceback" not in child.stderr


def client_error(code: str, message: str = "Refused") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NoRegionError(), "--region"),
        (NoCredentialsError(), "aws configure"),
        (SSOTokenLoadError(error_msg="expired"), "aws sso login"),
        (ProfileNotFound(profile="x"), "list-profiles"),
        (EndpointConnectionError(endpoint_url="https://x"), "network"),
        (client_error("ExpiredToken"), "sign in again"),
        (client_error("UnrecognizedClientException"), "sign in again"),
        (
            client_error("AccessDenied", "not authorized:\ncloudformation:X"),
            "Get this permission",
        ),
        (client_error("Throttling", "Rate\nexceeded"), "Rate exceeded"),
    ],
)
def test_a_known_failure_is_one_line_with_what_to_do(error: ClientError, says: str) -> None:
    assert says in explain(error)
    assert "\n" not in explain(error)


def test_another_python_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    pin = tmp_path / ".python-version"
    pin.write_text(f"{sys.version_info.major}.{sys.version_info.minor}\n")
    command.require_python(pin)
    pin.write_text("3.99\n")
    with pytest.raises(DeployError, match=r"Deploy with Python 3\.99.*PYTHON=python3\.99"):
        command.require_python(pin)


def test_the_pinned_python_is_one_that_the_locked_packages_are_for() -> None:
    """`make lock` resolves for it, and the example workflow reads the same file."""
    root = Path(__file__).parents[2]
    pinned = (root / ".python-version").read_text().strip()
    assert f"--python-version {pinned} " in (root / "Makefile").read_text()
    assert "python-version-file: .python-version" in (root / "docs" / "github-actions.yml").read_text()
