"""`/v1/webhooks/…`: what others tell us. Signatures are checked over the raw bytes, before anything is parsed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api.http import Call, json_response, open_route
from chalicelib.errors import NotFound, TooLarge, Unauthorized
from chalicelib.providers.base import Deauthorized, Reply

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_LIMIT = 64 * 1024


def routes(services: Callable[[], Services]) -> Blueprint:
    """The routes of webhooks."""
    routes = Blueprint(__name__)

    @routes.route("/v1/webhooks/providers/{provider}", methods=["POST"])
    @open_route(services)
    def provider_event(call: Call, provider: str) -> Response:
        known, credentials = call.services.providers.get(provider), call.services.secrets.credentials(provider)
        if known is None or credentials is None or not credentials.webhook_secret:
            raise NotFound("This provider sends no webhooks here.")
        if len(call.raw_body) > _LIMIT:
            raise TooLarge("The event is too large.")
        event = known.read_event(call.request.headers, call.raw_body, credentials.webhook_secret)
        match event:
            case None:
                raise Unauthorized("The signature is missing, wrong or too old.")
            case Reply(body):
                return json_response(body)
            case Deauthorized(account_id, at):
                call.services.connector.deauthorized(provider, account_id, at)
        return Response("", status_code=204)

    return routes
