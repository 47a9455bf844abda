"""`/v1/calendars`"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api import answers, schema, views
from chalicelib.api.describe import describe
from chalicelib.api.pagination import PageQuery, cursor
from chalicelib.api.routing import CallerCall, caller_route, json_response
from chalicelib.domain.calendar import Calendar
from chalicelib.domain.plain_text import clean_line
from chalicelib.errors import NotFound

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_GROUP = "Calendars"


def routes(services: Callable[[], Services]) -> Blueprint:
    """The routes of calendars."""
    routes = Blueprint(__name__)
    caller = caller_route(services)

    @routes.route("/v1/calendars", methods=["GET"])
    @caller
    @describe(_GROUP, "List calendars in order of id", answers={200: answers.CalendarPage}, query=PageQuery)
    def list_calendars(call: CallerCall) -> Response:
        asked = call.read_query(PageQuery)
        found, after = call.services.calendar_store.page(call.workspace_id, limit=asked.size, after=asked.after)
        return json_response(answers.CalendarPage([views.calendar(c) for c in found], cursor(after)))

    @routes.route("/v1/calendars/{calendar_id}", methods=["PUT"])
    @caller
    @describe(
        _GROUP,
        "Create or replace a calendar",
        text="Video can be chosen while the host is connected. A change concerns bookings made after it.",
        request=schema.CalendarBody,
        answers={201: answers.Calendar, 200: answers.Calendar},
        problems=("not_connected", "not_confirmed", "reconnect_needed", "deauthorized"),
    )
    def put_calendar(call: CallerCall, calendar_id: str) -> Response:
        body = call.read(schema.CalendarBody)
        calendar, created = call.services.calendars.put(
            call.workspace_id,
            calendar_id,
            name=clean_line(body.name, 200) or calendar_id,
            host=schema.host(body.host),
            location=schema.location(body.location),
            guests_see_each_other=body.guests_see_each_other,
        )
        return json_response(views.calendar(calendar), 201 if created else 200)

    @routes.route("/v1/calendars/{calendar_id}", methods=["GET"])
    @caller
    @describe(_GROUP, "Get a calendar", answers={200: answers.Calendar}, problems=("not_found",))
    def get_calendar(call: CallerCall, calendar_id: str) -> Response:
        return json_response(views.calendar(_existing(call, calendar_id)))

    @routes.route("/v1/calendars/{calendar_id}", methods=["DELETE"])
    @caller
    @describe(
        _GROUP,
        "Delete a calendar",
        text="Its bookings stay as they are.",
        answers={204: None},
        problems=("not_found",),
    )
    def delete_calendar(call: CallerCall, calendar_id: str) -> Response:
        if not call.services.calendar_store.delete(call.workspace_id, calendar_id):
            raise _unknown()
        return Response("", status_code=204)

    @routes.route("/v1/calendars/{calendar_id}/locations", methods=["GET"])
    @caller
    @describe(
        _GROUP,
        "List a calendar's meeting locations",
        text="Each with whether it can be chosen now, and the reason if not.",
        answers={200: answers.Locations},
        problems=("not_found",),
    )
    def get_locations(call: CallerCall, calendar_id: str) -> Response:
        calendar = _existing(call, calendar_id)
        status = call.services.connections.status(call.workspace_id, calendar.host.user_id)
        return json_response(views.locations(status))

    return routes


def _existing(call: CallerCall, calendar_id: str) -> Calendar:
    calendar = call.services.calendar_store.get(call.workspace_id, calendar_id)
    if calendar is None:
        raise _unknown()
    return calendar


def _unknown() -> NotFound:
    return NotFound("There is no calendar with this id in your workspace.")
