"""Routes of `/v1/calendars`."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api.calls import CallerCall
from chalicelib.api.pagination import PageQuery, encode_cursor
from chalicelib.api.routing import Routes, json_response
from chalicelib.api.schemas import calendars as schemas
from chalicelib.domain.calendar import Calendar
from chalicelib.errors import NotFound

routes = Routes("Calendars")


@routes.get(
    "/v1/calendars",
    "List calendars in order of id",
    text="Continue with `cursor` until `next_cursor` is null.",
    responses={200: schemas.CalendarPage},
    query=PageQuery,
)
def list_calendars(call: CallerCall) -> Response:
    query = call.read_query(PageQuery)
    calendars, after = call.services.calendar_store.page(call.workspace_id, limit=query.size, after=query.after)
    return json_response(schemas.CalendarPage([schemas.format_calendar(c) for c in calendars], encode_cursor(after)))


@routes.put(
    "/v1/calendars/{calendar_id}",
    "Create or replace a calendar",
    text="Video can be chosen while the host is connected. A change applies to bookings created after it.",
    request=schemas.CalendarBody,
    responses={201: schemas.Calendar, 200: schemas.Calendar},
    problems=("not_connected", "not_confirmed", "reconnect_needed", "deauthorized", "unsupported_setting"),
)
def put_calendar(call: CallerCall, calendar_id: str) -> Response:
    body = call.read(schemas.CalendarBody)
    calendar, created = call.services.calendars.put(
        schemas.parse_calendar(body, call.workspace_id, calendar_id, call.services.clock())
    )
    return json_response(schemas.format_calendar(calendar), 201 if created else 200)


@routes.get(
    "/v1/calendars/{calendar_id}",
    "Get a calendar",
    text="The host, the location, and the settings that new bookings start with.",
    responses={200: schemas.Calendar},
    problems=("not_found",),
)
def get_calendar(call: CallerCall, calendar_id: str) -> Response:
    return json_response(schemas.format_calendar(_get_calendar(call, calendar_id)))


@routes.delete(
    "/v1/calendars/{calendar_id}",
    "Delete a calendar",
    text="Its bookings do not change.",
    responses={204: None},
    problems=("not_found",),
)
def delete_calendar(call: CallerCall, calendar_id: str) -> Response:
    if not call.services.calendar_store.delete(call.workspace_id, calendar_id):
        raise _not_found()
    return Response("", status_code=204)


@routes.get(
    "/v1/calendars/{calendar_id}/locations",
    "List a calendar's meeting locations",
    text="For each location: whether it can be chosen now, and if not, the reason; and the possible settings.",
    responses={200: schemas.Locations},
    problems=("not_found",),
)
def get_locations(call: CallerCall, calendar_id: str) -> Response:
    calendar = _get_calendar(call, calendar_id)
    status = call.services.connections.status(call.workspace_id, calendar.host.user_id)
    provider = call.services.providers.get(status.connection.provider) if status.connection else None
    return json_response(schemas.format_available_locations(status, provider.possible_settings if provider else None))


def _get_calendar(call: CallerCall, calendar_id: str) -> Calendar:
    calendar = call.services.calendar_store.get(call.workspace_id, calendar_id)
    if calendar is None:
        raise _not_found()
    return calendar


def _not_found() -> NotFound:
    return NotFound("There is no calendar with this id in your workspace.")
