"""`/workspace/calendars`: what guests book on."""

from __future__ import annotations

from urllib.parse import urlencode

from chalice.app import Response

from chalicelib.api.calls import Call
from chalicelib.api.pages.workspace_shell import render_workspace_error, require_member, workspace_page
from chalicelib.api.pagination import PageQuery, encode_cursor
from chalicelib.api.routing import PageRoutes

routes = PageRoutes(render_workspace_error)
_PAGE = 50


@routes.get("/workspace/calendars")
def show_calendars(call: Call) -> Response:
    session = require_member(call)
    after = PageQuery(cursor=call.query("cursor")).after
    store = call.services.calendar_store
    calendars, following = store.page(session.workspace.workspace_id, limit=_PAGE, after=after)
    return workspace_page(
        call,
        session,
        "calendars",
        calendars=calendars,
        more=urlencode({"cursor": encode_cursor(following) or ""}) if following else None,
        is_later=after is not None,
    )
