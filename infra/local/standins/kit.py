"""What every stand-in provider shares: a clock, faults on demand, a server and an in-process transport.

Never shipped: stand-ins let the product be tested and tried without a live account.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx
from flask import Blueprint, Flask, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Clock = Callable[[], datetime]
"""Tells the time as an aware UTC datetime; injected, so that tests decide what time it is."""

ADMIN_PREFIX = "/_admin"
_WAIT = "standins.wait"
_CALLS_KEPT = 10_000
_LOST_ERRORS: Mapping[str, type[httpx.TransportError]] = {
    "read_timeout": httpx.ReadTimeout,
    "connect_error": httpx.ConnectError,
}


def forbid_unknown(schema: Any) -> None:
    """Have a JSON Schema refuse what it does not name, however deep: published contracts seldom say so."""
    if isinstance(schema, list):
        for item in schema:
            forbid_unknown(item)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
        for item in schema.values():
            forbid_unknown(item)


def utc_now() -> datetime:
    """The real clock: the default of every stand-in."""
    return datetime.now(UTC)


class Action(StrEnum):
    """What a fault does to the request it strikes."""

    BEFORE = "before"  # the fault's answer, the work is not done
    AFTER = "after"  # the work is done, the fault's answer replaces the real one
    LOST_BEFORE = "lost_before"  # no answer, the work is not done
    LOST_AFTER = "lost_after"  # the work is done, its answer is lost


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong on demand; without an action it only delays the real answer.

    `path` is a regular expression searched in the URL's path; `method` None matches all. `times` None lasts until
    cleared; the first `skip` matches pass unharmed. A `body` that is not text is sent as JSON. `error`
    ("read_timeout" or "connect_error") is what an in-process caller sees when the answer is lost; over a socket
    the connection is closed unanswered. Raises ValueError for a fault that could do nothing or never match.
    """

    path: str
    action: Action | None = None
    method: str | None = None
    times: int | None = 1
    skip: int = 0
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = ""
    delay_seconds: float = 0.0
    error: str = "read_timeout"

    def __post_init__(self) -> None:
        if self.action is None and self.delay_seconds <= 0:
            raise ValueError("a fault needs an action or delay_seconds")
        if self.error not in _LOST_ERRORS:
            raise ValueError(f"error must be one of {sorted(_LOST_ERRORS)}")
        re.compile(self.path)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read the form that POST /_admin/faults takes: the fields of this class; raises ValueError."""
        try:
            fault = cls(**data)
            return replace(fault, action=Action(fault.action) if fault.action is not None else None)
        except (TypeError, re.error) as error:
            raise ValueError(str(error)) from error

    def matches(self, method: str, path: str) -> bool:
        """Tell whether the fault is meant for such a request."""
        return self.method in (None, method) and re.search(self.path, path) is not None

    def answer(self) -> Response:
        """The answer given in place of the real one."""
        is_text = isinstance(self.body, str)
        answer = Response(
            self.body if is_text else json.dumps(self.body),
            status=self.status,
            content_type="text/plain; charset=utf-8" if is_text else "application/json",
        )
        answer.headers.update(self.headers)
        return answer


@dataclass(frozen=True)
class Held:
    """A meeting as a stand-in holds it, whatever the provider calls its parts; None for what it does not keep.

    `owner` is the address of whose account it is in, `tag` what the product marked it with.
    """

    id: str
    title: str
    starts_at: datetime | None
    ends_at: datetime | None
    link: str | None
    owner: str | None = None
    tag: str | None = None
    lets_guests_in: bool | None = None
    """Whether a stranger with the link enters without waiting; None where the stand-in has no door."""


@dataclass(frozen=True)
class Call:
    """One request a stand-in received; `status` is None when the answer was lost. No query, body or header."""

    method: str
    path: str
    status: int | None


@dataclass
class _Armed:
    fault: Fault
    skips_left: int
    times_left: int | None


class Faults:
    """The faults waiting for their request, and the log of requests; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []
        self._calls: deque[Call] = deque(maxlen=_CALLS_KEPT)

    def add(self, fault: Fault) -> None:
        """Arm a fault; those added first strike first, one per request."""
        with self._lock:
            self._armed.append(_Armed(fault, fault.skip, fault.times))

    def clear(self) -> None:
        """Disarm all faults; the log stays."""
        with self._lock:
            self._armed.clear()

    def reset(self) -> None:
        """Disarm all faults and forget the log."""
        with self._lock:
            self._armed.clear()
            self._calls.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Use up and return the fault that strikes this request, if any."""
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


class LostAnswer(ConnectionError):
    """The answer is lost; being a ConnectionError, it makes werkzeug close the socket without a word."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class _Faulty:
    """WSGI middleware that applies faults and logs calls."""

    def __init__(self, app: WSGIApplication, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path.startswith(ADMIN_PREFIX + "/"):
            return self._app(environ, start_response)
        try:
            response = self._respond(environ, self._faults.take(method, path))
        except LostAnswer:
            self._faults.record(Call(method, path, None))
            raise
        self._faults.record(Call(method, path, response.status_code))
        return response(environ, start_response)

    def _respond(self, environ: WSGIEnvironment, fault: Fault | None) -> Response:
        if fault is None:
            return self._work(environ)
        if fault.action is Action.LOST_BEFORE:
            # Closing with unread bytes would reset the connection: another error than the one asked for.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            raise LostAnswer(fault.error)
        response = fault.answer() if fault.action is Action.BEFORE else self._work(environ)
        if fault.action is Action.LOST_AFTER:
            raise LostAnswer(fault.error)
        if fault.action is Action.AFTER:
            response = fault.answer()
        if fault.delay_seconds:
            environ.get(_WAIT, time.sleep)(fault.delay_seconds)
        return response

    def _work(self, environ: WSGIEnvironment) -> Response:
        body, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        response = Response(body, status)
        response.headers = headers  # not through the constructor, which would add a type to an empty 204
        return response


def install(app: Flask, faults: Faults) -> None:
    """Put a stand-in under the power of `faults`, and let scripts add to them over HTTP below /_admin."""
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
    app.wsgi_app = _Faulty(app.wsgi_app, faults)  # type: ignore[method-assign]


class _SilentHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log nothing: request lines carry codes and states in their query."""

    def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:
        # Without this the connection is kept alive after a lost answer and the client waits for ever.
        self.close_connection = True


class Server:
    """A stand-in listening on a socket; close it, or use it as a context manager."""

    def __init__(self, server: BaseWSGIServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://{server.host}:{server.port}"

    def close(self) -> None:
        """Stop listening and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve(app: WSGIApplication, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Serve an app over HTTP/1.1, one thread per request, in the background; port 0 picks a free one."""
    return Server(make_server(host, port, app, threaded=True, request_handler=_SilentHandler))


class InProcessTransport(httpx.BaseTransport):
    """Sends each request to the WSGI app that stands for its origin, without a socket and without sleeping.

    `apps` maps origins such as "https://zoom.us" to apps; any other origin is refused with httpx.ConnectError. A lost
    answer, or a delay longer than the request's read timeout, raises as it would over a network.
    """

    def __init__(self, apps: Mapping[str, WSGIApplication]) -> None:
        self._apps = {_origin(httpx.URL(origin)): app for origin, app in apps.items()}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Route one request; raises httpx.ConnectError or httpx.ReadTimeout."""
        app = self._apps.get(_origin(request.url))
        if app is None:
            raise httpx.ConnectError(f"no stand-in for {request.url.host}", request=request)
        read_timeout = request.extensions.get("timeout", {}).get("read")

        def wait(seconds: float) -> None:
            if read_timeout is not None and seconds > read_timeout:
                raise LostAnswer("read_timeout")

        def patient(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            environ[_WAIT] = wait
            return app(environ, start_response)

        try:
            return httpx.WSGITransport(app=patient).handle_request(request)
        except LostAnswer as lost:
            raise _LOST_ERRORS[lost.error]("the stand-in lost the answer", request=request) from lost


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
