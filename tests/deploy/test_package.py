"""The same product through CloudFormation, as a pipeline deploys it."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import PurePosixPath

import httpx
import pytest

from infra.deploy import chalice_config, triggers
from infra.local.demo import DemoSteps
from infra.local.stack import MAIL_FROM
from tests.deploy.test_bytecode import UNCHECKED_HASH, header
from tests.support.answers import assert_problem
from tests.support.deployment import STAGE, Deployment

DOMAIN = "meet.example.com"
_FIXED = ("EventSourceArn", "StartingPosition", "State", "BatchSize")
pytestmark = [pytest.mark.exhaustive, pytest.mark.deploy, pytest.mark.xdist_group("deploy-package")]


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with Deployment(tmp_path_factory.mktemp("packaged")) as deployment:
        deployment.client("s3").create_bucket(Bucket="code")
        certificate = "arn:aws:acm:us-east-1:000000000000:certificate/one"
        said = deployment.first_deploy("--bucket", "code", "--domain", DOMAIN, "--certificate", certificate)
        assert "Deployed: " in said
        assert re.search(rf"^DNS: {DOMAIN} CNAME \S+\.execute-api\.us-east-1\.amazonaws\.com$", said, re.MULTILINE)
        deployment.store_zooms_secret()
        deployment.make_workspace()
        yield deployment


def test_the_packaged_product_keeps_its_promises(packaged: Deployment) -> None:
    DemoSteps(packaged).run()  # type: ignore[arg-type]


def test_what_api_gateway_responds_itself_is_a_problem_of_the_api(packaged: Deployment) -> None:
    assert_problem(packaged.call("GET", "/v1/nothing"), 404, "not_found")
    client = packaged.client("apigateway")
    (api,) = client.get_rest_apis()["items"]
    stage = client.get_stage(restApiId=api["id"], stageName=STAGE)
    assert stage["methodSettings"]["*/*"]["throttlingBurstLimit"] == 1000
    # The local CloudFormation drops the stage's access log, so the template that it received is checked.
    body = packaged.client("cloudformation").get_template(StackName=f"meetlink-{STAGE}-app")["TemplateBody"]
    resources = (body if isinstance(body, dict) else json.loads(body))["Resources"].values()
    (declared,) = [r["Properties"] for r in resources if r["Type"] == "AWS::ApiGateway::Stage"]
    group = declared["AccessLogSetting"]["DestinationArn"]
    assert group.endswith(f":log-group:/aws/apigateway/meetlink-{STAGE}")


def test_it_answers_under_its_own_domain(packaged: Deployment) -> None:
    headers = {"Host": DOMAIN, "Authorization": f"Bearer {packaged.demo.api_key}"}
    assert httpx.get(f"{packaged.aws.endpoint}/v1/bookings", headers=headers).status_code == 200
    (name,) = packaged.client("apigateway").get_domain_names()["items"]
    assert (name["endpointConfiguration"]["types"], name["securityPolicy"]) == (["REGIONAL"], "TLS_1_2")


def test_each_module_has_its_bytecode_beside_it_once(packaged: Deployment) -> None:
    with zipfile.ZipFile(BytesIO(sent(packaged))) as archive:
        names = archive.namelist()
        assert len(names) == len(set(names))
        modules = [PurePosixPath(name) for name in names if name.endswith(".py")]
        assert PurePosixPath("app.py") in modules
        for path in modules:
            compiled = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
            source = archive.read(str(path))
            assert archive.read(str(compiled)).startswith(header(source, UNCHECKED_HASH)), path


def test_only_the_product_ships(packaged: Deployment) -> None:
    with zipfile.ZipFile(BytesIO(sent(packaged))) as archive:
        folders = {PurePosixPath(name).parts[0] for name in archive.namelist()}
    assert {"app.py", "chalicelib"} <= folders
    assert folders & {"benchmarks", "clients", "docs", "examples", "infra", "meetlink", "tests"} == set()


def test_the_zip_that_was_checked_is_the_one_that_was_sent(packaged: Deployment) -> None:
    (checked,) = (packaged.project / ".chalice" / "deployments").glob("*.zip")
    assert sent(packaged) == checked.read_bytes()


def test_the_api_has_one_stage(packaged: Deployment) -> None:
    """What guards that stage could be walked around through another one."""
    gateway = packaged.client("apigateway")
    (api,) = gateway.get_rest_apis()["items"]
    assert [stage["stageName"] for stage in gateway.get_stages(restApiId=api["id"])["item"]] == [STAGE]


@pytest.mark.parametrize("function", triggers.STREAMS)
def test_streams_are_read_as_asked(packaged: Deployment, function: str) -> None:
    queue_arn = f"arn:aws:sqs:us-east-1:000000000000:meetlink-{STAGE}-dead-letters"
    (mapping,) = triggers.mappings(packaged.client("lambda"), f"meetlink-{STAGE}-{function}")
    assert triggers.differing(mapping, triggers.mapping_options(function, queue_arn)) == []
    assert mapping["StartingPosition"] == triggers.STARTS_AT


def test_a_second_run_finds_nothing_to_do(packaged: Deployment) -> None:
    before = [stack.get("LastUpdatedTime") for stack in stacks(packaged)]
    assert "Deployed: " in packaged.deploy("--bucket", "code")
    assert [stack.get("LastUpdatedTime") for stack in stacks(packaged)] == before


def test_a_trigger_that_was_deleted_by_hand_is_reported_and_created_again(packaged: Deployment) -> None:
    client, name = packaged.client("lambda"), f"meetlink-{STAGE}-announce_bookings"
    (mapping,) = triggers.mappings(client, name)
    client.delete_event_source_mapping(UUID=mapping["UUID"])
    with pytest.raises(AssertionError, match=f"Problem: {name} reads no stream: .* Deploy again"):
        packaged.deploy("--check")
    assert "triggers to create again: announce_bookings" in packaged.deploy("--bucket", "code")
    (created,) = triggers.mappings(client, name)
    assert created["UUID"] != mapping["UUID"]
    assert (
        triggers.differing(created, {key: mapping.get(key) for key in triggers.mapping_options("on_booking", "")}) == []
    )
    assert [created[key] for key in _FIXED] == [mapping[key] for key in _FIXED]


def test_the_other_way_is_refused(packaged: Deployment) -> None:
    with pytest.raises(AssertionError, match="deployed with --bucket"):
        packaged.deploy()


def test_a_second_stage_lives_beside_it_and_goes_alone(packaged: Deployment) -> None:
    """Deployed the other way, even: the two share an account and a sender, and nothing else."""
    before = [stack.get("LastUpdatedTime") for stack in stacks(packaged)]
    beside = ("-m", "infra.deploy", "--stage", "beside")
    said = packaged.run(*beside, "--mail-from", MAIL_FROM)
    assert f"Deployed: {packaged.aws.endpoint}/_aws/execute-api/" in said
    roles = packaged.client("iam").list_roles()["Roles"]
    policies = [policy for role in roles if "-beside" in role["RoleName"] for policy in policies_of(packaged, role)]
    assert len(policies) == len(chalice_config.function_names())
    assert [policy for policy in policies if f"meetlink-{STAGE}" in policy or f"meetlink/{STAGE}" in policy] == []
    packaged.run(*beside, "--down", "--delete-data", "beside")
    assert [stack.get("LastUpdatedTime") for stack in stacks(packaged)] == before
    assert packaged.call("GET", "/v1/bookings").is_success


def test_taking_it_down_takes_the_domain_too(packaged: Deployment) -> None:
    packaged.deploy("--down")
    assert packaged.client("apigateway").get_domain_names()["items"] == []
    assert [stack["StackName"].rpartition("-")[2] for stack in stacks(packaged)] == ["key", "secrets", "tables"]


def sent(packaged: Deployment) -> bytes:
    """The zip in the bucket."""
    s3 = packaged.client("s3")
    (key,) = {one["Key"] for one in s3.list_objects_v2(Bucket="code")["Contents"] if one["Key"].endswith(".zip")}
    body: bytes = s3.get_object(Bucket="code", Key=key)["Body"].read()
    return body


def policies_of(packaged: Deployment, role: dict[str, str]) -> list[str]:
    iam, name = packaged.client("iam"), {"RoleName": role["RoleName"]}
    names = iam.list_role_policies(**name)["PolicyNames"]
    return [json.dumps(iam.get_role_policy(**name, PolicyName=p)["PolicyDocument"]) for p in names]


def stacks(packaged: Deployment) -> list[dict[str, str]]:
    found = packaged.client("cloudformation").describe_stacks()["Stacks"]
    found = [stack for stack in found if stack["StackName"].startswith(f"meetlink-{STAGE}-")]
    return sorted(found, key=lambda stack: stack["StackName"])
