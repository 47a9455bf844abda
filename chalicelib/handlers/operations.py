"""What operators do without a public endpoint: workspaces and their keys. Guarded by IAM (`lambda:InvokeFunction`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import asdict, replace

from chalicelib.api.schema import ID_PATTERN
from chalicelib.domain.plain_text import clean_line, is_web_address
from chalicelib.domain.workspace import Workspace, issue_key, revoke_key
from chalicelib.errors import FieldError, InvalidInput, MeetlinkError, NotFound
from chalicelib.usecases.branding import with_mail_settings

if TYPE_CHECKING:
    from chalicelib.wiring import Services

LISTS = ("admin_emails", "return_to", "allowed_origins", "frame_ancestors")
_AUDIT_SHOWN = 100
# Exact origins only: what stands here goes into headers, and every wildcard is somebody else's page too.
_ORIGIN = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?")


def run(request: dict[str, Any], services: Services, caller: str = "operate") -> dict[str, Any]:
    """Carry out `{"do": …}`; the answer holds `error` instead of raising, so that it reads well on a terminal.

    `create-workspace` {workspace_id, name?, lists?} → the first API key, shown only here ·
    `set-lists` {workspace_id, lists} · the lists: admin_emails, return_to, allowed_origins, frame_ancestors ·
    `update-workspace` {workspace_id, confirms_connections?, hold_minutes?, reminder_minutes?, brand?: {name?, color?,
    logo_url?, footer?, sender?}}; bookings that were mailed before keep their sender ·
    `show-suppression`, `lift-suppression` {workspace_id, email} for an address that bounced or complained ·
    `create-key` {workspace_id, note?} · `revoke-key` {workspace_id, key_id} · `show-workspace` {workspace_id} ·
    `show-audit` {workspace_id} → the newest administrative actions; `*` for those that concern all workspaces

    `caller` goes into the audit trail.
    """
    name = str(request.get("do"))
    verb = VERBS.get(name)
    if verb is None:
        return {"error": f"Say what to do: {', '.join(VERBS)}."}
    if unknown := sorted(map(str, request.keys() - {"do", *verb.fields})):
        return {"error": f"{name} takes {', '.join(verb.fields)}, and not {', '.join(unknown)}."}
    try:
        return verb.act(request | {"caller": caller}, services)
    except InvalidInput as error:
        flaws = [f"{one.pointer.strip('/')}: {one.detail}" for one in error.errors if isinstance(one, FieldError)]
        return {"error": " ".join(flaws) or str(error)}
    except MeetlinkError as error:
        return {"error": str(error)}


def _create_workspace(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace_id = request.get("workspace_id")
    if not isinstance(workspace_id, str) or re.fullmatch(ID_PATTERN, workspace_id) is None:
        raise InvalidInput("workspace_id must be 1 to 128 of A-Z a-z 0-9 . _ : -")
    if services.workspace_store.get(workspace_id) is not None:
        raise InvalidInput("This workspace exists already. Use create-key for another key.")
    now = services.clock()
    workspace = Workspace(
        workspace_id,
        clean_line(str(request.get("name") or workspace_id), 200),
        now,
        **_lists(request),
    )
    workspace, key = issue_key(workspace, now=now, note="first key")
    _put(workspace, request, services, workspace.keys[-1].key_id)
    return {"workspace_id": workspace_id, "api_key": key}


def _set_lists(request: dict[str, Any], services: Services) -> dict[str, Any]:
    _put(replace(_workspace(request, services), **_lists(request)), request, services)
    return _show_workspace(request, services)


def _update_workspace(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace = with_mail_settings(_workspace(request, services), request)
    confirms = request.get("confirms_connections", workspace.confirms_connections)
    if not isinstance(confirms, bool):
        raise InvalidInput("confirms_connections must be true or false.")
    _put(replace(workspace, confirms_connections=confirms), request, services)
    return _show_workspace(request, services)


def _show_suppression(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace_id, email = _workspace(request, services).workspace_id, str(request.get("email"))
    return {"email": email, "suppressed": services.suppression_store.find(workspace_id, email)}


def _lift_suppression(request: dict[str, Any], services: Services) -> dict[str, Any]:
    """SES has a list of its own, for the account: `aws sesv2 delete-suppressed-destination`."""
    workspace_id, email = _workspace(request, services).workspace_id, str(request.get("email"))
    services.audit.note(str(request["do"]), workspace_id, caller=str(request["caller"]))
    if not services.suppression_store.lift(workspace_id, email):
        raise NotFound("This address is not suppressed in this workspace.")
    return {"email": email, "suppressed": None}


def _create_key(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace, key = issue_key(_workspace(request, services), now=services.clock(), note=str(request.get("note", "")))
    _put(workspace, request, services, workspace.keys[-1].key_id)
    return {"workspace_id": workspace.workspace_id, "api_key": key}


def _revoke_key(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace, key_id = _workspace(request, services), str(request.get("key_id"))
    without = revoke_key(workspace, key_id)
    if without == workspace:
        raise NotFound("There is no key with this key_id.")
    _put(without, request, services, key_id)
    return {"workspace_id": workspace.workspace_id, "revoked": key_id}


def _show_workspace(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace = _workspace(request, services)
    return {
        "workspace_id": workspace.workspace_id,
        "name": workspace.name,
        **{name: list(getattr(workspace, name)) for name in LISTS},
        "confirms_connections": workspace.confirms_connections,
        "hold_minutes": workspace.hold_minutes,
        "reminder_minutes": workspace.reminder_minutes,
        "brand": asdict(workspace.brand),
        "keys": [{"key_id": k.key_id, "note": k.note, "created_at": str(k.created_at)} for k in workspace.keys],
    }


def _show_audit(request: dict[str, Any], services: Services) -> dict[str, Any]:
    workspace_id = str(request.get("workspace_id"))
    entries = services.audit_store.newest(workspace_id, _AUDIT_SHOWN)
    return {"workspace_id": workspace_id, "entries": [asdict(entry) | {"at": str(entry.at)} for entry in entries]}


def _put(workspace: Workspace, request: dict[str, Any], services: Services, key_id: str | None = None) -> None:
    """Record the action, then store the workspace."""
    services.audit.note(str(request["do"]), workspace.workspace_id, caller=str(request["caller"]), key_id=key_id)
    services.workspace_store.put(workspace)


def _lists(request: dict[str, Any]) -> dict[str, Any]:
    lists = {name: _texts(name, request[name]) for name in LISTS if name in request}
    for name in ("allowed_origins", "frame_ancestors"):
        for origin in lists.get(name, ()):
            if _ORIGIN.fullmatch(origin) is None:
                raise InvalidInput(f"{origin} in {name} is not an origin, such as https://booking.example.com")
    for address in lists.get("return_to", ()):
        if not is_web_address(address):
            raise InvalidInput(f"{address} in return_to is not an https address, such as https://booking.example.com/a")
    return lists


def _texts(name: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise InvalidInput(f'{name} must be a list of texts, such as ["one", "two"].')
    return tuple(given)


def _workspace(request: dict[str, Any], services: Services) -> Workspace:
    workspace = services.workspace_store.get(str(request.get("workspace_id")))
    if workspace is None:
        raise NotFound("There is no workspace with this id.")
    return workspace


class Verb(NamedTuple):
    """What an operator can ask for."""

    act: Callable[[dict[str, Any], Services], dict[str, Any]]
    fields: tuple[str, ...]
    """What a request may contain beside `do`. The command line has an option for each."""


VERBS = {
    "create-workspace": Verb(_create_workspace, ("workspace_id", "name", *LISTS)),
    "set-lists": Verb(_set_lists, ("workspace_id", *LISTS)),
    "update-workspace": Verb(
        _update_workspace, ("workspace_id", "confirms_connections", "hold_minutes", "reminder_minutes", "brand")
    ),
    "show-suppression": Verb(_show_suppression, ("workspace_id", "email")),
    "lift-suppression": Verb(_lift_suppression, ("workspace_id", "email")),
    "create-key": Verb(_create_key, ("workspace_id", "note")),
    "revoke-key": Verb(_revoke_key, ("workspace_id", "key_id")),
    "show-workspace": Verb(_show_workspace, ("workspace_id",)),
    "show-audit": Verb(_show_audit, ("workspace_id",)),
}
