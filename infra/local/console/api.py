"""The product's HTTP API as a booking frontend calls it: from its server, so that the key never reaches a browser."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from infra.local.console.demo import Demo
from infra.local.request_log import CONSOLE

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TIMEOUT = httpx.Timeout(10, read=30)
_FIELDS = {
    "starts_at": "Start",
    "ends_at": "End",
    "time_zone": "Time zone",
    "title": "Title",
    "description": "Note",
    "email": "E-mail",
    "name": "Name",
    "location": "Location",
}


class ApiProblem(Exception):
    """The API refused (RFC 9457 problem details) or did not answer (status 502). `fields` are ready to be shown."""

    def __init__(self, status: int, title: str, detail: str = "", fields: tuple[str, ...] = ()) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.fields = fields


class Api:
    """Calls for the demo's calendar and host. Every call raises `ApiProblem`."""

    def __init__(self, demo: Demo, transport: httpx.BaseTransport | None = None) -> None:
        self._demo = demo
        # No proxy from the environment: the app runs on this very machine.
        self._client = httpx.Client(
            base_url=demo.app_url,
            headers={"Authorization": f"Bearer {demo.api_key}", "User-Agent": CONSOLE},
            timeout=_TIMEOUT,
            transport=transport,
            trust_env=False,
        )

    def calendar(self) -> dict[str, Any]:
        """The demo's calendar."""
        return self._call("GET", f"/v1/calendars/{self._demo.calendar_id}")

    def move_to_video(self) -> None:
        """Make video the calendar's location; refused while the host is not connected."""
        calendar = self.calendar()
        body = {"name": calendar["name"], "host": calendar["host"], "location": {"type": "video"}}
        self._call("PUT", f"/v1/calendars/{self._demo.calendar_id}", json=body)

    def connection(self) -> dict[str, Any]:
        """The state of the host's connection."""
        return self._call("GET", f"/v1/users/{self._demo.user_id}/connection")

    def connect_url(self, return_to: str) -> str:
        """A fresh address of the settings page for the host; its reader comes back to `return_to`."""
        body = {"return_to": return_to, "name": self._demo.host_name, "email": self._demo.host_email}
        return str(self._call("POST", f"/v1/users/{self._demo.user_id}/connect-links", json=body)["url"])

    def booking(self, booking_id: str, wait_seconds: int = 0) -> dict[str, Any]:
        """A booking; with `wait_seconds` the answer may take that long while its meeting is being made."""
        headers = {"Prefer": f"wait={wait_seconds}"} if wait_seconds else None
        return self._call("GET", _booking_path(booking_id), headers=headers)

    def bookings(self, since: datetime) -> list[dict[str, Any]]:
        """The workspace's bookings that start after `since`, at most 100."""
        query = urlencode({"from": since.isoformat(), "limit": 100})
        return list(self._call("GET", f"/v1/bookings?{query}")["items"])

    def put_booking(self, booking_id: str, content: dict[str, Any]) -> dict[str, Any]:
        """Make or change a booking."""
        return self._call("PUT", _booking_path(booking_id), json=content)

    def cancel(self, booking_id: str) -> None:
        """Cancel a booking."""
        self._call("DELETE", _booking_path(booking_id))

    def retry(self, booking_id: str) -> None:
        """Settle a failed or waiting booking again now."""
        self._call("POST", f"{_booking_path(booking_id)}/retry")

    def _call(
        self, method: str, path: str, *, json: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            response = self._client.request(method, path, json=json, headers=headers)
        except httpx.TransportError as error:
            detail = f"Nothing answers at {self._demo.app_url}. Is the local stack still running?"
            raise ApiProblem(502, "The app cannot be reached", detail) from error
        body = _object(response)
        if response.is_success:
            return body
        raise _problem(response.status_code, body)


def _booking_path(booking_id: str) -> str:
    # Checked here because the id comes from the browser and the call carries the key.
    if not _ID.fullmatch(booking_id) or not booking_id.strip("."):
        raise ApiProblem(404, "No such booking", "This is not the id of a booking.")
    return f"/v1/bookings/{booking_id}"


def _object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _problem(status: int, body: dict[str, Any]) -> ApiProblem:
    errors = body.get("errors") or ()
    fields = tuple(f"{_field_name(error.get('pointer', ''))}: {error.get('detail', '')}" for error in errors)
    title = str(body.get("title") or f"The app answered {status}")
    detail = str(body.get("detail") or "")
    return ApiProblem(status, title, detail, fields)


def _field_name(pointer: str) -> str:
    return _FIELDS.get(pointer.rpartition("/")[2], pointer or "Request")
