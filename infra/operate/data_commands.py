"""Commands for data: export, erase, put back, backfill, recount, and the keys of join links."""

from __future__ import annotations

import argparse
from typing import Any

from chalicelib import wiring
from chalicelib.domain.members import members_of
from chalicelib.errors import InvalidInput
from chalicelib.store.tables import MODELS
from infra.operate.backfill import Backfill
from infra.operate.command import Command, Options, Recorded, add_workspace, add_yes
from infra.operate.erasure import Eraser, summary
from infra.operate.link_keys import rotate
from infra.operate.recount import Recount
from infra.operate.replay import list_workspaces
from infra.operate.stage_access import client, tables
from infra.operate.subjects import OneWorkspace, Person, find


def _subject(options: Options) -> Person | OneWorkspace:
    if options.user_id and not options.workspace_id:
        raise InvalidInput("A user id is unique in its workspace only: pass --workspace too.")
    if options.user_id or options.email:
        return Person(options.email, options.user_id, options.workspace_id)
    if options.workspace_id:
        return OneWorkspace(options.workspace_id)
    raise InvalidInput("Pass --workspace for a workspace, or --email or --user for a person.")


def _export(options: Options, services: wiring.Services) -> dict[str, Any]:
    """Return all data of a person or a workspace."""
    return {"rows": [row.export() for row in find(tables(services).scan_all(), _subject(options))]}


def _erase(options: Options, services: wiring.Services) -> dict[str, Any]:
    """Delete all data of a person or a workspace."""
    rows, subject = tables(services), _subject(options)
    if not options.yes:
        return {"would_erase": summary(find(rows.scan_all(), subject)), "next_step": "pass --yes to erase these rows"}
    outcome = Eraser(rows, services, subject, cancels=options.cancel).erase()
    return {"erased": outcome.erased, "left": outcome.left}


def _put_back(options: Options, services: wiring.Services) -> dict[str, Any]:
    """Copy rows that a table lacks from a restored table."""
    if options.table not in {model.Meta.table_name.removeprefix(services.settings.table_prefix) for model in MODELS}:
        raise InvalidInput("Pass --table, such as bookings, and --source, the name of the restored table.")
    rows = tables(services).put_back(options.table, options.source, options.workspace_id, apply=options.yes)
    return {"rows": rows, "done": options.yes}


def _backfill(options: Options, services: wiring.Services) -> dict[str, Any]:
    """Fill the attributes of indexes, and restore the references of members."""
    secret = services.deployment_secrets.tag_secret()
    backfill = Backfill(client("dynamodb"), services.ephemeral_store, secret, services.clock)
    expected = tables(services).estimate_size("bookings")
    result = backfill.run(apply=options.yes, restart=options.restart, expected_rows=expected)
    return result | {"members": _restore_members(services, apply=options.yes)}


def _recount(options: Options, services: wiring.Services) -> dict[str, Any]:
    """Make the counts of links by workspace and day exact."""
    recount = Recount(client("dynamodb"), services.daily_count_store, services.retention)
    workspaces = [options.workspace_id] if options.workspace_id else list_workspaces(tables(services))
    expected = None if options.workspace_id else tables(services).estimate_size("bookings")
    return recount.run(workspaces, services.clock(), apply=options.yes, expected_bookings=expected)


def _restore_members(services: wiring.Services, *, apply: bool) -> int:
    """Write the references of every workspace's members: workspaces of an earlier release have none."""
    workspaces = [services.workspace_store.get(workspace_id) for workspace_id in list_workspaces(tables(services))]
    if apply:
        return sum(services.members.restore_references(workspace) for workspace in workspaces if workspace)
    return sum(len(members_of(workspace)) for workspace in workspaces if workspace)


def _rotate_link_keys(options: Options, services: wiring.Services) -> dict[str, Any]:
    """Add a key for join links and retire the oldest one."""
    secret_id = f"{services.settings.secrets_prefix}deployment"
    return rotate(client("secretsmanager"), secret_id, services.clock(), apply=options.yes)


def _add_subject(parser: argparse.ArgumentParser) -> None:
    add_workspace(parser, required=False)
    parser.add_argument("--email", help="the address of a person")
    parser.add_argument("--user", dest="user_id", metavar="ID", help="the id of a user of --workspace")


def _add_erase(parser: argparse.ArgumentParser) -> None:
    _add_subject(parser)
    parser.add_argument("--cancel", action="store_true", help="cancel the person's upcoming bookings")
    add_yes(parser)


def _add_put_back(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", help="the table to put rows back into, such as bookings")
    parser.add_argument("--source", help="the restored table to copy rows from")
    add_workspace(parser, required=False)
    add_yes(parser)


def _add_backfill(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--restart", action="store_true", help="begin again instead of continuing an interrupted run")
    add_yes(parser)


def _add_recount(parser: argparse.ArgumentParser) -> None:
    add_workspace(parser, required=False)
    add_yes(parser)


COMMANDS = (
    Command(
        "data export", "print all data of a person or workspace", _export, _add_subject, Recorded.ALWAYS, is_json=True
    ),
    Command("data erase", "delete all data of a person or workspace", _erase, _add_erase, Recorded.APPLIED),
    Command("data put-back", "copy rows from a restored table", _put_back, _add_put_back, Recorded.APPLIED),
    Command("backfill", "fill what indexes need on existing bookings", _backfill, _add_backfill, Recorded.APPLIED),
    Command("recount", "make the counts of links by day exact", _recount, _add_recount, Recorded.APPLIED),
    Command("link-keys rotate", "add a key for join links", _rotate_link_keys, add_yes, Recorded.APPLIED),
)
