"""`/health`, `/openapi.json` and `/docs`"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint, Chalice, Response

from chalicelib.api import answers
from chalicelib.api.describe import describe
from chalicelib.api.routing import Call, json_response, open_route

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_GROUP = "Service"


def routes(services: Callable[[], Services], app: Chalice) -> Blueprint:
    """Routes about the service itself. `app` is the one that the API's description tells of."""
    routes = Blueprint(__name__)

    @cache
    def described() -> dict[str, Any]:
        # Made when first asked for: no other call pays for it.
        from chalicelib.api.openapi import document

        return document(app)

    @routes.route("/health", methods=["GET"])
    @open_route(services)
    @describe(_GROUP, "Green when the service can do its work", answers={200: answers.Health}, auth="none")
    def health(call: Call) -> Response:
        """An outage of the database is answered with 503 by the route's edge."""
        call.services.workspace_store.get("health-check")
        return json_response(answers.Health("ok"))

    @routes.route("/openapi.json", methods=["GET"])
    @open_route(services)
    @describe(_GROUP, "This description", answers={200: "application/json"}, auth="none")
    def openapi(call: Call) -> Response:
        return json_response(described() | {"servers": [{"url": call.base_url}]})

    @routes.route("/docs", methods=["GET"])
    @open_route(services)
    @describe(_GROUP, "This description as a page", answers={200: "text/html"}, auth="none")
    def docs(call: Call) -> Response:
        from chalicelib.api.docs_page import page

        return page(call, described())

    return routes
