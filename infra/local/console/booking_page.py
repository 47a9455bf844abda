"""An example booking page: the part that a booking frontend has, calling the product's API from the server."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from infra.local.console import slots, texts
from infra.local.console.api import Api, ApiProblem
from infra.local.console.demo import Demo
from infra.local.standins.base import Clock

_WAIT_SECONDS = 5
_SETTLED_REFRESH_SECONDS = 2


def create_booking_page(demo: Demo, api: Api, clock: Clock) -> Blueprint:
    """The booking form, a booking's page, and the way to the host's settings page."""
    pages = Blueprint("booking", __name__)

    def form_page(entered: Mapping[str, str], problem: ApiProblem | None = None) -> Response:
        # After a lost answer the booking may exist: sent again, the same form must make the same one.
        is_unsure = problem is not None and problem.status >= 500
        page = render_template(
            "book.html",
            calendar=api.calendar(),
            connection=api.connection(),
            days=slots.days(clock()),
            times=slots.times(),
            zones=slots.zones(),
            entered=entered,
            form_id=entered["form_id"] if is_unsure else secrets.token_urlsafe(12),
            problem=problem,
        )
        return make_response(page, problem.status if problem else 200)

    def booking_page(booking: dict[str, Any], problem: ApiProblem | None = None) -> Response:
        page = render_template(
            "booking.html",
            days=slots.days(clock()),
            times=slots.times(),
            problem=problem,
            **_shown(booking),
        )
        return make_response(page, problem.status if problem else 200)

    @pages.get("/book")
    def show_form() -> Response:
        return form_page({})

    @pages.post("/book")
    def book() -> BaseResponse:
        try:
            content = slots.booking_content(request.form, api.calendar(), clock())
            booking = api.put_booking(slots.booking_id(request.form), content)
        except slots.WrongEntry as error:
            return form_page(request.form, _wrong_entry(error))
        except ApiProblem as problem:
            return form_page(request.form, problem)
        return _to_booking(booking["id"])

    @pages.post("/book/video")
    def move_to_video() -> BaseResponse:
        api.move_to_video()
        return redirect(url_for("booking.show_form"), 303)

    @pages.get("/book/<booking_id>")
    def show_booking(booking_id: str) -> Response:
        return booking_page(api.booking(booking_id))

    @pages.get("/book/<booking_id>/live")
    def live_booking(booking_id: str) -> dict[str, Any]:
        # Waits at the API only while there is something to wait for: any state but `pending` answers at once.
        booking = api.booking(booking_id, wait_seconds=_WAIT_SECONDS)
        is_pending = booking["meeting"]["state"] == "pending"
        return {
            "html": render_template("_booking.html", **_shown(booking)),
            "again_in_seconds": 0.5 if is_pending else _SETTLED_REFRESH_SECONDS,
            "page": booking["status"],
        }

    @pages.post("/book/<booking_id>/reschedule")
    def reschedule(booking_id: str) -> BaseResponse:
        booking = api.booking(booking_id)
        try:
            api.put_booking(booking_id, slots.moved_content(booking, request.form, clock()))
        except slots.WrongEntry as error:
            return booking_page(booking, _wrong_entry(error))
        except ApiProblem as problem:
            return booking_page(booking, problem)
        return _to_booking(booking_id)

    @pages.post("/book/<booking_id>/cancel")
    def cancel(booking_id: str) -> BaseResponse:
        api.cancel(booking_id)
        return _to_booking(booking_id)

    @pages.post("/book/<booking_id>/retry")
    def retry(booking_id: str) -> BaseResponse:
        api.retry(booking_id)
        return _to_booking(booking_id)

    @pages.post("/connect")
    def connect() -> BaseResponse:
        return redirect(api.connect_url(return_to=f"{demo.console_url}{url_for('booking.show_form')}"), 303)

    return pages


def _shown(booking: dict[str, Any]) -> dict[str, Any]:
    starts_at, ends_at = texts.instant(booking["starts_at"]), texts.instant(booking["ends_at"])
    return {
        "booking": booking,
        "meeting": booking["meeting"],
        "state": texts.meeting(booking),
        "when": texts.span(starts_at, ends_at, booking["time_zone"]),
    }


def _wrong_entry(error: slots.WrongEntry) -> ApiProblem:
    return ApiProblem(422, "Please check the form", fields=error.messages)


def _to_booking(booking_id: str) -> BaseResponse:
    # 303: the browser comes back with GET, and reloading the page sends nothing again.
    return redirect(url_for("booking.show_booking", booking_id=booking_id), 303)
