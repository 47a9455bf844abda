"""The first deployment: Lambda may create a trigger before it can read the stream with the function's new role."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from infra.deploy import chalice_cli
from infra.deploy.deployment import deploy_with_chalice
from infra.deploy.stage import DeployError, Stage

_CLI = """
import traceback
from botocore.exceptions import ClientError

def main():
    try:
        error = {{"Code": "InvalidParameterValueException", "Message": {message!r}}}
        raise ClientError({{"Error": error}}, {operation!r})
    except ClientError:
        traceback.print_exc()
        return 2
"""
"""How Chalice reports an error that it does not know."""
NOT_READABLE = (
    "Cannot access stream arn:aws:dynamodb:eu-central-1:1:table/t/stream/s. Please ensure the role can perform the "
    "GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM."
)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage("ci", boto3.Session("test", "test", region_name="eu-central-1"), tmp_path)


@pytest.mark.parametrize(
    ("operation", "message", "is_retried"),
    [
        ("CreateEventSourceMapping", NOT_READABLE, True),
        ("CreateEventSourceMapping", "The batch size is too large.", False),
        ("CreateFunction", NOT_READABLE, False),
    ],
)
def test_a_stream_that_cannot_be_read_is_told_from_other_failures(
    operation: str, message: str, is_retried: bool, stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    (stage.project / "chalice").mkdir()
    (stage.project / "chalice" / "__init__.py").write_text("")
    (stage.project / "chalice" / "cli.py").write_text(_CLI.format(operation=operation, message=message))
    with pytest.raises(DeployError, match="chalice deploy failed with exit code 2") as failed:
        chalice_cli.run(stage, "deploy")
    assert isinstance(failed.value, chalice_cli.StreamNotReadable) == is_retried
    assert message in capfd.readouterr().err


class Chalice:
    """Refuses some runs."""

    def __init__(self, *failures: DeployError) -> None:
        self.failures, self.slept, self.said = list(failures), [], []  # type: ignore[var-annotated]

    def run(self, stage: Stage, verb: str) -> None:
        if self.failures:
            raise self.failures.pop(0)

    def deploy(self, stage: Stage) -> None:
        deploy_with_chalice(stage, self.said.append, self.run, lambda _: ["on_booking"], self.slept.append)


def test_a_stream_that_cannot_be_read_yet_is_tried_again_with_what_the_failed_run_made(stage: Stage) -> None:
    fake = Chalice(*(chalice_cli.StreamNotReadable("no"),) * 2)
    fake.deploy(stage)
    assert fake.slept == [5, 10]
    assert fake.said.count("found resources of an earlier deployment: on_booking") == 3
    assert "Lambda cannot read a stream with its new role yet. Retrying in 5 seconds ..." in fake.said


def test_the_command_gives_up_after_some_tries(stage: Stage) -> None:
    fake = Chalice(*(chalice_cli.StreamNotReadable("no"),) * 9)
    with pytest.raises(chalice_cli.StreamNotReadable):
        fake.deploy(stage)
    assert len(fake.failures) == 4
    assert sum(fake.slept) == 75


def test_another_failure_is_not_tried_again(stage: Stage) -> None:
    fake = Chalice(DeployError("no"))
    with pytest.raises(DeployError):
        fake.deploy(stage)
    assert fake.slept == []
