"""`/j/{ticket}`: the door to a meeting whose own link would be a secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from chalice.app import Blueprint, Response

from chalicelib.api import rendering
from chalicelib.api.http import Call
from chalicelib.api.pages.browser import page_route
from chalicelib.domain.booking import Booking
from chalicelib.errors import ProviderError
from chalicelib.observability import log
from chalicelib.usecases.join import Closed, Early, Unready

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_LOOK_AGAIN_SECONDS = 300
_TRY_AGAIN_SECONDS = 10


def routes(services: Callable[[], Services]) -> Blueprint:
    """The join redirect."""
    routes = Blueprint(__name__)
    page = page_route(services, checks_ids=False)  # A ticket is longer than an id; `Tickets.read` knows its own.

    @routes.route("/j/{ticket}", methods=["GET"])
    @page
    def join(call: Call, ticket: str) -> Response:
        try:
            found = call.services.door.knock(ticket)
        except ProviderError as error:
            log.failure("joining failed", error)
            return _unready(call)
        if isinstance(found, Unready):
            return _unready(call)
        if isinstance(found, Early):
            wait = (found.opens_at - call.services.clock()).total_seconds()
            again = max(1, min(ceil(wait), _LOOK_AGAIN_SECONDS))
            return _again(_door(call, found.booking, opens_at=found.opens_at), again)
        if isinstance(found, Closed):
            return _door(call, found.booking, why=found.why, status=410)
        return Response("", {"Location": found.address}, 302)

    return routes


def _unready(call: Call) -> Response:
    return _again(rendering.page(call, "door.html", status=503, booking=None), _TRY_AGAIN_SECONDS)


def _again(response: Response, seconds: int) -> Response:
    """Have the browser ask again by itself (html.spec.whatwg.org, the Refresh header)."""
    response.headers["Refresh"] = str(seconds)
    return response


def _door(
    call: Call,
    booking: Booking,
    *,
    opens_at: datetime | None = None,
    why: str | None = None,
    status: int = 200,
) -> Response:
    zone = ZoneInfo(booking.appointment.time_zone)
    return rendering.page(
        call,
        "door.html",
        status=status,
        booking=booking,
        starts_at=f"{booking.appointment.starts_at.astimezone(zone):%A, %-d %B %Y, %H:%M}",
        opens_at=f"{opens_at.astimezone(zone):%H:%M}" if opens_at else None,
        why=why,
    )
