"""`/settings/connect/{provider}`: connect an account by a key that is typed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api.pages.session import FORM, page_route, posted, redirect
from chalicelib.api.pages.settings_view import settings_page
from chalicelib.api.routing import Call
from chalicelib.errors import ProviderError
from chalicelib.observability import log

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def routes(services: Callable[[], Services]) -> Blueprint:
    """The form's route."""
    routes = Blueprint(__name__)
    page = page_route(services)

    @routes.route("/settings/connect/{provider}", methods=["POST"], content_types=FORM)
    @page
    def connect(call: Call, provider: str) -> Response:
        from chalicelib.usecases.key_connections import KeyRefused

        session, form = posted(call)
        try:
            call.services.key_connections.connect(session, provider, form, call.base_url)
        except KeyRefused as error:
            return settings_page(call, session, problem=error.detail, opened=provider)
        except ProviderError as error:
            log.failure("connecting failed", error, provider=provider)
            name = call.services.providers[provider].display_name
            problem = f"{name} does not answer, so the key could not be checked. Please try again in a moment."
            return settings_page(call, session, problem=problem, opened=provider)
        return redirect(f"{call.base_url}/settings?notice=connected")

    return routes
