"""`/j/{ticket}`: join links. They open the meeting, or a page that says when or why not."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.audience import Audience, audience_of
from chalicelib.api.calls import Call
from chalicelib.api.problems import ProblemDetails
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Party, Role, address_key
from chalicelib.errors import NotFound, StoreError
from chalicelib.observability import log
from chalicelib.usecases.join_links import Closed, Early, Open, Unready

_EARLY_REFRESH_SECONDS = 300
_RETRY_SECONDS = 10


def render_join_error(call: Call, problem: ProblemDetails) -> Response:
    """Return the page for an error, in the browser's language.

    A caller's error is a link that names no booking, or a person who is not invited. Anything else may work later.
    """
    audience = _error_audience(call, problem)
    texts = audience.wording.join_page
    if problem.status >= 500:
        return _retry_page(call, texts.unready, audience, status=problem.status)
    detail = texts.uninvited if problem.reason == "uninvited" else texts.unknown
    return html.error_page(call, audience, problem.status, heading=texts.refused, detail=detail)


# A ticket is longer than an id; `JoinTickets.read` checks it.
routes = PageRoutes(render_join_error, checks_ids=False)


@routes.get("/j/{ticket}")
def join(call: Call, ticket: str) -> Response:
    visit = call.services.join_links.resolve(ticket)
    if isinstance(visit, Open):
        return Response("", {"Location": visit.address}, 302)
    return _waiting_page(call, visit)


@routes.get("/j/{ticket}/invite.ics")
def calendar_file(call: Call, ticket: str) -> Response:
    """Return the calendar file of the ticket's recipient. A link that names no one has none."""
    record, recipient = call.services.join_links.find(ticket)
    workspace = call.services.recent_workspaces.get(record.booking.workspace_id)
    if recipient is None or workspace is None:
        raise NotFound("This link names no recipient.")
    file = call.services.calendar_files.write(record, workspace, recipient.email)
    content_type = f"text/calendar; charset=utf-8; method={file.method.value}"
    return Response(file.content.decode(), {"Content-Type": content_type})


def _waiting_page(call: Call, visit: Early | Closed | Unready) -> Response:
    """Return the page for a visitor who cannot join now. Its time zone is the recipient's, else the booking's."""
    from chalicelib.mail.times import format_span

    booking, recipient = visit.booking, visit.recipient
    appointment, zone = booking.appointment, recipient.time_zone if recipient else booking.appointment.time_zone
    workspace = call.services.recent_workspaces.get(booking.workspace_id)
    audience = audience_of(call, workspace, _languages(booking, recipient))
    wording = audience.wording
    if isinstance(visit, Unready):
        text = wording.join_page.crowded if visit.is_crowded else wording.join_page.unready
        return _retry_page(call, text, audience)
    ticket = (call.request.uri_params or {}).get("ticket", "")
    response = html.page(
        call,
        "join.html",
        audience,
        status=200 if isinstance(visit, Early) else 410,
        title=appointment.title or wording.untitled,
        when=format_span(appointment.starts_at, appointment.ends_at, zone, wording),
        host=booking.host.name,
        is_early=isinstance(visit, Early),
        calendar_file=f"{call.base_url}/j/{ticket}/invite.ics" if recipient else None,
        text=_join_text(visit, zone, audience),
    )
    if isinstance(visit, Early):
        wait = ceil((visit.opens_at - call.services.clock()).total_seconds())
        _refresh(response, max(1, min(wait, _EARLY_REFRESH_SECONDS)))
    return response


def _languages(booking: Booking, recipient: Party | None) -> Iterator[str | None]:
    """Yield the languages of the ticket's recipient and of the host, if they are known."""
    if recipient is not None and recipient.role is Role.GUEST:
        key = address_key(recipient.email)
        yield from (guest.language for guest in booking.appointment.guests if address_key(guest.email) == key)
    if recipient is not None and recipient.role is Role.HOST:
        yield from (host.language for host in booking.hosts if host.user_id == recipient.user_id)
    yield booking.host.language


def _error_audience(call: Call, problem: ProblemDetails) -> Audience:
    """Return the audience of the ticket's workspace, if it can be read in spite of the error."""
    ticket = (call.request.uri_params or {}).get("ticket", "")
    try:
        contents = call.services.join_tickets.read(ticket) if problem.status < 500 else None
        return audience_of(call, call.services.recent_workspaces.get(contents.workspace_id) if contents else None)
    except StoreError as error:
        log.warning("an error page without its workspace", error=type(error).__name__)
        return audience_of(call)


def _join_text(visit: Early | Closed, zone: str, audience: Audience) -> str:
    """Return when the meeting opens, or why it does not."""
    from chalicelib.mail.times import format_moment

    texts = audience.wording.join_page
    if isinstance(visit, Closed):
        return texts.no_entry[visit.why]
    date, clock = format_moment(visit.opens_at, zone, audience.wording)
    return texts.opens.format(date=date, clock=clock)


def _retry_page(call: Call, text: str, audience: Audience, *, status: int = 503) -> Response:
    return _refresh(html.page(call, "join_retry.html", audience, status=status, text=text), _RETRY_SECONDS)


def _refresh(response: Response, seconds: int) -> Response:
    """Have the browser reload the page (html.spec.whatwg.org)."""
    response.headers["Refresh"] = str(seconds)
    return response
