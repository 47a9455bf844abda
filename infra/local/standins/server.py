"""Serve a stand-in over a socket, or connect an httpx client to it in process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from infra.local.standins.faults import LOST_ERRORS, SLEEP_KEY, LostResponse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class _SilentHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log nothing: the query of a request can contain codes and states."""

    def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:
        # Without this, werkzeug keeps the connection open after a lost response and the client waits forever.
        self.close_connection = True


class Server:
    """A stand-in that listens on a socket. Close it, or use it as a context manager."""

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
    """Serve an app over HTTP/1.1 in the background, one thread per request. Port 0 picks a free port."""
    return Server(make_server(host, port, app, threaded=True, request_handler=_SilentHandler))


class Deferred:
    """A WSGI app that is set after its address is known. Two apps can so need each other's address."""

    app: Any = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if self.app is None:
            start_response("503 Service Unavailable", [("Retry-After", "1"), ("Content-Length", "0")])
            return [b""]
        return self.app(environ, start_response)


class InProcessTransport(httpx.BaseTransport):
    """Send each request to the WSGI app of its origin, without a socket and without sleeping.

    `apps` maps origins such as "https://zoom.us" to apps. Any other origin raises `httpx.ConnectError`. A lost
    response, or a delay longer than the read timeout of the request, raises the same error as over a network.
    """

    def __init__(self, apps: Mapping[str, WSGIApplication]) -> None:
        self._apps = {_origin(httpx.URL(origin)): app for origin, app in apps.items()}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises `httpx.ConnectError` or `httpx.ReadTimeout`."""
        app = self._apps.get(_origin(request.url))
        if app is None:
            raise httpx.ConnectError(f"no stand-in for {request.url.host}", request=request)
        read_timeout = request.extensions.get("timeout", {}).get("read")

        def sleep(seconds: float) -> None:
            if read_timeout is not None and seconds > read_timeout:
                raise LostResponse("read_timeout")

        def app_without_delays(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            environ[SLEEP_KEY] = sleep
            return app(environ, start_response)

        try:
            return httpx.WSGITransport(app=app_without_delays).handle_request(request)
        except LostResponse as lost:
            raise LOST_ERRORS[lost.error]("the stand-in lost the response", request=request) from lost


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
