"""Posts one webhook and tells what came of it. Of the answer only its status is read."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Protocol

import httpcore
from msgspec import Struct

from chalicelib.webhooks import url_safety
from chalicelib.webhooks.network import CheckedBackend
from chalicelib.webhooks.url_safety import AddressRefused, Resolver

TIMEOUT_SECONDS = 10.0
_USER_AGENT = "meetlink-webhooks/1"


class Outcome(Struct, frozen=True):
    """`status` is None when there was no answer; `error` is a short machine-readable word, None for a success."""

    status: int | None
    error: str | None = None


class Post(Protocol):
    """Sends a JSON body; never raises for anything the other side can do."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome: ...


class Sender:
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
