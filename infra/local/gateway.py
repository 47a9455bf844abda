"""API Gateway on this machine: Chalice's own local gateway behind a server that logs no query strings.

Where API Gateway differs from Chalice's gateway, this one behaves like API Gateway: an address or method without a
route and a body over 10 MB never reach the app, and `WWW-Authenticate` is renamed.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalGateway, LocalGatewayException, RouteMatcher
from werkzeug.wrappers import Request, Response

from infra.gateway_responses import NOT_FOUND, TOO_LARGE, TOO_LARGE_BYTES, GatewayResponse

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

TIMEOUT_SECONDS = 29
"""The timeout of API Gateway for an integration."""
_RENAMED = {"WWW-Authenticate": "x-amzn-Remapped-WWW-Authenticate"}
"""docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html."""


def wsgi(app: Chalice) -> WSGIApplication:
    """Convert a Chalice app to a WSGI application."""
    gateway = LocalGateway(app, Config.create(chalice_app=app, lambda_timeout=TIMEOUT_SECONDS))
    routes = RouteMatcher(list(app.routes))

    @Request.application
    def application(request: Request) -> Response:
        # The raw target: decoding the path here would turn an encoded slash into another route.
        target = str(request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path)
        if not _has_route(app, routes, request.method, target):
            return _own_response(NOT_FOUND)
        body = request.get_data()
        if len(body) > TOO_LARGE_BYTES:
            return _own_response(TOO_LARGE)
        try:
            response = gateway.handle_request(
                method=request.method,
                path=target,
                headers=dict(request.headers),
                body=body or None,
            )
        except LocalGatewayException:
            return _own_response(NOT_FOUND)
        return _response(response)

    return application


def _has_route(app: Chalice, routes: RouteMatcher, method: str, target: str) -> bool:
    try:
        return method in app.routes[routes.match_route(target).route]
    except ValueError:
        return False


def _response(result: dict[str, Any]) -> Response:
    response = Response(result["body"] or "", status=result["statusCode"])
    for name, value in result["headers"].items():
        response.headers.set(_RENAMED.get(name, name), value)
    for name, values in result["multiValueHeaders"].items():
        response.headers.setlist(name, values)
    return response


def _own_response(own: GatewayResponse) -> Response:
    response = Response(own.body, own.status)
    for name, value in own.headers.items():
        response.headers.set(name, value)
    response.headers.set("X-Request-Id", str(uuid.uuid4()))
    return response
