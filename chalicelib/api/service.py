"""`/health`, `/v1/me`, `/openapi.json` and `/docs`"""

from __future__ import annotations

from functools import cache
from typing import Any

from chalice.app import Chalice, Response

from chalicelib.api.calls import Call, CallerCall
from chalicelib.api.routing import PageRoutes, Routes, json_response
from chalicelib.api.schemas.service import Health, Identity, Limits
from chalicelib.version import VERSION

routes = Routes("Service")
pages = PageRoutes(lambda _, problem: problem.response())
"""The other texts of `/docs`, which no client calls."""


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
    "Read the guides and the reference",
    text="For people.",
    responses={200: "text/html"},
    problems=("not_found",),
    auth="none",
)
def docs(call: Call) -> Response:
    return _docs_text(call, "index")


@pages.get("/docs/{page}")
def docs_page(call: Call, page: str) -> Response:
    return _docs_text(call, page)


@pages.get("/llms.txt")
def llms(call: Call) -> Response:
    return _docs_text(call, "llms.txt")


def _docs_text(call: Call, name: str) -> Response:
    from chalicelib.api import docs_page as site

    return site.text(call, name)


@cache
def _document(app: Chalice) -> dict[str, Any]:
    """Build the description when it is first requested: no other request pays for it."""
    from chalicelib.api.openapi import document

    return document(app)
