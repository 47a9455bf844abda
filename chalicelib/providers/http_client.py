"""One HTTP call to a provider: what was certainly not done is told from what may have been."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from msgspec import Struct

from chalicelib.errors import Ambiguous, FailedCall, ProviderUnavailable
from chalicelib.observability import count

CALL_TIMEOUT_SECONDS = 15.0
"""For the whole call. A create that is not idempotent starts only when the Lambda has longer than this to live."""
TOKEN_TIMEOUT_SECONDS = 30.0
"""Token calls get longer: at providers that rotate refresh tokens a lost response ends the grant."""
_CONNECT_TIMEOUT_SECONDS = 5.0
_BODY_LIMIT = 1 << 20
_LONGEST_WAIT = timedelta(hours=25)


class ProviderResponse(Struct, frozen=True):
    """A response. `body` is the JSON value, or None if there is none that can be read."""

    provider: str
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def object(self) -> dict[str, Any]:
        """The body of a success as an object. Raises `Ambiguous`: a success that cannot be read may be one."""
        if not isinstance(self.body, dict):
            raise Ambiguous(FailedCall(self.provider, "success without a readable body", status=self.status))
        return self.body


class HttpClient:
    """Calls over a shared httpx client."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

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
        """Send, read the whole response, follow no redirect.

        Raises `ProviderUnavailable` if the request certainly never arrived, `Ambiguous` if nobody can know.
        """
        ends = time.monotonic() + timeout_seconds
        timeout = httpx.Timeout(timeout_seconds, connect=_CONNECT_TIMEOUT_SECONDS)
        content = {"json": json} if json is not None else {"data": dict(form)} if form is not None else {}
        basic = httpx.BasicAuth(*auth) if auth else None
        try:
            request = self._client.build_request(method, url, headers=headers, timeout=timeout, **content)
            response = self._client.send(request, stream=True, auth=basic or httpx.Auth(), follow_redirects=False)
            try:
                raw = _read(provider, response, ends)
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            count("ProviderErrors", provider=provider, kind="no_connection")
            raise ProviderUnavailable(FailedCall(provider, "no connection", is_unreachable=True)) from error
        except httpx.HTTPError as error:
            count("ProviderErrors", provider=provider, kind="no_answer")
            raise Ambiguous(
                FailedCall(provider, f"no response ({type(error).__name__})", is_unreachable=True)
            ) from error
        if response.status_code >= 400:
            count("ProviderErrors", provider=provider, kind=_kind(response.status_code))
        return ProviderResponse(provider, response.status_code, response.headers, _parse(raw))


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When `Retry-After` (RFC 9110, 10.2.3) allows the next try; None if it is absent or says nothing readable.

    Seconds and HTTP dates are standard; Zoom's daily limit sends an ISO 8601 date-time. At most 25 hours ahead.
    """
    text = headers.get("Retry-After", "").strip()
    moment: datetime | None = None
    if text.isascii() and text.isdigit():
        moment = now + timedelta(seconds=min(int(text[:9]), _LONGEST_WAIT.total_seconds()))
    elif text:
        for parse in (datetime.fromisoformat, parsedate_to_datetime):
            try:
                moment = parse(text)
                break
            except (ValueError, OverflowError):
                continue
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(moment, now), now + _LONGEST_WAIT)


def _kind(status: int) -> str:
    """The class of an error's status, as it is counted: limits and refused tokens apart."""
    return {401: "401", 404: "404", 429: "429"}.get(status, f"{status // 100}xx")


def _read(provider: str, response: httpx.Response, ends: float) -> bytes:
    # httpx's read timeout is per chunk: a body that drips would hold the settler for ever.
    chunks, size = [], 0
    for chunk in response.iter_bytes():
        chunks.append(chunk)
        size += len(chunk)
        if size > _BODY_LIMIT:
            raise Ambiguous(FailedCall(provider, "response too long", status=response.status_code))
        if time.monotonic() > ends:
            raise Ambiguous(FailedCall(provider, "response too slow", status=response.status_code, is_unreachable=True))
    return b"".join(chunks)


def _parse(raw: bytes) -> Any:
    import json

    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None
