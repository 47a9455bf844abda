"""The operators' guide, the settings, the alarms and the metrics tell of the same things."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import botocore.session
import pytest
import yaml  # type: ignore[import-untyped]
from botocore import xform_name
from msgspec import convert
from msgspec.structs import fields

from chalicelib.api.schemas import bookings, calendars, connections
from chalicelib.api.schemas.webhooks import DeliveryError
from chalicelib.domain.meeting import MeetingReason, MeetingState
from chalicelib.handlers import operations
from chalicelib.mail import ses_errors
from chalicelib.mail.ses_errors import Fault
from chalicelib.providers.registry import PROVIDERS
from chalicelib.store.deployment_secrets import Credentials
from chalicelib.usecases import mail_circuit
from infra.deploy import chalice_config, gateway, triggers
from infra.deploy.stage import DeployError
from infra.operate import __main__ as operate
from infra.operate.workspace_commands import request_fields
from infra.tables import table_definitions

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operators.md").read_text()
DOCUMENTS = [(ROOT / "README.md").read_text(), *(path.read_text() for path in (ROOT / "docs").glob("*.md"))]
FIRST = ("MeetingsWaitingNow", "MeetingsFailed", "TimeToLink", "MailsRefused")
SECRETS = {"MEETLINK_TAG_SECRET"}
"""Read from the environment by the local stack alone."""


def test_every_setting_is_in_the_guide_and_no_other() -> None:
    code = (ROOT / "chalicelib" / "settings.py").read_text()
    read = set(re.findall(r'env\.get\("([A-Z_]+)"', code))
    listed = set(re.findall(r"\| `([A-Z][A-Z_]+)`(?: •)? \|", GUIDE))
    assert listed == read - SECRETS


def test_every_alarm_has_a_section_that_says_what_to_do() -> None:
    named = {p["AlarmName"]["Fn::Sub"].removeprefix("meetlink-${Stage}-") for p in alarms()}
    sections = set(re.findall(r"^### (.+)$", GUIDE, re.MULTILINE))
    assert sections == named
    assert all(f'See docs/operators.md, "{p["AlarmName"]["Fn::Sub"][18:]}"' in p["AlarmDescription"] for p in alarms())


def test_every_section_of_an_alarm_starts_with_a_command() -> None:
    sections = re.findall(r"^### (.+)\n(.*)\n(.*)$", GUIDE, re.MULTILINE)
    assert [name for name, first, second in sections if (first, second[:2]) != ("```console", "$ ")] == []


def test_commands_read_logs_that_are_there_and_look_for_messages_that_are_written() -> None:
    runbook = GUIDE.partition("## Alarms")[2].partition("## Workspaces")[0]
    groups = re.findall(r"LogGroupName:\n\s+Fn::Sub: (\S+)", (ROOT / "infra" / "logs.yaml").read_text())
    there = {group.replace("${Stage}", "$STAGE") for group in groups}
    assert set(re.findall(r"aws logs tail (\S+)", runbook)) <= there
    code = "".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    messages = set(re.findall(r'\$\.message = "([^"]+)"', runbook))
    assert messages
    assert [message for message in messages if not re.search('"' + message.replace("*", '[^"]*'), code)] == []
    read = set(re.findall(r"\$\.(\w+) [=>]", runbook.replace("level", "")))
    assert read - {"message", ""} <= set(re.findall(r'(\w+)["=]', code + gateway.LOG_FORMAT))


def test_commands_look_for_states_reasons_and_faults_that_there_are() -> None:
    runbook = GUIDE.partition("## Alarms")[2].partition("## Workspaces")[0]
    values = {"state": MeetingState, "reason": MeetingReason, "fault": Fault}
    values |= {"mail": ("parked", "over allowance", "done")}
    for field, valid in values.items():
        looked_for = set(re.findall(rf'\$\.{field} = "([^"]+)"', runbook))
        assert looked_for <= {str(value) for value in valid}, field


def test_the_alarm_on_refused_mails_lasts_from_one_probe_to_the_next() -> None:
    """While mail is paused, SES refuses one mail in each pause, which the schedule tries up to two minutes late."""
    (alarm,) = [a for a in alarms() if a["AlarmName"]["Fn::Sub"].endswith("-mails-refused")]
    between_probes = mail_circuit.LONGEST_PAUSE + mail_circuit.SPREAD + timedelta(minutes=1)
    assert alarm["DatapointsToAlarm"] == alarm["Threshold"] == 1
    assert alarm["Period"] * alarm["EvaluationPeriods"] >= between_probes.total_seconds()


def test_every_trigger_that_fails_falls_behind_or_stops_rings_an_alarm() -> None:
    rings = {(d["Value"]["Fn::Sub"].rpartition("-")[2], m["MetricName"]) for m in metrics() for d in functions_of(m)}
    wanted = {(function, "Errors") for function in (*triggers.SOURCES, *triggers.ASYNCHRONOUS)}
    wanted |= {(function, "DestinationDeliveryFailures") for function in (*triggers.STREAMS, *triggers.ASYNCHRONOUS)}
    wanted |= {(function, "Invocations") for function in triggers.SCHEDULES}
    assert wanted | {(function, "IteratorAge") for function in triggers.STREAMS} <= rings


def test_every_work_queue_that_falls_behind_rings_an_alarm() -> None:
    template = yaml.safe_load((ROOT / "infra" / "queue.yaml").read_text())["Resources"]
    queues = {r["Properties"]["QueueName"]["Fn::Sub"] for r in template.values() if "RedrivePolicy" in r["Properties"]}
    watched = [m["Dimensions"] for m in metrics() if m["MetricName"] == "ApproximateAgeOfOldestMessage"]
    assert {d["Value"]["Fn::Sub"] for dimensions in watched for d in dimensions} == queues
    assert len(queues) == len(triggers.QUEUES)


def test_throttles_are_those_of_the_stages_own_functions() -> None:
    named = {d["Value"]["Fn::Sub"] for m in metrics() if m["MetricName"] == "Throttles" for d in functions_of(m)}
    functions = [name for name in chalice_config.function_names() if name != "api_handler"]
    assert named == {"meetlink-${Stage}", *(f"meetlink-${{Stage}}-{name}" for name in functions)}


def test_no_alarm_has_more_metrics_than_cloudwatch_allows() -> None:
    assert max(len(alarm.get("Metrics", [])) - 1 for alarm in alarms()) <= 10


def test_throttled_tables_are_tables_of_a_stage() -> None:
    tables = {table["TableName"] for table in table_definitions("meetlink-${Stage}-")}
    named = {d["Value"]["Fn::Sub"] for m in metrics() for d in m.get("Dimensions", []) if d["Name"] == "TableName"}
    assert named and named <= tables


def test_mails_that_the_account_keeps_from_being_sent_ring_an_alarm() -> None:
    refused = [m["Dimensions"] for m in metrics() if m["MetricName"] == "MailsRefused"]
    faults = {d["Value"] for dimensions in refused for d in dimensions if d["Name"] == "fault"}
    assert faults == {Fault.ACCOUNT.value, Fault.TEMPORARY.value}


def test_every_metric_is_in_the_guide_and_those_looked_at_are_counted() -> None:
    code = "".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    listed = set(re.findall(r"`([A-Z]\w+)`", GUIDE.partition("| metric |")[2].partition("\n\n")[0]))
    dashboard = (ROOT / "infra" / "dashboard.yaml").read_text()
    looked_at = {m["MetricName"] for m in metrics() if m["Namespace"] == "meetlink"}
    looked_at |= set(re.findall(r'\["meetlink", "(\w+)"', dashboard))
    assert looked_at <= listed
    codes = ses_errors.CODES
    assert [metric for metric in listed - codes if f'"{metric}"' not in code] == []


def test_the_dashboard_is_what_cloudwatch_reads() -> None:
    template = yaml.safe_load((ROOT / "infra" / "dashboard.yaml").read_text())
    body = json.loads(template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    places = [(widget["x"], widget["y"]) for widget in body["widgets"]]
    assert len(places) == len(set(places))
    lines = [line for widget in body["widgets"] for line in widget["properties"].get("metrics", []) if len(line) > 1]
    assert [line for line in lines if "label" not in line[-1]] == []


def test_the_dashboard_shows_first_what_matters_and_every_alarm() -> None:
    template = yaml.safe_load((ROOT / "infra" / "dashboard.yaml").read_text())
    body = json.loads(template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    text, *figures, states = sorted(body["widgets"], key=lambda widget: (widget["y"], widget["x"]))[:6]
    assert "docs/operators.md" in text["properties"]["markdown"]
    shown = [{line[1] for line in widget["properties"]["metrics"]} for widget in figures]
    assert [name in names for name, names in zip(FIRST, shown, strict=True)] == [True] * 4
    assert states["type"] == "alarm"
    names = {arn.partition(":alarm:")[2] for arn in states["properties"]["alarms"]}
    assert names == {alarm["AlarmName"]["Fn::Sub"] for alarm in alarms()}


def documented_commands() -> list[list[str]]:
    """The words of each command of `infra.operate` in the documents."""
    texts = [re.sub(r"\\\n *", "", text) for text in DOCUMENTS]
    lines = [
        line for text in texts for line in re.findall(r"^ *\$ \S*python -m infra\.operate (.+)$", text, re.MULTILINE)
    ]
    return [shlex.split(line.partition(" > ")[0]) for line in lines]


def test_every_documented_command_exists_with_its_options_and_every_command_is_documented() -> None:
    written = {operate.parser().parse_args(words).command.name for words in documented_commands()}
    assert written == {command.name for command in operate.COMMANDS}


def test_every_field_of_an_operation_has_an_option_and_a_row_in_the_guide() -> None:
    """The row names the option, the field and the commands that take it."""
    rows = re.findall(
        r"^\| (.+?) \| `(\w+)` \| (.+?) \| ", GUIDE.partition("| field for `lambda invoke` |")[2], re.MULTILINE
    )
    known = {field for operation in operations.OPERATIONS.values() for field in operation.fields}
    assert {field for _, field, _ in rows} == known
    for options, field, names in rows:
        for name in codes(names) or ["workspace create"]:
            added = added_options(name)
            assert field in added, (name, field)
            assert not codes(options) or not options.startswith("`") or set(codes(options)) == set(added[field])


@pytest.mark.parametrize(("former", "new"), operate.FORMER.items())
def test_a_command_of_an_earlier_release_is_answered_with_the_new_one(
    former: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operate.main(["--stage", "prod", former, "--workspace-id", "acme"]) == 2
    assert f"`{former}` is now `{new}`" in capsys.readouterr().err
    assert new in {command.name for command in operate.COMMANDS}


def test_every_command_has_help_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for command in operate.COMMANDS:
        with pytest.raises(SystemExit) as exited:
            operate.main([*command.name.split(), "--help"])
        shown = " ".join(capsys.readouterr().out.split())
        assert exited.value.code == 0
        assert command.help[1:] in shown


def test_options_that_another_guide_tells_its_reader_to_ask_for_exist() -> None:
    callers = (ROOT / "docs" / "callers.md").read_text()
    asked_for = set(re.findall(r"`(--[a-z-]+)`", callers))
    assert asked_for == {
        "--confirms-connections",
        "--return-to",
        "--allowed-origin",
        "--frame-ancestor",
        "--provider",
        "--reminders",
    }
    assert asked_for <= {option for options in added_options("workspace update").values() for option in options}


@pytest.mark.parametrize(
    ("options", "request_"),
    [
        (["--confirms-connections"], {"confirms_connections": True}),
        (["--no-confirms-connections"], {"confirms_connections": False}),
        (["--meetings-at-once", "2"], {"meetings_at_once": 2}),
        (["--meetings-at-once", "none"], {"meetings_at_once": None}),
        (["--hold-minutes", "0"], {"hold_minutes": 0}),
        (["--reminder-minutes", "60"], {"reminder_minutes": 60}),
        (["--reminder-minutes", "none"], {"reminder_minutes": None}),
        (["--language", "none"], {"language": None}),
        (["--brand", '{"color": null}'], {"brand": {"color": None}}),
        (["--emails", '{"guests": false}'], {"emails": {"guests": False}}),
        (["--frame-ancestor", "https://a.example"], {}),
        ([], {}),
    ],
)
def test_options_become_the_fields_of_a_request(options: list[str], request_: dict[str, Any]) -> None:
    given = operate.parser().parse_args(["--stage", "prod", "workspace", "update", "acme", *options])
    assert request_fields(given, "update-workspace") == {"workspace_id": "acme"} | request_


@pytest.mark.parametrize(
    ("options", "request_"),
    [
        (
            ["--allowed-origin", "https://a.example", "--allowed-origin", "https://b.example"],
            {"allowed_origins": ["https://a.example", "https://b.example"]},
        ),
        (["--return-to", "none"], {"return_to": []}),
    ],
)
def test_options_become_lists(options: list[str], request_: dict[str, Any]) -> None:
    given = operate.parser().parse_args(["workspace", "update", "acme", *options])
    assert request_fields(given, "set-lists") == {"workspace_id": "acme"} | request_


@pytest.mark.parametrize("before", [True, False])
def test_common_options_come_before_or_after_the_command(*, before: bool) -> None:
    common, words = ["--stage", "prod", "--json"], ["workspace", "show", "acme"]
    given = operate.parser().parse_args([*common, *words] if before else [*words, *common])
    assert (given.stage, given.json, given.workspace_id) == ("prod", True, "acme")


def test_every_field_that_a_caller_can_send_is_in_their_guide() -> None:
    guide = (ROOT / "docs" / "callers.md").read_text()
    written = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`|\"\w+\":", guide))))
    bodies = (
        connections.ConnectLinkBody,
        calendars.CalendarBody,
        calendars.HostBody,
        calendars.PhoneBody,
        calendars.InPersonBody,
        calendars.CustomLinkBody,
        bookings.BookingBody,
        bookings.GuestBody,
        bookings.LinksBody,
        connections.ConfirmBody,
    )
    assert [field.name for body in bodies for field in fields(body) if field.name not in written] == []


def test_every_optional_field_of_a_booking_and_a_calendar_is_in_the_table_of_optional_fields() -> None:
    guide = (ROOT / "docs" / "callers.md").read_text()
    section = guide.partition("### Optional fields")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`([\w.\[\]]+)`", " ".join(re.findall(r"^\| (.*?) \|", section, re.MULTILINE))))
    bodies = {
        "": (bookings.BookingBody, calendars.CalendarBody),
        "guests[].": (bookings.GuestBody,),
        "host.": (calendars.HostBody,),
        "location.": (calendars.VideoBody,),
    }
    optional = {
        start + field.encode_name
        for start, kinds in bodies.items()
        for kind in kinds
        for field in fields(kind)
        if not field.required
    }
    assert optional - listed == set()


def test_every_error_of_a_delivery_is_explained_in_the_webhooks_guide() -> None:
    guide = (ROOT / "docs" / "webhooks.md").read_text()
    description = get_args(DeliveryError)[1].description
    errors = re.findall(r"\w+_\w+|timeout|redirect", description)
    assert len(errors) == 8
    assert [error for error in errors if not re.search(rf"^\| .*`{error}`.* \|", guide, re.MULTILINE)] == []


def test_documented_commands_run_from_the_repository_with_its_own_python() -> None:
    lines = [line for text in DOCUMENTS for line in re.findall(r"^ *\$ (.*)$", text, re.MULTILINE)]
    ours = [line for line in lines if "infra." in line or "chalice" in line]
    assert ours
    assert [line for line in ours if not line.startswith(".venv/bin/")] == []


def test_documented_secrets_hold_what_the_app_reads_under_names_that_are_there_or_are_not() -> None:
    """A name that the deployment makes can be put a value to; any other one has to be created."""
    template = (ROOT / "infra" / "secrets.yaml").read_text()
    command = r"secretsmanager (\w+)-secret\S* --(?:secret-id|name)\s+meetlink/[^/]+/providers/(\w+)"
    said = [found for text in DOCUMENTS for found in re.findall(command, text)]
    assert {verb for verb, _ in said} == {"put", "create"}
    for verb, provider in said:
        assert provider in PROVIDERS
        assert (verb == "put") == (f"providers/{provider}\n" in template)
    contents = [json.loads(found) for text in DOCUMENTS for found in re.findall(r'^ *(\{"client_id".*\})$', text, re.M)]
    assert len(contents) == 2
    for content in contents:
        assert convert(content, Credentials, strict=True)
        assert content.keys() <= {field.name for field in fields(Credentials)}


def test_no_documented_command_has_a_secret_in_it() -> None:
    values = [found for text in DOCUMENTS for found in re.findall(r"--secret-string\s+(?:\\\s+)?(\S+)", text)]
    assert values
    assert [value for value in values if not value.startswith("file://")] == []


def test_the_guides_advise_no_bare_chalice_deploy() -> None:
    commands = [line for text in DOCUMENTS for line in re.findall(r"`?\S*\.venv/bin/chalice deploy.*", text)]
    assert commands == []


def test_documented_aws_commands_are_calls_that_aws_has() -> None:
    """With options that exist, and each one that is required."""
    commands = {command for text in DOCUMENTS for command in aws_commands(text)}
    assert len(commands) > 30
    assert {command: wrong for command in commands if (wrong := _wrong(shlex.split(command)[1:]))} == {}


def test_messages_refer_to_sections_that_the_guide_has() -> None:
    sections = set(re.findall(r"^##+ (.+)$", GUIDE, re.MULTILINE))
    code = "".join(path.read_text() for path in (ROOT / "infra").rglob("*.py"))
    # A message may be broken into several literals.
    joined = re.sub(r'["\']\s*\n\s*f?["\']', "", code)
    named = set(re.findall(r'docs/operators\.md, "([^"]+)"', joined))
    assert "First deployment to a new account" in named
    assert named <= sections
    assert set(re.findall(r'[Ss]ee "([^"]+)"', " ".join(GUIDE.split()))) <= sections


def test_links_between_documents_lead_to_headings_that_exist() -> None:
    paths = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    links = [
        (path, target, anchor)
        for path in paths
        for target, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", path.read_text(encoding="utf-8"))
    ]
    assert links
    broken = [link for link in links if link[2] not in anchors(link[0].parent / link[1] if link[1] else link[0])]
    assert broken == []


@pytest.mark.parametrize("arguments", [["dead-letters", "redrive"], ["workspace", "create", "acme"]])
def test_a_region_that_no_one_named_is_said_and_no_traceback(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "infra.operate", *arguments, "--json"]
    nothing = {"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}
    done = subprocess.run(command, cwd=ROOT, env=nothing, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout) == {"error": "No region is configured: pass --region, such as eu-central-1."}


@pytest.mark.parametrize("name", ["ZOOM_CLIENT_SECRET", "ZOOM_CLIENT_ID", "ZOOM_WEBHOOK_SECRET", "MEETLINK_TAG_SECRET"])
def test_a_secret_is_refused_as_a_setting(name: str) -> None:
    with pytest.raises(DeployError, match="Secrets Manager"):
        chalice_config.parse_settings([f"{name}=x"])


def added_options(name: str) -> dict[str, list[str]]:
    """The options that a command adds, by the field that they set."""
    parser = argparse.ArgumentParser()
    next(command for command in operate.COMMANDS if command.name == name).add_options(parser)
    return {action.dest: list(action.option_strings) for action in parser._actions}


def aws_commands(text: str) -> Iterator[str]:
    """Every command of the AWS CLI in the examples, those within others' arguments too; one line each."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for example in re.split(r"^ *\$ ", block, flags=re.MULTILINE):
            line = re.sub(r"\\\n *", "", example).strip()
            yield from (inner for inner in re.findall(r"\$\((aws [^)]*)\)", line))
            if line.startswith("aws "):
                yield re.sub(r"\$\([^)]*\)", "X", line)


def _wrong(words: Sequence[str]) -> list[str]:
    """What of a command, after `aws`, the service's model does not know or misses."""
    if words[0].startswith("--") or words[:2] == ["logs", "tail"]:
        return []  # The CLI's own.
    session = botocore.session.get_session()
    service, command, *rest = words
    if command == "wait":
        waiters = session.get_waiter_model(service).waiter_names
        return [rest[0]] if rest[0] not in {xform_name(name, "-") for name in waiters} else []
    model = session.get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if command not in operations:
        return [command]
    shape = model.operation_model(operations[command]).input_shape
    members = {xform_name(name, "-"): name for name in shape.members}
    options = {word.removeprefix("--").removeprefix("no-") for word in rest if word.startswith("--")}
    unknown = options - members.keys() - {"query", "output", "region", "cli-binary-format"}
    return sorted(unknown | {xform_name(name, "-") for name in shape.required_members} - options)


def metrics() -> list[dict[str, Any]]:
    """Every metric that an alarm watches."""
    sums = [metric["MetricStat"]["Metric"] for alarm in alarms() for metric in alarm.get("Metrics", [])[1:]]
    return [alarm for alarm in alarms() if "MetricName" in alarm] + sums


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to a document's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def functions_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    return [dimension for dimension in alarm.get("Dimensions", []) if dimension["Name"] == "FunctionName"]


def alarms() -> list[dict[str, Any]]:
    resources = yaml.safe_load((ROOT / "infra" / "alarms.yaml").read_text())["Resources"].values()
    return [r["Properties"] for r in resources if r["Type"] == "AWS::CloudWatch::Alarm"]
