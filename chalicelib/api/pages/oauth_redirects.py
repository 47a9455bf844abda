"""`/oauth/…`: redirects to the provider's sign-in page and back."""

from __future__ import annotations

from urllib.parse import urlencode

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.audience import audience_of
from chalicelib.api.calls import Call
from chalicelib.api.pages.error_pages import render_error
from chalicelib.api.pages.provider_offers import check_offered
from chalicelib.api.pages.session import audience_for, posted, redirect, session_or_none
from chalicelib.api.pages.settings_view import added_page
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.connection import SignInProblem
from chalicelib.errors import NotFound, ProviderError
from chalicelib.observability import log, refused

routes = PageRoutes(render_error)


@routes.post("/oauth/{provider}/start")
def start(call: Call, provider: str) -> Response:
    session, _ = posted(call)
    check_offered(call, session.visitor, provider)
    return redirect(call.services.oauth_flow.start(session, provider, call.base_url))


@routes.get("/oauth/{provider}/callback")
def callback(call: Call, provider: str) -> Response:
    from chalicelib.usecases.oauth_flow import FlowRefused, SignInFailed

    parameters = {name: call.query(name) for name in ("state", "code", "error", "error_description")}
    response_parameters = {name: value for name, value in parameters.items() if value}
    session = session_or_none(call)
    if "code" in response_parameters and "state" not in response_parameters:
        return added_page(call, session, provider)
    try:
        call.services.oauth_flow.finish(session, provider, response_parameters)
    except SignInFailed as error:
        log.info("a sign-in connected nothing", provider=provider, problem=error.problem.value)
        return _back(call, provider, error.problem)
    except FlowRefused:
        if session is None:
            raise  # The settings page would not open either.
        refused("sign-in")
        return _back(call, provider, SignInProblem.NOT_STARTED_HERE)
    except ProviderError as error:
        log.failure("connecting failed", error, provider=provider)
        return _back(call, provider, SignInProblem.NOT_COMPLETED)
    return redirect(f"{call.base_url}/settings?notice=connected")


@routes.get("/oauth/{provider}/approved")
def approved(call: Call, provider: str) -> Response:
    # A refusal has admin_consent=True too. Neither proves who came back, so nothing is stored.
    session = session_or_none(call)
    audience = audience_for(call, session.visitor) if session else audience_of(call)
    name, is_refused = _name(call, provider), bool(call.query("error"))
    return html.page(call, "approved.html", audience, name=name, is_refused=is_refused)


def _name(call: Call, provider: str) -> str:
    video_provider = call.services.providers.get(provider)
    if video_provider is None:
        raise NotFound("There is no such page.")
    return video_provider.display_name


def _back(call: Call, provider: str, problem: SignInProblem) -> Response:
    """Return to the settings page: the callback's own address can be opened only once."""
    return redirect(f"{call.base_url}/settings?{urlencode({'problem': problem.value, 'provider': provider})}")
