"""The OpenAPI 3.1 document, built from the routes' descriptions and the structs that validate requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from chalice.app import Chalice

from chalicelib.api import problems
from chalicelib.api.openapi_schemas import component_schemas, example, identifier, query_schema, reference
from chalicelib.api.routing import Description, description_of
from chalicelib.api.schemas import webhook_events
from chalicelib.version import VERSION

_STATUS_TEXTS = {200: "Success", 201: "Created", 202: "Accepted", 204: "Success, without a body"}
_ABOUT = (
    "Every booking gets its own video-meeting link. The API key identifies your workspace. Times are RFC 3339 "
    "with an offset. Errors are problem details (RFC 9457) with a stable `type`. Every response has an `X-Request-Id`. "
    "Unknown fields and query parameters are rejected."
)
_TAGS = {
    "Bookings": "Appointments, each with its own meeting and invitations.",
    "Members": "The people who may open the workspace's own pages, and links that open them.",
    "Calendars": "What guests book on: a host and a meeting location.",
    "Connections": "The video accounts of your users, and the links that they connect them with.",
    "Webhook endpoints": "Where meetlink sends events, what it sent, and sending it again.",
    "Webhook events": "Events that meetlink sends to your webhook endpoints.",
    "Webhooks": "Events that your booking system or a provider sends to meetlink.",
    "Service": "The service, your API key, and this description.",
}
_PATH_PARAMETERS = {
    "booking_id": "Your id of the booking",
    "calendar_id": "Your id of the calendar",
    "user_id": "Your id of the user who hosts",
    "endpoint_id": "Your id of the webhook endpoint",
    "delivery_id": "The `delivery_id` of a delivery",
    "secret_id": "The `id` of a secret",
    "provider": "The `name` of a provider",
    "workspace_id": "The id of your workspace, as in `GET /v1/me`",
}
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
    "Meetlink-Version": {
        "description": "The version of meetlink",
        "schema": {"type": "string"},
        "example": VERSION,
    },
    "X-Request-Id": {
        "description": "Identifies the request in the service's logs",
        "schema": {"type": "string"},
        "example": "5a3f0c1e-7a51-4d2b-9f0e-2f6d0b6f9c11",
    },
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
    "Retry-After": {
        "description": "Seconds to wait",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "1",
    },
}


_INFO = {
    "title": "meetlink",
    "version": VERSION,
    "description": _ABOUT,
    "contact": {"name": "The operator of your deployment"},
    "license": {"name": "MIT", "identifier": "MIT"},
}


def document(app: Chalice) -> dict[str, Any]:
    """Build the document of every route of `app` that has a description, without `servers`."""
    schemas, queries = _schemas(app)
    paths, responses = _paths(app, schemas)
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "webhooks": webhook_events.webhooks(schemas),
        "components": {
            "schemas": {name: form for name, form in schemas.items() if name not in queries},
            "responses": dict(sorted(responses.items())),
            "headers": _RESPONSE_HEADERS,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key of your workspace"}
            },
        },
    }


def _schemas(app: Chalice) -> tuple[dict[str, Any], set[str]]:
    """Return the schemas of everything that is sent and received, and the names of those that describe a query."""
    descriptions = [description for _, _, _, description in operations(app)]
    structs = [
        struct
        for d in descriptions
        for struct in (d.request, d.query, *d.responses.values())
        if isinstance(struct, type)
    ]
    schemas = component_schemas(dict.fromkeys([*structs, problems.Problem, *webhook_events.STRUCTS]))
    return schemas, {d.query.__name__ for d in descriptions if d.query}


def _paths(app: Chalice, schemas: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the operations by path and method, and the problem responses that they share."""
    paths: dict[str, Any] = {}
    responses: dict[str, Any] = {}
    for path, method, name, description in operations(app):
        operation = _operation(path, name, description, schemas)
        operation["responses"] |= _problems(name, reasons(path, method, description), responses)
        paths.setdefault(path, {})[method.lower()] = operation
    return paths, responses


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


def _operation(path: str, name: str, description: Description, components: dict[str, Any]) -> dict[str, Any]:
    limited = ("RateLimit-Policy", "RateLimit") if description.auth == "key" else ()
    responses: dict[str, Any] = {}
    for status, kind in description.responses.items():
        responses[str(status)] = {"description": _STATUS_TEXTS[status], "headers": _headers(*limited)} | _content(
            kind, components
        )
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


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "description": _PATH_PARAMETERS[name], "schema": identifier()}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(description: Description, components: dict[str, Any]) -> list[dict[str, Any]]:
    if description.query is None:
        return []
    forms = {n: query_schema(f) for n, f in components[description.query.__name__]["properties"].items()}
    return [
        {"name": n, "in": "query", "required": False, "description": f["description"], "schema": f}
        for n, f in forms.items()
    ]


def _header_parameters(description: Description) -> list[dict[str, Any]]:
    return [{"name": name, "in": "header", "required": False} | HEADERS[name] for name in description.headers]


def _content(kind: Any, components: dict[str, Any]) -> dict[str, Any]:
    if kind is None:
        return {}
    if isinstance(kind, str):
        form = {"type": "object", "additionalProperties": True} if kind == "application/json" else {"type": "string"}
        return {"content": {kind: {"schema": form}}}
    form = reference(kind)
    return {"content": {"application/json": {"schema": form, "example": example(form, components)}}}


def _problems(operation: str, names: list[str], shared: dict[str, Any]) -> dict[str, Any]:
    """Return references to the responses with these problems, by status. Add those that are missing to `shared`."""
    references = {}
    for status in sorted({problems.REASONS[name][0] for name in names}):
        group = [name for name in names if problems.REASONS[name][0] == status]
        name = _response_name(operation, status, group)
        shared.setdefault(name, _problem(status, group))
        references[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return references


def _response_name(operation: str, status: int, group: list[str]) -> str:
    """Name a response for its problems, or for its only operation if there are many."""
    if len(group) <= 2:
        return "Or".join(_pascal_case(reason) for reason in sorted(group))
    return _pascal_case(operation) + HTTPStatus(status).phrase.replace(" ", "")


def _pascal_case(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _problem(status: int, group: list[str]) -> dict[str, Any]:
    retry = ("Retry-After",) if status in (429, 503) else ()
    examples = {r: {"value": problems.format_problem(status, r, problems.REASONS[r][1])} for r in group}
    return {
        "description": " · ".join(f"{reason}: {problems.REASONS[reason][1]}" for reason in group),
        "headers": _headers(*retry),
        "content": {problems.CONTENT_TYPE: {"schema": reference(problems.Problem), "examples": examples}},
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("Meetlink-Version", "X-Request-Id", *names)}
