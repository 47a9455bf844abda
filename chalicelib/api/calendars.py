"""`/v1/calendars`"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api import schema, views
from chalicelib.api.bookings import cursor, page_size, read_cursor
from chalicelib.api.http import CallerCall, caller_route, json_response
from chalicelib.domain.calendar import Calendar
from chalicelib.domain.text import clean_line
from chalicelib.errors import NotFound

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def routes(services: Callable[[], Services]) -> Blueprint:
    """The routes of calendars."""
    routes = Blueprint(__name__)
    caller = caller_route(services)

    @routes.route("/v1/calendars", methods=["GET"])
    @caller
    def list_calendars(call: CallerCall) -> Response:
        found, after = call.services.calendars.page(
            call.workspace_id, limit=page_size(call.query("limit")), after=read_cursor(call.query("cursor"))
        )
        return json_response({"items": [views.calendar(c) for c in found], "next_cursor": cursor(after)})

    @routes.route("/v1/calendars/{calendar_id}", methods=["PUT"])
    @caller
    def put_calendar(call: CallerCall, calendar_id: str) -> Response:
        body = call.read(schema.CalendarBody)
        calendar, created = call.services.calendar_keeper.put(
            call.workspace_id,
            calendar_id,
            name=clean_line(body.name, 200) or calendar_id,
            host=schema.host(body.host),
            location=schema.location(body.location),
        )
        return json_response(views.calendar(calendar), 201 if created else 200)

    @routes.route("/v1/calendars/{calendar_id}", methods=["GET"])
    @caller
    def get_calendar(call: CallerCall, calendar_id: str) -> Response:
        return json_response(views.calendar(_existing(call, calendar_id)))

    @routes.route("/v1/calendars/{calendar_id}", methods=["DELETE"])
    @caller
    def delete_calendar(call: CallerCall, calendar_id: str) -> Response:
        if not call.services.calendars.delete(call.workspace_id, calendar_id):
            raise _unknown()
        return Response("", status_code=204)

    @routes.route("/v1/calendars/{calendar_id}/locations", methods=["GET"])
    @caller
    def get_locations(call: CallerCall, calendar_id: str) -> Response:
        calendar = _existing(call, calendar_id)
        status = call.services.connector.status(call.workspace_id, calendar.host.user_id)
        return json_response({"locations": views.locations(status)})

    return routes


def _existing(call: CallerCall, calendar_id: str) -> Calendar:
    calendar = call.services.calendars.get(call.workspace_id, calendar_id)
    if calendar is None:
        raise _unknown()
    return calendar


def _unknown() -> NotFound:
    return NotFound("There is no calendar with this id in your workspace.")
