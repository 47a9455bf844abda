"""Puts together what the settings page shows of one user: connection, calendars, bookings."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from chalice.app import Response
from msgspec import Struct

from chalicelib.api import html
from chalicelib.api.calls import Call
from chalicelib.api.pages import settings_texts
from chalicelib.api.pages.session import is_framed
from chalicelib.api.schemas.bookings import current_meeting
from chalicelib.domain.booking import Booking
from chalicelib.domain.connection import LAST_MEETING_PRECISION, ConnectionState, ConnectionStatus
from chalicelib.domain.guest_experience import GuestEntry
from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingState
from chalicelib.domain.reason_texts import MEETING_REASON_TEXTS
from chalicelib.errors import NotFound
from chalicelib.store.bookings import BookingQuery, Record
from chalicelib.usecases.connect_links import Session, Visitor

if TYPE_CHECKING:
    from chalicelib.providers.base import KeyField, Provider
    from chalicelib.usecases.connection_check import Report

_RECENT = timedelta(days=7)
_RECENT_SHOWN = 3
_UPCOMING_SHOWN = 8
_CALENDARS_SHOWN = 20


class ShownBooking(Struct, frozen=True):
    """One line of the list. `tone` is good, bad or plain; `why` says more than `state`, if there is more to say."""

    id: str
    title: str
    starts_at: str
    guests: str
    state: str
    tone: str
    why: str
    join_url: str | None
    can_retry: bool


class ShownExperience(Struct, frozen=True):
    """What guests experience, in words. `time_limit` is empty without one.

    `is_documented`: it is what the provider documents, and the account can differ.
    """

    admission: str
    moderator: str
    time_limit: str
    notes: tuple[str, ...]
    is_documented: bool


class Offer(Struct, frozen=True):
    """A provider that can be connected: by a form with `fields`, or by signing in there if it has none.

    `approval` is the link for an organization's administrator.
    """

    provider: Provider
    fields: tuple[KeyField, ...]
    approval: str | None
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
    """The settings page of the session's user, after what was just done; `opened` is the form to show open."""
    from chalicelib.providers.base import OAuthProvider

    visitor, services = session.visitor, call.services
    status = services.connections.status(visitor.workspace_id, visitor.user_id)
    workspace = services.workspace_store.get(visitor.workspace_id)
    offered = services.offered_providers.list_all()
    connected = status.state in (ConnectionState.CONNECTED, ConnectionState.BROKEN)
    # Chromium applies form-action to the redirect that answers a form, so the providers' sign-in pages stand in it.
    targets = [_origin(p.addresses["OAUTH"]) for p in offered if isinstance(p, OAuthProvider)]
    return html.page(
        call,
        "settings.html",
        # A problem in the page's address is about an earlier request.
        status=200 if problem is None or call.request.method == "GET" else 400,
        form_targets=targets,
        frame_ancestors=workspace.frame_ancestors if workspace else (),
        csrf=session.csrf,
        visitor=visitor,
        workspace=workspace,
        connection=status,
        last_meeting_precision=settings_texts.duration(LAST_MEETING_PRECISION // timedelta(minutes=1)),
        upcoming=services.connections.preview_disconnect(visitor.workspace_id, visitor.user_id) if connected else [],
        providers=[_offer(call, provider, opened) for provider in offered],
        names={p.name: p.display_name for p in services.providers.values()},
        notice=notice,
        problem=problem,
        steps=[(settings_texts.STEPS.get(step.name, step.name), step) for step in (report.steps if report else ())],
        experience=_experience(call, status, report),
        calendars=services.calendar_store.list_by_host(visitor.workspace_id, visitor.user_id)[:_CALENDARS_SHOWN],
        locations=settings_texts.LOCATIONS,
        unavailable=settings_texts.UNAVAILABLE.get(str(status.reason)),
        bookings=_bookings(call, visitor),
        window=_window(call, session) if is_framed(call) else None,
    )


def added_page(call: Call, session: Session | None, name: str) -> Response:
    """The page for a browser that comes from "Add app" at the provider: with a code, but without a sign-in from here.

    The code is left alone: a link with another person's code would otherwise connect that account to this session.
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


def _experience(call: Call, status: ConnectionStatus, report: Report | None) -> ShownExperience | None:
    """What guests experience with the connected account: as the check read it, else as the provider documents it."""
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
        time_limit=settings_texts.duration(limit) if limit else "",
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
    """A link to the same page in a window of its own: providers refuse to be signed in to in a frame."""
    token, _ = call.services.connect_links.create_link(session.visitor, key_id=session.visitor.key_id, opener=session)
    return f"{call.base_url}/connect/{token}"


def _bookings(call: Call, visitor: Visitor) -> list[ShownBooking]:
    now = call.services.clock()
    mine = (visitor.workspace_id, visitor.user_id)
    past = _page(call, mine, now - _RECENT, now, 50)[-_RECENT_SHOWN:]
    return [_shown(record, now) for record in [*past, *_page(call, mine, now, None, _UPCOMING_SHOWN)]]


def _page(call: Call, mine: tuple[str, str], since: datetime, until: datetime | None, limit: int) -> list[Record]:
    query = BookingQuery(mine[0], starts_from=since, starts_before=until, user_id=mine[1])
    return call.services.booking_store.page(query, limit=limit, after=None)[0]


def _shown(record: Record, now: datetime) -> ShownBooking:
    appointment, meeting = record.booking.appointment, current_meeting(record)
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
        return ""  # The state says it already.
    return meeting.detail or MEETING_REASON_TEXTS.get(meeting.reason or "", "")
