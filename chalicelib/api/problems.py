"""Errors as RFC 9457 problem details. `REASONS` is the closed list of the API's problem types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, Any

from chalice.app import Response
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from chalicelib.errors import (
    CallerError,
    FieldError,
    IndexUnavailable,
    LostRace,
    ParameterError,
    StoreError,
    Unauthorized,
)

CONTENT_TYPE = "application/problem+json"
PREFIX = "urn:meetlink:problem:"
REASONS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The body is not valid JSON: UTF-8, no duplicate names, no NaN, at most 20 levels."),
    "unauthorized": (401, "The API key or the signature is missing or not valid."),
    "blocked": (403, "A firewall or an access rule of the operator refused the request."),
    "not_found": (404, "There is no such resource in your workspace, or no such address with this method."),
    "booking_cancelled": (409, "A cancelled booking cannot be changed. Create a new one under another id."),
    "version_reused": (409, "This version was already used for other content."),
    "idempotency_key_reused": (409, "This Idempotency-Key was already used for another booking."),
    "not_connected": (409, "Video needs a connection of the host, and there is none."),
    "not_confirmed": (409, "The host's connection waits for your confirmation."),
    "unknown_host": (422, "The calendar has no host with this `user_id`."),
    "unsupported_setting": (422, "The host's provider does not support a setting; see `errors`."),
    "account_changed": (409, "The user connected another account than the one that you confirm."),
    "reconnect_needed": (409, "The host's connection is broken: the host must connect the account again."),
    "deauthorized": (409, "The host's connection was ended at the provider."),
    "changed_meanwhile": (409, "Other requests changed the same resource at the same moment. Send the request again."),
    "endpoint_disabled": (409, "The webhook endpoint is disabled. Enable it with PUT, then send the events again."),
    "too_many": (409, "The workspace has reached its limit of these. Delete one first."),
    "too_large": (413, "The body has more than 64 kB."),
    "booking_too_large": (413, "The booking would become too large to be stored."),
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
ProblemType = Annotated[str, Meta(extra_json_schema={"enum": [PREFIX + reason for reason in REASONS]})]
_INTERNAL_ERROR = "Something went wrong on our side. It has been logged."


class FieldProblem(Struct):
    """One error: `pointer` is its place in the body, or `parameter` the query parameter."""

    detail: Annotated[str, Meta(description="What is wrong, for people", examples=["This is not an e-mail address."])]
    pointer: (
        Annotated[str, Meta(description="JSON pointer (RFC 6901) into the body", examples=["/guests/0/email"])]
        | UnsetType
    ) = UNSET
    parameter: Annotated[str, Meta(description="Name of the query parameter")] | UnsetType = UNSET


class Problem(Struct):
    """Problem details (RFC 9457). `type` is stable; `detail` is for people and may change."""

    type: Annotated[ProblemType, Meta(description="What happened, for programs", examples=[PREFIX + "not_found"])]
    title: Annotated[str, Meta(description="The status in words", examples=["Not Found"])]
    status: Annotated[int, Meta(description="The HTTP status", examples=[404])]
    detail: Annotated[
        str,
        Meta(
            description="What happened and what to do, for people",
            examples=["There is no booking with this id in your workspace."],
        ),
    ]
    errors: Annotated[list[FieldProblem], Meta(description="All errors of the request, at most 100")] | UnsetType = (
        UNSET
    )


class ProblemDetails(Struct, frozen=True):
    """An error response before it is written as JSON or as a page."""

    status: int
    reason: str
    """A key of `REASONS`: the stable last part of `type`."""
    detail: str
    """For people; it may change."""
    errors: Sequence[FieldError | ParameterError] = ()
    headers: Mapping[str, str] = MappingProxyType({})

    def response(self) -> Response:
        more = {"errors": [asdict(error) for error in self.errors]} if self.errors else {}
        body = format_problem(self.status, self.reason, self.detail) | more
        return Response(body, {"Content-Type": CONTENT_TYPE, **self.headers}, self.status)


def format_problem(status: int, reason: str, detail: str) -> dict[str, Any]:
    """Return the body of a problem response."""
    return {"type": PREFIX + reason, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}


def describe_error(error: Exception) -> ProblemDetails:
    """Return the problem that a request gets for an error that its view raised."""
    match error:
        case CallerError():
            headers = {"WWW-Authenticate": 'Bearer realm="meetlink"'} if isinstance(error, Unauthorized) else {}
            return ProblemDetails(error.status, error.reason, error.detail, error.errors, headers)
        case LostRace():
            return ProblemDetails(409, "changed_meanwhile", REASONS["changed_meanwhile"][1])
        case IndexUnavailable():
            detail = "This list is not available yet: its index is being built. Try again later, or use other filters."
            return ProblemDetails(503, "unavailable", detail, headers={"Retry-After": "60"})
        case StoreError():
            detail = "The database did not respond. Please try again."
            return ProblemDetails(503, "unavailable", detail, headers={"Retry-After": "1"})
    return ProblemDetails(500, "internal_error", _INTERNAL_ERROR)


def translate_chalice_error(response: Response) -> Response:
    """Return Chalice's own errors as problem details. API Gateway itself responds with 404 and 405."""
    body = response.body
    if response.status_code < 400 or not isinstance(body, dict) or "Code" not in body:
        return response
    if response.status_code == 415:
        return ProblemDetails(415, "unsupported_media_type", REASONS["unsupported_media_type"][1]).response()
    return ProblemDetails(response.status_code, "internal_error", _INTERNAL_ERROR).response()
