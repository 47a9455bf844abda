"""`/workspace/audit`: the administrative actions in the workspace, newest first."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.calls import Call
from chalicelib.api.pages.workspace_shell import (
    MEMBER_PREFIX,
    list_page_links,
    list_start,
    member_audience,
    render_workspace_error,
    require_member,
    show_utc,
    workspace_page,
)
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.members import member_digest, members_of
from chalicelib.store.audit import AuditEntry

routes = PageRoutes(render_workspace_error)
_PAGE = 50


@routes.get("/workspace/audit")
def show_audit(call: Call) -> Response:
    session = require_member(call)
    workspace, wording = session.workspace, member_audience(call, session).wording
    entries, following = call.services.audit_store.page(workspace.workspace_id, _PAGE, list_start(call))
    addresses = {member_digest(member.email): member.email for member in members_of(workspace)}
    addresses[member_digest(session.email)] = session.email

    def shown_caller(entry: AuditEntry) -> str:
        if not entry.caller.startswith(MEMBER_PREFIX):
            return entry.caller
        texts = wording.workspace_pages.audit
        person = addresses.get(entry.caller.removeprefix(MEMBER_PREFIX), texts.former)
        return texts.by_link.format(person=person, key=entry.link_key_id) if entry.link_key_id else person

    return workspace_page(
        call,
        session,
        "audit",
        rows=[(show_utc(entry.at, wording), entry.verb, shown_caller(entry), entry.key_id) for entry in entries],
        **list_page_links(call, following),
    )
