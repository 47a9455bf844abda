"""Errors of Zoom's REST API, with Zoom's codes and messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime


class ApiError(Exception):
    """An error of the REST API: an HTTP status and a body {"code", "message", "errors"?}."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = {"code": code, "message": message} | ({"errors": list(errors)} if errors else {})


def invalid_access_token(message: str = "Invalid access token.") -> ApiError:
    """The access token is unknown, revoked or expired."""
    return ApiError(401, 124, message)


def missing_scopes(scopes: Sequence[str]) -> ApiError:
    """The access token was not granted any of `scopes`."""
    return ApiError(400, 4711, f"Invalid access token, does not contain scopes:[{', '.join(scopes)}].")


def no_such_meeting(meeting_id: int) -> ApiError:
    """The meeting was deleted, never existed or belongs to another user."""
    return ApiError(404, 3001, f"Meeting does not exist: {meeting_id}.")


def invalid_fields(errors: Sequence[Mapping[str, str]]) -> ApiError:
    """Fields of the request violate the contract. Each error is {"field", "message"}."""
    return ApiError(400, 300, "Validation Failed.", errors)


def invalid_field(field: str, message: str) -> ApiError:
    """One field of the request violates the contract."""
    return invalid_fields([{"field": field, "message": message}])


def daily_headers(category: str, limit: int, left: int) -> dict[str, str]:
    """Return the headers that report a host's creates and updates of the day."""
    return {
        "X-RateLimit-Category": category,
        "X-RateLimit-Type": "Daily-limit",
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(left),
    }


def daily_limit_reached(limit: int, category: str, resumes_at: datetime) -> ApiError:
    """The host's creates and updates of the day are used up until `resumes_at`, the next 00:00 UTC.

    Retry-After is a date-time here, not seconds: https://developers.zoom.us/docs/api/rest/rate-limits/
    """
    return ApiError(
        429,
        429,
        f"You have exceeded the daily rate limit ({limit}) of Meeting Create/Update API requests permitted for this "
        "particular user. You may resume these requests at GMT 00:00:00.",
        headers=daily_headers(category, limit, 0) | {"Retry-After": resumes_at.strftime("%Y-%m-%dT%H:%M:%SZ")},
    )


def too_many_per_second(limit: int, category: str, resets_at: int) -> ApiError:
    """The account's calls of this second are used up until `resets_at` (Unix seconds)."""
    return ApiError(
        429,
        429,
        "You have reached the maximum per-second rate limit for this API. Try again later.",
        headers={
            "X-RateLimit-Category": category,
            "X-RateLimit-Type": "QPS",
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(resets_at),
            "Retry-After": "1",
        },
    )
