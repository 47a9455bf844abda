"""JSON schemas of the OpenAPI document as lists of fields for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_BOUNDS = (("minimum", "from"), ("maximum", "to"), ("minItems", "at least"), ("maxItems", "at most"))
_DEPTH = 4
"""How deep the fields of fields are shown."""


@dataclass(frozen=True)
class Field:
    """A property or parameter."""

    name: str
    type: str
    about: str
    is_required: bool
    values: Mapping[str, str]
    """The values of a closed list, and what each means."""
    variants: tuple[tuple[str, tuple[Field, ...]], ...] = ()
    """(name, fields) of each object that it can be. The name is empty if there is one."""


class Schemas:
    """The schemas of a document."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas

    def resolve(self, form: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow a reference. A description next to the reference takes precedence."""
        if "$ref" not in form:
            return form
        target = self._schemas[form["$ref"].rpartition("/")[2]]
        own = {key: value for key, value in form.items() if key != "$ref"}
        return {**target, **own}

    def fields(self, form: Mapping[str, Any], depth: int = _DEPTH) -> tuple[Field, ...]:
        """Return the properties of an object, with theirs."""
        resolved = self.resolve(form)
        required = resolved.get("required", ())
        properties = resolved.get("properties", {}).items()
        return tuple(self.field(name, part, is_required=name in required, depth=depth) for name, part in properties)

    def field(
        self, name: str, form: Mapping[str, Any], *, is_required: bool, about: str = "", depth: int = _DEPTH
    ) -> Field:
        """Describe one property or parameter."""
        objects = [option for option in self._options(form) if option.get("properties")] if depth else []
        has_names = len(objects) > 1
        variants = tuple(
            (option.get("title", "") if has_names else "", self.fields(option, depth - 1)) for option in objects
        )
        values: Mapping[str, str] = next(
            (option["x-enumDescriptions"] for option in self._options(form) if "x-enumDescriptions" in option), {}
        )
        text = about or form.get("description") or (self.resolve(form).get("description", "") if not values else "")
        return Field(name, self.describe(form), text, is_required, values, variants)

    def describe(self, form: Mapping[str, Any]) -> str:
        """Describe the type of a schema in a few words."""
        options = [option for key in ("anyOf", "oneOf") for option in form.get(key, ())]
        if options:
            return " or ".join(dict.fromkeys(self.describe(option) for option in options))
        resolved = self.resolve(form)
        if resolved.get("const") is not None:
            return json.dumps(resolved["const"])
        if "enum" in resolved and "x-enumDescriptions" not in resolved:
            return " or ".join(json.dumps(value) for value in resolved["enum"])
        if resolved.get("type") == "array":
            bounds = [f"{word} {resolved[key]}" for key, word in _BOUNDS if key in resolved]
            return ", ".join([f"list of {self.describe(resolved.get('items', {}))}s", *bounds])
        bounds = [f"{word} {resolved[key]}" for key, word in _BOUNDS if key in resolved and resolved[key] < 1e15]
        kind = resolved.get("format") or resolved.get("type", "any")
        return ", ".join([str(kind).replace("date-time", "time"), *bounds])

    def _options(self, form: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return what a value can be, without list and null."""
        resolved = self.resolve(form)
        options = [option for key in ("anyOf", "oneOf") for option in resolved.get(key, ())]
        if options:
            return [found for option in options for found in self._options(option)]
        return (
            self._options(resolved["items"]) if resolved.get("type") == "array" and "items" in resolved else [resolved]
        )
