"""`/j/{ticket}`: the door to a meeting whose own link would be a secret."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api import html, routing
from chalicelib.api.routing import Call
from chalicelib.errors import CallerError
from chalicelib.usecases.join_links import Closed, Early, Open, Unready

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_LOOK_AGAIN_SECONDS = 300
_TRY_AGAIN_SECONDS = 10


def routes(services: Callable[[], Services]) -> Blueprint:
    """The join redirect."""
    routes = Blueprint(__name__)
    # A ticket is longer than an id; `JoinTickets.read` checks it.
    page = routing.page_route(services, _refuse, checks_ids=False)

    @routes.route("/j/{ticket}", methods=["GET"])
    @page
    def join(call: Call, ticket: str) -> Response:
        found = call.services.join_links.resolve(ticket)
        if isinstance(found, Open):
            return Response("", {"Location": found.address}, 302)
        return _door(call, found)

    return routes


def _refuse(call: Call, error: CallerError) -> Response:
    """Return the page for a link that names no booking or an uninvited person, in the browser's language."""
    from chalicelib.api.pages.join_texts import browser_language, door_words

    words, dates = door_words(browser_language(call.header("accept-language")))
    detail = words.uninvited if error.reason == "uninvited" else words.unknown
    return html.page(
        call, "error.html", status=error.status, language=dates.language, heading=words.refused, detail=detail
    )


def _door(call: Call, found: Early | Closed | Unready) -> Response:
    """Return the page for a visitor who cannot go in now.

    Its time zone and language are those of the ticket's recipient, else the booking's zone and the browser's language.
    """
    from chalicelib.api.pages.join_texts import browser_language, door_words
    from chalicelib.mail.times import format_moment, format_span

    appointment, recipient = found.booking.appointment, found.recipient
    zone = recipient.time_zone if recipient else appointment.time_zone
    words, dates = door_words(recipient.language if recipient else browser_language(call.header("accept-language")))
    status, again, said = 200, None, ""
    if isinstance(found, Early):
        wait = (found.opens_at - call.services.clock()).total_seconds()
        again = max(1, min(ceil(wait), _LOOK_AGAIN_SECONDS))
        date, clock = format_moment(found.opens_at, zone, dates)
        said = words.opens.format(date=date, clock=clock)
    elif isinstance(found, Closed):
        status, said = 410, words.no_entry[found.why]
    else:
        status, again, said = 503, _TRY_AGAIN_SECONDS, words.crowded if found.is_crowded else words.wait
    response = html.page(
        call,
        "door.html",
        status=status,
        language=dates.language,
        words=words,
        title=appointment.title or words.untitled,
        when=format_span(appointment.starts_at, appointment.ends_at, zone, dates),
        host=found.booking.host.name,
        is_early=isinstance(found, Early),
        is_unready=isinstance(found, Unready),
        said=said,
    )
    if again is not None:
        response.headers["Refresh"] = str(again)  # html.spec.whatwg.org: the browser reloads the page automatically.
    return response
