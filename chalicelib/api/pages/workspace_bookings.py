"""`/workspace/bookings`: the bookings without a link first, and one booking with its history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chalice.app import Response

from chalicelib.api.calls import Call
from chalicelib.api.pages.booking_view import booking_row, email_rows, timeline_rows
from chalicelib.api.pages.shown_bookings import show_time
from chalicelib.api.pages.workspace_shell import (
    go_to,
    list_page_links,
    list_start,
    member_audience,
    posted_by_member,
    record_action,
    render_workspace_error,
    require_member,
    workspace_page,
)
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.booking import BookingStatus
from chalicelib.domain.guest_key import guest_key
from chalicelib.domain.ids import is_id
from chalicelib.domain.meeting import MeetingReason, MeetingState
from chalicelib.domain.workspace import MemberRole
from chalicelib.errors import IndexUnavailable, NotFound
from chalicelib.store.booking_lists import BookingQuery
from chalicelib.store.booking_records import TROUBLE_STATES, Record
from chalicelib.usecases.workspace_links import MemberSession

routes = PageRoutes(render_workspace_error)
_SHOWN_WITHOUT_LINK = 20
_PAGE = 25
_MAX_TEXT = 320
_FILTERS = ("guest", "state", "reason", "status", "from", "before", "host", "calendar")
_STATES = {"without": TROUBLE_STATES, **{state.value: frozenset({state}) for state in MeetingState}}


@routes.get("/workspace/bookings")
def show_bookings(call: Call) -> Response:
    session = require_member(call)
    search = (call.query("q") or "").strip()
    if search and "@" not in search:
        return _find_by_id(call, session, search)
    filters = {name: value[:_MAX_TEXT] for name in _FILTERS if (value := (call.query(name) or "").strip())}
    if search:
        filters["guest"] = search[:_MAX_TEXT]
    return _list(call, session, filters)


@routes.get("/workspace/bookings/{booking_id}")
def show_booking(call: Call, booking_id: str) -> Response:
    session = require_member(call)
    record = call.services.booking_store.get(session.workspace.workspace_id, booking_id)
    if record is None:
        raise NotFound("There is no booking with this id in the workspace.")
    now, wording = call.services.clock(), member_audience(call, session).wording
    timeline = call.services.booking_timeline.read(record)
    return workspace_page(
        call,
        session,
        "bookings",
        template="workspace/booking.html",
        booking=booking_row(record, now, wording),
        record=record,
        booked_at=show_time(record.booking.created_at, record.booking, wording),
        emails=list(email_rows(record, now, wording)),
        timeline=timeline_rows(record, timeline, wording),
    )


@routes.post("/workspace/bookings/{booking_id}/retry")
def retry_booking_by_member(call: Call, booking_id: str) -> Response:
    session, _ = posted_by_member(call, MemberRole.SUPPORT)
    record_action(call, session, "retry-booking")
    call.services.bookings.retry(session.workspace.workspace_id, booking_id)
    return go_to(call, f"bookings/{booking_id}", "retrying")


@routes.post("/workspace/bookings/{booking_id}/resend")
def resend_invitation(call: Call, booking_id: str) -> Response:
    session, form = posted_by_member(call, MemberRole.SUPPORT)
    record_action(call, session, "resend-invitation")
    call.services.bookings.resend_invitation(session.workspace.workspace_id, booking_id, form.get("email", ""))
    return go_to(call, f"bookings/{booking_id}", "resending")


def _find_by_id(call: Call, session: MemberSession, booking_id: str) -> Response:
    if is_id(booking_id) and call.services.booking_store.get(session.workspace.workspace_id, booking_id):
        return go_to(call, f"bookings/{booking_id}")
    return _page(call, session, {}, search=booking_id, is_unknown=True)


def _list(call: Call, session: MemberSession, filters: dict[str, str]) -> Response:
    """Return a page of the list. Without filters, the bookings without a link come first."""
    query, after = _query(call, session, filters), list_start(call)
    records, following = call.services.booking_store.page(query, limit=_PAGE, after=after)
    values: dict[str, Any] = {"records": records, "following": following, "search": filters.get("guest", "")}
    if not filters and after is None:
        values["troubled"] = _troubled(call, session)
    return _page(call, session, filters, **values)


def _troubled(call: Call, session: MemberSession) -> list[Record] | None:
    """Return the next bookings without a link; None while their index is being built."""
    workspace_id, now = session.workspace.workspace_id, call.services.clock()
    query = BookingQuery(
        workspace_id, starts_from=now, status=BookingStatus.CONFIRMED.value, meeting_states=TROUBLE_STATES
    )
    try:
        return call.services.booking_store.page(query, limit=_SHOWN_WITHOUT_LINK, after=None)[0]
    except IndexUnavailable:
        return None


def _query(call: Call, session: MemberSession, filters: dict[str, str]) -> BookingQuery:
    """Return the list's query. Without a first day, a guest's bookings are all listed, and others if they are not over.

    Values that cannot be meant are ignored: the form shows what was understood.
    """
    workspace_id, email = session.workspace.workspace_id, filters.get("guest")
    secret = call.services.deployment_secrets.tag_secret() if email else b""
    starts_from = _day(filters.get("from")) or (None if email else call.services.clock())
    return BookingQuery(
        workspace_id,
        starts_from=starts_from,
        starts_before=_day(filters.get("before")),
        calendar_id=filters.get("calendar"),
        user_id=filters.get("host"),
        status=filters["status"] if filters.get("status") in set(BookingStatus) else None,
        meeting_states=_STATES.get(filters.get("state", ""), frozenset()),
        reason=filters["reason"] if filters.get("reason") in set(MeetingReason) else None,
        guest_email=email,
        guest_key=guest_key(secret, workspace_id, email) if email else None,
    )


def _page(
    call: Call,
    session: MemberSession,
    filters: dict[str, str],
    *,
    records: list[Record] | None = None,
    troubled: list[Record] | None = None,
    following: str | None = None,
    search: str = "",
    is_unknown: bool = False,
) -> Response:
    now, wording = call.services.clock(), member_audience(call, session).wording
    return workspace_page(
        call,
        session,
        "bookings",
        status=404 if is_unknown else 200,
        filters=dict.fromkeys(_FILTERS, "") | filters,
        is_filtered=bool(filters),
        search=search,
        is_unknown=is_unknown,
        rows=[booking_row(record, now, wording) for record in records or ()],
        troubled=None if troubled is None else [booking_row(record, now, wording) for record in troubled],
        **list_page_links(call, following, filters),
        states=tuple(MeetingState),
        reasons=tuple(MeetingReason),
    )


def _day(text: str | None) -> datetime | None:
    """Return the start of a day, in UTC."""
    try:
        return datetime.strptime(text or "", "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
