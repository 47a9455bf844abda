"""Operations for operators: workspaces, API keys, suppressions. IAM protects them (`lambda:InvokeFunction`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import asdict, replace

from chalicelib.domain.ids import ID_RULE, is_id
from chalicelib.domain.members import members_of
from chalicelib.domain.plain_text import clean_line
from chalicelib.domain.workspace import TEST_PROVIDER, Workspace, issue_key, revoke_key
from chalicelib.errors import FieldError, InvalidInput, MeetlinkError, NotFound
from chalicelib.handlers.workspace_forms import LISTS, read_lists, with_mail_settings, with_member_list

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_AUDIT_ENTRIES = 100
_ONLY_WHEN_CREATED = "A workspace is for tests, with the provider test alone, if it was created so, and stays so."


def run(request: dict[str, Any], services: Services, caller: str = "operate") -> dict[str, Any]:
    """Run the operation `{"do": <name>, …}`. Errors are returned as `{"error": …}`, to read well on a terminal.

    `create-workspace` {workspace_id, name?, test?, lists?} → the first API key, which is shown only here. `test`: its
    meetings are simulated, and only its members get emails ·
    `set-lists` {workspace_id, lists} · the lists: admin_emails, return_to, allowed_origins, frame_ancestors,
    providers (which users may connect, the default first) ·
    `update-workspace` {workspace_id, confirms_connections?, meetings_at_once?, hold_minutes?, reminder_minutes?,
    language?, emails?: {guests?, host?}, reminders?: [{minutes_before, to?}] or null, members?: [{email, role?}],
    brand?: {name?, color?, logo_url?, footer?, sender?}}; bookings with sent invitations keep their sender ·
    `show-suppression`, `lift-suppression` {workspace_id, email} for an address that bounced or complained ·
    `create-key` {workspace_id, note?} · `revoke-key` {workspace_id, key_id} · `show-workspace` {workspace_id} ·
    `show-audit` {workspace_id} → the newest administrative actions; `*` for those that concern all workspaces

    `caller` is recorded in the audit trail.
    """
    name = str(request.get("do"))
    operation = OPERATIONS.get(name)
    if operation is None:
        return {"error": f"`do` must be one of: {', '.join(OPERATIONS)}."}
    if unknown := sorted(map(str, request.keys() - {"do", *operation.fields})):
        return {"error": f"{name} takes {', '.join(operation.fields)}, not {', '.join(unknown)}."}
    try:
        return operation.run(request | {"caller": caller}, services)
    except InvalidInput as error:
        details = [f"{e.pointer.strip('/')}: {e.detail}" for e in error.errors if isinstance(e, FieldError)]
        return {"error": " ".join(details) or str(error)}
    except MeetlinkError as error:
        return {"error": str(error)}


def _create_workspace(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace_id = request.get("workspace_id")
    if not isinstance(workspace_id, str) or not is_id(workspace_id):
        raise InvalidInput(f"workspace_id must be {ID_RULE}")
    if services.workspace_store.get(workspace_id) is not None:
        raise InvalidInput("This workspace exists already. Use create-key for another key.")
    now = services.clock()
    workspace = Workspace(
        workspace_id,
        clean_line(str(request.get("name") or workspace_id), 200),
        now,
        **read_lists(_with_test_provider(request)),
    )
    workspace, key = issue_key(workspace, now=now, note="first key")
    _put(workspace, request, services, workspace.keys[-1].key_id)
    return {"workspace_id": workspace_id, "api_key": key}


def _with_test_provider(request: dict[str, Any]) -> dict[str, Any]:
    """Return the request with the provider that makes the workspace one for tests, if it asks for that."""
    is_test = request.get("test", False)
    if not isinstance(is_test, bool):
        raise InvalidInput("test must be true or false.")
    if is_test and request.get("providers"):
        raise InvalidInput("A test workspace has no other provider. Leave providers out.")
    if not is_test and TEST_PROVIDER in (request.get("providers") or ()):
        raise InvalidInput(_ONLY_WHEN_CREATED)
    return request | {"providers": [TEST_PROVIDER]} if is_test else request


def _set_lists(request: dict[str, Any], services: Services) -> dict[str, Any]:
    before = _workspace(request, services)
    after = replace(before, **read_lists(request))
    if after.is_test != before.is_test or (after.is_test and len(after.providers) > 1):
        raise InvalidInput(_ONLY_WHEN_CREATED)
    _put(after, request, services)
    return _show_workspace(request, services)


def _update_workspace(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace = with_member_list(with_mail_settings(_workspace(request, services), request), request)
    confirms = request.get("confirms_connections", workspace.confirms_connections)
    if not isinstance(confirms, bool):
        raise InvalidInput("confirms_connections must be true or false.")
    _put(replace(workspace, confirms_connections=confirms), request, services)
    return _show_workspace(request, services)


def _show_suppression(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace_id, email = _workspace(request, services).workspace_id, str(request.get("email"))
    return {"email": email, "suppressed": services.suppression_store.find(workspace_id, email)}


def _lift_suppression(request: dict[str, Any], services: Services) -> dict[str, Any]:
    """SES has a list of its own for the account: `aws sesv2 delete-suppressed-destination`."""
    workspace_id, email = _workspace(request, services).workspace_id, str(request.get("email"))
    services.audit.record(str(request["do"]), workspace_id, caller=str(request["caller"]))
    if not services.suppression_store.remove(workspace_id, email):
        raise NotFound("This address is not suppressed in this workspace.")
    return {"email": email, "suppressed": None}


def _create_key(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace, key = issue_key(_workspace(request, services), now=services.clock(), note=str(request.get("note", "")))
    _put(workspace, request, services, workspace.keys[-1].key_id)
    return {"workspace_id": workspace.workspace_id, "api_key": key}


def _revoke_key(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace, key_id = _workspace(request, services), str(request.get("key_id"))
    remaining = revoke_key(workspace, key_id)
    if remaining == workspace:
        raise NotFound("There is no key with this key_id.")
    _put(remaining, request, services, key_id)
    return {"workspace_id": workspace.workspace_id, "revoked": key_id}


def _show_workspace(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace = _workspace(request, services)
    return {
        "workspace_id": workspace.workspace_id,
        "name": workspace.name,
        **{name: list(getattr(workspace, name)) for name in LISTS},
        "members": [asdict(member) for member in members_of(workspace)],
        "confirms_connections": workspace.confirms_connections,
        "meetings_at_once": workspace.meetings_at_once,
        "hold_minutes": workspace.hold_minutes,
        "reminder_minutes": workspace.reminder_minutes,
        "language": workspace.language,
        "emails": asdict(workspace.emails),
        "reminders": workspace.reminders and [asdict(reminder) for reminder in workspace.reminders],
        "brand": asdict(workspace.brand),
        "keys": [{"key_id": k.key_id, "note": k.note, "created_at": str(k.created_at)} for k in workspace.keys],
    }


def _show_audit(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace_id = str(request.get("workspace_id"))
    entries = services.audit_store.newest(workspace_id, _AUDIT_ENTRIES)
    return {"workspace_id": workspace_id, "entries": [asdict(entry) | {"at": str(entry.at)} for entry in entries]}


def _put(workspace: Workspace, request: dict[str, Any], services: Services, key_id: str | None = None) -> None:
    """Record the operation in the audit trail, then store the workspace."""
    services.audit.record(str(request["do"]), workspace.workspace_id, caller=str(request["caller"]), key_id=key_id)
    services.members.store(workspace)


def _workspace(request: dict[str, Any], services: Services) -> Workspace:
    workspace = services.workspace_store.get(str(request.get("workspace_id")))
    if workspace is None:
        raise NotFound("There is no workspace with this id.")
    return workspace


class Operation(NamedTuple):
    """One operation."""

    run: Callable[[dict[str, Any], Services], dict[str, Any]]
    fields: tuple[str, ...]
    """What a request may contain besides `do`. The command line has an option for each."""


OPERATIONS = {
    "create-workspace": Operation(_create_workspace, ("workspace_id", "name", "test", *LISTS)),
    "set-lists": Operation(_set_lists, ("workspace_id", *LISTS)),
    "update-workspace": Operation(
        _update_workspace,
        (
            "workspace_id",
            "confirms_connections",
            "meetings_at_once",
            "hold_minutes",
            "reminder_minutes",
            "brand",
            "language",
            "emails",
            "reminders",
            "members",
        ),
    ),
    "show-suppression": Operation(_show_suppression, ("workspace_id", "email")),
    "lift-suppression": Operation(_lift_suppression, ("workspace_id", "email")),
    "create-key": Operation(_create_key, ("workspace_id", "note")),
    "revoke-key": Operation(_revoke_key, ("workspace_id", "key_id")),
    "show-workspace": Operation(_show_workspace, ("workspace_id",)),
    "show-audit": Operation(_show_audit, ("workspace_id",)),
}
