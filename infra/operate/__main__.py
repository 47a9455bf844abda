"""The command line. Workspaces and keys are also within reach of the function `operate`.

    python -m infra.operate --stage prod create-workspace --workspace-id acme --name "Acme" --admin admin@example.com

Without `--stage` it works on what the environment names.
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
from infra.deploy.failures import explain
from infra.deploy.stage import DeployError
from infra.operate.dead_letters import Redriver
from infra.operate.erase import Eraser, summary
from infra.operate.link_keys import rotate
from infra.operate.replay import Range, announce_again, replay, workspaces
from infra.operate.rows import Tables
from infra.operate.subjects import OneWorkspace, Person, find

_NONE = "none"
"""As the only value of a list it empties the list; as the reminder it means that there is none."""
_OWN_OPTIONS = ("stage", "region", "profile", "yes", "cancel")
_LAMBDA_TIMEOUT_SECONDS = 90  # The longest that a function may take, and some.


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command and print its answer as JSON; 1 if it was refused or has left something to do."""
    given = _parser().parse_args(arguments)
    # Log lines and metrics go to stdout, as Lambda wants them. Here stdout is for the answer alone.
    with redirect_stdout(sys.stderr):
        answer = _answer(given)
    print(json.dumps(answer, indent=2, default=str))
    return 1 if answer.get("error") or answer.get("left") or answer.get("lost") or answer.get("failed") else 0


def _answer(given: argparse.Namespace) -> dict[str, Any]:
    """The command's answer, or its refusal."""
    try:
        if given.stage:
            _enter(given.stage, given.region, given.profile)
        if given.do in operations.OPERATIONS:
            answer = operations.run(_request(given), wiring.services(), _caller())
        else:
            if given.yes or given.do in _ALWAYS_ACT:
                wiring.services().audit.record(given.do, given.workspace_id, caller=_caller())
            answer = _VERBS[given.do](given, wiring.services())
    except (MeetlinkError, DeployError) as error:
        answer = {"error": str(error)}
    except (BotoCoreError, ClientError) as error:
        answer = {"error": explain(error)}
    return answer


def _request(given: argparse.Namespace) -> dict[str, Any]:
    """Return the request for `operations` that the options make."""
    request = {name: value for name, value in vars(given).items() if name not in _OWN_OPTIONS and value is not None}
    request |= {name: [] for name in workspace_forms.LISTS if request.get(name) == [_NONE]}
    if request.get("reminder_minutes") == _NONE:
        request["reminder_minutes"] = None
    return request


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.operate", description="See docs/operators.md.")
    parser.add_argument("do", choices=sorted([*operations.OPERATIONS, *_VERBS]))
    parser.add_argument("--stage", help="as in .chalice/config.json")
    parser.add_argument("--region")
    parser.add_argument("--profile")
    parser.add_argument("--workspace-id")
    parser.add_argument("--name")
    parser.add_argument("--admin", action="append", dest="admin_emails", help="address of an administrator; repeatable")
    parser.add_argument("--return-to", action="append", help="address the settings page may lead back to; repeatable")
    parser.add_argument(
        "--allowed-origin",
        action="append",
        dest="allowed_origins",
        help="origin whose pages may call the API from a browser; repeatable",
    )
    parser.add_argument(
        "--frame-ancestor",
        action="append",
        dest="frame_ancestors",
        help="origin that may show the settings page in a frame; repeatable",
    )
    parser.add_argument(
        "--confirms-connections",
        action=argparse.BooleanOptionalAction,
        help="whether a connection waits until the workspace's backend has confirmed it",
    )
    parser.add_argument("--key-id")
    parser.add_argument("--note")
    parser.add_argument("--hold-minutes", type=int, help="how long an invitation waits for a link that is late")
    parser.add_argument("--reminder-minutes", type=_minutes, help="when calendars remind of a booking, or none")
    parser.add_argument("--brand", type=_brand, help='JSON: {"name", "color", "logo_url", "footer", "sender"}')
    parser.add_argument("--email", help="an address that bounced or complained; a person's, to export or erase")
    parser.add_argument("--user-id", help="a person's id in --workspace-id, to export or erase")
    parser.add_argument("--from", dest="starts_from", type=_moment, help="bookings that start then or later")
    parser.add_argument("--to", dest="starts_before", type=_moment, help="bookings that start before")
    parser.add_argument("--state", action="append", help="of bookings to replay; failed by default; repeatable")
    parser.add_argument("--table", help="to put rows back into, such as bookings")
    parser.add_argument("--source", help="the restored table that has them")
    parser.add_argument("--cancel", action="store_true", help="cancel bookings to come of whoever is erased")
    parser.add_argument("--yes", action="store_true", help="do it, rather than tell what would be done")
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
        raise argparse.ArgumentTypeError("say the offset too, as in 2027-01-05T00:00:00+01:00")
    return moment


def _enter(name: str, region: str | None, profile: str | None) -> None:
    """Have this process see what the stage's functions see, with this terminal's rights."""
    import boto3

    from infra.deploy import location, settings
    from infra.deploy.stage import Stage

    location.enter(profile, region)
    session = boto3.Session()
    if not session.region_name:
        raise InvalidInput("No region is configured: give --region, such as eu-central-1.")
    stage = Stage(name, session)
    known = settings.known(stage)
    if not known:
        raise InvalidInput(f"There is no stage {name} in .chalice/config.json.")
    location.check(stage)
    os.environ.update(known)


def _caller() -> str:
    """Who uses this terminal, for the audit trail."""
    import boto3

    if boto3.Session().region_name is None:
        raise NoRegionError  # STS alone would do without one.
    return str(_client("sts").get_caller_identity()["Arn"])


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    # One try: a function that is invoked again because it was slow would run twice.
    config = Config(read_timeout=_LAMBDA_TIMEOUT_SECONDS, retries={"total_max_attempts": 1})
    return boto3.client(service, config=config if service == "lambda" else None)


def _tables(services: wiring.Services) -> Tables:
    return Tables(_client("dynamodb"), services.settings.table_prefix)


def _subject(given: argparse.Namespace) -> Person | OneWorkspace:
    if given.user_id and not given.workspace_id:
        raise InvalidInput("A user id means something in a workspace only: say --workspace-id too.")
    if given.user_id or given.email:
        return Person(given.email, given.user_id, given.workspace_id)
    if given.workspace_id:
        return OneWorkspace(given.workspace_id)
    raise InvalidInput("Say whose: --workspace-id for a whole workspace, --email or --user-id for a person.")


def _ranges(given: argparse.Namespace, services: wiring.Services) -> list[Range]:
    ids = [given.workspace_id] if given.workspace_id else workspaces(_tables(services))
    return [Range(id_, given.starts_from, given.starts_before) for id_ in ids]


def _export(given: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Everything about a person or a workspace."""
    return {"rows": [row.shown() for row in find(_tables(services), _subject(given))]}


def _erase(given: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Delete it."""
    tables, subject = _tables(services), _subject(given)
    if not given.yes:
        return {"would_erase": summary(find(tables, subject)), "to_do_it": "say --yes"}
    outcome = Eraser(tables, services, subject, cancels=given.cancel).erase()
    return {"erased": outcome.erased, "left": outcome.left}


def _replay(given: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Settle bookings again."""
    states = frozenset(given.state or ["failed"])
    return {"bookings": replay(services, _ranges(given, services), states, really=given.yes), "done": given.yes}


def _announce_again(given: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Tell workspaces what they were not told."""
    return {"events": announce_again(services, _ranges(given, services), really=given.yes), "done": given.yes}


def _put_back(given: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Take what a table lacks from a restored one."""
    if given.table not in {model.Meta.table_name.removeprefix(services.settings.table_prefix) for model in MODELS}:
        raise InvalidInput("Say --table, such as bookings, and --source, the name of the restored table.")
    rows = _tables(services).put_back(given.table, given.source, given.workspace_id, really=given.yes)
    return {"rows": rows, "done": given.yes}


def _rotate_link_keys(given: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Add a key for join links and retire the oldest one."""
    secret_id = f"{services.settings.secrets_prefix}deployment"
    return rotate(_client("secretsmanager"), secret_id, services.clock(), really=given.yes)


def _redrive(_: argparse.Namespace, services: wiring.Services) -> dict[str, Any]:
    """Hand over again what Lambda gave up."""
    lambda_, sqs = _client("lambda"), _client("sqs")

    def invoke(arn: str, event: dict[str, Any]) -> bool:
        answer = lambda_.invoke(FunctionName=arn, Payload=json.dumps(event).encode())
        return "FunctionError" not in answer

    url = sqs.get_queue_url(QueueName=f"meetlink-{services.settings.stage}-dead-letters")["QueueUrl"]
    return asdict(Redriver(sqs, _client("dynamodbstreams"), invoke).redrive(url))


_ALWAYS_ACT = ("export", "redrive")
"""Commands that need no `--yes`; all others only look without it."""

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
