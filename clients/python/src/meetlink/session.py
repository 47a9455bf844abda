"""HTTP requests with the API key, and with retries that repeat nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from meetlink.errors import MeetlinkError, ProblemError, UnavailableError

_RETRIED = {429, 500, 502, 503, 504}
_IDEMPOTENT = {"GET", "PUT", "DELETE"}
_LONGEST_WAIT_SECONDS = 30.0
_PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Request:
    """One call of the API."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False
    """Whether a POST can be sent again without a response. GET, PUT and DELETE always can."""

    @property
    def is_repeatable(self) -> bool:
        """Return whether sending the request twice has the effect of sending it once."""
        return self.repeatable or self.method in _IDEMPOTENT


class Session:
    """Sends requests, and sends them again after a failure that passes."""

    def __init__(self, http: httpx.Client, retries: int, sleep: Callable[[float], None] = time.sleep) -> None:
        """`retries` is how often a request is sent again. `sleep` waits for so many seconds."""
        self.http = http
        self.sleep = sleep
        self._retries = retries

    def send(self, request: Request) -> httpx.Response:
        """Return the response to a request, if it is a success. Raises `MeetlinkError`."""
        for attempt in range(self._retries + 1):
            result = self._attempt(request)
            if isinstance(result, httpx.Response) and result.is_success:
                return result
            pause = _pause_seconds(request, result, attempt)
            if attempt == self._retries or pause is None:
                break
            self.sleep(pause)
        raise _error(result)

    def _attempt(self, request: Request) -> httpx.Response | httpx.TransportError:
        query = {name: _query_value(value) for name, value in request.query.items() if value is not None}
        try:
            return self.http.request(
                request.method, request.path, json=request.body, params=query, headers=dict(request.headers)
            )
        except httpx.TransportError as error:
            return error


def _query_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pause_seconds(request: Request, result: httpx.Response | httpx.TransportError, attempt: int) -> float | None:
    """Return how long to wait before the request is sent again; None if that would not help or not be safe."""
    backoff = 0.5 * 2**attempt * (1 + random.random())  # noqa: S311 — it spreads retries
    if isinstance(result, httpx.TransportError):
        is_unsent = isinstance(result, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        return backoff if request.is_repeatable or is_unsent else None
    is_race = result.status_code == 409 and '"urn:meetlink:problem:changed_meanwhile"' in result.text
    if result.status_code not in _RETRIED and not is_race:
        return None
    # 429 and the race are refusals: nothing was done.
    if not request.is_repeatable and result.status_code != 429 and not is_race:
        return None
    seconds = result.headers.get("Retry-After", "")
    pause = max(float(seconds), backoff) if seconds.isdigit() else backoff
    return pause if pause <= _LONGEST_WAIT_SECONDS else None


def _error(result: httpx.Response | httpx.TransportError) -> MeetlinkError:
    if isinstance(result, httpx.TransportError):
        error = UnavailableError(f"{type(result).__name__}: {result}")
        error.__cause__ = result
        return error
    if result.headers.get("Content-Type", "").startswith(_PROBLEM):
        return ProblemError(result.json(), result.headers.get("X-Request-Id"))
    return UnavailableError(f"HTTP {result.status_code}, which is not a response of meetlink")
