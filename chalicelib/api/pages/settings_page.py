"""`/settings`: the settings page and its forms."""

from __future__ import annotations

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.calls import Call
from chalicelib.api.pages import settings_texts
from chalicelib.api.pages.error_pages import render_error
from chalicelib.api.pages.provider_offers import check_offered
from chalicelib.api.pages.session import audience_for, end_cookie, posted, redirect, require_session
from chalicelib.api.pages.settings_view import settings_page
from chalicelib.api.routing import PageRoutes
from chalicelib.errors import Conflict, NotFound, ProviderError, TooManyRequests
from chalicelib.observability import log

routes = PageRoutes(render_error)
_TICKED = "calendar:"
"""Begins the name of a calendar's checkbox."""


@routes.get("/settings")
def show_settings(call: Call) -> Response:
    session = require_session(call)
    audience, provider = audience_for(call, session.visitor), call.services.providers.get(call.query("provider") or "")
    problem = settings_texts.sign_in_problem(call.query("problem") or "", provider, audience.wording)
    return settings_page(call, session, audience, notice=call.query("notice"), problem=problem)


@routes.post("/settings/check")
def check(call: Call) -> Response:
    session, _ = posted(call)
    audience = audience_for(call, session.visitor)
    try:
        report = call.services.connection_check.check(session.visitor.workspace_id, session.visitor.user_id)
    except TooManyRequests:
        return settings_page(call, session, audience, problem=audience.wording.settings_page.checked_recently)
    return settings_page(call, session, audience, report=report)


@routes.post("/settings/sign-out")
def sign_out(call: Call) -> Response:
    session, _ = posted(call)
    call.services.connect_links.end_all(session.visitor.workspace_id, session.visitor.user_id)
    response = html.page(call, "signed_out.html", audience_for(call, session.visitor), visitor=session.visitor)
    response.headers["Set-Cookie"] = end_cookie(call)
    return response


@routes.post("/settings/video")
def choose_video_on_several(call: Call) -> Response:
    """Choose video for the calendars that a user ticked after connecting, then lead back to where they came from."""
    session, form = posted(call)
    visitor, audience = session.visitor, audience_for(call, session.visitor)
    ticked = [name.removeprefix(_TICKED) for name in form if name.startswith(_TICKED)]
    try:
        for calendar_id in ticked:
            call.services.calendars.choose_video(visitor.workspace_id, visitor.user_id, calendar_id)
    except Conflict:
        return settings_page(call, session, audience, problem=audience.wording.settings_page.no_working_connection)
    return redirect(audience.return_to or f"{call.base_url}/settings{'?notice=video' if ticked else ''}")


@routes.post("/settings/calendars/{calendar_id}/video")
def choose_video(call: Call, calendar_id: str) -> Response:
    session, _ = posted(call)
    try:
        call.services.calendars.choose_video(session.visitor.workspace_id, session.visitor.user_id, calendar_id)
    except Conflict:
        audience = audience_for(call, session.visitor)
        return settings_page(call, session, audience, problem=audience.wording.settings_page.no_working_connection)
    return redirect(f"{call.base_url}/settings?notice=video")


@routes.post("/settings/bookings/{booking_id}/retry")
def retry(call: Call, booking_id: str) -> Response:
    session, _ = posted(call)
    visitor = session.visitor
    record = call.services.booking_store.get(visitor.workspace_id, booking_id)
    if record is None or record.booking.host.user_id != visitor.user_id:
        raise NotFound("You have no booking with this id.")
    call.services.bookings.retry(visitor.workspace_id, booking_id)
    return redirect(f"{call.base_url}/settings?notice=retrying")


@routes.post("/settings/connect/{provider}")
def connect_with_key(call: Call, provider: str) -> Response:
    from chalicelib.usecases.key_connections import KeyRefused

    session, form = posted(call)
    check_offered(call, session.visitor, provider)
    try:
        call.services.key_connections.connect(session, provider, form, call.base_url)
    except (KeyRefused, ProviderError) as error:
        if isinstance(error, ProviderError):
            log.failure("connecting failed", error, provider=provider)
        audience, name = audience_for(call, session.visitor), call.services.providers[provider].display_name
        problem = settings_texts.key_problem(error if isinstance(error, KeyRefused) else None, name, audience.wording)
        return settings_page(call, session, audience, problem=problem, opened=provider)
    return redirect(f"{call.base_url}/settings?notice=connected")


# A browser requests the address of a form again, with GET, when its reader presses Enter in the address bar.
@routes.get("/settings/check")
@routes.get("/settings/sign-out")
@routes.get("/settings/video")
def leave_form(call: Call) -> Response:
    return redirect(f"{call.base_url}/settings")


@routes.get("/settings/calendars/{calendar_id}/video")
@routes.get("/settings/bookings/{booking_id}/retry")
@routes.get("/settings/connect/{provider}")
@routes.get("/oauth/{provider}/start")
def leave_form_of_one(call: Call, **_: str) -> Response:
    return redirect(f"{call.base_url}/settings")
