"""Pages below /_admin that let scripts inspect the stand-in and send Zoom's events."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from infra.local.standins.faults import ADMIN_PREFIX
from infra.local.standins.zoom.bodies import instant
from infra.local.standins.zoom.current import current_zoom

blueprint = Blueprint("admin", __name__, url_prefix=ADMIN_PREFIX)


@blueprint.get("/meetings")
def list_meetings() -> dict[str, Any]:
    """List every meeting without links and passcodes, and the number of refreshes."""
    zoom = current_zoom()
    meetings = [
        {
            "id": meeting.id,
            "user_id": meeting.host_user_id,
            "topic": meeting.topic,
            "agenda": meeting.agenda,
            "start_time": instant(meeting.start_time),
            "duration": meeting.duration,
        }
        for meeting in zoom.meetings.values()
    ]
    return {"meetings": meetings, "refresh_calls": zoom.refresh_calls}


@blueprint.post("/reset")
def reset() -> tuple[str, int]:
    """Forget everything but accounts and settings."""
    current_zoom().reset()
    return "", 204


@blueprint.post("/deauthorize")
def deauthorize() -> tuple[dict[str, Any], int]:
    """Remove the app for {"user_id"}; `delivered` is the status of the response to the event, or null."""
    zoom, body = current_zoom(), request.get_json(silent=True)
    user_id = body.get("user_id") if isinstance(body, dict) else None
    if user_id not in zoom.accounts:
        return {"error": "no such user_id"}, 404
    delivery = zoom.deauthorize(user_id)
    return {"delivered": delivery.status if delivery else None}, 200


@blueprint.post("/meetings/<int:meeting_id>/take-place")
def take_place(meeting_id: int) -> tuple[dict[str, Any], int]:
    """Let the meeting take place with {"host": true, "guests": 1, "recorded": false}.

    `delivered` has the status of the response to each event.
    """
    zoom, body = current_zoom(), request.get_json(silent=True) or {}
    if meeting_id not in zoom.held.by_id:
        return {"error": "no such meeting"}, 404
    deliveries = zoom.sessions.take_place(
        meeting_id,
        with_host=bool(body.get("host", True)),
        guests=int(body.get("guests", 1)),
        is_recorded=bool(body.get("recorded", False)),
    )
    return {"delivered": [delivery.status for delivery in deliveries]}, 200


@blueprint.post("/meetings/<int:meeting_id>/delete")
def delete_meeting(meeting_id: int) -> tuple[dict[str, Any], int]:
    """Delete the meeting as its host does by hand."""
    zoom = current_zoom()
    if meeting_id not in zoom.held.by_id:
        return {"error": "no such meeting"}, 404
    return {"delivered": [delivery.status for delivery in zoom.sessions.delete_by_hand(meeting_id)]}, 200


@blueprint.post("/validate-webhook")
def validate_webhook() -> dict[str, Any]:
    """Ask the receiver of events to prove that it knows the secret."""
    return {"valid": current_zoom().validate_url()}
