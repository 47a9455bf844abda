"""POST a webhook to an address that is checked when it is resolved. Only the status of the response is read."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import cache, partial
from typing import Any, Protocol

import httpcore
from msgspec import Struct

from chalicelib.webhooks import url_safety
from chalicelib.webhooks.url_safety import Address, AddressRefused, Resolver

TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 3.0
_USER_AGENT = "meetlink-webhooks/1"


class Outcome(Struct, frozen=True):
    """The result of one attempt."""

    status: int | None
    """The HTTP status; None if there was no response."""
    error: str | None = None
    """A short machine-readable word; None for a success."""


class Post(Protocol):
    """Sends a JSON body. Never raises for anything that the receiver does."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome: ...


class WebhookSender:
    """The `Post` of production."""

    def __init__(
        self,
        *,
        to_loopback: bool = False,
        resolver: Resolver = url_safety.resolve,
        dial: httpcore.NetworkBackend | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Allow this machine as a receiver if `to_loopback`, as the local stack does. Tests replace the others."""
        self._to_loopback = to_loopback
        self._resolver = resolver
        self._dial = dial
        self._timeout_seconds = timeout_seconds

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        # Checked again: the deployment may have become stricter since the address was registered.
        if url_safety.refusal(url, to_loopback=self._to_loopback) is not None:
            return Outcome(None, "address_refused")
        try:
            status = self._send(url, headers, body)
        except AddressRefused:
            return Outcome(None, "address_refused")
        except httpcore.TimeoutException:
            return Outcome(None, "timeout")
        except (httpcore.NetworkError, ssl.SSLError):
            return Outcome(None, "no_connection")
        except (httpcore.ProtocolError, OSError, ValueError):
            return Outcome(None, "no_http_answer")
        if 200 <= status < 300:
            return Outcome(status)
        return Outcome(status, "redirect" if 300 <= status < 400 else "bad_status")

    def _send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        backend = CheckedBackend(
            time.monotonic() + self._timeout_seconds,
            check=partial(url_safety.check_addresses, to_loopback=self._to_loopback, is_http=url.startswith("http:")),
            resolver=self._resolver,
            dial=self._dial,
        )
        defaults = {"Content-Type": "application/json", "User-Agent": _USER_AGENT, "Connection": "close"}
        fields = list((defaults | dict(headers)).items())
        # httpcore instead of httpx: it follows no redirects, reads no proxy settings and keeps no cookies. One pool per
        # request: a connection that is reused would outlive the check of its address.
        with (
            httpcore.ConnectionPool(_ssl_context(), max_connections=1, network_backend=backend) as pool,
            pool.stream("POST", url, headers=fields, content=body) as response,
        ):
            return int(response.status)


class CheckedBackend(httpcore.NetworkBackend):
    """For one request: resolve once, check every address, connect only to one of those.

    Resolving again for the connection would let a hostile name server return another address (DNS rebinding). TLS and
    the Host header still use the name, because httpcore takes them from the URL.
    """

    def __init__(
        self,
        ends_at: float,
        *,
        check: Callable[[Sequence[str]], list[Address]] = url_safety.check_addresses,
        resolver: Resolver = url_safety.resolve,
        dial: httpcore.NetworkBackend | None = None,
    ) -> None:
        """`ends_at` is the request's deadline in the time of `time.monotonic`; `dial` opens the connections."""
        self._ends_at = ends_at
        self._check = check
        self._resolver = resolver
        self._dial = dial or httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that accepts. Raises `AddressRefused`, or httpcore's errors."""
        deadline = min(self._ends_at, time.monotonic() + CONNECT_TIMEOUT_SECONDS)
        addresses = self._check(self._resolve(host, port, deadline))
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses:
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0:
                break
            try:
                stream = self._dial.connect_tcp(str(address), port, seconds_left, local_address, socket_options)
                return _TimedStream(stream, self._ends_at)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectTimeout("no time left")

    def _resolve(self, host: str, port: int, deadline: float) -> Sequence[str]:
        # getaddrinfo has no timeout, and a hostile name server may be slow on purpose: wait for it, but do not join it.
        pool = ThreadPoolExecutor(1, thread_name_prefix="resolve")
        try:
            return pool.submit(self._resolver, host, port).result(max(deadline - time.monotonic(), 0))
        except FutureTimeoutError as error:
            raise httpcore.ConnectTimeout("the name did not resolve in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name does not resolve") from error
        finally:
            pool.shutdown(wait=False)


class _TimedStream(httpcore.NetworkStream):
    """A stream with one deadline for the whole request: httpcore's timeouts apply to each read alone.

    Otherwise a response that arrives byte by byte would never time out.
    """

    def __init__(self, stream: httpcore.NetworkStream, ends_at: float) -> None:
        self._stream = stream
        self._ends_at = ends_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._seconds_left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._seconds_left(httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._seconds_left(httpcore.ConnectTimeout))
        return _TimedStream(secured, self._ends_at)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _seconds_left(self, timeout_error: Callable[[str], Exception]) -> float:
        seconds = self._ends_at - time.monotonic()
        if seconds <= 0:
            raise timeout_error("the request took too long")
        return seconds


@cache
def _ssl_context() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context(trust_env=False)
