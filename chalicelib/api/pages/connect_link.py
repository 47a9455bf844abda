"""`/connect/{token}`: a connect link. Its page shows which user it is for, and its button opens the session."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.calls import Call
from chalicelib.api.pages.error_pages import render_error
from chalicelib.api.pages.provider_offers import named_sign_in, sign_in_origins
from chalicelib.api.pages.session import (
    audience_for,
    cookie,
    has_probe_cookie,
    is_framed,
    probe_cookie,
    redirect,
    require_same_origin,
    session_or_none,
)
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import NotFound
from chalicelib.usecases.connect_links import Session, storage_key

routes = PageRoutes(render_error)


@routes.get("/connect/{token}")
def show_link(call: Call, token: str) -> Response:
    # A GET does not use up the link: email scanners follow links, but they press no buttons.
    visitor = call.services.connect_links.find_visitor(token)
    if visitor is None:
        if _is_open(call, token):
            return _to_settings(call)
        raise NotFound("The link is expired, used or unknown.", reason="link_expired")
    audience = audience_for(call, visitor)
    workspace = audience.workspace
    named = None if is_framed(call) else named_sign_in(call, visitor, workspace)
    response = html.page(
        call,
        "link.html",
        audience,
        form_targets=sign_in_origins([named] if named else []),
        frame_ancestors=workspace.frame_ancestors if workspace else (),
        visitor=visitor,
        workspace_name=workspace.name if workspace else visitor.workspace_id,
        token=token,
        named=named,
    )
    if is_framed(call) and workspace and workspace.frame_ancestors:
        response.headers["Set-Cookie"] = probe_cookie(call)
    return response


@routes.post("/connect/{token}")
def use_link(call: Call, token: str) -> Response:
    require_same_origin(call)
    if _is_open(call, token):
        return _to_settings(call)
    visitor = call.services.connect_links.find_visitor(token)
    if visitor is not None and is_framed(call) and not has_probe_cookie(call):
        audience = audience_for(call, visitor)
        ancestors = audience.workspace.frame_ancestors if audience.workspace else ()
        return html.page(call, "link_in_window.html", audience, frame_ancestors=ancestors, token=token)
    session = call.services.connect_links.open_session(token)
    workspace = call.services.workspace_store.get(session.visitor.workspace_id)
    return redirect(_next_address(call, session, workspace), {"Set-Cookie": cookie(call, session.token, workspace)})


@routes.get("/assets/{name}")
def asset(_: Call, name: str) -> Response:
    return html.asset(name)


def _next_address(call: Call, session: Session, workspace: Workspace | None) -> str:
    """Return the sign-in page of the provider that the link names, else the settings page."""
    named = None if is_framed(call) else named_sign_in(call, session.visitor, workspace)
    if named is None:
        return f"{call.base_url}/settings"
    return call.services.oauth_flow.start(session, named.name, call.base_url)


def _is_open(call: Call, token: str) -> bool:
    """Return whether the browser's session is the one that this link opened: the reader came back, or reloads."""
    session = session_or_none(call)
    return session is not None and session.visitor.link == storage_key("link", token)


def _to_settings(call: Call) -> Response:
    return redirect(f"{call.base_url}/settings")
