"""`/settings`: what the user sees and may do there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api import html
from chalicelib.api.pages import settings_texts
from chalicelib.api.pages.session import FORM, end_cookie, page_route, posted, redirect, session_of
from chalicelib.api.pages.settings_view import settings_page
from chalicelib.api.routing import Call
from chalicelib.errors import Conflict, NotFound, TooManyRequests

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def routes(services: Callable[[], Services]) -> Blueprint:
    """The settings page and its forms."""
    routes = Blueprint(__name__)
    page = page_route(services)

    @routes.route("/settings", methods=["GET"], content_types=FORM)
    @page
    def show_settings(call: Call) -> Response:
        problem = settings_texts.sign_in_problem(
            call.query("problem") or "", call.services.providers.get(call.query("provider") or "")
        )
        return settings_page(call, session_of(call), notice=call.query("notice"), problem=problem)

    @routes.route("/settings/check", methods=["POST"], content_types=FORM)
    @page
    def check(call: Call) -> Response:
        session, _ = posted(call)
        try:
            report = call.services.connection_check.check(session.visitor.workspace_id, session.visitor.user_id)
        except TooManyRequests as error:
            return settings_page(call, session, problem=error.detail)
        return settings_page(call, session, report=report)

    @routes.route("/settings/disconnect", methods=["POST"], content_types=FORM)
    @page
    def disconnect(call: Call) -> Response:
        session, form = posted(call)
        delete_meetings = form.get("meetings") == "delete"
        visitor = session.visitor
        call.services.connections.disconnect(
            visitor.workspace_id, visitor.user_id, delete_meetings=delete_meetings, session=session
        )
        return redirect(f"{call.base_url}/settings?notice={'removing' if delete_meetings else 'disconnected'}")

    @routes.route("/settings/sign-out", methods=["POST"], content_types=FORM)
    @page
    def sign_out(call: Call) -> Response:
        session, _ = posted(call)
        call.services.connect_links.end_all(session.visitor.workspace_id, session.visitor.user_id)
        response = html.page(call, "signed_out.html", visitor=session.visitor)
        response.headers["Set-Cookie"] = end_cookie(call)
        return response

    @routes.route("/settings/calendars/{calendar_id}/video", methods=["POST"], content_types=FORM)
    @page
    def choose_video(call: Call, calendar_id: str) -> Response:
        session, _ = posted(call)
        try:
            call.services.calendars.choose_video(session.visitor.workspace_id, session.visitor.user_id, calendar_id)
        except Conflict:
            problem = "Video cannot be chosen without a working connection. Connect an account first."
            return settings_page(call, session, problem=problem)
        return redirect(f"{call.base_url}/settings?notice=video")

    @routes.route("/settings/bookings/{booking_id}/retry", methods=["POST"], content_types=FORM)
    @page
    def retry(call: Call, booking_id: str) -> Response:
        session, _ = posted(call)
        visitor = session.visitor
        record = call.services.booking_store.get(visitor.workspace_id, booking_id)
        if record is None or record.booking.host.user_id != visitor.user_id:
            raise NotFound("There is no such booking of yours.")
        call.services.bookings.retry(visitor.workspace_id, booking_id)
        return redirect(f"{call.base_url}/settings?notice=retrying")

    return routes
