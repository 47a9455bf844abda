"""The command line. Commands for workspaces and keys are also available through the function `operate`.

    python -m infra.operate --stage prod create-workspace --workspace-id acme --name "Acme" --admin admin@example.com

Without `--stage` it uses the environment's settings.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from chalicelib import wiring
from chalicelib.errors import InvalidInput, MeetlinkError
from chalicelib.handlers import operations, workspace_forms
from chalicelib.store.tables import MODELS
from infra.deploy.aws_errors import explain
from infra.deploy.stage import DeployError
from infra.operate.dead_letters import Redriver
from infra.operate.erasure import Eraser, summary
from infra.operate.link_keys import rotate
from infra.operate.replay import Range, announce_again, list_workspaces, replay
from infra.operate.rows import Tables
from infra.operate.subjects import OneWorkspace, Person, find

_NONE = "none"
"""As the only value of a list it empties the list; as the reminder or the language it removes it."""
_LOCAL_OPTIONS = ("stage", "region", "profile", "yes", "cancel")
_LAMBDA_TIMEOUT_SECONDS = 90
"""Longer than any function's timeout."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and print its result as JSON. Return 1 if it failed or left something to do."""
    options = _parser().parse_args(arguments)
    # Logs and metrics go to stdout, as Lambda expects. Here stdout is for the result only.
    with redirect_stdout(sys.stderr):
        result = _run(options)
    print(json.dumps(result, indent=2, default=str))
    return 1 if result.get("error") or result.get("left") or result.get("lost") or result.get("failed") else 0


def _run(options: argparse.Namespace) -> dict[str, Any]:
    """Return the command's result, or its error."""
    try:
        if options.stage:
            _use_stage(options.stage, options.region, options.profile)
        if options.do in operations.OPERATIONS:
            return operations.run(_request(options), wiring.services(), _caller())
        if options.yes or options.do in _WITHOUT_CONFIRMATION:
            wiring.services().audit.record(options.do, options.workspace_id, caller=_caller())
        return _VERBS[options.do](options, wiring.services())
    except (MeetlinkError, DeployError) as error:
        return {"error": str(error)}
    except (BotoCoreError, ClientError) as error:
        return {"error": explain(error)}


def _request(options: argparse.Namespace) -> dict[str, Any]:
    """Return the request for `operations` from the command line's options."""
    request = {name: value for name, value in vars(options).items() if name not in _LOCAL_OPTIONS and value is not None}
    request |= {name: [] for name in workspace_forms.LISTS if request.get(name) == [_NONE]}
    request |= {name: None for name in ("reminder_minutes", "language") if request.get(name) == _NONE}
    return request


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.operate", description="See docs/operators.md.")
    parser.add_argument("do", choices=sorted([*operations.OPERATIONS, *_VERBS]))
    parser.add_argument("--stage", help="the stage's name in .chalice/config.json")
    parser.add_argument("--region")
    parser.add_argument("--profile")
    parser.add_argument("--workspace-id")
    parser.add_argument("--name")
    parser.add_argument("--admin", action="append", dest="admin_emails", help="an administrator's address; repeatable")
    parser.add_argument(
        "--return-to", action="append", help="a page that the settings page may link back to; repeatable"
    )
    parser.add_argument(
        "--allowed-origin",
        action="append",
        dest="allowed_origins",
        help="an origin whose pages may call the API; repeatable",
    )
    parser.add_argument(
        "--frame-ancestor",
        action="append",
        dest="frame_ancestors",
        help="an origin that may embed the settings page; repeatable",
    )
    parser.add_argument(
        "--confirms-connections",
        action=argparse.BooleanOptionalAction,
        help="whether the workspace's backend must confirm a new connection",
    )
    parser.add_argument("--key-id")
    parser.add_argument("--note")
    parser.add_argument("--hold-minutes", type=int, help="how long an invitation waits for its link")
    parser.add_argument("--reminder-minutes", type=_minutes, help="minutes before a booking, or none")
    parser.add_argument("--language", help="of pages where no one's language is known, or none")
    parser.add_argument("--brand", type=_brand, help='JSON: {"name", "color", "logo_url", "footer", "sender"}')
    parser.add_argument("--email", help="a suppressed address, or the address of a person to export or erase")
    parser.add_argument("--user-id", help="the id of a user of --workspace-id to export or erase")
    parser.add_argument("--from", dest="starts_from", type=_moment, help="bookings that start at this time or later")
    parser.add_argument("--to", dest="starts_before", type=_moment, help="bookings that start before this time")
    parser.add_argument(
        "--state", action="append", help="replay bookings with a meeting in this state; failed by default; repeatable"
    )
    parser.add_argument("--table", help="the table to put rows back into, such as bookings")
    parser.add_argument("--source", help="the restored table to copy rows from")
    parser.add_argument("--cancel", action="store_true", help="with erase: cancel the person's upcoming bookings")
    parser.add_argument("--yes", action="store_true", help="apply the changes; without it, report what would be done")
    return parser


def _minutes(text: str) -> int | str:
    return text if text == _NONE else int(text)


def _brand(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError('write JSON, as in \'{"name": "Acme", "color": "#0055aa"}\'') from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("add the UTC offset, as in 2027-01-05T00:00:00+01:00")
    return moment


def _use_stage(name: str, region: str | None, profile: str | None) -> None:
    """Load the stage's settings into the environment, as its functions have them."""
    import boto3

    from infra.deploy import chalice_config, location
    from infra.deploy.stage import Stage

    location.select(profile, region)
    session = boto3.Session()
    if not session.region_name:
        raise InvalidInput("No region is configured: pass --region, such as eu-central-1.")
    stage = Stage(name, session)
    variables = chalice_config.environment(stage)
    if not variables:
        raise InvalidInput(f"There is no stage {name} in .chalice/config.json.")
    location.require_match(stage)
    os.environ.update(variables)


def _caller() -> str:
    """Return the ARN of this terminal's user, for the audit trail."""
    import boto3

    if boto3.Session().region_name is None:
        raise NoRegionError  # STS alone would work without a region.
    return str(_client("sts").get_caller_identity()["Arn"])


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    # Without retries: after a timeout, a retry would run the function twice.
    config = Config(read_timeout=_LAMBDA_TIMEOUT_SECONDS, retries={"total_max_attempts": 1})
    return boto3.client(service, config=config if service == "lambda" else None)


def _tables(services: wiring.Services) -> Tables:
    return Tables(_client("dynamodb"), services.settings.table_prefix)


def _subject(options: argparse.Namespace) -> Person | OneWorkspace:
    if options.user_id and not options.workspace_id:
        raise InvalidInput("A user id is unique in its workspace only: pass --workspace-id too.")
    if options.user_id or options.email:
        return Person(options.email, options.user_id, options.workspace_id)
    if options.workspace_id:
        return OneWorkspace(options.workspace_id)
    raise InvalidInput("Pass --workspace-id for a workspace, or --email or --user-id for a person.")


def _ranges(options: argparse.Namespace, services: wiring.Services) -> list[Range]:
    ids = [options.workspace_id] if options.workspace_id else list_workspaces(_tables(services))
    return [Range(id_, options.starts_from, options.starts_before) for id_ in ids]


def _expected_bookings(options: argparse.Namespace, services: wiring.Services) -> int | None:
    """Return about how many bookings the ranges contain; None if they are only a part of the table."""
    if options.workspace_id or options.starts_from or options.starts_before:
        return None
    return _tables(services).estimate_size("bookings")


def _export(options: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Return all data of a person or a workspace."""
    return {"rows": [row.export() for row in find(_tables(services).scan_all(), _subject(options))]}


def _erase(options: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Delete all data of a person or a workspace."""
    tables, subject = _tables(services), _subject(options)
    if not options.yes:
        return {"would_erase": summary(find(tables.scan_all(), subject)), "next_step": "pass --yes to erase these rows"}
    outcome = Eraser(tables, services, subject, cancels=options.cancel).erase()
    return {"erased": outcome.erased, "left": outcome.left}


def _replay(options: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Settle bookings again."""
    ranges, states = _ranges(options, services), frozenset(options.state or ["failed"])
    expected = _expected_bookings(options, services)
    bookings = replay(services, ranges, states, apply=options.yes, expected_bookings=expected)
    return {"bookings": bookings, "done": options.yes}


def _announce_again(options: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Send events that endpoints have not received."""
    expected = _expected_bookings(options, services)
    events = announce_again(services, _ranges(options, services), apply=options.yes, expected_bookings=expected)
    return {"events": events, "done": options.yes}


def _put_back(options: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Copy rows that a table lacks from a restored table."""
    if options.table not in {model.Meta.table_name.removeprefix(services.settings.table_prefix) for model in MODELS}:
        raise InvalidInput("Pass --table, such as bookings, and --source, the name of the restored table.")
    rows = _tables(services).put_back(options.table, options.source, options.workspace_id, apply=options.yes)
    return {"rows": rows, "done": options.yes}


def _rotate_link_keys(options: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Add a key for join links and retire the oldest one."""
    secret_id = f"{services.settings.secrets_prefix}deployment"
    return rotate(_client("secretsmanager"), secret_id, services.clock(), apply=options.yes)


def _redrive(_: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Process events again that Lambda gave up."""
    lambda_, sqs = _client("lambda"), _client("sqs")

    def invoke(arn: str, event: dict[str, Any]) -> bool:
        response = lambda_.invoke(FunctionName=arn, Payload=json.dumps(event).encode())
        return "FunctionError" not in response

    url = sqs.get_queue_url(QueueName=f"meetlink-{services.settings.stage}-dead-letters")["QueueUrl"]
    return asdict(Redriver(sqs, _client("dynamodbstreams"), invoke).redrive(url))


_WITHOUT_CONFIRMATION = ("export", "redrive")
"""Commands that need no `--yes`. Without it, all others change nothing and report what they would do."""

_VERBS = {
    "export": _export,
    "erase": _erase,
    "replay": _replay,
    "announce-again": _announce_again,
    "redrive": _redrive,
    "put-back": _put_back,
    "rotate-link-keys": _rotate_link_keys,
}


if __name__ == "__main__":
    sys.exit(main())
