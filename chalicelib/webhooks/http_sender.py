"""Posts one webhook and tells what came of it. Of the answer only its status is read."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from functools import cached_property, partial
from typing import Any, Protocol

import httpcore
from msgspec import Struct

from chalicelib.webhooks import url_safety
from chalicelib.webhooks.url_safety import Address, AddressRefused, Resolver

TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 3.0
_USER_AGENT = "meetlink-webhooks/1"


class Outcome(Struct, frozen=True):
    """`status` is None when there was no answer; `error` is a short machine-readable word, None for a success."""

    status: int | None
    error: str | None = None


class Post(Protocol):
    """Sends a JSON body; never raises for anything the other side can do."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome: ...


class WebhookSender:
    """`to_loopback` is for the local stack; `resolver` and `dial` are given by tests."""

    def __init__(
        self,
        *,
        to_loopback: bool = False,
        resolver: Resolver = url_safety.resolve,
        dial: httpcore.NetworkBackend | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._to_loopback = to_loopback
        self._resolver = resolver
        self._dial = dial
        self._timeout_seconds = timeout_seconds

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        # Checked again: a deployment may have become stricter since the address was registered.
        if url_safety.refusal(url, to_loopback=self._to_loopback) is not None:
            return Outcome(None, "address_refused")
        try:
            status = self._status(url, headers, body)
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

    def _status(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        backend = CheckedBackend(
            time.monotonic() + self._timeout_seconds,
            check=partial(url_safety.checked, to_loopback=self._to_loopback, plain=url.startswith("http:")),
            resolver=self._resolver,
            dial=self._dial,
        )
        own = {"Content-Type": "application/json", "User-Agent": _USER_AGENT, "Connection": "close"}
        sent = list((own | dict(headers)).items())
        # httpcore itself: it follows no redirect, reads no proxy settings and keeps no cookies. One pool for one
        # request: a kept connection would outlive the check of its address.
        with (
            httpcore.ConnectionPool(self._ssl_context, max_connections=1, network_backend=backend) as pool,
            pool.stream("POST", url, headers=sent, content=body) as response,
        ):
            return int(response.status)

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        import httpx

        return httpx.create_ssl_context(trust_env=False)


class CheckedBackend(httpcore.NetworkBackend):
    """For one request: resolves once, checks every answer, dials exactly one of those.

    Resolving again for the connection would let a hostile name server say something else (DNS rebinding). TLS and the
    Host header still see the name, as httpcore takes them from the URL. `dial` makes the connections. `ends` is in the
    time of `time.monotonic`.
    """

    def __init__(
        self,
        ends: float,
        *,
        check: Callable[[Sequence[str]], list[Address]] = url_safety.checked,
        resolver: Resolver = url_safety.resolve,
        dial: httpcore.NetworkBackend | None = None,
    ) -> None:
        self._ends = ends
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
        """Raises `AddressRefused`, or httpcore's errors."""
        patience = min(self._ends, time.monotonic() + CONNECT_TIMEOUT_SECONDS)
        candidates = self._check(self._resolve(host, port, patience))
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in candidates:
            left = patience - time.monotonic()
            if left <= 0:
                break
            try:
                stream = self._dial.connect_tcp(str(address), port, left, local_address, socket_options)
                return _TimedStream(stream, self._ends)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectTimeout("no time left")

    def _resolve(self, host: str, port: int, patience: float) -> Sequence[str]:
        # getaddrinfo knows no timeout, and a name server may be slow on purpose: it is waited for, not joined.
        pool = ThreadPoolExecutor(1, thread_name_prefix="resolve")
        try:
            return pool.submit(self._resolver, host, port).result(max(patience - time.monotonic(), 0))
        except TookTooLong as error:
            raise httpcore.ConnectTimeout("the name did not resolve in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name does not resolve") from error
        finally:
            pool.shutdown(wait=False)


class _TimedStream(httpcore.NetworkStream):
    """httpcore's timeouts are for one read each: an answer that drips would hold us for ever."""

    def __init__(self, stream: httpcore.NetworkStream, ends: float) -> None:
        self._stream = stream
        self._ends = ends

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._left(httpcore.ConnectTimeout))
        return _TimedStream(secured, self._ends)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _left(self, late: Callable[[str], Exception]) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise late("the time for the whole request is up")
        return left
