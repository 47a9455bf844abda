"""`/workspace/calendars`: what guests book on."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.calls import Call
from chalicelib.api.pages.workspace_shell import (
    list_page_links,
    list_start,
    render_workspace_error,
    require_member,
    workspace_page,
)
from chalicelib.api.routing import PageRoutes

routes = PageRoutes(render_workspace_error)
_PAGE = 50


@routes.get("/workspace/calendars")
def show_calendars(call: Call) -> Response:
    session = require_member(call)
    store = call.services.calendar_store
    calendars, following = store.page(session.workspace.workspace_id, limit=_PAGE, after=list_start(call))
    return workspace_page(
        call,
        session,
        "calendars",
        calendars=calendars,
        **list_page_links(call, following),
    )
