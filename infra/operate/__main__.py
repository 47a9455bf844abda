"""The command line. Commands for workspaces and keys are also available through the function `operate`.

    python -m infra.operate --stage prod booking list --workspace acme --state waiting

Without `--stage` it uses the environment's settings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib import wiring
from chalicelib.errors import IndexUnavailable, MeetlinkError
from infra.deploy.aws_errors import explain
from infra.deploy.stage import DeployError
from infra.operate import booking_commands, data_commands, delivery_commands, output, stage_access, workspace_commands
from infra.operate.command import Command, Options, Recorded

COMMANDS: tuple[Command, ...] = (
    *workspace_commands.COMMANDS,
    *booking_commands.COMMANDS,
    *delivery_commands.COMMANDS,
    *data_commands.COMMANDS,
)
FORMER = {
    "create-workspace": "workspace create",
    "set-lists": "workspace update",
    "update-workspace": "workspace update",
    "show-workspace": "workspace show",
    "create-key": "key create",
    "revoke-key": "key revoke",
    "show-suppression": "suppression show",
    "lift-suppression": "suppression lift",
    "show-audit": "audit list",
    "replay": "booking retry",
    "announce-again": "delivery announce-again",
    "redrive": "dead-letters redrive",
    "export": "data export",
    "erase": "data erase",
    "put-back": "data put-back",
    "rotate-link-keys": "link-keys rotate",
}
"""The commands of earlier releases, and the ones that replaced them."""
_WITH_VALUE = ("--stage", "--region", "--profile")
_PROGRAM = "python -m infra.operate"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and print its result. Return 1 if it failed or left something to do, 2 for a wrong command."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    former = _first_word(words)
    if former in FORMER:
        new = FORMER[former]
        print(f"`{former}` is now `{new}`. Its options: {_PROGRAM} {new} --help", file=sys.stderr)
        return 2
    options = parser().parse_args(words)
    command: Command = options.command
    # Logs and metrics go to stdout, as Lambda expects. Here stdout is for the result only.
    with redirect_stdout(sys.stderr):
        result = _run(command, options)
    _print(result, command, is_json=options.json or command.is_json)
    return 1 if result.get("error") or result.get("left") or result.get("lost") or result.get("failed") else 0


def _run(command: Command, options: Options) -> dict[str, Any]:
    """Return the command's result, or its error."""
    try:
        if options.stage:
            stage_access.use_stage(options.stage, options.region, options.profile)
        is_applied = command.recorded is Recorded.APPLIED and options.yes
        if is_applied or command.recorded is Recorded.ALWAYS:
            workspace_id = getattr(options, "workspace_id", None)
            wiring.services().audit.record(command.name, workspace_id, caller=stage_access.caller())
        return command.run(options, wiring.services())
    except IndexUnavailable:
        return {"error": "The index of this list is missing or being built. Deploy the stage, then try again."}
    except (MeetlinkError, DeployError) as error:
        return {"error": str(error)}
    except (BotoCoreError, ClientError) as error:
        return {"error": explain(error)}


def _print(result: dict[str, Any], command: Command, *, is_json: bool) -> None:
    if is_json:
        print(output.format_json(result))
    elif "error" in result:
        print(f"Error: {result['error']}", file=sys.stderr)
    else:
        print(output.format_text(result, command.columns))


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    root = argparse.ArgumentParser(prog=_PROGRAM, description="Operate a stage. See docs/operators.md and support.md.")
    _add_common(root, None)
    groups: dict[str, Any] = {"": root.add_subparsers(metavar="command", required=True)}
    for command in COMMANDS:
        group, _, name = command.name.rpartition(" ")
        if group not in groups:
            names = ", ".join(c.name.partition(" ")[2] for c in COMMANDS if c.name.startswith(f"{group} "))
            added = groups[""].add_parser(group, help=names, description=f"{group}: {names}")
            groups[group] = added.add_subparsers(metavar="command", required=True)
        description = f"{command.help[0].upper()}{command.help[1:]}."
        leaf = groups[group].add_parser(name, help=command.help, description=description)
        _add_common(leaf, argparse.SUPPRESS)
        command.add_options(leaf)
        leaf.set_defaults(command=command)
    return root


def _add_common(to: argparse.ArgumentParser, default: Any) -> None:
    """Add options that may come before or after the command."""
    to.add_argument("--stage", default=default, help="the stage's name in .chalice/config.json")
    to.add_argument("--region", default=default, help="the AWS region")
    to.add_argument("--profile", default=default, help="a profile of the AWS configuration")
    to.add_argument("--json", action="store_true", default=default or False, help="print JSON, for programs")


def _first_word(words: Sequence[str]) -> str:
    """Return the first word that is neither an option nor its value."""
    rest = iter(words)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            return word
    return ""


if __name__ == "__main__":
    sys.exit(main())
