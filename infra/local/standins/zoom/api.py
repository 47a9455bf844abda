"""The REST API below /v2, as user-managed apps see it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flask import Blueprint, Response, request

from infra.local.standins.oauth_rules import Token
from infra.local.standins.zoom import bodies, contract, reports
from infra.local.standins.zoom.accounts import USER_SCOPES, Account
from infra.local.standins.zoom.current import current_zoom, locked
from infra.local.standins.zoom.errors import (
    ApiError,
    invalid_access_token,
    invalid_field,
    invalid_fields,
    missing_scopes,
)
from infra.local.standins.zoom.meetings import Meeting

blueprint = Blueprint("api", __name__, url_prefix="/v2")

_USER_MEETINGS = "/users/{userId}/meetings"
_MEETING = "/meetings/{meetingId}"
_INVITATION = "/meetings/{meetingId}/invitation"
_GET_USER = contract.Operation(USER_SCOPES, ("user:read:user", "user:read:user:admin"), "Light")
_MAX_PAGE_SIZE = 300
_BOOLEANS = ("true", "false")


@blueprint.get("/users/<user_id>")
@locked
def get_user(user_id: str) -> dict[str, Any]:
    """Read the user of the token."""
    token = _authorize(_GET_USER, user_id)
    _accept_query(())
    return bodies.user(_account(token))


@blueprint.post("/users/<user_id>/meetings")
@locked
def create_meeting(user_id: str) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Create a meeting."""
    zoom, operation = current_zoom(), contract.operation("post", _USER_MEETINGS)
    host = _account(_authorize(operation, user_id))
    _accept_query(())
    zoom.limits.check_day(host.user_id, operation.category)
    meeting = zoom.held.create(host, _body("post", _USER_MEETINGS))
    used = zoom.limits.count_write(host.user_id, operation.category)
    return bodies.created(meeting, host, zoom.web_url, zoom.mint), 201, used


@blueprint.get("/users/<user_id>/meetings")
@locked
def list_meetings(user_id: str) -> dict[str, Any]:
    """List a page of meetings."""
    zoom = current_zoom()
    host = _account(_authorize(contract.operation("get", _USER_MEETINGS), user_id))
    # The contract has more (`from`, `to`, `page_number`, other types). The stand-in rejects what it lacks.
    _accept_query(("type", "page_size", "next_page_token"))
    list_type = request.args.get("type", "scheduled")
    if list_type not in ("scheduled", "upcoming"):
        raise invalid_field("type", "The stand-in lists scheduled or upcoming meetings only.")
    page_size = request.args.get("page_size", "30")
    if not page_size.isdecimal() or not 1 <= int(page_size) <= _MAX_PAGE_SIZE:
        raise invalid_field("page_size", f"Must be between 1 and {_MAX_PAGE_SIZE}.")
    next_page_token = request.args.get("next_page_token")
    if next_page_token:
        page = zoom.held.next_page(host, next_page_token, int(page_size))
    else:
        page = zoom.held.first_page(host, list_type, int(page_size))
    return bodies.listed(page, int(page_size), zoom.web_url, with_agenda=zoom.lists_agenda)


@blueprint.get("/meetings/<meeting_id>")
@locked
def get_meeting(meeting_id: str) -> dict[str, Any]:
    """Read a meeting, with a fresh start link."""
    zoom = current_zoom()
    host, meeting = _own_meeting(contract.operation("get", _MEETING), meeting_id)
    _accept_query(())
    return bodies.found(meeting, host, zoom.web_url, zoom.mint)


@blueprint.patch("/meetings/<meeting_id>")
@locked
def update_meeting(meeting_id: str) -> Response:
    """Update a meeting."""
    zoom, operation = current_zoom(), contract.operation("patch", _MEETING)
    host, meeting = _own_meeting(operation, meeting_id)
    _accept_query(())
    zoom.limits.check_day(host.user_id, operation.category)
    zoom.held.update(meeting, _body("patch", _MEETING))
    changed = reports.updated(host, meeting, zoom.held.by_id[meeting.id], zoom.clock())
    zoom.enqueue("meeting.updated", changed)
    response = _no_content()
    response.headers.update(zoom.limits.count_write(host.user_id, operation.category))
    return response


@blueprint.delete("/meetings/<meeting_id>")
@locked
def delete_meeting(meeting_id: str) -> Response:
    """Delete a meeting."""
    host, meeting = _own_meeting(contract.operation("delete", _MEETING), meeting_id)
    reminders = ("schedule_for_reminder", "cancel_meeting_reminder")
    _accept_query(reminders)
    for name in reminders:
        if request.args.get(name, "false") not in _BOOLEANS:
            raise invalid_field(name, "Must be true or false.")
    current_zoom().held.delete(meeting)
    current_zoom().enqueue("meeting.deleted", reports.deleted(host, meeting))
    return _no_content()


@blueprint.get("/meetings/<meeting_id>/invitation")
@locked
def get_invitation(meeting_id: str) -> dict[str, Any]:
    """Read the invitation text."""
    host, meeting = _own_meeting(contract.operation("get", _INVITATION), meeting_id)
    _accept_query(())
    return bodies.invitation(meeting, host, current_zoom().web_url)


def _authorize(operation: contract.Operation, user_id: str = "me") -> Token:
    """Check the token, the rate limit, the scope, and that the user is `me`: user-level tokens accept nothing else."""
    zoom = current_zoom()
    token = zoom.identity.presented_token()
    if token is None:
        raise invalid_access_token()
    if zoom.identity.is_expired(token):
        raise invalid_access_token("Access token is expired.")
    zoom.limits.count_call(zoom.accounts[token.person.id].account_id, operation.category)
    if user_id != "me":
        raise missing_scopes(operation.admin_scopes)
    if operation.scopes.isdisjoint(token.scopes):
        raise missing_scopes(operation.granular_scopes)
    return token


def _account(token: Token) -> Account:
    return current_zoom().accounts[token.person.id]


def _own_meeting(operation: contract.Operation, meeting_id: str) -> tuple[Account, Meeting]:
    host = _account(_authorize(operation))
    if not meeting_id.isdecimal():
        raise invalid_field("meetingId", "Invalid meeting ID.")
    return host, current_zoom().held.get(host, int(meeting_id))


def _body(method: str, path: str) -> Mapping[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise ApiError(400, 300, "Request Body should be a valid JSON object.")
    errors = contract.request_errors(method, path, body)
    if errors:
        raise invalid_fields(errors)
    return body


def _accept_query(names: Collection[str]) -> None:
    """Reject parameters that Zoom would ignore silently: see `contract.request_errors`."""
    for name in request.args:
        if name not in names:
            raise invalid_field(name, "The stand-in does not support this query parameter.")


def _no_content() -> Response:
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response
