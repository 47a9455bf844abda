"""`/workspace/members`: who may open the workspace's pages."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.calls import Call
from chalicelib.api.pages.workspace_shell import (
    go_to,
    member_audience,
    posted_by_member,
    record_action,
    render_workspace_error,
    require_member,
    workspace_page,
)
from chalicelib.api.routing import PageRoutes
from chalicelib.api.schemas.fields import is_email
from chalicelib.domain.invitation import address_key
from chalicelib.domain.members import MAX_MEMBERS, find_member, members_of, with_members
from chalicelib.domain.workspace import Member, MemberRole
from chalicelib.usecases.workspace_links import MemberSession

routes = PageRoutes(render_workspace_error)
_STATUSES = {"unknown": 404}


@routes.get("/workspace/members")
def show_members(call: Call) -> Response:
    return _page(call, require_member(call))


@routes.post("/workspace/members/add")
def add_member(call: Call) -> Response:
    session, form = posted_by_member(call)
    email, role, members = form.get("email", "").strip(), _role(form.get("role")), members_of(session.workspace)
    problem = None
    if not is_email(email):
        problem = "email"
    elif find_member(session.workspace, email) is not None:
        problem = "exists"
    elif len(members) >= MAX_MEMBERS:
        problem = "too_many"
    if problem:
        return _page(call, session, problem, entered=email)
    record_action(call, session, "add-member")
    call.services.members.store(with_members(session.workspace, (*members, Member(email, role))))
    return go_to(call, "members", "added")


@routes.post("/workspace/members/remove")
def remove_member(call: Call) -> Response:
    session, form = posted_by_member(call)
    email = form.get("email", "")
    if problem := _find_problem(session, email):
        return _page(call, session, problem)
    record_action(call, session, "remove-member")
    others = [member for member in members_of(session.workspace) if not _is_same(member.email, email)]
    call.services.members.store(with_members(session.workspace, others))
    return go_to(call, "members", "removed")


@routes.post("/workspace/members/role")
def change_role(call: Call) -> Response:
    session, form = posted_by_member(call)
    email, role = form.get("email", ""), _role(form.get("role"))
    if problem := _find_problem(session, email):
        return _page(call, session, problem)
    record_action(call, session, "change-member-role")
    changed = [
        Member(member.email, role if _is_same(member.email, email) else member.role)
        for member in members_of(session.workspace)
    ]
    call.services.members.store(with_members(session.workspace, changed))
    return go_to(call, "members", "changed")


def _page(call: Call, session: MemberSession, problem: str | None = None, *, entered: str = "") -> Response:
    texts = member_audience(call, session).wording.workspace_pages.members
    return workspace_page(
        call,
        session,
        "members",
        status=_STATUSES.get(problem, 400) if problem else 200,
        members=sorted(members_of(session.workspace), key=lambda member: address_key(member.email)),
        own_key=address_key(session.email),
        address_key=address_key,
        roles=tuple(MemberRole),
        problem=texts.problems[problem] if problem else None,
        entered=entered,
    )


def _role(text: str | None) -> MemberRole:
    return MemberRole.ADMIN if text == MemberRole.ADMIN.value else MemberRole.SUPPORT


def _find_problem(session: MemberSession, email: str) -> str | None:
    """Return why the member with this address cannot be removed or changed."""
    if _is_same(session.email, email):
        return "yourself"
    return None if find_member(session.workspace, email) else "unknown"


def _is_same(one: str, other: str) -> bool:
    return address_key(one) == address_key(other)
