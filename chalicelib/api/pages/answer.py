"""`/a/{ticket}`: whether the recipient of an invitation comes. GET shows the question, POST records the answer."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.audience import Audience, audience_of
from chalicelib.api.calls import Call
from chalicelib.api.pages.session import read_form
from chalicelib.api.problems import ProblemDetails
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.answers import Choice
from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Party, Role, address_key
from chalicelib.errors import InvalidInput, StoreError
from chalicelib.observability import log

if TYPE_CHECKING:
    from chalicelib.usecases.answer_links import AnswerPage
    from chalicelib.wording import Wording

_ERROR_TEXTS = {"uninvited": "uninvited", "too_many_requests": "too_many"}


def render_answer_error(call: Call, problem: ProblemDetails) -> Response:
    """Return the page for an error. Only errors of the service say that a later attempt can succeed."""
    audience = _error_audience(call, problem)
    texts = audience.wording.answer_page
    is_temporary = problem.status >= 500 or problem.reason == "changed_meanwhile"
    detail = texts.unavailable if is_temporary else getattr(texts, _ERROR_TEXTS.get(problem.reason, "unknown"))
    heading = texts.question if is_temporary or problem.status == 429 else texts.refused
    button = html.Button(audience.wording.settings_page.try_again, "") if is_temporary else None
    return html.error_page(call, audience, problem.status, heading=heading, detail=detail, button=button)


# A ticket is longer than an id; `AnswerTickets.read` checks it.
routes = PageRoutes(render_answer_error, checks_ids=False)


@routes.get("/a/{ticket}")
def ask(call: Call, ticket: str) -> Response:
    page = call.services.answer_links.open(ticket)
    return _page(call, ticket, page, chosen=_choice(call.query("answer")))


@routes.post("/a/{ticket}")
def answer(call: Call, ticket: str) -> Response:
    from chalicelib.usecases.answer_links import AnswerOutcome

    form, links = read_form(call), call.services.answer_links
    choice, shown_start = _choice(form.get("answer")), _moment(form.get("start"))
    if choice is None or shown_start is None:
        raise InvalidInput("The form is incomplete.")
    outcome = links.answer(ticket, choice, shown_start=shown_start, is_confirmed=form.get("confirmed") == "yes")
    page = links.open(ticket)
    if outcome is AnswerOutcome.NEEDS_CONFIRMATION:
        return _page(call, ticket, page, template="answer_cancels.html")
    return _page(call, ticket, page, outcome=outcome.value)


def _page(
    call: Call,
    ticket: str,
    page: AnswerPage,
    *,
    template: str = "answer.html",
    outcome: str | None = None,
    chosen: Choice | None = None,
) -> Response:
    """Return the page in the recipient's language and time zone."""
    audience = _audience(call, page.booking, page.recipient)
    ending = "cancelled_now" if outcome == "cancelled" else page.ending
    return html.page(
        call,
        template,
        audience,
        status=_status(outcome, ending),
        **_appointment_values(page.booking, page.recipient, audience.wording),
        action=f"{call.base_url}/a/{ticket}",
        ending=ending,
        outcome=outcome,
        current=page.answer.choice if page.answer else None,
        is_outdated=page.answer is not None and page.answer.is_outdated(page.booking),
        chosen=chosen,
        choices=tuple(Choice),
    )


def _appointment_values(booking: Booking, recipient: Party, wording: Wording) -> dict[str, Any]:
    """Return the template's values about the appointment, as its recipient sees it."""
    from chalicelib.mail.times import format_span

    appointment = booking.appointment
    return {
        "title": appointment.title or wording.untitled,
        "when": format_span(appointment.starts_at, appointment.ends_at, recipient.time_zone, wording),
        "host": booking.host.name if recipient.role is Role.GUEST else None,
        "start": appointment.starts_at.isoformat(),
    }


def _status(outcome: str | None, ending: str | None) -> int:
    if outcome == "moved":
        return 409
    return 410 if ending is not None and outcome != "cancelled" else 200


def _choice(text: str | None) -> Choice | None:
    return Choice(text) if text in tuple(Choice) else None


def _moment(text: str | None) -> datetime | None:
    """Parse the start that the form contains. It was written by `isoformat`."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _audience(call: Call, booking: Booking, recipient: Party) -> Audience:
    """Return the recipient as the page's reader: the language is that of the email, if the booking names one."""
    from chalicelib.wording import find_tag, in_language

    workspace = call.services.recent_workspaces.get(booking.workspace_id)
    tag = find_tag(_language(booking, recipient) or "")
    return Audience(in_language(tag), workspace) if tag else audience_of(call, workspace)


def _language(booking: Booking, recipient: Party) -> str | None:
    if recipient.role is Role.HOST:
        return next((host.language for host in booking.hosts if host.user_id == recipient.user_id), None)
    key = address_key(recipient.email)
    return next((guest.language for guest in booking.appointment.guests if address_key(guest.email) == key), None)


def _error_audience(call: Call, problem: ProblemDetails) -> Audience:
    """Return the audience of the ticket's workspace, if it can be read in spite of the error."""
    ticket = (call.request.uri_params or {}).get("ticket", "")
    try:
        contents = call.services.answer_tickets.read(ticket) if problem.status < 500 else None
        return audience_of(call, call.services.recent_workspaces.get(contents.workspace_id) if contents else None)
    except StoreError as error:
        log.warning("an error page without its workspace", error=type(error).__name__)
        return audience_of(call)
