"""Routes of `/v1/bookings`."""

from __future__ import annotations

import re
import time
import uuid
from functools import cached_property
from urllib.parse import unquote

import msgspec
from chalice.app import Response
from msgspec import Struct

from chalicelib.api.calls import CallerCall
from chalicelib.api.json_body import BODY_LIMIT
from chalicelib.api.pagination import encode_cursor, fit_page
from chalicelib.api.routing import Routes, json_response
from chalicelib.api.schemas.booking_emails import InviteQuery
from chalicelib.api.schemas.bookings import (
    Booking,
    BookingBody,
    BookingPage,
    BookingsQuery,
    format_booking,
    parse_appointment,
)
from chalicelib.api.schemas.fields import Id, check_id
from chalicelib.decoding import decode_json
from chalicelib.domain.guest_key import guest_key
from chalicelib.domain.ids import booking_id_for
from chalicelib.domain.meeting import MeetingState
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import CallerError, NotFound
from chalicelib.store.booking_lists import BookingQuery
from chalicelib.store.booking_reads import BookingReads
from chalicelib.store.booking_records import Record, start_key_of
from chalicelib.usecases.bookings import Accepted

_MAX_WAIT_SECONDS = 20
_MAX_READS = 25
_FIRST_POLL_SECONDS = 0.1
_MAX_POLL_SECONDS = 1.5
_POLL_GROWTH = 1.3
_LISTING = (
    "For example, `meeting_state=waiting,failed` lists the bookings without a link. Filters combine. `guest_email` "
    "finds bookings by their first guest, in upper or lower case. Lists by `meeting_state` or `guest_email` are up to "
    "date within seconds after a booking is settled. If you filter, or if bookings are large, a page can have fewer "
    "items than `limit`, or none, although more follow: continue until `next_cursor` is null."
)

routes = Routes("Bookings")


class _CalendarId(Struct):
    calendar_id: Id


class BookingCall(CallerCall):
    """A request with a booking in its body.

    If this process has accepted the API key before, `read_workspace` also reads the rows that the booking needs, in
    the same call. The key is checked before any of them is used.
    """

    reads: BookingReads | None = None
    """The rows that were prefetched; None if the booking's rows still have to be read."""

    def booking_id(self, workspace_id: str) -> str:
        """Return the id in the path, else the id derived from the Idempotency-Key."""
        booking_id = (self.request.uri_params or {}).get("booking_id")
        if booking_id is not None:
            return check_id(unquote(booking_id), "booking_id")
        return booking_id_for(workspace_id, self.header("idempotency-key") or self._new_key)

    def read_workspace(self, workspace_id: str) -> Workspace | None:
        if not self.is_known_key:
            return super().read_workspace(workspace_id)  # A wrong key must cost one small read, not four.
        try:
            calendar_id = decode_json(self.raw_body[:BODY_LIMIT], _CalendarId).calendar_id
            booking_id = self.booking_id(workspace_id)
        except (msgspec.DecodeError, RecursionError, CallerError):  # The view reports this, if the key is valid.
            return super().read_workspace(workspace_id)
        rows = self.services.booking_reader.prefetch(workspace_id, booking_id, calendar_id)
        self.used_until, self.reads = rows.used_until, rows.reads
        return rows.workspace

    @cached_property
    def _new_key(self) -> str:
        return str(uuid.uuid4())


@routes.get(
    "/v1/bookings",
    "List bookings in order of start",
    text=_LISTING,
    responses={200: BookingPage},
    query=BookingsQuery,
)
def list_bookings(call: CallerCall) -> Response:
    parameters = call.read_query(BookingsQuery)
    query = _store_query(call, parameters)
    records, after = call.services.booking_store.page(query, limit=parameters.size, after=parameters.after)
    items, after = fit_page([(format_booking(record), start_key_of(record.booking)) for record in records], after)
    return json_response(BookingPage(items, encode_cursor(after)))


@routes.post(
    "/v1/bookings",
    "Create a booking with a generated id",
    text="A repeated request with the same Idempotency-Key returns the same booking in its current state.",
    request=BookingBody,
    responses={201: Booking},
    headers=("Idempotency-Key", "Prefer"),
    problems=("unknown_calendar", "idempotency_key_reused", "booking_cancelled", "booking_too_large"),
    call=BookingCall,
)
def post_booking(call: BookingCall) -> Response:
    body, booking_id = call.read(BookingBody), call.booking_id(call.workspace_id)
    accepted = call.services.bookings.post(
        call.workspace_id,
        booking_id,
        parse_appointment(body),
        version=body.version,
        reads=call.reads,
        base_url=call.base_url,
    )
    return _respond(call, accepted, 201, {"Location": f"{call.base_url}/v1/bookings/{booking_id}"})


@routes.put(
    "/v1/bookings/{booking_id}",
    "Create or change a booking",
    text="Idempotent: the same content again creates no new revision. A `version` lower than the stored one changes "
    "nothing. On a calendar with video, the booking gets its own meeting if the host is connected.",
    request=BookingBody,
    responses={201: Booking, 200: Booking},
    headers=("Prefer",),
    problems=("unknown_calendar", "booking_cancelled", "version_reused", "booking_too_large"),
    call=BookingCall,
)
def put_booking(call: BookingCall, booking_id: str) -> Response:
    body = call.read(BookingBody)
    accepted = call.services.bookings.put(
        call.workspace_id,
        booking_id,
        parse_appointment(body),
        version=body.version,
        reads=call.reads,
        base_url=call.base_url,
    )
    return _respond(call, accepted, 201 if accepted.created else 200)


@routes.get(
    "/v1/bookings/{booking_id}",
    "Get a booking with its meeting",
    text="With `Prefer: wait=20`, the response is sent when the meeting is no longer pending, or after 20 seconds.",
    responses={200: Booking},
    headers=("Prefer",),
    problems=("not_found",),
)
def get_booking(call: CallerCall, booking_id: str) -> Response:
    return _respond(call, Accepted(_get_record(call, booking_id)), 200)


@routes.delete(
    "/v1/bookings/{booking_id}",
    "Cancel a booking",
    text="Idempotent. The meeting is deleted, and the host and the guests get a cancellation.",
    responses={200: Booking},
    headers=("Prefer",),
    problems=("not_found",),
)
def delete_booking(call: CallerCall, booking_id: str) -> Response:
    return _respond(call, call.services.bookings.cancel(call.workspace_id, booking_id), 200)


@routes.post(
    "/v1/bookings/{booking_id}/retry",
    "Retry a failed or waiting booking now",
    text="Creates the link at once instead of at `next_attempt_at`. A booking in another state does not change.",
    responses={200: Booking},
    headers=("Prefer",),
    problems=("not_found",),
)
def retry_booking(call: CallerCall, booking_id: str) -> Response:
    return _respond(call, call.services.bookings.retry(call.workspace_id, booking_id), 200)


@routes.get(
    "/v1/bookings/{booking_id}/invite.ics",
    "Get a recipient's current invitation as a calendar file",
    text="The host's without `for`. METHOD is REQUEST for participants, and CANCEL for former ones and for a cancelled "
    "booking; the Content-Type names it too. UID and SEQUENCE are those of the email that meetlink would send.",
    responses={200: "text/calendar"},
    query=InviteQuery,
    problems=("not_found",),
)
def get_invite(call: CallerCall, booking_id: str) -> Response:
    email = call.read_query(InviteQuery).email
    file = call.services.calendar_files.write(_get_record(call, booking_id), call.workspace, email)
    content_type = f"text/calendar; charset=utf-8; method={file.method.value}"
    return Response(file.content.decode(), {"Content-Type": content_type})


def _get_record(call: CallerCall, booking_id: str) -> Record:
    record = call.services.booking_store.get(call.workspace_id, booking_id)
    if record is None:
        raise NotFound("There is no booking with this id in your workspace.")
    return record


def _store_query(call: CallerCall, parameters: BookingsQuery) -> BookingQuery:
    email = parameters.guest_email
    secret = call.services.deployment_secrets.tag_secret() if email else b""
    return BookingQuery(
        call.workspace_id,
        starts_from=parameters.starts_from,
        starts_before=parameters.starts_before,
        calendar_id=parameters.calendar_id,
        user_id=parameters.user_id,
        status=parameters.status,
        meeting_states=parameters.meeting_states,
        reason=parameters.reason,
        guest_email=email,
        guest_key=guest_key(secret, call.workspace_id, email) if email else None,
    )


def _respond(call: CallerCall, accepted: Accepted, status: int, headers: dict[str, str] | None = None) -> Response:
    """Respond with the booking; with `Prefer: wait=N`, when its meeting is no longer pending."""
    wait, record = _wait_seconds(call.header("prefer")), accepted.record
    is_applied = wait > 0
    if wait and _is_pending(record):
        with call.services.waiting_calls.lease(call.workspace_id, wait) as is_applied:
            record = _await_meeting(call, record, wait) if is_applied else record
    applied = {"Preference-Applied": f"wait={wait}"} if is_applied else {}
    return json_response(format_booking(record), status, {**(headers or {}), **applied})


def _wait_seconds(prefer: str | None) -> int:
    """Return N of `Prefer: wait=N` (RFC 7240, 4.3), at most the limit; 0 for a preference that cannot be parsed."""
    match = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,40})\b", prefer or "", re.IGNORECASE)
    return min(int(match[1]), _MAX_WAIT_SECONDS) if match else 0


def _await_meeting(call: CallerCall, record: Record, seconds: int) -> Record:
    """Return the booking when its meeting is no longer pending, or after `seconds`."""
    ends, pause, last_progress = time.monotonic() + seconds, _FIRST_POLL_SECONDS, None
    booking_id, reads = record.booking.booking_id, 0
    while _is_pending(record) and (left := ends - time.monotonic()) > 0:
        if reads >= _MAX_READS - 1:  # The next poll takes two reads if something has changed.
            pause = left
        call.services.sleep(min(pause, left))
        pause = min(pause * _POLL_GROWTH, _MAX_POLL_SECONDS)
        progress = call.services.booking_store.read_progress(call.workspace_id, booking_id)
        reads += 1
        if progress != last_progress:
            last_progress = progress
            record = call.services.booking_store.get(call.workspace_id, booking_id) or record
            reads += 1
        if reads >= _MAX_READS:
            break
    return record


def _is_pending(record: Record) -> bool:
    return record.current_meeting.state is MeetingState.PENDING
