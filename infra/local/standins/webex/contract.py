"""Webex's published OpenAPI contract. The file is a subset; its `info` names the source."""

from __future__ import annotations

from typing import Any

from infra.local.standins.openapi import body_validator

_FILE = "webex-meetings.subset.openapi.json"


def request_errors(method: str, path: str, body: Any) -> list[str]:
    """Return what is wrong with the body of a request, including undeclared properties."""
    return _errors(method, path, "request", body)


def response_errors(method: str, path: str, status: str, body: Any) -> list[str]:
    """Return what is wrong with the body of a response, including undeclared properties."""
    return _errors(method, path, status, body)


def _errors(method: str, path: str, part: str, body: Any) -> list[str]:
    errors = body_validator(_FILE, method, path, part).iter_errors(body)
    return [f"{'/'.join(map(str, error.path)) or '(body)'}: {error.message}" for error in errors]
