"""Routes of `/v1/members` and `/v1/workspace-links`."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.calls import CallerCall
from chalicelib.api.routing import Routes, json_response
from chalicelib.api.schemas import members as schemas
from chalicelib.api.schemas.fields import format_timestamp
from chalicelib.domain.members import with_members
from chalicelib.usecases.workspace_links import WorkspaceLink

routes = Routes("Members")


@routes.get(
    "/v1/members",
    "List the members of the workspace",
    text="They may open the workspace's pages at `/workspace`. Until they are set, they are the administrators' "
    "addresses that the operator set.",
    responses={200: schemas.MemberPage},
)
def list_members(call: CallerCall) -> Response:
    return json_response(schemas.format_members(call.workspace))


@routes.put(
    "/v1/members",
    "Set the members of the workspace",
    text="Replaces the whole list. The sessions of members who are left out end immediately.",
    request=schemas.MembersBody,
    responses={200: schemas.MemberPage},
)
def put_members(call: CallerCall) -> Response:
    body = call.read(schemas.MembersBody)
    call.audit("set-members")
    workspace = with_members(call.workspace, schemas.parse_members(body.members))
    call.services.members.store(workspace)
    return json_response(schemas.format_members(workspace))


@routes.post(
    "/v1/workspace-links",
    "Create a link that opens the workspace's pages",
    text="For people who are signed in to your own backend; they need not be members. The link works once, for ten "
    "minutes. Revoking the API key ends the link and its session, which cannot create API keys.",
    request=schemas.WorkspaceLinkBody,
    responses={201: schemas.WorkspaceLink},
)
def post_workspace_link(call: CallerCall) -> Response:
    body = call.read(schemas.WorkspaceLinkBody)
    call.audit("create-workspace-link")
    link = WorkspaceLink(body.email, call.workspace_id, body.role, call.key_id)
    token, expires_at = call.services.workspace_links.create(link)
    url = f"{call.base_url}/workspace/sign-in/{token}"
    return json_response(schemas.WorkspaceLink(url, format_timestamp(expires_at)), 201)
