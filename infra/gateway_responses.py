"""Responses of API Gateway when it does not invoke the app, as problem details.

Both ways to deploy configure them, and the local gateway uses the same ones. Without them API Gateway responds with
`{"message": …}`, without a request id and without CORS headers, so that a browser shows a network error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from chalicelib.api.problems import CONTENT_TYPE, format_problem
from chalicelib.api.routing import SECURITY_HEADERS, VERSION_HEADER

TOO_LARGE_BYTES = 10 * 1024 * 1024
"""The largest body that API Gateway accepts."""


@dataclass(frozen=True)
class GatewayResponse:
    """One response."""

    status: int
    reason: str
    """A problem type of the API."""
    detail: str
    retry_after_seconds: int | None = None

    @property
    def body(self) -> str:
        return json.dumps(format_problem(self.status, self.reason, self.detail))

    @property
    def headers(self) -> dict[str, str]:
        """The headers without the request id."""
        headers = {
            **SECURITY_HEADERS,
            **VERSION_HEADER,
            "Content-Type": CONTENT_TYPE,
            # The caller is unknown here, so its origins are too. The response contains no secrets.
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Expose-Headers": "Meetlink-Version, Retry-After, X-Request-Id",
        }
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        return headers


NOT_FOUND = GatewayResponse(404, "not_found", "There is no such address, or not with this method. See /docs.")
TOO_LARGE = GatewayResponse(413, "too_large", "The body has more than 64 kB.")
_BLOCKED = GatewayResponse(403, "blocked", "A firewall or an access rule of the operator refused this request.")
_MALFORMED = GatewayResponse(400, "malformed", "The request cannot be read.")
_UNSUPPORTED = GatewayResponse(415, "unsupported_media_type", "Send the body as application/json.")
_TOO_MANY = GatewayResponse(429, "too_many_requests", "This deployment receives too many requests.", 1)
# Also for functions that Lambda throttles, or that do not respond within 29 seconds.
_UNAVAILABLE = GatewayResponse(503, "unavailable", "The service did not respond. Please try again.", 1)

RESPONSES = {
    # A path or method without a route. If the request has an Authorization header, API Gateway may report an invalid
    # signature instead, which has no response type of its own: DEFAULT_4XX.
    "MISSING_AUTHENTICATION_TOKEN": NOT_FOUND,
    "RESOURCE_NOT_FOUND": NOT_FOUND,
    "INVALID_SIGNATURE": NOT_FOUND,
    "EXPIRED_TOKEN": NOT_FOUND,
    "DEFAULT_4XX": NOT_FOUND,
    "ACCESS_DENIED": _BLOCKED,
    "INVALID_API_KEY": _BLOCKED,
    "UNAUTHORIZED": _BLOCKED,
    "WAF_FILTERED": _BLOCKED,
    "BAD_REQUEST_BODY": _MALFORMED,
    "BAD_REQUEST_PARAMETERS": _MALFORMED,
    "REQUEST_TOO_LARGE": TOO_LARGE,
    "UNSUPPORTED_MEDIA_TYPE": _UNSUPPORTED,
    "THROTTLED": _TOO_MANY,
    "QUOTA_EXCEEDED": _TOO_MANY,
    "DEFAULT_5XX": _UNAVAILABLE,
    "API_CONFIGURATION_ERROR": _UNAVAILABLE,
    "AUTHORIZER_CONFIGURATION_ERROR": _UNAVAILABLE,
    "AUTHORIZER_FAILURE": _UNAVAILABLE,
    "INTEGRATION_FAILURE": _UNAVAILABLE,
    "INTEGRATION_TIMEOUT": _UNAVAILABLE,
}
"""The response for each response type of API Gateway."""
