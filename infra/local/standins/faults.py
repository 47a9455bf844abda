"""Faults on demand: make a stand-in fail, respond late or lose a response, and log the requests that it receives."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import httpx
from flask import Blueprint, Flask, request
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ADMIN_PREFIX = "/_admin"
SLEEP_KEY = "standins.sleep"
"""The key in the WSGI environment of the function that replaces `time.sleep`."""
LOST_ERRORS: Mapping[str, type[httpx.TransportError]] = {
    "read_timeout": httpx.ReadTimeout,
    "connect_error": httpx.ConnectError,
}
_MAX_CALLS = 10_000


class Action(StrEnum):
    """What a fault does to a request."""

    BEFORE = "before"
    """Send the fault's response and do not process the request."""
    AFTER = "after"
    """Process the request, then send the fault's response instead of the real one."""
    LOST_BEFORE = "lost_before"
    """Send no response and do not process the request."""
    LOST_AFTER = "lost_after"
    """Process the request, then send no response."""


@dataclass(frozen=True)
class Fault:
    """One failure on demand. Raises ValueError for a fault that has no effect or can never match."""

    path: str
    """A regular expression that is searched in the path of the URL."""
    action: Action | None = None
    """None only delays the real response."""
    method: str | None = None
    """None matches every method."""
    times: int | None = 1
    """How many requests it affects. None means until it is cleared."""
    skip: int = 0
    """How many matching requests pass before it takes effect."""
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = ""
    """Text is sent as it is, anything else as JSON."""
    delay_seconds: float = 0.0
    error: str = "read_timeout"
    """What an in-process caller gets for a lost response: "read_timeout" or "connect_error". A socket is closed."""

    def __post_init__(self) -> None:
        if self.action is None and self.delay_seconds <= 0:
            raise ValueError("a fault needs an action or delay_seconds")
        if self.error not in LOST_ERRORS:
            raise ValueError(f"error must be one of {sorted(LOST_ERRORS)}")
        re.compile(self.path)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read the body of POST /_admin/faults: an object with the fields of this class. Raises ValueError."""
        try:
            fault = cls(**data)
            return replace(fault, action=Action(fault.action) if fault.action is not None else None)
        except (TypeError, re.error) as error:
            raise ValueError(str(error)) from error

    def matches(self, method: str, path: str) -> bool:
        """Return whether the fault applies to this method and path."""
        return self.method in (None, method) and re.search(self.path, path) is not None

    def response(self) -> Response:
        """Return the response that replaces the real one."""
        is_text = isinstance(self.body, str)
        response = Response(
            self.body if is_text else json.dumps(self.body),
            status=self.status,
            content_type="text/plain; charset=utf-8" if is_text else "application/json",
        )
        response.headers.update(self.headers)
        return response


@dataclass(frozen=True)
class Call:
    """One request that a stand-in received, without its query, headers and body."""

    method: str
    path: str
    status: int | None
    """None if the response was lost."""


@dataclass
class _ArmedFault:
    fault: Fault
    skips_left: int
    times_left: int | None


class Faults:
    """The pending faults and the log of requests. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_ArmedFault] = []
        self._calls: deque[Call] = deque(maxlen=_MAX_CALLS)

    def add(self, fault: Fault) -> None:
        """Add a fault. Each request gets at most one fault; the oldest that matches applies."""
        with self._lock:
            self._armed.append(_ArmedFault(fault, fault.skip, fault.times))

    def remove(self, fault: Fault) -> None:
        """Remove a fault if it is still pending."""
        with self._lock:
            self._armed = [armed for armed in self._armed if armed.fault is not fault]

    def clear(self) -> None:
        """Remove all faults and keep the log."""
        with self._lock:
            self._armed.clear()

    def reset(self) -> None:
        """Remove all faults and empty the log."""
        with self._lock:
            self._armed.clear()
            self._calls.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that applies to this request, if any, and use it up."""
        with self._lock:
            for armed in self._armed:
                if not armed.fault.matches(method, path):
                    continue
                if armed.skips_left:
                    armed.skips_left -= 1
                    continue
                if armed.times_left is not None:
                    armed.times_left -= 1
                    if armed.times_left <= 0:
                        self._armed.remove(armed)
                return armed.fault
        return None

    def record(self, call: Call) -> None:
        """Log a request."""
        with self._lock:
            self._calls.append(call)

    @property
    def calls(self) -> list[Call]:
        """The latest requests, oldest first, without those to /_admin."""
        with self._lock:
            return list(self._calls)


class LostResponse(ConnectionError):
    """The response is lost. Because it is a ConnectionError, werkzeug closes the socket without a response."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class _FaultMiddleware:
    """WSGI middleware that applies faults and logs requests."""

    def __init__(self, app: WSGIApplication, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path.startswith(ADMIN_PREFIX + "/"):
            return self._app(environ, start_response)
        try:
            response = self._respond(environ, self._faults.take(method, path))
        except LostResponse:
            self._faults.record(Call(method, path, None))
            raise
        self._faults.record(Call(method, path, response.status_code))
        return response(environ, start_response)

    def _respond(self, environ: WSGIEnvironment, fault: Fault | None) -> Response:
        if fault is None:
            return self._process(environ)
        if fault.action is Action.LOST_BEFORE:
            # Closing a socket with unread bytes resets the connection, which is a different error.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            raise LostResponse(fault.error)
        response = fault.response() if fault.action is Action.BEFORE else self._process(environ)
        if fault.action is Action.LOST_AFTER:
            raise LostResponse(fault.error)
        if fault.action is Action.AFTER:
            response = fault.response()
        if fault.delay_seconds:
            environ.get(SLEEP_KEY, time.sleep)(fault.delay_seconds)
        return response

    def _process(self, environ: WSGIEnvironment) -> Response:
        body, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        response = Response(body, status)
        response.headers = headers  # The constructor would add a Content-Type to an empty 204.
        return response


def install_faults(app: Flask, faults: Faults) -> None:
    """Apply `faults` to a stand-in, and let scripts add some at /_admin/faults."""
    admin = Blueprint("faults", __name__, url_prefix=ADMIN_PREFIX)

    @admin.post("/faults")
    def add_fault() -> tuple[dict[str, Any], int]:
        try:
            faults.add(Fault.from_json(request.get_json()))
        except ValueError as error:
            return {"error": str(error)}, 400
        return {}, 201

    @admin.delete("/faults")
    def clear_faults() -> tuple[str, int]:
        faults.clear()
        return "", 204

    @admin.get("/calls")
    def list_calls() -> dict[str, Any]:
        return {"calls": [asdict(call) for call in faults.calls]}

    app.register_blueprint(admin)
    app.wsgi_app = _FaultMiddleware(app.wsgi_app, faults)  # type: ignore[method-assign]
