"""`/health`, `/v1/me`, `/openapi.json` and `/docs`"""

from __future__ import annotations

from functools import cache
from typing import Any

from chalice.app import Chalice, Response

from chalicelib.api.calls import Call, CallerCall
from chalicelib.api.routing import Routes, json_response
from chalicelib.api.schemas.service import Health, Identity, Limits
from chalicelib.version import VERSION

routes = Routes("Service")


@routes.get(
    "/health",
    "Check that the service works",
    text="Reads from the database; without it, the response is 503.",
    responses={200: Health},
    auth="none",
)
def health(call: Call) -> Response:
    call.services.workspace_store.get("health-check")
    return json_response(Health("ok", VERSION))


@routes.get(
    "/v1/me",
    "Get what your API key belongs to",
    text="The workspace, the key and the limits. Use it to test a key.",
    responses={200: Identity},
)
def get_identity(call: CallerCall) -> Response:
    settings, rate = call.services.settings, call.services.rate_limit
    limits = Limits(rate.rate, rate.burst, settings.mails_per_minute or None, settings.mails_per_day or None)
    return json_response(Identity(call.workspace_id, call.workspace.name, call.key_id, limits, VERSION))


@routes.get(
    "/openapi.json",
    "Get this description",
    text="As OpenAPI 3.1, for tools and generated clients.",
    responses={200: "application/json"},
    auth="none",
)
def openapi(call: Call) -> Response:
    return json_response(_document(call.app) | {"servers": [{"url": call.base_url}]})


@routes.get(
    "/docs",
    "Read this description as a page",
    text="For people.",
    responses={200: "text/html"},
    auth="none",
)
def docs(call: Call) -> Response:
    from chalicelib.api.docs_page import page

    return page(call, _document(call.app))


@cache
def _document(app: Chalice) -> dict[str, Any]:
    """Build the description when it is first requested: no other request pays for it."""
    from chalicelib.api.openapi import document

    return document(app)
