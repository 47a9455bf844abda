"""Examples for the API's description, put together from the examples of the fields."""

from __future__ import annotations

from typing import Any

_PLAIN: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": True, "null": None}


def example(form: dict[str, Any], components: dict[str, Any]) -> Any:
    """A value of the JSON schema `form`: its own example, else one made of its parts'."""
    if form.get("examples"):
        return form["examples"][0]
    if "$ref" in form:
        return example(components[form["$ref"].rpartition("/")[2]], components)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in form:
            return example(form[key][0], components)
    for key, value in (("const", form.get("const")), ("default", form.get("default"))):
        if key in form and value not in (None, "", [], {}):
            return value
    if "enum" in form:
        return form["enum"][0]
    return _of_type(form, components)


def _of_type(form: dict[str, Any], components: dict[str, Any]) -> Any:
    kind = form.get("type", "object")
    if kind == "object":
        required = form.get("required", ())
        shown = {n: f for n, f in form.get("properties", {}).items() if n in required or f.get("examples")}
        return {name: example(part, components) for name, part in shown.items()}
    if kind == "array":
        return [example(form["items"], components)] if form.get("items") else []
    return _PLAIN[kind]
