"""`/settings/disconnect`: what disconnecting affects, and a second question before meetings are deleted."""

from __future__ import annotations

from typing import Any

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.calls import Call
from chalicelib.api.pages.error_pages import render_error
from chalicelib.api.pages.session import audience_for, posted, redirect, require_session
from chalicelib.api.pages.shown_bookings import show_booking
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.connection import ConnectionState
from chalicelib.store.booking_records import Record
from chalicelib.usecases.connect_links import Session

_SHOWN = 100

routes = PageRoutes(render_error)


@routes.get("/settings/disconnect")
def show_disconnect(call: Call) -> Response:
    session = require_session(call)
    status = call.services.connections.status(session.visitor.workspace_id, session.visitor.user_id)
    if status.connection is None:
        return redirect(f"{call.base_url}/settings")
    can_delete = status.state is ConnectionState.CONNECTED
    account = status.connection.account.label
    return _page(call, session, _affected(call, session), "disconnect.html", account=account, can_delete=can_delete)


@routes.post("/settings/disconnect")
def disconnect(call: Call) -> Response:
    session, form = posted(call)
    visitor, deletes = session.visitor, form.get("meetings") == "delete"
    affected = _affected(call, session) if deletes else []
    # The question is asked again if the meetings are no longer those that the user saw.
    if affected and form.get("confirmed") != _digest(affected):
        return _page(call, session, affected, "disconnect_deletes.html", digest=_digest(affected))
    call.services.connections.disconnect(
        visitor.workspace_id, visitor.user_id, delete_meetings=deletes, session=session
    )
    return redirect(f"{call.base_url}/settings?notice={'removing' if deletes else 'disconnected'}")


def _page(call: Call, session: Session, affected: list[Record], template: str, **values: Any) -> Response:
    audience, now = audience_for(call, session.visitor), call.services.clock()
    return html.page(
        call,
        template,
        audience,
        frame_ancestors=audience.workspace.frame_ancestors if audience.workspace else (),
        csrf=session.csrf,
        meetings=[show_booking(record, now, audience.wording) for record in affected[:_SHOWN]],
        count=len(affected),
        **values,
    )


def _affected(call: Call, session: Session) -> list[Record]:
    return call.services.connections.preview_disconnect(session.visitor.workspace_id, session.visitor.user_id)


def _digest(affected: list[Record]) -> str:
    """Return a digest of which bookings these are."""
    from chalicelib.domain.digest import digest

    return digest({"bookings": sorted(record.booking.booking_id for record in affected)}, length=32)
