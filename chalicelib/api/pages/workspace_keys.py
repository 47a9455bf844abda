"""`/workspace/keys`: the API keys. A new one is shown once."""

from __future__ import annotations

from chalice.app import Response
from msgspec.structs import replace

from chalicelib.api.calls import Call
from chalicelib.api.pages.workspace_shell import (
    go_to,
    member_audience,
    posted_by_member,
    record_action,
    render_workspace_error,
    require_member,
    show_utc,
    workspace_page,
)
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.plain_text import clean_line
from chalicelib.domain.workspace import issue_key, revoke_key
from chalicelib.errors import Forbidden, NotFound
from chalicelib.usecases.workspace_links import MemberSession

routes = PageRoutes(render_workspace_error)
_MAX_KEYS = 50


@routes.get("/workspace/keys")
def show_keys(call: Call) -> Response:
    return _page(call, require_member(call))


@routes.post("/workspace/keys/create")
def create_key(call: Call) -> Response:
    session, form = posted_by_member(call)
    if not session.may_create_keys(call.services.clock()):
        raise Forbidden("Creating a key requires a new sign-in by email.", reason="old_sign_in")
    if len(session.workspace.keys) >= _MAX_KEYS:
        return _page(call, session, is_full=True)
    note = clean_line(form.get("note", ""), 200)
    workspace, key = issue_key(session.workspace, now=call.services.clock(), note=note)
    record_action(call, session, "create-key", key_id=workspace.keys[-1].key_id)
    call.services.workspace_store.put(workspace)
    return _page(call, replace(session, workspace=workspace), new_key=key)


@routes.post("/workspace/keys/revoke")
def revoke_one_key(call: Call) -> Response:
    session, form = posted_by_member(call)
    key_id = form.get("key_id", "")
    workspace = revoke_key(session.workspace, key_id)
    if workspace == session.workspace:
        raise NotFound("There is no key with this id.")
    record_action(call, session, "revoke-key", key_id=key_id)
    call.services.workspace_store.put(workspace)
    return go_to(call, "keys", "revoked")


def _page(call: Call, session: MemberSession, *, new_key: str | None = None, is_full: bool = False) -> Response:
    workspace, wording = session.workspace, member_audience(call, session).wording
    uses = call.services.key_uses.last(workspace.workspace_id, (key.key_id for key in workspace.keys))
    rows = [
        {
            "key": key,
            "created": show_utc(key.created_at, wording),
            "last_use": wording.formats.format_short_date(uses[key.key_id]) if key.key_id in uses else None,
        }
        for key in workspace.keys
    ]
    return workspace_page(
        call,
        session,
        "keys",
        status=409 if is_full else 200,
        rows=rows,
        new_key=new_key,
        is_full=is_full,
        may_create=session.may_create_keys(call.services.clock()),
    )
