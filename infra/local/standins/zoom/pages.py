"""Zoom's pages besides consent: add or remove the app, and open a meeting."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from infra.local.standins.oauth_rules import PageError, Person
from infra.local.standins.zoom.bodies import join_url
from infra.local.standins.zoom.current import current_zoom, locked
from infra.local.standins.zoom.meetings import Meeting

blueprint = Blueprint("pages", __name__)


@blueprint.get("/apps")
def apps(message: str = "") -> str:
    """Show the form that adds or removes the app."""
    return render_template("apps.html", message=message)


@blueprint.post("/apps/add")
@locked
def add_app() -> Response:
    """Add the app as Zoom's Marketplace does: the app gets a code, but not a state that it has chosen."""
    zoom, person = current_zoom(), _signed_in()
    query = {"redirect_uri": min(zoom.redirect_uris)}
    return zoom.identity.redirect_with_code(person, query, zoom.scopes_of(person))


@blueprint.post("/apps/remove")
def remove_app() -> str:
    """Remove the app. It does not hold the lock, because the receiver of the event may call back."""
    zoom, person = current_zoom(), _signed_in()
    zoom.deauthorize(person.id)
    return apps(f"{zoom.app_name} no longer has access to {person.email}.")


@blueprint.get("/j/<int:meeting_id>")
@locked
def join(meeting_id: int) -> str:
    """Show the page that a guest's link opens, if `web_url` is the stand-in's own address."""
    return render_template("meeting.html", meeting=_linked_meeting(meeting_id), address=_address())


@blueprint.post("/j/<int:meeting_id>")
def step_in(meeting_id: int) -> Response:
    """Press a button of the meeting's page: join as host or guest, or end it. The product receives Zoom's events."""
    sessions, step = current_zoom().sessions, request.form.get("step")
    _linked_meeting(meeting_id)
    if step == "end":
        sessions.end(meeting_id)
    else:
        sessions.join(meeting_id, is_host=step == "host")
    return redirect(_address())


def _linked_meeting(meeting_id: int) -> Meeting:
    """Return the meeting of the link that was opened. Raises `PageError` for an invalid one."""
    meeting = current_zoom().held.by_id.get(meeting_id)
    if meeting is None or join_url(meeting, "") != _address():
        raise PageError("This meeting link is invalid", 3001, status=404)
    return meeting


def _address() -> str:
    return request.full_path.removesuffix("?")


def _signed_in() -> Person:
    person = current_zoom().identity.sign_in()
    if person is None:
        raise PageError("Wrong email or password.", status=403)
    return person
