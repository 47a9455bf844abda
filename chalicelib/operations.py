"""What operators do without a public endpoint: workspaces and their keys. Guarded by IAM (`lambda:InvokeFunction`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from chalicelib.api.schema import ID_PATTERN
from chalicelib.domain.text import clean_line
from chalicelib.domain.workspace import Workspace, issue_key, revoke_key
from chalicelib.errors import InvalidInput, MeetlinkError, NotFound

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def run(request: dict[str, Any], services: Services) -> dict[str, Any]:
    """Carry out `{"do": …}`; the answer holds `error` instead of raising, so that it reads well on a terminal.

    `create-workspace` {workspace_id, name?, admin_emails?, return_to?} → the first API key, shown only here ·
    `create-key` {workspace_id, note?} · `revoke-key` {workspace_id, key_id} · `show-workspace` {workspace_id}
    """
    verb = VERBS.get(str(request.get("do")))
    if verb is None:
        return {"error": f"Say what to do: {', '.join(VERBS)}."}
    try:
        return verb(request, services)
    except MeetlinkError as error:
        return {"error": str(error)}


def _create_workspace(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace_id = str(request.get("workspace_id", ""))
    if re.fullmatch(ID_PATTERN, workspace_id) is None:
        raise InvalidInput("workspace_id must be 1 to 128 of A-Z a-z 0-9 . _ : -")
    if services.workspaces.get(workspace_id) is not None:
        raise InvalidInput("This workspace exists already. Use create-key for another key.")
    now = services.clock()
    workspace = Workspace(
        workspace_id,
        clean_line(str(request.get("name") or workspace_id), 200),
        now,
        admin_emails=tuple(request.get("admin_emails", ())),
        return_to=tuple(request.get("return_to", ())),
    )
    workspace, key = issue_key(workspace, now=now, note="first key")
    services.workspaces.put(workspace)
    return {"workspace_id": workspace_id, "api_key": key}


def _create_key(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace, key = issue_key(_workspace(request, services), now=services.clock(), note=str(request.get("note", "")))
    services.workspaces.put(workspace)
    return {"workspace_id": workspace.workspace_id, "api_key": key}


def _revoke_key(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace, key_id = _workspace(request, services), str(request.get("key_id"))
    without = revoke_key(workspace, key_id)
    if without == workspace:
        raise NotFound("There is no key with this key_id.")
    services.workspaces.put(without)
    return {"workspace_id": workspace.workspace_id, "revoked": key_id}


def _show_workspace(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace = _workspace(request, services)
    return {
        "workspace_id": workspace.workspace_id,
        "name": workspace.name,
        "admin_emails": list(workspace.admin_emails),
        "return_to": list(workspace.return_to),
        "keys": [{"key_id": k.key_id, "note": k.note, "created_at": str(k.created_at)} for k in workspace.keys],
    }


def _workspace(request: dict[str, Any], services: Services) -> Workspace:
    workspace = services.workspaces.get(str(request.get("workspace_id")))
    if workspace is None:
        raise NotFound("There is no workspace with this id.")
    return workspace


VERBS = {
    "create-workspace": _create_workspace,
    "create-key": _create_key,
    "revoke-key": _revoke_key,
    "show-workspace": _show_workspace,
}
