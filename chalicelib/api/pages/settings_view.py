"""The settings page's view of one user: connection, calendars, bookings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chalice.app import Response
from msgspec import Struct

from chalicelib.api import html
from chalicelib.api.audience import Audience, audience_of
from chalicelib.api.calls import Call
from chalicelib.api.pages import settings_texts
from chalicelib.api.pages.session import audience_for, is_framed
from chalicelib.domain.booking import Booking
from chalicelib.domain.calendar import Calendar
from chalicelib.domain.connection import LAST_MEETING_PRECISION, ConnectionState, ConnectionStatus, Reason
from chalicelib.domain.guest_experience import GuestEntry
from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingState
from chalicelib.errors import NotFound
from chalicelib.store.booking_lists import BookingQuery
from chalicelib.store.booking_records import Record
from chalicelib.usecases.connect_links import Session, Visitor

if TYPE_CHECKING:
    from chalicelib.providers.base import KeyField, Provider
    from chalicelib.usecases.connection_check import Report, Step
    from chalicelib.wording import Wording

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


class ShownStep(Struct, frozen=True):
    """One step of the connection check."""

    text: str
    is_ok: bool
    problem: str


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
    audience: Audience,
    *,
    notice: str | None = None,
    problem: str | None = None,
    report: Report | None = None,
    opened: str | None = None,
) -> Response:
    """Render the settings page with the result of the last action. `opened` is the provider whose form is open."""
    from chalicelib.mail.times import format_start

    visitor, services, workspace = session.visitor, call.services, audience.workspace
    offered = services.offered_providers.list_all()
    calendars = services.calendar_store.list_by_host(visitor.workspace_id, visitor.user_id)
    zone = _zone_of(calendars)
    return html.page(
        call,
        "settings.html",
        audience,
        # A problem in the page's address is about an earlier request.
        status=200 if problem is None or call.request.method == "GET" else 400,
        form_targets=_sign_in_origins(offered),
        frame_ancestors=workspace.frame_ancestors if workspace else (),
        csrf=session.csrf,
        visitor=visitor,
        workspace_name=workspace.name if workspace else visitor.workspace_id,
        providers=[_offer(call, provider, opened) for provider in offered],
        names={p.name: p.display_name for p in services.providers.values()},
        notice=notice,
        problem=problem,
        window=_window(call, session) if is_framed(call) else None,
        format_time=lambda moment: format_start(moment, zone, audience.wording),
        calendars=calendars[:_CALENDARS_SHOWN],
        bookings=_bookings(call, visitor, audience.wording),
        **_connection_values(call, visitor, report, audience.wording),
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
        audience_for(call, session.visitor) if session else audience_of(call),
        form_targets=[_origin(provider.addresses["OAUTH"])],
        provider=provider,
        csrf=session.csrf if session else None,
    )


def _zone_of(calendars: Sequence[Calendar]) -> str:
    """Return the time zone of the user, who is the host of these calendars: that of the one changed last, else UTC."""
    newest = max(calendars, key=lambda calendar: calendar.updated_at, default=None)
    return (newest and newest.host.time_zone) or "UTC"


def _connection_values(call: Call, visitor: Visitor, report: Report | None, wording: Wording) -> dict[str, Any]:
    """Return the template's values about the connection, its check, and the meetings that disconnecting affects."""
    connections, texts = call.services.connections, wording.settings_page
    status = connections.status(visitor.workspace_id, visitor.user_id)
    provider = call.services.providers.get(status.connection.provider) if status.connection else None
    name = provider.display_name if provider else ""
    has_account = status.state in (ConnectionState.CONNECTED, ConnectionState.BROKEN)
    return {
        "connection": status,
        "precision": settings_texts.format_duration(LAST_MEETING_PRECISION // timedelta(minutes=1), wording),
        "upcoming": connections.preview_disconnect(visitor.workspace_id, visitor.user_id) if has_account else [],
        "steps": [_show_step(step, name, wording) for step in (report.steps if report else ())],
        "experience": _experience(provider, status, report, wording),
        "unavailable": texts.unavailable.get(Reason(status.reason)) if status.reason in set(Reason) else None,
    }


def _show_step(step: Step, provider: str, wording: Wording) -> ShownStep:
    texts = wording.settings_page
    problem = settings_texts.step_problem(step, provider, wording)
    return ShownStep(texts.steps.get(step.name, step.name), step.ok, problem)


def _sign_in_origins(offered: Iterable[Provider]) -> list[str]:
    """Return the origins of the providers' sign-in pages.

    Chromium applies form-action to a form's redirects as well, so it must allow them.
    """
    from chalicelib.providers.base import OAuthProvider

    return [_origin(provider.addresses["OAUTH"]) for provider in offered if isinstance(provider, OAuthProvider)]


def _experience(
    provider: Provider | None, status: ConnectionStatus, report: Report | None, wording: Wording
) -> ShownExperience | None:
    """Return what guests experience with the connected account: from the check, else as the provider documents it."""
    if status.state is not ConnectionState.CONNECTED or status.connection is None or provider is None:
        return None
    observed = report.guest_experience if report else None
    experience = observed or provider.guest_experience(status.connection.account)
    texts, limit = wording.settings_page, experience.time_limit_minutes
    return ShownExperience(
        admission=texts.admissions[experience.admission].format(provider=provider.display_name),
        moderator=texts.moderators[experience.moderator].format(provider=provider.display_name),
        time_limit=settings_texts.format_duration(limit, wording) if limit else "",
        notes=tuple(wording.translate(note) for note in experience.notes),
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


def _bookings(call: Call, visitor: Visitor, wording: Wording) -> list[ShownBooking]:
    now = call.services.clock()
    past = _page(call, visitor, now - _RECENT, now, 50)[-_RECENT_SHOWN:]
    return [_show(record, now, wording) for record in [*past, *_page(call, visitor, now, None, _UPCOMING_SHOWN)]]


def _page(call: Call, visitor: Visitor, since: datetime, until: datetime | None, limit: int) -> list[Record]:
    query = BookingQuery(visitor.workspace_id, starts_from=since, starts_before=until, user_id=visitor.user_id)
    return call.services.booking_store.page(query, limit=limit, after=None)[0]


def _show(record: Record, now: datetime, wording: Wording) -> ShownBooking:
    from chalicelib.mail.times import format_start

    booking, appointment, meeting = record.booking, record.booking.appointment, record.current_meeting
    texts = wording.settings_page
    state, tone = texts.states[meeting.state], settings_texts.TONES[meeting.state]
    if booking.is_cancelled:
        state, tone = texts.cancelled, "plain"
    elif meeting.reason == MeetingReason.LOCATION_NOT_VIDEO:
        state = texts.locations[booking.location.type]
    return ShownBooking(
        id=booking.booking_id,
        title=appointment.title or wording.untitled,
        starts_at=format_start(appointment.starts_at, booking.host.time_zone or appointment.time_zone, wording),
        guests=", ".join(guest.name for guest in appointment.guests[:3]),
        state=state,
        tone=tone,
        why=_why(booking, meeting, wording),
        join_url=(meeting.host_url or meeting.join_url) if meeting.state is MeetingState.READY else None,
        can_retry=meeting.state in (MeetingState.WAITING, MeetingState.FAILED) and appointment.ends_at > now,
    )


def _why(booking: Booking, meeting: Meeting, wording: Wording) -> str:
    if booking.is_cancelled or meeting.reason == MeetingReason.LOCATION_NOT_VIDEO:
        return ""  # The state already says so.
    return wording.explain(meeting)
