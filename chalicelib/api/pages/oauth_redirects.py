"""`/oauth/…`: to the provider's sign-in page and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api import html
from chalicelib.api.pages.session import FORM, page_route, posted, redirect, session_of, session_or_none
from chalicelib.api.pages.settings_view import added_page, settings_page
from chalicelib.api.routing import Call
from chalicelib.errors import NotFound, ProviderError
from chalicelib.observability import log

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def routes(services: Callable[[], Services]) -> Blueprint:
    """The OAuth redirect pair."""
    routes = Blueprint(__name__)
    page = page_route(services)

    @routes.route("/oauth/{provider}/start", methods=["POST"], content_types=FORM)
    @page
    def start(call: Call, provider: str) -> Response:
        session, _ = posted(call)
        return redirect(call.services.connections.start(session, provider, call.base_url))

    @routes.route("/oauth/{provider}/callback", methods=["GET"])
    @page
    def callback(call: Call, provider: str) -> Response:
        from chalicelib.usecases.connect import ConsentDenied, FlowRefused

        given = {name: call.query(name) for name in ("state", "code", "error", "error_description")}
        answer = {name: value for name, value in given.items() if value}
        session = session_or_none(call)
        if "code" in answer and "state" not in answer:
            return added_page(call, session, provider)
        try:
            call.services.connections.finish(session, provider, answer)
        except ConsentDenied as error:
            return settings_page(call, session_of(call), problem=error.detail)
        except ProviderError as error:
            log.failure("connecting failed", error, provider=provider)
            if session is None:
                raise FlowRefused("Open the settings page and connect again.") from error
            return settings_page(call, session, problem=_in_words(call, provider))
        return redirect(f"{call.base_url}/settings?notice=connected")

    @routes.route("/oauth/{provider}/approved", methods=["GET"])
    @page
    def approved(call: Call, provider: str) -> Response:
        # A refusal says admin_consent=True as well. Neither proves who came back: nothing is stored.
        return html.page(call, "approved.html", name=_name(call, provider), refused=bool(call.query("error")))

    return routes


def _name(call: Call, provider: str) -> str:
    known = call.services.providers.get(provider)
    if known is None:
        raise NotFound("There is no such page.")
    return known.display_name


def _in_words(call: Call, provider: str) -> str:
    name = call.services.providers[provider].display_name
    return f"{name} did not complete the sign-in. Nothing was connected. Please try again in a moment."
