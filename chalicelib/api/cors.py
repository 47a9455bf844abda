"""Requests from pages of other origins (CORS, Fetch standard 3.2).

A preflight has no API key, so its workspace is unknown. Every origin gets the same response, which is safe because the
API accepts no cookies. The response to the request itself contains the origin only if the key's workspace lists it;
from every other page the browser withholds the response.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Chalice, Response

from chalicelib.api.calls import Call
from chalicelib.api.routing import bind

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_PREFIX = "/v1/"
_NOT_FOR_PAGES = "/v1/webhooks/"
_PREFLIGHT_SECONDS = 600


def install(app: Chalice, services: Callable[[], Services]) -> None:
    """Respond to preflights at every path of the API. Call this after all routes are registered."""
    for path, methods in list(app.routes.items()):
        if path.startswith(_PREFIX) and not path.startswith(_NOT_FOR_PAGES):
            preflight = _preflight_view(", ".join(sorted(methods)))
            app.route(path, methods=["OPTIONS"], name="preflight")(bind(preflight, lambda: Call(app, services())))


def _preflight_view(methods: str) -> Callable[..., Response]:
    def preflight(call: Call, **_: str) -> Response:
        headers: dict[str, str | list[str]] = {
            "Access-Control-Allow-Origin": call.header("origin") or "*",
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Prefer",
            "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
            "Vary": "Origin",
            "Allow": f"{methods}, OPTIONS",
        }
        return Response("", headers, 204)

    return preflight
