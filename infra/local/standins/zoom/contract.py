"""Zoom's published OpenAPI contract: schemas of bodies, and the scopes and rate-limit labels of operations.

The file is a subset of the Meetings API: the five operations that the product uses, and the invitation. Its `info`
names the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema.exceptions import ValidationError

from infra.local.standins.openapi import body_schema, body_validator, read_contract

_FILE = "zoom-meetings.subset.openapi.json"
_ADMIN = ":admin"


@dataclass(frozen=True)
class Operation:
    """What the contract declares for one operation besides its bodies."""

    scopes: frozenset[str]
    """The scopes that a user-managed app can have, classic and granular. One of them is enough."""
    granular_scopes: tuple[str, ...]
    """The scopes that error messages name."""
    category: str
    """The rate-limit label."""

    @property
    def admin_scopes(self) -> tuple[str, ...]:
        """The scopes that are needed to act for another user."""
        return tuple(scope for scope in self.granular_scopes if scope.endswith(_ADMIN))


@cache
def operation(method: str, path: str) -> Operation:
    """Read an operation, for example ("post", "/users/{userId}/meetings")."""
    declared = read_contract(_FILE)["paths"][path][method]
    scopes = declared["security"][0]["openapi_oauth"]
    return Operation(
        scopes=frozenset(scope for scope in scopes if not scope.endswith(_ADMIN)),
        granular_scopes=tuple(sorted(declared["x-extensions"]["x-granular-scopes"], key=len)),
        category="Medium" if "`MEDIUM`" in declared["description"] else "Light",
    )


def request_errors(method: str, path: str, body: Any) -> list[dict[str, str]]:
    """Check the body of a request. Each error is {"field", "message"}.

    Undeclared properties are errors too. Zoom ignores them silently; the stand-in is stricter on purpose, because a
    misspelt setting would otherwise pass every test and have no effect in production.
    """
    return [
        {"field": ".".join(map(str, error.path)) or "(body)", "message": _explain(error)}
        for error in body_validator(_FILE, method, path, "request").iter_errors(body)
    ]


def response_errors(method: str, path: str, status: str, body: Any) -> list[str]:
    """Check the body of a response, including undeclared properties."""
    return [error.message for error in body_validator(_FILE, method, path, status).iter_errors(body)]


def declared_settings(method: str, path: str, status: str) -> frozenset[str]:
    """Return the names of the settings that a response may contain."""
    schemas = read_contract(_FILE)["components"]["schemas"]
    response = schemas[body_schema(_FILE, method, path, status)["$ref"].split("/")[-1]]
    settings = schemas[response["properties"]["settings"]["$ref"].split("/")[-1]]
    return frozenset(settings["properties"])


def _explain(error: ValidationError) -> str:
    if error.validator == "additionalProperties":
        return f"{error.message} Zoom ignores it silently; the stand-in rejects it."
    return str(error.message)
