"""Calls from a page of another origin (CORS, Fetch standard 3.2).

A preflight carries no key, so it cannot tell the workspace. It is answered alike for every origin and gives nothing
away: the API takes no cookies. The answer to the call itself names the origin only if the key's workspace lists it;
for every other page the browser withholds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Chalice, Response

from chalicelib.api.routing import Call, open_route

if TYPE_CHECKING:
    from chalicelib.wiring import Services

_PREFIX = "/v1/"
_NOT_FOR_PAGES = "/v1/webhooks/"
_PREFLIGHT_SECONDS = 600


def install(app: Chalice, services: Callable[[], Services]) -> None:
    """Have every address of the API answer preflights. To be called when all routes are there."""
    for path, methods in list(app.routes.items()):
        if path.startswith(_PREFIX) and not path.startswith(_NOT_FOR_PAGES):
            app.route(path, methods=["OPTIONS"], name="preflight")(_preflight(services, ", ".join(sorted(methods))))


def _preflight(services: Callable[[], Services], methods: str) -> Callable[..., Response]:
    def preflight(call: Call, **_: str) -> Response:
        allowed = {
            "Access-Control-Allow-Origin": call.header("origin") or "*",
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Prefer",
            "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
            "Vary": "Origin",
        }
        return Response("", {**allowed, "Allow": f"{methods}, OPTIONS"}, 204)

    answer: Callable[..., Response] = open_route(services)(preflight)
    return answer
