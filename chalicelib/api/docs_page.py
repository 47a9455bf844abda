"""`/docs`: the OpenAPI document as a page. It is rendered on the server, without scripts and external resources."""

from __future__ import annotations

import json
from typing import Any

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.audience import Audience
from chalicelib.api.calls import Call


def page(call: Call, document: dict[str, Any]) -> Response:
    """Render the OpenAPI document as a page, in English."""
    from chalicelib.wording import DEFAULT, in_language

    schemas = document["components"]["schemas"]
    groups: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]].append(_operation(method.upper(), path, operation, document))
    return html.page(
        call,
        "docs.html",
        Audience(in_language(DEFAULT)),
        info=document["info"],
        groups={name: operations for name, operations in groups.items() if operations},
        schemas={name: _schema(form) for name, form in sorted(schemas.items())},
        webhooks=[_webhook(name, item) for name, item in document["webhooks"].items()],
    )


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    shared = document["components"]["responses"]
    responses = [
        {"status": status, "about": response["description"], "problem": int(status) >= 400} | _content(response)
        for status, own in operation["responses"].items()
        for response in (shared[_name(own)] if "$ref" in own else own,)
    ]
    return {
        "id": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation["summary"],
        "text": operation["description"],
        "needs_key": bool(operation["security"]),
        "parameters": [
            {"name": p["name"], "where": p["in"], "required": p.get("required"), "about": p.get("description")}
            | {"type": format_type(p["schema"]), "hint": p["schema"].get("description")}
            for p in operation["parameters"]
        ],
        "request": _content(operation["requestBody"]) if "requestBody" in operation else None,
        "responses": [response for response in responses if not response["problem"]],
        "problems": [response for response in responses if response["problem"]],
    }


def _webhook(name: str, item: dict[str, Any]) -> dict[str, Any]:
    operation = item["post"]
    about = {"name": name, "summary": operation.get("summary", ""), "text": operation.get("description", "")}
    return about | {"request": _content(operation.get("requestBody", {}))}


def _content(message: dict[str, Any]) -> dict[str, Any]:
    """Return the media type, schema name and example of a request or response."""
    for media_type, content in message.get("content", {}).items():
        example = content.get("example")
        text = json.dumps(example, indent=2, ensure_ascii=False) if example is not None else None
        return {"media_type": media_type, "schema": _name(content["schema"]), "example": text}
    return {"media_type": None, "schema": None, "example": None}


def _schema(form: dict[str, Any]) -> dict[str, Any]:
    required = form.get("required", ())
    fields = [
        {"name": name, "required": name in required, "type": format_type(part), "about": part.get("description")}
        | {"link": _link(part)}
        for name, part in form.get("properties", {}).items()
    ]
    return {"about": form.get("description"), "fields": fields, "type": None if fields else format_type(form)}


def format_type(form: dict[str, Any]) -> str:
    """Describe a JSON schema in a few words."""
    parts = [format_type(option) for key in ("anyOf", "oneOf", "allOf") for option in form.get(key, ())]
    if parts:
        return " or ".join(dict.fromkeys(parts))
    if "$ref" in form:
        return _name(form) or ""
    if "enum" in form:
        return " | ".join(json.dumps(value) for value in form["enum"])
    if form.get("type") == "array":
        return f"list of {format_type(form.get('items', {}))}"
    bounds = [f"{word} {form[key]}" for key, word in _BOUNDS if key in form]
    return ", ".join([form.get("format") or form.get("type", "any"), *bounds])


_BOUNDS = (("minimum", "from"), ("maximum", "to"), ("maxLength", "at most"), ("pattern", "pattern"))


def _name(form: dict[str, Any]) -> str | None:
    return form["$ref"].rpartition("/")[2] if "$ref" in form else None


def _link(form: dict[str, Any]) -> str | None:
    for option in (form, form.get("items", {}), *form.get("anyOf", ())):
        if _name(option):
            return _name(option)
    return None
