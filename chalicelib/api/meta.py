"""`/health`"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Blueprint, Response

from chalicelib.api.http import Call, json_response, open_route

if TYPE_CHECKING:
    from chalicelib.wiring import Services


def routes(services: Callable[[], Services]) -> Blueprint:
    """Routes about the service itself."""
    routes = Blueprint(__name__)

    @routes.route("/health", methods=["GET"])
    @open_route(services)
    def health(call: Call) -> Response:
        """Green when the database answers: an outage of it is answered with 503 by the route's edge."""
        call.services.workspaces.get("health-check")
        return json_response({"status": "ok"})

    return routes
