"""`/connect/{token}`: a connect link shows whom it is for, and its button opens the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api import html
from chalicelib.api.pages.session import FORM, cookie, page_route, redirect, require_same_origin
from chalicelib.api.routing import Call
from chalicelib.errors import NotFound

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def routes(services: Callable[[], Services]) -> Blueprint:
    """The routes of connect links, and of the pages' style sheets."""
    routes = Blueprint(__name__)
    page = page_route(services)

    @routes.route("/connect/{token}", methods=["GET"])
    @page
    def show_link(call: Call, token: str) -> Response:
        # Looking uses nothing up: mail scanners follow links, but they press no buttons.
        visitor = call.services.connect_links.find_visitor(token)
        if visitor is None:
            raise NotFound("This link has expired or was already used. Ask for a new one where you got it.")
        workspace = call.services.workspace_store.get(visitor.workspace_id)
        ancestors = workspace.frame_ancestors if workspace else ()
        return html.page(
            call, "link.html", frame_ancestors=ancestors, visitor=visitor, workspace=workspace, token=token
        )

    @routes.route("/connect/{token}", methods=["POST"], content_types=FORM)
    @page
    def use_link(call: Call, token: str) -> Response:
        require_same_origin(call)
        session = call.services.connect_links.open_session(token)
        workspace = call.services.workspace_store.get(session.visitor.workspace_id)
        return redirect(f"{call.base_url}/settings", {"Set-Cookie": cookie(call, session.token, workspace)})

    @routes.route("/assets/{name}", methods=["GET"])
    @page
    def asset(_: Call, name: str) -> Response:
        return html.asset(name)

    return routes
