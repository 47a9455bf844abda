"""`/workspace/audit`: the administrative actions in the workspace, newest first."""

from __future__ import annotations

from urllib.parse import urlencode

from chalice.app import Response

from chalicelib.api.calls import Call
from chalicelib.api.pages.workspace_shell import (
    MEMBER_PREFIX,
    member_audience,
    render_workspace_error,
    require_member,
    show_utc,
    workspace_page,
)
from chalicelib.api.pagination import PageQuery, encode_cursor
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.members import member_digest, members_of

routes = PageRoutes(render_workspace_error)
_PAGE = 50


@routes.get("/workspace/audit")
def show_audit(call: Call) -> Response:
    session = require_member(call)
    workspace, wording = session.workspace, member_audience(call, session).wording
    after = PageQuery(cursor=call.query("cursor")).after
    entries, following = call.services.audit_store.page(workspace.workspace_id, _PAGE, after)
    addresses = {member_digest(member.email): member.email for member in members_of(workspace)}
    addresses[member_digest(session.email)] = session.email

    def shown_caller(caller: str) -> str:
        if not caller.startswith(MEMBER_PREFIX):
            return caller
        return addresses.get(caller.removeprefix(MEMBER_PREFIX), wording.workspace_pages.audit.former)

    return workspace_page(
        call,
        session,
        "audit",
        rows=[(show_utc(one.at, wording), one.verb, shown_caller(one.caller), one.key_id) for one in entries],
        more=urlencode({"cursor": encode_cursor(following) or ""}) if following else None,
        is_later=after is not None,
    )
