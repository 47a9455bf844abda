"""The OpenAPI 3.1 document, built from the routes' descriptions and the structs that validate requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from chalice.app import Chalice

from chalicelib.api import problems
from chalicelib.api.routing import Description, description_of
from chalicelib.api.schemas import webhook_events
from chalicelib.api.schemas.fields import Id

_STATUS_TEXTS = {200: "Success", 201: "Created", 202: "Accepted", 204: "Success, without a body"}
_EMPTY: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": True, "null": None}
_REF = "#/components/schemas/{name}"
_ABOUT = (
    "Every booking gets its own video-meeting link. The API key identifies your workspace. Times are RFC 3339 "
    "with an offset. Errors are problem details (RFC 9457) with a stable `type`. Every response has an `X-Request-Id`. "
    "Unknown fields and query parameters are rejected."
)
HEADERS: dict[str, dict[str, Any]] = {
    "Prefer": {
        "description": "`wait=N` waits for the meeting to be settled, at most N seconds (RFC 7240; N ≤ 20)",
        "schema": {"type": "string"},
        "example": "wait=0",
    },
    "Idempotency-Key": {
        "description": "Any text that is unique per booking. A repeated request with it creates no second booking",
        "schema": {"type": "string"},
        "example": "order-4711",
    },
}
_RESPONSE_HEADERS = {
    "X-Request-Id": {"description": "Identifies the request in the service's logs", "schema": {"type": "string"}},
    "RateLimit-Policy": {
        "description": "q requests in w seconds (IETF draft)",
        "schema": {"type": "string"},
        "example": '"workspace";q=100;w=2',
    },
    "RateLimit": {
        "description": "r requests are left, all of them again in t seconds (IETF draft)",
        "schema": {"type": "string"},
        "example": '"workspace";r=99;t=1',
    },
    "Retry-After": {"description": "Seconds to wait", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
}


def document(app: Chalice) -> dict[str, Any]:
    """Build the document of every route of `app` that has a description, without `servers`."""
    described = list(operations(app))
    structs = [
        s for _, _, _, d in described for s in (d.request, d.query, *d.responses.values()) if isinstance(s, type)
    ]
    kinds = dict.fromkeys([*structs, problems.Problem, *webhook_events.STRUCTS])
    components = _component_schemas(kinds)
    queries = {d.query.__name__ for _, _, _, d in described if d.query}
    paths: dict[str, Any] = {}
    for path, method, name, description in described:
        paths.setdefault(path, {})[method.lower()] = _operation(path, method, name, description, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "meetlink", "version": "1", "description": _ABOUT, "license": {"name": "MIT"}},
        "tags": [{"name": group} for group in dict.fromkeys(d.group for _, _, _, d in described)],
        "paths": paths,
        "webhooks": webhook_events.WEBHOOKS,
        "components": {
            "schemas": {name: form for name, form in components.items() if name not in queries},
            "headers": _RESPONSE_HEADERS,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key of your workspace"}
            },
        },
    }


def operations(app: Chalice) -> Iterator[tuple[str, str, str, Description]]:
    """Yield (path, method, name, description) of each route that has a description."""
    for path, methods in app.routes.items():
        for method, entry in methods.items():
            description = description_of(entry.view_function)
            if description is not None:
                yield path, method, entry.view_function.__name__, description


def reasons(path: str, method: str, description: Description) -> list[str]:
    """Return the reasons of every problem that the route can return."""
    names = [*description.problems]
    if description.auth == "key":
        names += ["unauthorized", "too_many_requests", "invalid_input"]
    if "{" in path:
        names.append("invalid_id")
    if description.request:
        names += ["malformed", "too_large", "invalid_input"]
    if method in ("DELETE", "POST", "PUT"):
        names.append("changed_meanwhile")
    if method in ("POST", "PUT"):
        names.append("unsupported_media_type")
    return list(dict.fromkeys([*names, "unavailable", "internal_error"]))


def _operation(
    path: str, method: str, name: str, description: Description, components: dict[str, Any]
) -> dict[str, Any]:
    limited = ("RateLimit-Policy", "RateLimit") if description.auth == "key" else ()
    responses: dict[str, Any] = {}
    for status, kind in description.responses.items():
        responses[str(status)] = {"description": _STATUS_TEXTS[status], "headers": _headers(*limited)} | _content(
            kind, components
        )
    for status, group in _by_status(reasons(path, method, description)).items():
        retry = ("Retry-After",) if status in (429, 503) else ()
        responses[str(status)] = _problem(status, group) | {"headers": _headers(*retry)}
    form: dict[str, Any] = {
        "operationId": name,
        "tags": [description.group],
        "summary": description.summary,
        "description": description.text,
        "parameters": [
            *_path_parameters(path),
            *_query_parameters(description, components),
            *_header_parameters(description),
        ],
        "responses": responses,
        "security": [{"key": []}] if description.auth == "key" else [],
    }
    if description.request:
        form["requestBody"] = {"required": description.request_required} | _content(description.request, components)
    return form


def _component_schemas(structs: Iterable[Any]) -> dict[str, Any]:
    """Return the schemas of the structs without `default`.

    Some client generators, such as `openapi-typescript`, make a property with a default required.
    """
    _, schemas = msgspec.json.schema_components(structs, ref_template=_REF)
    for form in schemas.values():
        for field in form.get("properties", {}).values():
            field.pop("default", None)
    return schemas


def _path_parameters(path: str) -> list[dict[str, Any]]:
    identifier = msgspec.json.schema(Id)
    return [
        {"name": name, "in": "path", "required": True, "schema": identifier} for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(description: Description, components: dict[str, Any]) -> list[dict[str, Any]]:
    if description.query is None:
        return []
    forms = components[description.query.__name__]["properties"]
    return [{"name": n, "in": "query", "schema": _without_null(f), "required": False} for n, f in forms.items()]


def _without_null(form: dict[str, Any]) -> dict[str, Any]:
    # None means that the parameter is missing. A query string cannot contain null.
    kinds = [kind for kind in form.get("anyOf", ()) if kind != {"type": "null"}]
    if kinds:
        return {**kinds[0]}
    if None in form.get("enum", ()):
        return form | {"enum": [value for value in form["enum"] if value is not None]}
    return form


def _header_parameters(description: Description) -> list[dict[str, Any]]:
    return [{"name": name, "in": "header", "required": False} | HEADERS[name] for name in description.headers]


def _content(kind: Any, components: dict[str, Any]) -> dict[str, Any]:
    if kind is None:
        return {}
    if isinstance(kind, str):
        form = {"type": "object", "additionalProperties": True} if kind == "application/json" else {"type": "string"}
        return {"content": {kind: {"schema": form}}}
    form = {"$ref": _REF.format(name=kind.__name__)}
    return {"content": {"application/json": {"schema": form, "example": _example(form, components)}}}


def _by_status(names: list[str]) -> dict[int, list[str]]:
    statuses = sorted({problems.REASONS[reason][0] for reason in names})
    return {status: [r for r in names if problems.REASONS[r][0] == status] for status in statuses}


def _problem(status: int, group: list[str]) -> dict[str, Any]:
    types = {"properties": {"type": {"enum": [problems.PREFIX + reason for reason in group]}}}
    form = {"allOf": [{"$ref": _REF.format(name="Problem")}, types]}
    examples = {r: {"value": problems.format_problem(status, r, problems.REASONS[r][1])} for r in group}
    return {
        "description": " · ".join(f"{reason}: {problems.REASONS[reason][1]}" for reason in group),
        "content": {problems.CONTENT_TYPE: {"schema": form, "examples": examples}},
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


def _example(form: dict[str, Any], components: dict[str, Any]) -> Any:
    """Return an example of the JSON schema `form`: its own, else one composed of its parts' examples."""
    if form.get("examples"):
        return form["examples"][0]
    if "$ref" in form:
        return _example(components[form["$ref"].rpartition("/")[2]], components)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in form:
            return _example(form[key][0], components)
    for key, value in (("const", form.get("const")), ("default", form.get("default"))):
        if key in form and value not in (None, "", [], {}):
            return value
    if "enum" in form:
        return form["enum"][0]
    return _example_of_type(form, components)


def _example_of_type(form: dict[str, Any], components: dict[str, Any]) -> Any:
    kind = form.get("type", "object")
    if kind == "object":
        required = form.get("required", ())
        properties = {n: f for n, f in form.get("properties", {}).items() if n in required or f.get("examples")}
        return {name: _example(part, components) for name, part in properties.items()}
    if kind == "array":
        return [_example(form["items"], components)] if form.get("items") else []
    return _EMPTY[kind]
