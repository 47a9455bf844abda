"""`/v1/bookings`"""

from __future__ import annotations

import base64
import re
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api import schema, views
from chalicelib.api.http import CallerCall, caller_route, json_response
from chalicelib.domain.meeting import MeetingState
from chalicelib.errors import InvalidInput, NotFound
from chalicelib.store.bookings import Query, Record
from chalicelib.usecases.book import Accepted, id_for

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_LONGEST_WAIT_SECONDS = 20
_POLL_SECONDS = 0.1
_LARGEST_PAGE = 100


def routes(services: Callable[[], Services]) -> Blueprint:
    """The routes of bookings."""
    routes = Blueprint(__name__)
    caller = caller_route(services)

    @routes.route("/v1/bookings", methods=["GET"])
    @caller
    def list_bookings(call: CallerCall) -> Response:
        records, after = call.services.bookings.page(
            _query(call), limit=page_size(call.query("limit")), after=read_cursor(call.query("cursor"))
        )
        return json_response({"items": [views.booking(r) for r in records], "next_cursor": cursor(after)})

    @routes.route("/v1/bookings", methods=["POST"])
    @caller
    def post_booking(call: CallerCall) -> Response:
        appointment = schema.appointment(call.read(schema.BookingBody))
        booking_id = id_for(call.workspace_id, call.header("idempotency-key") or str(uuid.uuid4()))
        accepted = call.services.booker.post(call.workspace_id, booking_id, appointment)
        return _answer(call, accepted, 201, {"Location": f"{call.base_url}/v1/bookings/{booking_id}"})

    @routes.route("/v1/bookings/{booking_id}", methods=["PUT"])
    @caller
    def put_booking(call: CallerCall, booking_id: str) -> Response:
        body = call.read(schema.BookingBody)
        accepted = call.services.booker.put(
            call.workspace_id, booking_id, schema.appointment(body), version=body.version
        )
        return _answer(call, accepted, 201 if accepted.created else 200)

    @routes.route("/v1/bookings/{booking_id}", methods=["GET"])
    @caller
    def get_booking(call: CallerCall, booking_id: str) -> Response:
        return _answer(call, Accepted(_existing(call, booking_id)), 200)

    @routes.route("/v1/bookings/{booking_id}", methods=["DELETE"])
    @caller
    def delete_booking(call: CallerCall, booking_id: str) -> Response:
        return _answer(call, call.services.booker.cancel(call.workspace_id, booking_id), 200)

    @routes.route("/v1/bookings/{booking_id}/retry", methods=["POST"])
    @caller
    def retry_booking(call: CallerCall, booking_id: str) -> Response:
        return _answer(call, call.services.booker.retry(call.workspace_id, booking_id), 200)

    @routes.route("/v1/bookings/{booking_id}/invite.ics", methods=["GET"])
    @caller
    def get_invite(call: CallerCall, booking_id: str) -> Response:
        record = _existing(call, booking_id)
        text = call.services.calendar_file(record).decode()
        return Response(text, {"Content-Type": "text/calendar; charset=utf-8"})

    return routes


def page_size(text: str | None) -> int:
    """`limit`: 1 to 100, 50 by default."""
    if text is None:
        return 50
    if re.fullmatch(r"[0-9]{1,3}", text) is None or not 1 <= int(text) <= _LARGEST_PAGE:
        raise InvalidInput(f"limit must be a number from 1 to {_LARGEST_PAGE}.")
    return int(text)


def cursor(after: str | None) -> str | None:
    """An opaque place in a list; what is inserted before it does not move it."""
    return base64.urlsafe_b64encode(after.encode()).decode() if after else None


def read_cursor(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        place = base64.b64decode(text, altchars=b"-_", validate=True).decode()
    except ValueError:
        place = ""
    if not place or not place.isprintable() or len(place) > 300:
        raise InvalidInput("cursor must be a next_cursor that a list answered with.")
    return place


def _existing(call: CallerCall, booking_id: str) -> Record:
    record = call.services.bookings.get(call.workspace_id, booking_id)
    if record is None:
        raise NotFound("There is no booking with this id in your workspace.")
    return record


def _query(call: CallerCall) -> Query:
    since, until, status = call.query("from"), call.query("to"), call.query("status")
    calendar_id, user_id = call.query("calendar_id"), call.query("user_id")
    if status not in (None, "confirmed", "cancelled"):
        raise InvalidInput("status must be confirmed or cancelled.")
    return Query(
        call.workspace_id,
        starts_from=schema.moment(since, "from") if since else None,
        starts_before=schema.moment(until, "to") if until else None,
        calendar_id=schema.check_id(calendar_id, "calendar_id") if calendar_id else None,
        user_id=schema.check_id(user_id, "user_id") if user_id else None,
        status=status,
    )


def _answer(call: CallerCall, accepted: Accepted, status: int, headers: dict[str, str] | None = None) -> Response:
    wait = _wait_seconds(call.header("prefer"))
    record = _settled(call, accepted.record, wait) if wait else accepted.record
    applied = {"Preference-Applied": f"wait={wait}"} if wait else {}
    return json_response(views.booking(record), status, {**(headers or {}), **applied})


def _wait_seconds(prefer: str | None) -> int:
    """`Prefer: wait=N` (RFC 7240, 4.3); a preference that cannot be read is ignored, a longer one is cut."""
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\b", prefer or "", re.IGNORECASE)
    return min(int(found[1]), _LONGEST_WAIT_SECONDS) if found else 0


def _settled(call: CallerCall, record: Record, seconds: int) -> Record:
    """The booking as soon as its meeting is not pending any more, or after `seconds`."""
    ends = time.monotonic() + seconds
    while views.current_meeting(record).state is MeetingState.PENDING and time.monotonic() < ends:
        time.sleep(_POLL_SECONDS)
        record = call.services.bookings.get(call.workspace_id, record.booking.booking_id) or record
    return record
