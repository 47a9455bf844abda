"""API Gateway on this machine: Chalice's own local gateway behind a server that logs no query strings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalGateway, LocalGatewayException
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

TIMEOUT_SECONDS = 29
"""What API Gateway allows an integration."""


def wsgi(app: Chalice) -> WSGIApplication:
    """`app` as a WSGI application."""
    gateway = LocalGateway(app, Config.create(chalice_app=app, lambda_timeout=TIMEOUT_SECONDS))

    @Request.application
    def application(request: Request) -> Response:
        # The raw target: decoding the path here would turn an encoded slash into another route.
        target = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path
        try:
            answer = gateway.handle_request(
                method=request.method,
                path=str(target),
                headers=dict(request.headers),
                body=request.get_data() or None,
            )
        except LocalGatewayException:
            # API Gateway says 403 "Missing Authentication Token" for a path that has no route; deployments map it.
            return _problem(404, "not_found", "There is nothing at this address. See /docs.")
        return _response(answer)

    return application


def _response(answer: dict[str, Any]) -> Response:
    response = Response(answer["body"] or "", status=answer["statusCode"])
    for name, value in answer["headers"].items():
        response.headers.set(name, value)
    for name, values in answer["multiValueHeaders"].items():
        response.headers.setlist(name, values)
    return response


def _problem(status: int, reason: str, detail: str) -> Response:
    problem = {"type": f"urn:meetlink:problem:{reason}", "title": "Not Found", "status": status, "detail": detail}
    return Response(json.dumps(problem), status, content_type="application/problem+json")
