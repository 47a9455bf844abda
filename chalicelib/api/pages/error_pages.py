"""Error pages of the settings page and its neighbors: what happened, and a button that leads on."""

from __future__ import annotations

from chalice.app import Response
from msgspec.structs import replace

from chalicelib.api import html
from chalicelib.api.audience import Audience, audience_of
from chalicelib.api.calls import Call
from chalicelib.api.pages.session import audience_for, is_framed, session_or_none, session_token
from chalicelib.api.problems import ProblemDetails
from chalicelib.errors import StoreError
from chalicelib.observability import log


def render_error(call: Call, problem: ProblemDetails) -> Response:
    """Return a page that says what went wrong and what to do."""
    has_session, audience = _read_audience(call, problem)
    texts, workspace = audience.wording.pages, audience.workspace
    return html.error_page(
        call,
        audience,
        problem.status,
        frame_ancestors=workspace.frame_ancestors if is_framed(call) and workspace else (),
        heading=texts.error_titles.get(problem.reason, texts.error_title),
        detail=texts.errors.get(problem.reason, texts.errors["other"]),
        button=_next_button(call, problem, audience, has_session=has_session),
    )


def _next_button(call: Call, problem: ProblemDetails, audience: Audience, *, has_session: bool) -> html.Button | None:
    """Return the way on: try again, else the settings page, else back to where the reader came from."""
    texts = audience.wording
    if problem.status >= 500 or problem.reason == "cross_site":
        return html.Button(texts.settings_page.try_again, "")
    if has_session:
        return html.Button(texts.pages.open_settings, f"{call.base_url}/settings")
    if audience.return_to:
        return html.Button("", audience.return_to)
    return None


def _read_audience(call: Call, problem: ProblemDetails) -> tuple[bool, Audience]:
    """Return whether the browser has a session, and the audience of the page, as far as they can be read."""
    try:
        session = session_or_none(call) if problem.status < 500 else None
        if session is not None:
            return True, audience_for(call, session.visitor)
        return False, _audience_of_origin(call) if problem.status < 500 else audience_of(call)
    except StoreError as error:
        log.warning("an error page without its workspace", error=type(error).__name__)
        return False, audience_of(call)


def _audience_of_origin(call: Call) -> Audience:
    """Return the audience of a link or session that has ended, in the workspace that it came from."""
    link = (call.request.uri_params or {}).get("token", "")
    origin = call.services.connect_links.find_origin(link=link, session=session_token(call) or "")
    if origin is None:
        return audience_of(call)
    audience = audience_of(call, call.services.workspace_store.get(origin.workspace_id))
    return audience if is_framed(call) else replace(audience, return_to=origin.return_to)
