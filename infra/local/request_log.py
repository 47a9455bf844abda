"""The requests that reached the app of the local stack, for the console and the terminal."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from infra.local.standins.base import Clock, utc_now

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONSOLE = "meetlink-console"
"""The user agent of the console, whose own requests are not logged."""
_KEPT = 500
_BEFORE_SECRETS = ("/connect/", "/j/", "/a/", "/workspace/sign-in/")
"""The token of a link follows."""


@dataclass(frozen=True)
class LoggedRequest:
    """One request, without its query, headers and body."""

    at: datetime
    method: str
    path: str
    status: int
    milliseconds: int
    request_id: str

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S}  {self.status}  {self.method:<6} {self.path}  {self.milliseconds} ms"


class RequestLog:
    """The latest requests. Safe to use from many threads."""

    def __init__(self, clock: Clock = utc_now, report: Callable[[str], object] = lambda _: None) -> None:
        """`report` is called with a line for each request."""
        self._clock = clock
        self._report = report
        self._lock = threading.Lock()
        self._requests: deque[LoggedRequest] = deque(maxlen=_KEPT)

    @property
    def requests(self) -> list[LoggedRequest]:
        """The latest requests, oldest first."""
        with self._lock:
            return list(self._requests)

    def wrap(self, app: WSGIApplication) -> WSGIApplication:
        """Return an app that logs each request to `app`."""

        def logging_app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if environ.get("HTTP_USER_AGENT") == CONSOLE:
                return app(environ, start_response)
            started_at, clocked_at = time.monotonic(), self._clock()

            def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
                milliseconds = round(1000 * (time.monotonic() - started_at))
                request_id = next((value for name, value in headers if name.lower() == "x-request-id"), "")
                method, path = environ["REQUEST_METHOD"], _path(environ["PATH_INFO"])
                self._add(LoggedRequest(clocked_at, method, path, int(status[:3]), milliseconds, request_id))
                return start_response(status, headers, *rest)

            return app(environ, start)

        return logging_app

    def _add(self, request: LoggedRequest) -> None:
        if request.path.startswith("/assets/"):
            return
        with self._lock:
            self._requests.append(request)
        self._report(str(request))


def _path(path: str) -> str:
    return next((f"{start}…" for start in _BEFORE_SECRETS if path.startswith(start)), path)
