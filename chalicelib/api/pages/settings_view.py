"""The settings page's view of one user: connection, bookings, calendars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalice.app import Response
from msgspec import Struct

from chalicelib.api import html
from chalicelib.api.audience import Audience, audience_of
from chalicelib.api.calls import Call
from chalicelib.api.pages import settings_texts
from chalicelib.api.pages.provider_offers import list_offered, make_offers, origin_of, sign_in_origins
from chalicelib.api.pages.session import audience_for, is_framed
from chalicelib.api.pages.shown_bookings import show_booking
from chalicelib.domain.calendar import Calendar, LocationType
from chalicelib.domain.connection import LAST_MEETING_PRECISION, ConnectionState, ConnectionStatus, Reason
from chalicelib.domain.guest_experience import GuestEntry
from chalicelib.errors import NotFound
from chalicelib.store.booking_lists import BookingQuery
from chalicelib.store.booking_records import Record
from chalicelib.usecases.connect_links import Session, Visitor

if TYPE_CHECKING:
    from chalicelib.providers.base import Provider
    from chalicelib.usecases.connection_check import Report, Step
    from chalicelib.wording import Wording

_RECENT = timedelta(days=7)
_RECENT_SHOWN = 3
_UPCOMING_SHOWN = 8
_UPCOMING_READ = 50
_WAITING_SHOWN = 10
_CALENDARS_SHOWN = 20
_FRESH = timedelta(minutes=1)
"""How long after the sign-in the page returns to where the user came from. Later, the browser's Back must not."""
_RETURN_SECONDS = 8


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
    visitor = session.visitor
    calendars = call.services.calendar_store.list_by_host(visitor.workspace_id, visitor.user_id)
    status = call.services.connections.status(visitor.workspace_id, visitor.user_id)
    next_step = _next_step_values(call, audience, calendars, status, notice)
    response = html.page(
        call,
        "settings.html",
        audience,
        status=_http_status(call, problem),
        notice=notice,
        problem=problem,
        **next_step,
        **_visitor_values(call, session, audience, calendars),
        **_offer_values(call, visitor, audience, status, opened),
        **_booking_values(call, visitor, status, audience.wording),
        **_connection_values(call, status, report, audience.wording),
    )
    if next_step["returns"]:
        response.headers["Refresh"] = f"{_RETURN_SECONDS}; url={audience.return_to}"
    return response


def _http_status(call: Call, problem: str | None) -> int:
    # A problem in the page's address is about an earlier request.
    return 200 if problem is None or call.request.method == "GET" else 400


def _next_step_values(
    call: Call, audience: Audience, calendars: Sequence[Calendar], status: ConnectionStatus, notice: str | None
) -> dict[str, Any]:
    """Return what follows a new connection: a choice of calendars, else the way back to where the user came from."""
    is_new = notice == "connected" and status.state is ConnectionState.CONNECTED
    choices = [c for c in calendars if c.location.type is not LocationType.VIDEO][:_CALENDARS_SHOWN] if is_new else []
    returns = is_new and not choices and audience.return_to is not None and _is_fresh(call, status)
    return {"is_new": is_new, "choices": choices, "returns": returns}


def _visitor_values(call: Call, session: Session, audience: Audience, calendars: Sequence[Calendar]) -> dict[str, Any]:
    """Return the template's values about the user, their calendars and the frame around the page."""
    from chalicelib.mail.times import format_start

    visitor, workspace, zone = session.visitor, audience.workspace, _zone_of(calendars)
    return {
        "csrf": session.csrf,
        "visitor": visitor,
        "workspace_name": workspace.name if workspace else visitor.workspace_id,
        "frame_ancestors": workspace.frame_ancestors if workspace else (),
        "window": _window(call, session) if is_framed(call) else None,
        "calendars": calendars[:_CALENDARS_SHOWN],
        "format_time": lambda moment: format_start(moment, zone, audience.wording),
    }


def _offer_values(
    call: Call, visitor: Visitor, audience: Audience, status: ConnectionStatus, opened: str | None
) -> dict[str, Any]:
    """Return the template's values about the providers that the user can connect."""
    offered = list_offered(call, audience.workspace, status)
    return {
        "form_targets": sign_in_origins(offered) + ([origin_of(audience.return_to)] if audience.return_to else []),
        "offers": make_offers(call, offered, visitor, opened),
        "names": {p.name: p.display_name for p in call.services.providers.values()},
        "shows_offers": status.state is ConnectionState.NONE or bool(opened or call.query("accounts")),
    }


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
        form_targets=sign_in_origins([provider]),
        provider=provider,
        csrf=session.csrf if session else None,
    )


def _is_fresh(call: Call, status: ConnectionStatus) -> bool:
    """Return whether the user has just authorized the connected account."""
    grant = call.services.grant_store.get(status.connection.grant_id) if status.connection else None
    authorized_at = grant.authorized_at if grant else None
    return authorized_at is not None and call.services.clock() - authorized_at < _FRESH


def _zone_of(calendars: Sequence[Calendar]) -> str:
    """Return the time zone of the user, who is the host of these calendars: that of the one changed last, else UTC."""
    newest = max(calendars, key=lambda calendar: calendar.updated_at, default=None)
    return (newest and newest.host.time_zone) or "UTC"


def _connection_values(call: Call, status: ConnectionStatus, report: Report | None, wording: Wording) -> dict[str, Any]:
    """Return the template's values about the connection and its check."""
    texts = wording.settings_page
    provider = call.services.providers.get(status.connection.provider) if status.connection else None
    name = provider.display_name if provider else ""
    return {
        "connection": status,
        "precision": settings_texts.format_duration(LAST_MEETING_PRECISION // timedelta(minutes=1), wording),
        "steps": [_show_step(step, name, wording) for step in (report.steps if report else ())],
        "experience": _experience(provider, status, report, wording),
        "unavailable": texts.unavailable.get(Reason(status.reason)) if status.reason in set(Reason) else None,
    }


def _show_step(step: Step, provider: str, wording: Wording) -> ShownStep:
    texts = wording.settings_page
    problem = settings_texts.step_problem(step, provider, wording)
    return ShownStep(texts.steps.get(step.name, step.name), step.ok, problem)


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


def _window(call: Call, session: Session) -> str:
    """Return a link to this page in a new window: providers do not allow sign-in in a frame."""
    token, _ = call.services.connect_links.create_link(session.visitor, key_id=session.visitor.key_id, opener=session)
    return f"{call.base_url}/connect/{token}"


def _booking_values(call: Call, visitor: Visitor, status: ConnectionStatus, wording: Wording) -> dict[str, Any]:
    """Return the template's lists of bookings: those that wait for the broken account, other problems, and the rest."""
    now, waiting = call.services.clock(), []
    if status.state is ConnectionState.BROKEN:
        waiting = call.services.bookings.list_waiting(visitor.workspace_id, visitor.user_id)
    past = _page(call, visitor, now - _RECENT, now, _UPCOMING_READ)[-_RECENT_SHOWN:]
    coming = _page(call, visitor, now, None, _UPCOMING_READ)
    waiting_ids = {record.booking.booking_id for record in waiting}
    shown = [show_booking(r, now, wording) for r in [*past, *coming] if r.booking.booking_id not in waiting_ids]
    problems = [booking for booking in shown if booking.tone == "bad" and booking.can_retry]
    return {
        "waiting": [show_booking(record, now, wording) for record in waiting[:_WAITING_SHOWN]],
        "waiting_count": len(waiting),
        "problems": problems[:_WAITING_SHOWN],
        "bookings": [booking for booking in shown if booking not in problems][: _RECENT_SHOWN + _UPCOMING_SHOWN],
    }


def _page(call: Call, visitor: Visitor, since: datetime, until: datetime | None, limit: int) -> list[Record]:
    query = BookingQuery(visitor.workspace_id, starts_from=since, starts_before=until, user_id=visitor.user_id)
    return call.services.booking_store.page(query, limit=limit, after=None)[0]
