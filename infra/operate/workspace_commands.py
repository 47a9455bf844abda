"""Commands for workspaces, keys, suppressed addresses and the audit trail. They run the product's operations."""

from __future__ import annotations

import argparse
import json
from typing import Any

from chalicelib import wiring
from chalicelib.errors import InvalidInput
from chalicelib.handlers import operations, workspace_forms
from infra.operate.command import Command, Options, Run, add_workspace
from infra.operate.replay import list_workspaces
from infra.operate.stage_access import caller, tables

NONE = "none"
"""As the only value of a list it empties the list; as one of `_REMOVABLE` it removes the setting."""
_REMOVABLE = ("meetings_at_once", "reminder_minutes", "language")
_DEFAULT = "default"
"""As the reminders: those that a workspace has without a setting."""


def run_operation(name: str) -> Run:
    """Return a function that runs an operation with the fields among the options."""

    def run(options: Options, services: wiring.Services) -> dict[str, Any]:
        return operations.run({"do": name} | request_fields(options, name), services, caller())

    return run


def request_fields(options: Options, name: str) -> dict[str, Any]:
    """Return the fields of an operation's request that the options contain."""
    taken = operations.OPERATIONS[name].fields
    request = {field: value for field, value in vars(options).items() if field in taken and value is not None}
    request |= {field: [] for field in workspace_forms.LISTS if request.get(field) == [NONE]}
    request |= {field: None for field in _REMOVABLE if request.get(field) == NONE}
    request |= {"reminders": None} if request.get("reminders") == _DEFAULT else {}
    return request


def _update(options: Options, services: wiring.Services) -> dict[str, Any]:
    requests = {name: request_fields(options, name) for name in ("set-lists", "update-workspace")}
    wanted = [name for name, fields in requests.items() if fields.keys() - {"workspace_id"}]
    if not wanted:
        raise InvalidInput("Pass the settings to change: workspace update --help lists them.")
    result: dict[str, Any] = {}
    for name in wanted:
        result = operations.run({"do": name} | requests[name], services, caller())
        if "error" in result:
            break
    return result


def _list(_: Options, services: wiring.Services) -> dict[str, Any]:
    workspaces = map(services.workspace_store.get, list_workspaces(tables(services)))
    return {"items": [{"id": w.workspace_id, "name": w.name, "keys": len(w.keys)} for w in workspaces if w]}


def _audit(options: Options, services: wiring.Services) -> dict[str, Any]:
    result = run_operation("show-audit")(options, services)
    return {"items": result["entries"]} if "entries" in result else result


def _add_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workspace_id", metavar="workspace", help="the workspace's id")


def _add_lists(parser: argparse.ArgumentParser) -> None:
    texts = {
        "--admin": ("admin_emails", "an administrator's address"),
        "--return-to": ("return_to", "a page that the settings page may link back to"),
        "--allowed-origin": ("allowed_origins", "an origin whose pages may call the API"),
        "--frame-ancestor": ("frame_ancestors", "an origin that may embed the settings page"),
        "--provider": ("providers", "a provider that users may connect, the default first"),
    }
    for option, (field, text) in texts.items():
        parser.add_argument(option, action="append", dest=field, help=f"{text}; repeatable")


def _add_create(parser: argparse.ArgumentParser) -> None:
    _add_id(parser)
    parser.add_argument("--name", help="the name that hosts see")
    parser.add_argument(
        "--test", action="store_const", const=True, help="simulate meetings, and email the workspace's members only"
    )
    _add_lists(parser)


def _add_update(parser: argparse.ArgumentParser) -> None:
    _add_id(parser)
    _add_lists(parser)
    parser.add_argument(
        "--confirms-connections",
        action=argparse.BooleanOptionalAction,
        help="whether the workspace's backend must confirm a new connection",
    )
    parser.add_argument(
        "--meetings-at-once", type=_minutes, help="meetings that a host's Zoom account can run, or none"
    )
    parser.add_argument("--hold-minutes", type=int, help="how long an invitation waits for its link")
    parser.add_argument("--reminder-minutes", type=_minutes, help="minutes before a booking, or none")
    parser.add_argument("--brand", type=_json, help='JSON: {"name", "color", "logo_url", "footer", "sender"}')
    parser.add_argument("--emails", type=_json, help='JSON: {"guests", "host"}, true or false')
    parser.add_argument("--reminders", type=_reminders, help='JSON: [{"minutes_before", "to"}], or default')
    parser.add_argument("--members", type=_json, help='JSON: [{"email", "role"}], admin or support; replaces the list')
    parser.add_argument("--language", help="of pages where no one's language is known, or none")


def _add_key_create(parser: argparse.ArgumentParser) -> None:
    add_workspace(parser)
    parser.add_argument("--note", help="what the key is for")


def _add_key_revoke(parser: argparse.ArgumentParser) -> None:
    add_workspace(parser)
    parser.add_argument("key_id", metavar="key", help="the key's id, from workspace show")


def _add_email(parser: argparse.ArgumentParser) -> None:
    add_workspace(parser)
    parser.add_argument("email", help="the address")


def _add_nothing(_: argparse.ArgumentParser) -> None:
    pass


def _minutes(text: str) -> int | str:
    return text if text == NONE else int(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError('write JSON, as in \'{"name": "Acme", "color": "#0055aa"}\'') from error


def _reminders(text: str) -> Any:
    return text if text == _DEFAULT else _json(text)


COMMANDS = (
    Command(
        "workspace create", "create a workspace with its first key", run_operation("create-workspace"), _add_create
    ),
    Command("workspace list", "list the workspaces", _list, _add_nothing, columns=("id", "name", "keys")),
    Command("workspace show", "show a workspace's settings and keys", run_operation("show-workspace"), _add_id),
    Command("workspace update", "change a workspace's settings", _update, _add_update),
    Command("key create", "create another API key", run_operation("create-key"), _add_key_create),
    Command("key revoke", "revoke an API key", run_operation("revoke-key"), _add_key_revoke),
    Command("suppression show", "show whether an address gets email", run_operation("show-suppression"), _add_email),
    Command("suppression lift", "send email to an address again", run_operation("lift-suppression"), _add_email),
    Command(
        "audit list",
        "list the newest administrative actions; those for all workspaces with --workspace '*'",
        _audit,
        add_workspace,
        columns=("at", "verb", "caller", "key_id"),
    ),
)
