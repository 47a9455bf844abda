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
from infra.local.console.live import REFRESH_SECONDS, live_part
from infra.local.standins.base import Clock

_WAIT_SECONDS = 5
_PENDING_REFRESH_SECONDS = 0.5


def create_booking_page(demo: Demo, api: Api, clock: Clock) -> Blueprint:
    """The booking form, a booking's page, and the way to the host's settings page."""
    blueprint = Blueprint("booking", __name__)
    form, pages = _FormPages(demo, api, clock), _BookingPages(api, clock)
    blueprint.get("/book")(form.show_form)
    blueprint.post("/book")(form.book)
    blueprint.post("/book/video")(form.move_to_video)
    blueprint.post("/connect")(form.connect)
    blueprint.get("/book/<booking_id>")(pages.show_booking)
    blueprint.get("/book/<booking_id>/live")(pages.live_booking)
    blueprint.post("/book/<booking_id>/reschedule")(pages.reschedule)
    blueprint.post("/book/<booking_id>/cancel")(pages.cancel)
    blueprint.post("/book/<booking_id>/retry")(pages.retry)
    return blueprint


class _FormPages:
    """The booking form, and what the form needs before a guest can book."""

    def __init__(self, demo: Demo, api: Api, clock: Clock) -> None:
        self._demo = demo
        self._api = api
        self._clock = clock

    def show_form(self) -> Response:
        return self._page({})

    def book(self) -> BaseResponse:
        try:
            content = slots.booking_content(request.form, self._api.calendar(), self._clock())
            booking = self._api.put_booking(slots.booking_id(request.form), content)
        except slots.WrongEntry as error:
            return self._page(request.form, _wrong_entry(error))
        except ApiProblem as problem:
            return self._page(request.form, problem)
        return _to_booking(booking["id"])

    def move_to_video(self) -> BaseResponse:
        self._api.move_to_video()
        return redirect(url_for("booking.show_form"), 303)

    def connect(self) -> BaseResponse:
        return_to = f"{self._demo.console_url}{url_for('booking.show_form')}"
        return redirect(self._api.connect_url(return_to=return_to), 303)

    def _page(self, entered: Mapping[str, str], problem: ApiProblem | None = None) -> Response:
        # After a lost response the booking may exist: sent again, the same form must make the same one.
        is_unsure = problem is not None and problem.status >= 500
        page = render_template(
            "book.html",
            calendar=self._api.calendar(),
            connection=self._api.connection(),
            days=slots.days(self._clock()),
            times=slots.times(),
            zones=slots.zones(),
            entered=entered,
            form_id=entered["form_id"] if is_unsure else secrets.token_urlsafe(12),
            problem=problem,
        )
        return make_response(page, problem.status if problem else 200)


class _BookingPages:
    """A booking's page, and the buttons on it."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    def show_booking(self, booking_id: str) -> Response:
        return self._page(self._api.booking(booking_id))

    def live_booking(self, booking_id: str) -> dict[str, Any]:
        # Waits at the API only while there is something to wait for: any state but `pending` responds at once.
        booking = self._api.booking(booking_id, wait_seconds=_WAIT_SECONDS)
        is_pending = booking["meeting"]["state"] == "pending"
        return live_part(
            render_template("_booking.html", **_shown(booking)),
            page=booking["status"],
            again_in_seconds=_PENDING_REFRESH_SECONDS if is_pending else REFRESH_SECONDS,
        )

    def reschedule(self, booking_id: str) -> BaseResponse:
        booking = self._api.booking(booking_id)
        try:
            self._api.put_booking(booking_id, slots.moved_content(booking, request.form, self._clock()))
        except slots.WrongEntry as error:
            return self._page(booking, _wrong_entry(error))
        except ApiProblem as problem:
            return self._page(booking, problem)
        return _to_booking(booking_id)

    def cancel(self, booking_id: str) -> BaseResponse:
        self._api.cancel(booking_id)
        return _to_booking(booking_id)

    def retry(self, booking_id: str) -> BaseResponse:
        self._api.retry(booking_id)
        return _to_booking(booking_id)

    def _page(self, booking: dict[str, Any], problem: ApiProblem | None = None) -> Response:
        page = render_template(
            "booking.html",
            days=slots.days(self._clock()),
            times=slots.times(),
            problem=problem,
            **_shown(booking),
        )
        return make_response(page, problem.status if problem else 200)


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
