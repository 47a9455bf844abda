"""Zoom's published OpenAPI contract as data: schemas of bodies, scopes and rate-limit labels of operations.

The file is a subset of the Meetings API with the five operations the product uses and the invitation; where it was cut
from stands in its `info`.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from infra.local.standins.kit import forbid_unknown

_FILE = Path(__file__).resolve().parents[2] / "contracts" / "zoom-meetings.subset.openapi.json"
_ADMIN = ":admin"


@dataclass(frozen=True)
class Operation:
    """What the contract says of one operation besides its bodies.

    `scopes` are those a user-managed app can hold, classic and granular; `granular_scopes` are the ones error messages
    name; `category` is the rate-limit label.
    """

    scopes: frozenset[str]
    granular_scopes: tuple[str, ...]
    category: str

    @property
    def admin_scopes(self) -> tuple[str, ...]:
        """What it takes to act on another user than the token's own."""
        return tuple(scope for scope in self.granular_scopes if scope.endswith(_ADMIN))


@cache
def operation(method: str, path: str) -> Operation:
    """Read an operation, for example ("post", "/users/{userId}/meetings")."""
    found = _document()["paths"][path][method]
    scopes = found["security"][0]["openapi_oauth"]
    return Operation(
        scopes=frozenset(scope for scope in scopes if not scope.endswith(_ADMIN)),
        granular_scopes=tuple(sorted(found["x-extensions"]["x-granular-scopes"], key=len)),
        category="Medium" if "`MEDIUM`" in found["description"] else "Light",
    )


def request_errors(method: str, path: str, body: Any) -> list[dict[str, str]]:
    """Check a request's body; each error is {"field", "message"}.

    Unknown properties are refused too. Real Zoom ignores them silently; the stand-in is stricter on purpose, because a
    misspelt setting would otherwise pass every test and do nothing in production.
    """
    return [
        {"field": ".".join(map(str, error.path)) or "(body)", "message": _explain(error)}
        for error in _validator(method, path, "request").iter_errors(body)
    ]


def response_errors(method: str, path: str, status: str, body: Any) -> list[str]:
    """Check an answer's body against the contract, undeclared properties included."""
    return [error.message for error in _validator(method, path, status).iter_errors(body)]


def declared_settings(method: str, path: str, status: str) -> frozenset[str]:
    """Name the settings that an answer may carry."""
    schema = _schema(method, path, status)
    schemas = _document()["components"]["schemas"]
    settings = schemas[schema["$ref"].split("/")[-1]]["properties"]["settings"]
    return frozenset(schemas[settings["$ref"].split("/")[-1]]["properties"])


def _explain(error: ValidationError) -> str:
    if error.validator == "additionalProperties":
        return f"{error.message} Zoom would ignore it silently; the stand-in refuses it."
    return str(error.message)


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        parts = [schemas[part["$ref"].split("/")[-1]] for part in schema.get("allOf", [])]
        if len(parts) > 1:
            # Merged, since each part alone would refuse the others' properties once unknown ones are forbidden.
            schemas[name] = {"type": "object", "properties": {k: v for p in parts for k, v in p["properties"].items()}}
    return document


def _schema(method: str, path: str, part: str) -> dict[str, Any]:
    found = _document()["paths"][path][method]
    holder = found["requestBody"] if part == "request" else found["responses"][part]
    schema: dict[str, Any] = holder["content"]["application/json"]["schema"]
    return schema


@cache
def _validator(method: str, path: str, part: str) -> Draft202012Validator:
    root = copy.deepcopy(_schema(method, path, part)) | {"components": copy.deepcopy(_document()["components"])}
    forbid_unknown(root)
    return Draft202012Validator(root)
