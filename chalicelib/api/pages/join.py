"""`/j/{ticket}`: join links. They open the meeting, or a page that says when or why not."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.calls import Call
from chalicelib.api.problems import ProblemDetails
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.invitation import Party
from chalicelib.usecases.join_links import Closed, Early, Open, Unready

if TYPE_CHECKING:
    from chalicelib.wording import Wording

_EARLY_REFRESH_SECONDS = 300
_RETRY_SECONDS = 10


def render_join_error(call: Call, problem: ProblemDetails) -> Response:
    """Return the page for an error, in the browser's language.

    A caller's error is a link that names no booking, or a person who is not invited. Anything else may work later.
    """
    wording = _wording(call)
    texts = wording.join_page
    if problem.status >= 500:
        return _retry_page(call, texts.unready, wording, status=problem.status)
    detail = texts.uninvited if problem.reason == "uninvited" else texts.unknown
    return html.page(
        call, "error.html", status=problem.status, language=wording.language, heading=texts.refused, detail=detail
    )


# A ticket is longer than an id; `JoinTickets.read` checks it.
routes = PageRoutes(render_join_error, checks_ids=False)


@routes.get("/j/{ticket}")
def join(call: Call, ticket: str) -> Response:
    visit = call.services.join_links.resolve(ticket)
    if isinstance(visit, Open):
        return Response("", {"Location": visit.address}, 302)
    return _waiting_page(call, visit)


def _waiting_page(call: Call, visit: Early | Closed | Unready) -> Response:
    """Return the page for a visitor who cannot join now.

    Its time zone and language are those of the ticket's recipient, else the booking's zone and the browser's language.
    """
    from chalicelib.mail.times import format_span

    appointment, recipient = visit.booking.appointment, visit.recipient
    zone = recipient.time_zone if recipient else appointment.time_zone
    wording = _wording(call, recipient)
    texts = wording.join_page
    if isinstance(visit, Unready):
        text = texts.crowded if visit.is_crowded else texts.unready
        return _retry_page(call, text, wording)
    response = html.page(
        call,
        "join.html",
        status=200 if isinstance(visit, Early) else 410,
        language=wording.language,
        texts=texts,
        title=appointment.title or wording.untitled,
        when=format_span(appointment.starts_at, appointment.ends_at, zone, wording),
        host=visit.booking.host.name,
        is_early=isinstance(visit, Early),
        text=_join_text(visit, zone, wording),
    )
    if isinstance(visit, Early):
        wait = ceil((visit.opens_at - call.services.clock()).total_seconds())
        _refresh(response, max(1, min(wait, _EARLY_REFRESH_SECONDS)))
    return response


def _join_text(visit: Early | Closed, zone: str, wording: Wording) -> str:
    """Return when the meeting opens, or why it does not."""
    from chalicelib.mail.times import format_moment

    if isinstance(visit, Closed):
        return wording.join_page.no_entry[visit.why]
    date, clock = format_moment(visit.opens_at, zone, wording)
    return wording.join_page.opens.format(date=date, clock=clock)


def _wording(call: Call, recipient: Party | None = None) -> Wording:
    """Return the texts in the recipient's language, else in the browser's."""
    from chalicelib.api.pages.visitor_language import browser_language
    from chalicelib.wording import in_language

    return in_language(recipient.language if recipient else browser_language(call.header("accept-language")) or "")


def _retry_page(call: Call, text: str, wording: Wording, *, status: int = 503) -> Response:
    texts = wording.join_page
    response = html.page(call, "join_retry.html", status=status, language=wording.language, texts=texts, text=text)
    return _refresh(response, _RETRY_SECONDS)


def _refresh(response: Response, seconds: int) -> Response:
    """Have the browser reload the page (html.spec.whatwg.org)."""
    response.headers["Refresh"] = str(seconds)
    return response
