"""What happened in the stack: the workspace's bookings, and the requests to the app."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, render_template

from infra.local.console import texts
from infra.local.console.api import Api
from infra.local.console.live import live_part
from infra.local.request_log import RequestLog
from infra.local.standins.base import Clock

_PAST = timedelta(days=1)
"""How long after its start a booking is shown."""


def create_activity(api: Api, log: RequestLog, clock: Clock) -> Blueprint:
    """`GET /bookings`, `GET /requests` and `GET /requests.json`."""
    blueprint, pages = Blueprint("activity", __name__), _ActivityPages(api, log, clock)
    blueprint.get("/bookings")(pages.show_bookings)
    blueprint.get("/bookings/live")(pages.live_bookings)
    blueprint.get("/requests")(pages.show_requests)
    blueprint.get("/requests/live")(pages.live_requests)
    blueprint.get("/requests.json")(pages.list_requests)
    return blueprint


@dataclass(frozen=True)
class _ActivityPages:
    api: Api
    log: RequestLog
    clock: Clock

    def show_bookings(self) -> str:
        return render_template("bookings.html", bookings=self._bookings())

    def live_bookings(self) -> dict[str, Any]:
        return live_part(render_template("_bookings.html", bookings=self._bookings()))

    def show_requests(self) -> str:
        return render_template("requests.html", requests=self.log.requests[::-1])

    def live_requests(self) -> dict[str, Any]:
        return live_part(render_template("_requests.html", requests=self.log.requests[::-1]))

    def list_requests(self) -> Response:
        return jsonify([asdict(request) for request in self.log.requests])

    def _bookings(self) -> list[dict[str, Any]]:
        bookings = self.api.bookings(self.clock() - _PAST)
        return [booking | {"shown": texts.meeting(booking)} for booking in bookings]
