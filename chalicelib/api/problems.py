"""Errors as RFC 9457 problem details. `REASONS` is the closed list of the API's problem types."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from chalice.app import Response
from msgspec.structs import asdict

from chalicelib.errors import CallerError, Unauthorized

CONTENT_TYPE = "application/problem+json"
PREFIX = "urn:meetlink:problem:"
REASONS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The body is not JSON that we accept: UTF-8, no duplicate names, no NaN, at most 20 levels."),
    "unauthorized": (401, "The API key or the signature is missing or not valid."),
    "blocked": (403, "A firewall or an access rule of the operator refused the request."),
    "not_found": (404, "There is no such thing in your workspace, or no such address with this method."),
    "booking_cancelled": (409, "A cancelled booking cannot be changed. Make a new one under another id."),
    "version_reused": (409, "This version was already used for other content."),
    "idempotency_key_reused": (409, "This Idempotency-Key was already used for another booking."),
    "not_connected": (409, "Video needs the host's connection, and there is none."),
    "not_confirmed": (409, "The host's connection waits for your confirmation."),
    "account_changed": (409, "The user connected another account than the one that you confirm."),
    "reconnect_needed": (409, "The host's connection is broken: the account has to be connected again."),
    "deauthorized": (409, "The host's connection was ended at the provider."),
    "changed_meanwhile": (409, "Other requests changed the same thing at the same moment. Send the request again."),
    "too_many": (409, "The workspace has as many of these as it may have. Delete one first."),
    "too_large": (413, "The body has more than 64 kB."),
    "unsupported_media_type": (415, "Send the body as application/json."),
    "invalid_input": (422, "A field or parameter is invalid. See `errors` for details."),
    "invalid_id": (422, "An id in the path is not 1 to 128 of A-Z a-z 0-9 . _ : -"),
    "unknown_calendar": (422, "The booking names a calendar that does not exist."),
    "too_many_requests": (
        429,
        "Too many requests, or this one too often. Wait for Retry-After seconds.",
    ),
    "internal_error": (500, "Something went wrong on our side."),
    "unavailable": (503, "The service or its database did not respond. Try again after Retry-After seconds."),
}


def problem(status: int, reason: str, detail: str, **more: Any) -> Response:
    """A problem detail; `type` is stable and documented."""
    return Response(value(status, reason, detail) | more, {"Content-Type": CONTENT_TYPE}, status)


def value(status: int, reason: str, detail: str) -> dict[str, Any]:
    return {"type": PREFIX + reason, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}


def refusal(error: CallerError) -> Response:
    """A caller's error as its problem detail."""
    more = {"errors": [asdict(e) for e in error.errors]} if error.errors else {}
    response = problem(error.status, error.reason, error.detail, **more)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'Bearer realm="meetlink"'
    return response


def own_words(response: Response) -> Response:
    """Translate Chalice's own errors to problem details. A 404 or 405 is API Gateway's own matter."""
    given = response.body
    if response.status_code < 400 or not isinstance(given, dict) or "Code" not in given:
        return response
    if response.status_code == 415:
        return problem(415, "unsupported_media_type", "Send the body as application/json.")
    return problem(response.status_code, "internal_error", "Something went wrong on our side. It has been logged.")
