"""The settings page's view of one user: connection, calendars, bookings."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from chalice.app import Response
from msgspec import Struct

from chalicelib.api import html
from chalicelib.api.calls import Call
from chalicelib.api.pages import settings_texts
from chalicelib.api.pages.session import is_framed
from chalicelib.domain.booking import Booking
from chalicelib.domain.connection import LAST_MEETING_PRECISION, ConnectionState, ConnectionStatus
from chalicelib.domain.guest_experience import GuestEntry
from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingState
from chalicelib.domain.reason_texts import MEETING_REASON_TEXTS
from chalicelib.errors import NotFound
from chalicelib.store.booking_lists import BookingQuery
from chalicelib.store.booking_records import Record
from chalicelib.usecases.connect_links import Session, Visitor

if TYPE_CHECKING:
    from chalicelib.providers.base import KeyField, Provider
    from chalicelib.usecases.connection_check import Report

_RECENT = timedelta(days=7)
_RECENT_SHOWN = 3
_UPCOMING_SHOWN = 8
_CALENDARS_SHOWN = 20


class ShownBooking(Struct, frozen=True):
    """One line of the list of bookings."""

    id: str
    title: str
    starts_at: str
    guests: str
    state: str
    tone: str
    """good, bad or plain"""
    why: str
    """The reason of the state, or empty."""
    join_url: str | None
    can_retry: bool


class ShownExperience(Struct, frozen=True):
    """What guests experience, as texts."""

    admission: str
    moderator: str
    time_limit: str
    """Empty without a limit."""
    notes: tuple[str, ...]
    is_documented: bool
    """From the provider's documentation; the account's settings can differ."""


class Offer(Struct, frozen=True):
    """A provider that can be connected."""

    provider: Provider
    fields: tuple[KeyField, ...]
    """The form for a key; without fields, the user signs in at the provider."""
    approval: str | None
    """The link for an organization's administrator."""
    is_open: bool


def settings_page(
    call: Call,
    session: Session,
    *,
    notice: str | None = None,
    problem: str | None = None,
    report: Report | None = None,
    opened: str | None = None,
) -> Response:
    """Render the settings page with the result of the last action. `opened` is the provider whose form is open."""
    visitor, services = session.visitor, call.services
    workspace = services.workspace_store.get(visitor.workspace_id)
    offered = services.offered_providers.list_all()
    return html.page(
        call,
        "settings.html",
        # A problem in the page's address is about an earlier request.
        status=200 if problem is None or call.request.method == "GET" else 400,
        form_targets=_sign_in_origins(offered),
        frame_ancestors=workspace.frame_ancestors if workspace else (),
        csrf=session.csrf,
        visitor=visitor,
        workspace=workspace,
        providers=[_offer(call, provider, opened) for provider in offered],
        names={p.name: p.display_name for p in services.providers.values()},
        notice=notice,
        problem=problem,
        window=_window(call, session) if is_framed(call) else None,
        **_connection_values(call, visitor, report),
        **_booking_values(call, visitor),
    )


def added_page(call: Call, session: Session | None, name: str) -> Response:
    """Render the page for a browser that comes from "Add app" at the provider: without a sign-in from here.

    The code is not used: a link with another person's code would connect that account to this session.
    Raises `NotFound` for a provider without a sign-in here.
    """
    from chalicelib.providers.base import OAuthProvider

    provider = call.services.providers.get(name)
    if not isinstance(provider, OAuthProvider):
        raise NotFound("There is no such page.")
    return html.page(
        call,
        "added.html",
        form_targets=[_origin(provider.addresses["OAUTH"])],
        provider=provider,
        csrf=session.csrf if session else None,
    )


def _connection_values(call: Call, visitor: Visitor, report: Report | None) -> dict[str, Any]:
    """Return the template's values about the connection, its check, and the meetings that disconnecting affects."""
    connections = call.services.connections
    status = connections.status(visitor.workspace_id, visitor.user_id)
    has_account = status.state in (ConnectionState.CONNECTED, ConnectionState.BROKEN)
    return {
        "connection": status,
        "last_meeting_precision": settings_texts.format_duration(LAST_MEETING_PRECISION // timedelta(minutes=1)),
        "upcoming": connections.preview_disconnect(visitor.workspace_id, visitor.user_id) if has_account else [],
        "steps": [(settings_texts.STEPS.get(s.name, s.name), s) for s in (report.steps if report else ())],
        "experience": _experience(call, status, report),
        "unavailable": settings_texts.UNAVAILABLE.get(str(status.reason)),
    }


def _booking_values(call: Call, visitor: Visitor) -> dict[str, Any]:
    """Return the template's values about the user's calendars and bookings."""
    calendars = call.services.calendar_store.list_by_host(visitor.workspace_id, visitor.user_id)
    return {
        "calendars": calendars[:_CALENDARS_SHOWN],
        "locations": settings_texts.LOCATIONS,
        "bookings": _bookings(call, visitor),
    }


def _sign_in_origins(offered: Iterable[Provider]) -> list[str]:
    """Return the origins of the providers' sign-in pages.

    Chromium applies form-action to a form's redirects as well, so it must allow them.
    """
    from chalicelib.providers.base import OAuthProvider

    return [_origin(provider.addresses["OAUTH"]) for provider in offered if isinstance(provider, OAuthProvider)]


def _experience(call: Call, status: ConnectionStatus, report: Report | None) -> ShownExperience | None:
    """Return what guests experience with the connected account: from the check, else as the provider documents it."""
    connection = status.connection
    provider = call.services.providers.get(connection.provider) if connection else None
    if status.state is not ConnectionState.CONNECTED or connection is None or provider is None:
        return None
    observed = report.guest_experience if report else None
    experience = observed or provider.guest_experience(connection.account)
    limit = experience.time_limit_minutes
    return ShownExperience(
        admission=settings_texts.ADMISSIONS[experience.admission].format(provider=provider.display_name),
        moderator=settings_texts.MODERATORS[experience.moderator].format(provider=provider.display_name),
        time_limit=settings_texts.format_duration(limit) if limit else "",
        notes=experience.notes,
        is_documented=not experience.is_observed and experience.admission is not GuestEntry.ACCOUNT_SETTINGS,
    )


def _offer(call: Call, provider: Provider, opened: str | None) -> Offer:
    from chalicelib.providers.base import KeyProvider

    fields = provider.fields if isinstance(provider, KeyProvider) else ()
    approval = None if fields else call.services.oauth_flow.admin_consent_url(provider.name, call.base_url)
    return Offer(provider, fields, approval, is_open=provider.name == opened)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _window(call: Call, session: Session) -> str:
    """Return a link to this page in a new window: providers do not allow sign-in in a frame."""
    token, _ = call.services.connect_links.create_link(session.visitor, key_id=session.visitor.key_id, opener=session)
    return f"{call.base_url}/connect/{token}"


def _bookings(call: Call, visitor: Visitor) -> list[ShownBooking]:
    now = call.services.clock()
    past = _page(call, visitor, now - _RECENT, now, 50)[-_RECENT_SHOWN:]
    return [_show(record, now) for record in [*past, *_page(call, visitor, now, None, _UPCOMING_SHOWN)]]


def _page(call: Call, visitor: Visitor, since: datetime, until: datetime | None, limit: int) -> list[Record]:
    query = BookingQuery(visitor.workspace_id, starts_from=since, starts_before=until, user_id=visitor.user_id)
    return call.services.booking_store.page(query, limit=limit, after=None)[0]


def _show(record: Record, now: datetime) -> ShownBooking:
    appointment, meeting = record.booking.appointment, record.current_meeting
    zone = ZoneInfo(appointment.time_zone)
    state, tone = settings_texts.STATES[meeting.state]
    if record.booking.is_cancelled:
        state, tone = "Cancelled", "plain"
    elif meeting.reason == MeetingReason.LOCATION_NOT_VIDEO:
        state = settings_texts.LOCATIONS[record.booking.location.type]
    return ShownBooking(
        id=record.booking.booking_id,
        title=appointment.title,
        starts_at=f"{appointment.starts_at.astimezone(zone):%a, %-d %b %Y, %H:%M} ({appointment.time_zone})",
        guests=", ".join(guest.name for guest in appointment.guests[:3]),
        state=state,
        tone=tone,
        why=_why(record.booking, meeting),
        join_url=(meeting.host_url or meeting.join_url) if meeting.state is MeetingState.READY else None,
        can_retry=meeting.state in (MeetingState.WAITING, MeetingState.FAILED) and appointment.ends_at > now,
    )


def _why(booking: Booking, meeting: Meeting) -> str:
    if booking.is_cancelled or meeting.reason == MeetingReason.LOCATION_NOT_VIDEO:
        return ""  # The state already says so.
    return meeting.detail or MEETING_REASON_TEXTS.get(meeting.reason or "", "")
