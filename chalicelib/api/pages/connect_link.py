"""`/connect/{token}`: a connect link. Its page shows which user it is for, and its button opens the session."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.calls import Call
from chalicelib.api.pages.session import audience_for, cookie, redirect, render_error, require_same_origin
from chalicelib.api.routing import PageRoutes
from chalicelib.errors import NotFound

routes = PageRoutes(render_error)


@routes.get("/connect/{token}")
def show_link(call: Call, token: str) -> Response:
    # A GET does not use up the link: email scanners follow links, but they press no buttons.
    visitor = call.services.connect_links.find_visitor(token)
    if visitor is None:
        raise NotFound("The link is expired, used or unknown.", reason="link_expired")
    audience = audience_for(call, visitor)
    ancestors = audience.workspace.frame_ancestors if audience.workspace else ()
    name = audience.workspace.name if audience.workspace else visitor.workspace_id
    return html.page(
        call, "link.html", audience, frame_ancestors=ancestors, visitor=visitor, workspace_name=name, token=token
    )


@routes.post("/connect/{token}")
def use_link(call: Call, token: str) -> Response:
    require_same_origin(call)
    session = call.services.connect_links.open_session(token)
    workspace = call.services.workspace_store.get(session.visitor.workspace_id)
    return redirect(f"{call.base_url}/settings", {"Set-Cookie": cookie(call, session.token, workspace)})


@routes.get("/assets/{name}")
def asset(_: Call, name: str) -> Response:
    return html.asset(name)
