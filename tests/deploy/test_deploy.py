"""`python -m infra.deploy` on an AWS that enforces IAM: deployed, used, deployed again, used again.

One stage for all tests here; nothing is believed that was not read back.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

import app
from infra.deploy import chalice_config, gateway, triggers
from infra.local.demo import DemoSteps
from infra.local.stack import CALENDAR_ID
from infra.tables import table_definitions
from tests.support.answers import assert_problem
from tests.support.deployment import STAGE, Deployment
from tests.support.first_form import RECORDED
from tests.support.product import recorded_event

pytestmark = [pytest.mark.exhaustive, pytest.mark.deploy, pytest.mark.xdist_group("deploy")]
TEMPLATES = chalice_config.POLICIES.parent
QUEUE = f"meetlink-{STAGE}-dead-letters"
SCHEDULED: dict[str, Any] = {
    "version": "0",
    "id": "1",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "000000000000",
    "time": "2027-01-01T00:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {},
}
BOUNCED = {
    "Records": [
        {
            "Sns": {
                "Subject": None,
                "Message": json.dumps(recorded_event("ses_events")["hard_bounce"]),
                "MessageAttributes": {},
            }
        }
    ]
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A stage that has kept the product's promises: connect, book, reschedule, cancel, disconnect, with mails.

    Its first deployment failed half-way, when the REST API was made and not yet deployed.
    """
    with Deployment(tmp_path_factory.mktemp("deployed"), refuse_once="POST deployments") as deployment:
        with pytest.raises(AssertionError, match="refused once"):
            deployment.first_deploy()
        assert not (deployment.project / ".chalice" / "deployed").exists()
        assert "Deployed: " in deployment.deploy()
        deployment.store_zooms_secret()
        deployment.make_workspace()
        DemoSteps(deployment).run()  # type: ignore[arg-type]
        yield deployment


def test_every_route_of_the_app_is_at_api_gateway(deployed: Deployment) -> None:
    gateway = deployed.client("apigateway")
    (api,) = gateway.get_rest_apis()["items"]
    pages = gateway.get_paginator("get_resources").paginate(restApiId=api["id"])
    found = {(i["path"], m) for page in pages for i in page["items"] for m in i.get("resourceMethods", {})}
    assert found == {(path, method) for path, methods in app.app.routes.items() for method in methods}
    assert api["endpointConfiguration"]["types"] == ["REGIONAL"]


def test_what_api_gateway_responds_itself_is_a_problem_of_the_api(deployed: Deployment) -> None:
    for method, path in (("GET", "/v1/nothing"), ("PATCH", "/v1/bookings/b-1")):
        answer = deployed.call(method, path)
        assert_problem(answer, 404, "not_found")
        assert answer.headers["X-Request-Id"] and answer.headers["Access-Control-Allow-Origin"] == "*"


def test_the_stage_has_its_limits_and_its_access_log_and_the_account_a_role_for_it(deployed: Deployment) -> None:
    client = deployed.client("apigateway")
    (api,) = client.get_rest_apis()["items"]
    stage = client.get_stage(restApiId=api["id"], stageName=STAGE)
    limits = stage["methodSettings"]["*/*"]
    assert (limits["throttlingRateLimit"], limits["throttlingBurstLimit"]) == (500, 1000)
    group = stage["accessLogSettings"]["destinationArn"].rpartition(":")[2]
    (found,) = deployed.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert (found["logGroupName"], found["retentionInDays"]) == (f"/aws/apigateway/meetlink-{STAGE}", 30)
    assert client.get_account()["cloudwatchRoleArn"].endswith(f":role/{gateway.LOG_ROLE}")


def test_after_a_failed_deployment_the_next_goes_on_with_what_it_made(deployed: Deployment) -> None:
    assert len(deployed.client("apigateway").get_rest_apis()["items"]) == 1
    mappings = deployed.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert len(mappings) == len(triggers.SOURCES)
    assert len({mapping["FunctionArn"] for mapping in mappings}) == len(triggers.SOURCES)


@pytest.mark.parametrize("function", triggers.SOURCES)
def test_streams_and_queues_are_read_as_asked(deployed: Deployment, function: str) -> None:
    queue_arn = f"arn:aws:sqs:us-east-1:000000000000:{QUEUE}"
    (mapping,) = triggers.mappings(deployed.client("lambda"), f"meetlink-{STAGE}-{function}")
    assert mapping["State"] == "Enabled"
    if function in triggers.STREAMS:
        assert mapping["StartingPosition"] == triggers.STARTS_AT
    assert triggers.differing(mapping, triggers.mapping_options(function, queue_arn)) == []


def test_the_zip_that_was_checked_is_the_one_that_every_function_has(deployed: Deployment) -> None:
    (checked,) = (deployed.project / ".chalice" / "deployments").glob("*.zip")
    functions = deployed.client("lambda").list_functions()["Functions"]
    digest = base64.b64encode(hashlib.sha256(checked.read_bytes()).digest()).decode()
    assert {function["CodeSha256"] for function in functions} == {digest}


def test_every_alarm_is_there_and_tells_someone(deployed: Deployment) -> None:
    template = yaml.safe_load((TEMPLATES / "alarms.yaml").read_text())["Resources"].values()
    wanted = {r["Properties"]["AlarmName"]["Fn::Sub"] for r in template if r["Type"] == "AWS::CloudWatch::Alarm"}
    alarms = deployed.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert {alarm["AlarmName"] for alarm in alarms} == {name.replace("${Stage}", STAGE) for name in wanted}
    assert all(alarm["AlarmActions"] for alarm in alarms)


def test_the_key_rotates_and_the_logs_end(deployed: Deployment) -> None:
    kms = deployed.client("kms")
    key_id = kms.describe_key(KeyId=f"alias/meetlink-{STAGE}")["KeyMetadata"]["KeyId"]
    assert kms.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"]
    groups = deployed.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/meetlink-{STAGE}")
    kept = {group["logGroupName"].rpartition("/")[2]: group.get("retentionInDays") for group in groups["logGroups"]}
    functions = {f["FunctionName"] for f in deployed.client("lambda").list_functions()["Functions"]}
    assert kept == dict.fromkeys(functions, 30)


def test_no_secret_is_in_a_variable_or_a_file(deployed: Deployment) -> None:
    secrets = deployed.client("secretsmanager")
    deployment = json.loads(secrets.get_secret_value(SecretId=f"meetlink/{STAGE}/deployment")["SecretString"])
    secrets = deployed.stand_in.secrets
    known = [secrets["client_secret"], secrets["webhook_secret"], deployment["tag_secret"]]
    files = [path.read_text() for path in (deployed.project / ".chalice").rglob("*.json")]
    functions = json.dumps(deployed.client("lambda").list_functions()["Functions"], default=str)
    assert [secret for secret in known if any(secret in text for text in [*files, functions])] == []


@pytest.mark.parametrize(
    ("action", "resource", "fails", "works"),
    [
        ("dynamodb:GetItem", "-workspaces", "/health", "/openapi.json"),
        ("dynamodb:Query", "/index/by_start", "/v1/bookings", "/v1/bookings?user_id=demo-host"),
        ("dynamodb:Query", "/index/by_host", "/v1/bookings?user_id=demo-host", "/v1/bookings"),
        ("dynamodb:GetItem", "-bookings", "/v1/bookings/b-1", "/v1/calendars"),
        ("dynamodb:Query", "-calendars", "/v1/calendars", f"/v1/calendars/{CALENDAR_ID}"),
        ("dynamodb:GetItem", "-calendars", f"/v1/calendars/{CALENDAR_ID}", "/v1/calendars"),
        ("dynamodb:GetItem", "-connections", "/v1/users/demo-host/connection", "/v1/calendars"),
        ("dynamodb:Query", "-endpoints", "/v1/webhook-endpoints", "/v1/calendars"),
    ],
)
def test_without_one_permission_the_api_fails_there_and_only_there(
    deployed: Deployment, action: str, resource: str, fails: str, works: str
) -> None:
    with deployed.without("api_handler", action, resource):
        assert (deployed.call("GET", fails).status_code, deployed.call("GET", works).status_code) == (503, 200)
    assert deployed.call("GET", fails).is_success


@pytest.mark.parametrize(
    ("function", "action", "resource", "event"),
    [
        ("operate", "dynamodb:PutItem", "-workspaces", {"do": "create-key", "workspace_id": "demo"}),
        ("on_schedule", "dynamodb:Query", "-bookings/index/due", SCHEDULED),
        ("on_schedule", "dynamodb:Query", "-grants/index/due", SCHEDULED),
        ("deliver_webhooks", "dynamodb:Query", "-deliveries/index/due", SCHEDULED),
        ("on_mail_event", "dynamodb:GetItem", "-bookings", BOUNCED),
        ("announce_bookings", "dynamodb:Query", "-endpoints", {"Records": RECORDED["records"]["settled"]}),
        ("announce_connections", "dynamodb:Query", "-endpoints", {"Records": RECORDED["records"]["connections"]}),
    ],
)
def test_without_one_permission_a_function_fails(
    deployed: Deployment, function: str, action: str, resource: str, event: dict[str, Any]
) -> None:
    with deployed.without(function, action, resource):
        answer = deployed.invoke(function, event)
        assert "errorType" in answer or "error" in answer
    answer = deployed.invoke(function, event)
    assert "errorType" not in answer and "error" not in answer


def test_a_booking_that_the_stream_may_not_settle_is_settled_by_the_schedule(deployed: Deployment) -> None:
    starts_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=20)
    booking = {
        "calendar_id": CALENDAR_ID,
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(hours=1)).isoformat(),
        "time_zone": "Europe/Berlin",
        "title": "Introduction",
        "guests": [{"name": "Demo Guest", "email": "guest@example.com"}],
    }
    with deployed.without("on_booking", "dynamodb:UpdateItem", "-bookings"):
        assert deployed.call("PUT", "/v1/bookings/b-late", json=booking).status_code == 201
        time.sleep(1)
        assert mailed(deployed, "b-late") == []
    deployed.invoke("on_schedule", SCHEDULED)
    wait_until(lambda: mailed(deployed, "b-late") == ["sent", "sent"])


def test_what_lambda_gave_up_is_handed_over_again(deployed: Deployment) -> None:
    streams, sqs = deployed.client("dynamodbstreams"), deployed.client("sqs")
    arn = settings_of(deployed)["MEETLINK_BOOKINGS_STREAM_ARN"]
    (shard, *_) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    first = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    records = streams.get_records(ShardIterator=streams.get_shard_iterator(**first)["ShardIterator"])["Records"]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    batch = {
        "shardId": shard["ShardId"],
        "startSequenceNumber": numbers[0],
        "endSequenceNumber": numbers[-1],
        "batchSize": len(numbers),
        "streamArn": arn,
    }
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    for function in ("announce_bookings", "on_booking"):
        context = {"functionArn": f"arn:aws:lambda:us-east-1:000000000000:function:meetlink-{STAGE}-{function}"}
        letter = {"requestContext": context, "DDBStreamBatchInfo": batch}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(letter))
    assert operate(deployed, "dead-letters", "redrive") == {"done": 1, "needless": 1, "lost": [], "failed": []}
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_a_booking_that_was_lost_comes_back_from_a_backup(deployed: Deployment) -> None:
    dynamodb, table = deployed.client("dynamodb"), f"meetlink-{STAGE}-bookings"
    before = deployed.call("GET", "/v1/bookings/b-1").json()
    backup = dynamodb.create_backup(TableName=table, BackupName="before")["BackupDetails"]["BackupArn"]
    dynamodb.delete_item(TableName=table, Key={"workspace_id": {"S": "demo"}, "booking_id": {"S": "b-1"}})
    assert deployed.call("GET", "/v1/bookings/b-1").status_code == 404
    dynamodb.restore_table_from_backup(TargetTableName="restored", BackupArn=backup)
    assert operate(deployed, "data", "put-back", "--table", "bookings", "--source", "restored") == {
        "rows": 1,
        "done": False,
    }
    assert operate(deployed, "data", "put-back", "--table", "bookings", "--source", "restored", "--yes")["rows"] == 1
    assert deployed.call("GET", "/v1/bookings/b-1").json() == before
    dynamodb.delete_table(TableName="restored")


def test_the_wrong_region_is_refused_before_anything_is_written(deployed: Deployment) -> None:
    config = (deployed.project / ".chalice" / "config.json").read_text()
    with pytest.raises(AssertionError, match="is in us-east-1 of account 000000000000"):
        deployed.deploy("--region", "eu-central-1")
    assert (deployed.project / ".chalice" / "config.json").read_text() == config


def test_lost_functions_streams_and_triggers_are_made_again(deployed: Deployment) -> None:
    """A trigger of another stream, as after a table was restored, one of a release that started at LATEST, a function
    that was deleted, and a stream that was switched off."""
    lambda_, dynamodb = deployed.client("lambda"), deployed.client("dynamodb")
    other = dynamodb.create_table(
        TableName="other",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )["TableDescription"]["LatestStreamArn"]
    own = settings_of(deployed)["MEETLINK_BOOKINGS_STREAM_ARN"]
    for function, stream, start in (("on_booking", own, "LATEST"), ("announce_connections", other, "TRIM_HORIZON")):
        name = f"meetlink-{STAGE}-{function}"
        (mapping,) = triggers.mappings(lambda_, name)
        lambda_.delete_event_source_mapping(UUID=mapping["UUID"])
        lambda_.create_event_source_mapping(FunctionName=name, EventSourceArn=stream, StartingPosition=start)
    connections, lost = f"meetlink-{STAGE}-connections", f"meetlink-{STAGE}-deliver_webhooks"
    dynamodb.update_table(TableName=connections, StreamSpecification={"StreamEnabled": False})
    lambda_.delete_function(FunctionName=lost)
    said = deployed.deploy()
    assert f"{connections}: adding its stream" in said
    assert "triggers to create again: on_booking, announce_connections" in said
    assert lambda_.get_function_configuration(FunctionName=lost)["Environment"]["Variables"] == settings_of(deployed)
    made = dynamodb.describe_table(TableName=connections)["Table"]["LatestStreamArn"]
    assert settings_of(deployed)["MEETLINK_CONNECTIONS_STREAM_ARN"] == made
    for function in triggers.STREAMS:
        (mapping,) = triggers.mappings(lambda_, f"meetlink-{STAGE}-{function}")
        wanted = settings_of(deployed)[triggers.STREAMS[function].variable]
        assert (mapping["EventSourceArn"], mapping["StartingPosition"]) == (wanted, triggers.STARTS_AT)
    dynamodb.delete_table(TableName="other")


def test_deploying_again_changes_nothing_and_keeps_the_promises(deployed: Deployment) -> None:
    before = state(deployed)
    deployed.run("-c", "from chalice.cli import main; main()", "deploy", "--stage", STAGE)
    assert state(deployed) == before
    # As in a clone without what Chalice remembers.
    memory = deployed.project / ".chalice" / "deployed" / f"{STAGE}.json"
    known = json.loads(memory.read_text())["resources"]
    memory.unlink()
    said = deployed.deploy()
    assert "found resources of an earlier deployment: announce_bookings, " in said and "Deployed: " in said
    assert state(deployed) == before
    assert sorted(json.dumps(r) for r in json.loads(memory.read_text())["resources"]) == sorted(map(json.dumps, known))
    assert_problem(deployed.call("GET", "/v1/nothing"), 404, "not_found")  # Chalice's own deployment had lost it.
    deployed.make_workspace("second")
    DemoSteps(deployed).run()  # type: ignore[arg-type]


def test_a_workspace_is_shown_and_erased_whole(deployed: Deployment) -> None:
    """The first story's; the second's stays."""
    shown = operate(deployed, "data", "export", "--workspace", "demo")["rows"]
    assert {row["table"] for row in shown} >= {"bookings", "calendars", "workspaces"}
    operate(deployed, "data", "erase", "--workspace", "demo", "--cancel", "--yes", left=True)

    def nothing_is_left() -> bool:
        deployed.invoke("on_schedule", SCHEDULED)
        return operate(deployed, "data", "erase", "--workspace", "demo", "--yes", left=None)["left"] == []

    wait_until(nothing_is_left, 30)
    left = operate(deployed, "data", "export", "--workspace", "demo")["rows"]
    assert {(row["table"], row["document"]["verb"]) for row in left} <= {
        ("audit", "data erase"),
        ("audit", "data export"),
    }
    assert deployed.call("GET", "/v1/bookings/b-1").is_success


def test_taking_it_down_keeps_the_data_and_putting_it_up_again_finds_it(deployed: Deployment) -> None:
    with pytest.raises(AssertionError, match="Nothing was deleted"):
        deployed.deploy("--down", "--delete-data", "prod")
    assert deployed.client("lambda").list_functions()["Functions"]
    deployed.deploy("--down")
    assert left(deployed) == {
        "alarms": [],
        "apis": [],
        "functions": [],
        "keys": ["Enabled"],
        "mappings": [],
        "queues": [],
        "roles": [gateway.LOG_ROLE],
        "rules": [],
        "secrets": [f"meetlink/{STAGE}/deployment", f"meetlink/{STAGE}/providers/zoom"],
        "stacks": [f"meetlink-{STAGE}-{concern}" for concern in ("key", "secrets", "tables")],
        "tables": sorted(table["TableName"] for table in table_definitions(f"meetlink-{STAGE}-")),
    }
    # Without an address of its own it is asked where this AWS has it, and not where AWS would.
    config = deployed.project / ".chalice" / "config.json"
    without = json.loads(config.read_text())
    del without["stages"][STAGE]["environment_variables"]["PUBLIC_BASE_URL"]
    config.write_text(json.dumps(without))
    assert f"Deployed: {deployed.aws.endpoint}/_aws/execute-api/" in deployed.deploy()
    assert deployed.call("GET", "/v1/bookings/b-1").json()["status"] == "cancelled"


def test_data_is_deleted_if_the_command_names_the_stage(deployed: Deployment) -> None:
    (deployed.project / ".chalice" / "deployed" / f"{STAGE}.json").unlink()  # As after a failed deployment.
    deployed.deploy("--down", "--delete-data", STAGE)
    there = left(deployed)
    assert there.pop("keys") == ["PendingDeletion"]
    assert there.pop("roles") == [gateway.LOG_ROLE]  # Other APIs of the account may use it.
    assert {what: names for what, names in there.items() if names} == {}


def test_nothing_but_this_machine_was_asked(deployed: Deployment) -> None:
    assert deployed.asked_beyond() == []
    with pytest.raises(AssertionError, match="beyond the fence"):
        deployed.run("-c", "import socket; socket.create_connection(('aws.example', 443))")


def left(deployed: Deployment) -> dict[str, list[str]]:
    """What is in the account; it was empty before the first deployment."""

    def names(service: str, operation: str, key: str, name: str) -> list[str]:
        client = deployed.client(service)
        return sorted(found[name] if name else found for found in getattr(client, operation)().get(key, []))

    kms = deployed.client("kms")
    keys = [kms.describe_key(KeyId=key)["KeyMetadata"] for key in names("kms", "list_keys", "Keys", "KeyId")]
    stacks = deployed.client("cloudformation").describe_stacks()["Stacks"]
    secrets = deployed.client("secretsmanager").list_secrets()["SecretList"]
    return {
        "alarms": names("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        "apis": names("apigateway", "get_rest_apis", "items", "id"),
        "functions": names("lambda", "list_functions", "Functions", "FunctionName"),
        "keys": [key["KeyState"] for key in keys if key["KeyManager"] == "CUSTOMER"],
        "mappings": names("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
        "queues": names("sqs", "list_queues", "QueueUrls", ""),
        "roles": names("iam", "list_roles", "Roles", "RoleName"),
        "rules": names("events", "list_rules", "Rules", "Name"),
        "secrets": sorted(secret["Name"] for secret in secrets if "DeletedDate" not in secret),
        "stacks": sorted(stack["StackName"] for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE"),
        "tables": names("dynamodb", "list_tables", "TableNames", ""),
    }


def operate(deployed: Deployment, *arguments: str, left: bool | None = False) -> dict[str, Any]:
    """What a command answers; `left` says whether it has something left to do, None that it may."""
    code = "import sys; from infra.operate.__main__ import main; ended = main(); sys.exit(0 if ended in %r else 7)"
    wanted = {True: (1,), False: (0,), None: (0, 1)}[left]
    said: dict[str, Any] = json.loads(deployed.run("-c", code % (wanted,), "--stage", STAGE, *arguments, "--json"))
    return said


def settings_of(deployed: Deployment) -> dict[str, str]:
    config = json.loads((deployed.project / ".chalice" / "config.json").read_text())
    variables: dict[str, str] = config["stages"][STAGE]["environment_variables"]
    return variables


def state(deployed: Deployment) -> dict[str, Any]:
    """What a deployment that changes nothing leaves alone."""
    lambda_, stacks = deployed.client("lambda"), deployed.client("cloudformation")
    mappings = lambda_.list_event_source_mappings()["EventSourceMappings"]
    return {
        "mappings": sorted(json.dumps(m, default=str, sort_keys=True) for m in map(_without_times, mappings)),
        "apis": [api["id"] for api in deployed.client("apigateway").get_rest_apis()["items"]],
        "stacks": {s["StackName"]: s.get("LastUpdatedTime") for s in stacks.describe_stacks()["Stacks"]},
        "config": (deployed.project / ".chalice" / "config.json").read_text(),
        "policies": {role["RoleName"]: role["Arn"] for role in deployed.client("iam").list_roles()["Roles"]},
    }


def mailed(deployed: Deployment, booking_id: str) -> list[str]:
    found = deployed.call("GET", f"/v1/bookings/{booking_id}").json()
    return [invitation["state"] for invitation in found["invitations"]]


def wait_until(holds: Callable[[], bool], seconds: float = 10) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.2)


def _without_times(mapping: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in ("LastModified", "LastProcessingResult")}
