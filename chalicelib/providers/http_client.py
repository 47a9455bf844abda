"""Send one HTTP request to a provider, and separate what was certainly not done from what may have been done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib.errors import Ambiguous, FailedCall, ProviderUnavailable
from chalicelib.observability import count

if TYPE_CHECKING:
    import httpx

CALL_TIMEOUT_SECONDS = 15.0
"""For the whole request. A create that is not idempotent starts only if the Lambda invocation has more time left."""
TOKEN_TIMEOUT_SECONDS = 30.0
"""Token requests get longer: where refresh tokens rotate, a lost response ends the grant."""
_CONNECT_TIMEOUT_SECONDS = 5.0
_BODY_LIMIT = 1 << 20
_LONGEST_WAIT = timedelta(hours=25)


class ProviderResponse(Struct, frozen=True):
    """A provider's response."""

    provider: str
    status: int
    headers: Mapping[str, str]
    body: Any
    """The JSON value; None if the body is empty or not JSON."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def object(self) -> dict[str, Any]:
        """Return the body as an object. Raises `Ambiguous` otherwise: the call probably succeeded all the same."""
        if not isinstance(self.body, dict):
            raise Ambiguous(FailedCall(self.provider, "success without a readable body", status=self.status))
        return self.body


class HttpClient:
    """Sends requests with a shared httpx client.

    The first request creates it: httpx and the certificates that it loads are a fifth of a cold start.
    """

    def __init__(self, create_client: Callable[[], httpx.Client]) -> None:
        self._create_client = create_client
        self._client: httpx.Client | None = None
        self._creating = Lock()

    def send(
        self,
        provider: str,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout_seconds: float = CALL_TIMEOUT_SECONDS,
    ) -> ProviderResponse:
        """Send the request and read the whole response. Redirects are not followed.

        Raises `ProviderUnavailable` if the request certainly did not arrive, `Ambiguous` if it may have arrived.
        """
        import httpx

        deadline = time.monotonic() + timeout_seconds
        timeout = httpx.Timeout(timeout_seconds, connect=_CONNECT_TIMEOUT_SECONDS)
        data = dict(form) if form is not None else None
        basic = httpx.BasicAuth(*auth) if auth else httpx.Auth()
        client = self._connect()
        request = client.build_request(method, url, headers=headers, timeout=timeout, json=json, data=data)
        response = self._send(client, provider, request, basic, deadline)
        if response.status >= 400:
            count("ProviderErrors", provider=provider, kind=_error_kind(response.status))
        return response

    def _connect(self) -> httpx.Client:
        with self._creating:  # The first bookings of a batch are settled at the same time.
            if self._client is None:
                self._client = self._create_client()
            return self._client

    def _send(
        self, client: httpx.Client, provider: str, request: httpx.Request, auth: httpx.Auth, deadline: float
    ) -> ProviderResponse:
        import httpx

        try:
            response = client.send(request, stream=True, auth=auth, follow_redirects=False)
            try:
                raw = _read_body(provider, response, deadline)
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            count("ProviderErrors", provider=provider, kind="no_connection")
            raise ProviderUnavailable(FailedCall(provider, "no connection", is_unreachable=True)) from error
        except httpx.HTTPError as error:
            count("ProviderErrors", provider=provider, kind="no_answer")
            call = FailedCall(provider, f"no response ({type(error).__name__})", is_unreachable=True)
            raise Ambiguous(call) from error
        return ProviderResponse(provider, response.status_code, response.headers, _parse_json(raw))


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Return the time in `Retry-After` (RFC 9110, 10.2.3), at most 25 hours ahead; None if absent or unreadable.

    Seconds and HTTP dates are standard; Zoom's daily limit sends an ISO 8601 date-time.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return now + timedelta(seconds=min(int(value[:9]), _LONGEST_WAIT.total_seconds()))
    retry_at = _parse_date(value)
    return min(max(retry_at, now), now + _LONGEST_WAIT) if retry_at else None


def _parse_date(value: str) -> datetime | None:
    """Parse an ISO 8601 or HTTP date, which is UTC if it has no offset."""
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(value)
        except (ValueError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _error_kind(status: int) -> str:
    """Return the metric's dimension `kind`: the class of the status, with 401, 404 and 429 counted separately."""
    return {401: "401", 404: "404", 429: "429"}.get(status, f"{status // 100}xx")


def _read_body(provider: str, response: httpx.Response, deadline: float) -> bytes:
    # httpx's read timeout is for each chunk, so a slow stream of chunks would never time out.
    chunks, size = [], 0
    for chunk in response.iter_bytes():
        chunks.append(chunk)
        size += len(chunk)
        if size > _BODY_LIMIT:
            raise Ambiguous(FailedCall(provider, "the response is too long", status=response.status_code))
        if time.monotonic() > deadline:
            call = FailedCall(provider, "the response is too slow", status=response.status_code, is_unreachable=True)
            raise Ambiguous(call)
    return b"".join(chunks)


def _parse_json(raw: bytes) -> Any:
    import json

    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None
