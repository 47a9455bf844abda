"""`/health`, `/openapi.json` and `/docs`"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from chalice.app import Chalice, Response
from msgspec import Struct

from chalicelib.api.calls import Call
from chalicelib.api.routing import Routes, json_response

routes = Routes("Service")


class Health(Struct):
    status: Literal["ok"]


@routes.get("/health", "Check that the service works", responses={200: Health}, auth="none")
def health(call: Call) -> Response:
    """Read from the database; without it, the response is 503."""
    call.services.workspace_store.get("health-check")
    return json_response(Health("ok"))


@routes.get("/openapi.json", "Get this description", responses={200: "application/json"}, auth="none")
def openapi(call: Call) -> Response:
    return json_response(_document(call.app) | {"servers": [{"url": call.base_url}]})


@routes.get("/docs", "Read this description as a page", responses={200: "text/html"}, auth="none")
def docs(call: Call) -> Response:
    from chalicelib.api.docs_page import page

    return page(call, _document(call.app))


@cache
def _document(app: Chalice) -> dict[str, Any]:
    """Build the description when it is first requested: no other request pays for it."""
    from chalicelib.api.openapi import document

    return document(app)
