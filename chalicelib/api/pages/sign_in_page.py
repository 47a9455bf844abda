"""`/workspace` and `/workspace/sign-in…`: sign in to the workspace's pages by email, or by a link of the backend."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.audience import audience_of
from chalicelib.api.calls import Call
from chalicelib.api.pages.session import read_form, redirect, require_same_origin
from chalicelib.api.pages.workspace_shell import (
    NAVIGATION,
    browser_tag,
    end_member_cookie,
    go_to,
    member_cookie,
    member_or_none,
    posted_by_member,
    record_action,
    render_workspace_error,
    sign_in_page,
)
from chalicelib.api.routing import PageRoutes
from chalicelib.api.schemas.fields import is_email
from chalicelib.domain.workspace import MemberRole

routes = PageRoutes(render_workspace_error)


@routes.get("/workspace")
def show_workspace(call: Call) -> Response:
    if member_or_none(call) is None:
        return sign_in_page(call, notice=call.query("notice"))
    return go_to(call, NAVIGATION[0])


@routes.post("/workspace/sign-in")
def request_sign_in(call: Call) -> Response:
    # The same for every address, member or not. Another site could post the form, but not more often than anyone.
    require_same_origin(call)
    email = read_form(call).get("email", "").strip()
    audience = audience_of(call)
    if not is_email(email):
        problem = audience.wording.workspace_pages.members.problems["email"]
        return sign_in_page(call, problem=problem, status=400)
    call.services.sign_in_requests.add(email, call.base_url, browser_tag(call))
    return html.page(call, "workspace/sent.html", audience, email=email)


@routes.get("/workspace/sign-in/{token}")
def show_sign_in(call: Call, token: str) -> Response:
    # A GET does not use up the link: email scanners follow links, but they press no buttons.
    workspaces = call.services.workspace_links.choices(token)
    audience = audience_of(call, workspaces[0] if len(workspaces) == 1 else None)
    return html.page(call, "workspace/link.html", audience, workspaces=workspaces, token=token)


@routes.post("/workspace/sign-in/{token}")
def use_sign_in(call: Call, token: str) -> Response:
    require_same_origin(call)
    session = call.services.workspace_links.open_session(token, read_form(call).get("workspace", ""))
    record_action(call, session, "sign-in")
    return redirect(f"{call.base_url}/workspace", {"Set-Cookie": member_cookie(call, session.token)})


@routes.post("/workspace/sign-out")
def sign_out_member(call: Call) -> Response:
    session, _ = posted_by_member(call, MemberRole.SUPPORT)
    call.services.workspace_links.end_session(session)
    return redirect(f"{call.base_url}/workspace?notice=signed_out", {"Set-Cookie": end_member_cookie(call)})
