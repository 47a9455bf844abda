"""`/connect/{token}`: a connect link. Its page shows which user it is for, and its button opens the session."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.calls import Call
from chalicelib.api.pages.session import cookie, redirect, render_error, require_same_origin
from chalicelib.api.routing import PageRoutes
from chalicelib.errors import NotFound

routes = PageRoutes(render_error)


@routes.get("/connect/{token}")
def show_link(call: Call, token: str) -> Response:
    # A GET does not use up the link: email scanners follow links, but they press no buttons.
    visitor = call.services.connect_links.find_visitor(token)
    if visitor is None:
        raise NotFound("This link has expired or was already used. Ask for a new one where you got it.")
    workspace = call.services.workspace_store.get(visitor.workspace_id)
    ancestors = workspace.frame_ancestors if workspace else ()
    return html.page(call, "link.html", frame_ancestors=ancestors, visitor=visitor, workspace=workspace, token=token)


@routes.post("/connect/{token}")
def use_link(call: Call, token: str) -> Response:
    require_same_origin(call)
    session = call.services.connect_links.open_session(token)
    workspace = call.services.workspace_store.get(session.visitor.workspace_id)
    return redirect(f"{call.base_url}/settings", {"Set-Cookie": cookie(call, session.token, workspace)})


@routes.get("/assets/{name}")
def asset(_: Call, name: str) -> Response:
    return html.asset(name)
