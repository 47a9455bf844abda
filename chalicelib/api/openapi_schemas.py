"""The schemas of the OpenAPI document, in a form that client generators and readers understand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from chalicelib.api.enum_texts import ENUM_TEXTS, PROBLEM_TEXTS
from chalicelib.api.schemas.fields import END, Id
from chalicelib.domain.calendar import LocationType
from chalicelib.webhooks.events import EventType

Schema = dict[str, Any]
_REF = "#/components/schemas/{name}"
_EMPTY: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": True, "null": None}
_RENAMED = {
    "Reason": "ConnectionReason",
    "Choice": "Answer",
    "Trouble": "EmailProblem",
    "Addressees": "ReminderAudience",
}
"""Classes with a name that says too little without its module."""

_PARTS: tuple[tuple[str, Mapping[Any, str]], ...] = (
    ("What happened.", ENUM_TEXTS[EventType]),
    ("How people meet.", ENUM_TEXTS[LocationType]),
)
"""Enumerations of which a struct allows some values: the type of an event, and the tag of a location."""


def reference(struct: type) -> Schema:
    """Return a reference to the schema of a struct."""
    return {"$ref": _REF.format(name=struct.__name__)}


def identifier() -> Schema:
    """Return the schema of an id in a path."""
    form = msgspec.json.schema(Id)
    _simplify_pattern(form)
    return form


def component_schemas(structs: Iterable[Any]) -> dict[str, Schema]:
    """Return the schemas of the structs and of every enumeration, by name."""
    _, schemas = msgspec.json.schema_components([*structs, *ENUM_TEXTS], ref_template=_REF)
    for enumeration, texts in ENUM_TEXTS.items():
        schemas[enumeration.__name__] = _enumeration(enumeration.__name__, enumeration.__doc__ or "", texts)
    about = "Every problem type. A closed list: decide by it."
    schemas["ProblemType"] = _enumeration("ProblemType", about, PROBLEM_TEXTS)
    shared = {frozenset(form["enum"]): name for name, form in schemas.items() if "enum" in form}
    for form in schemas.values():
        for name, field in form.get("properties", {}).items():
            form["properties"][name] = _property(field, shared)
    for form in [part for schema in schemas.values() for part in walk(schema)]:
        _rename(form)
        _simplify_pattern(form)
    return {_RENAMED.get(name, name): form for name, form in sorted(schemas.items())}


def walk(form: Any) -> Iterator[Schema]:
    """Yield every object in a schema, examples apart."""
    if isinstance(form, list):
        for part in form:
            yield from walk(part)
    elif isinstance(form, dict):
        yield form
        for name, part in form.items():
            if name not in ("example", "examples"):
                yield from walk(part)


def query_schema(form: Schema) -> Schema:
    """Return the schema of a query parameter as a client sends it.

    A query string cannot contain null, which means that the parameter is missing. Numbers and booleans are texts for
    the server, so that it can refuse `1e1`.
    """
    kind: Schema
    (kind, *_) = [kind for kind in form.get("anyOf", ()) if kind != {"type": "null"}] or [form]
    kind = kind | {key: form[key] for key in ("description", "examples") if key in form}
    if set(kind.get("enum", ())) == {"true", "false"}:
        kind = {key: value for key, value in kind.items() if key != "enum"} | {"type": "boolean"}
    if "minimum" in kind:
        kind = {key: value for key, value in kind.items() if key != "pattern"} | {"type": "integer"}
    return kind


def example(form: Schema, components: Mapping[str, Schema]) -> Any:
    """Return an example of a schema: its own, else one composed of its parts' examples."""
    if form.get("examples"):
        return form["examples"][0]
    if "$ref" in form:
        return example(components[form["$ref"].rpartition("/")[2]], components)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in form:
            return example(form[key][0], components)
    if "const" in form:
        return form["const"]
    if "enum" in form:
        return form["enum"][0]
    return _example_of_type(form, components)


def _example_of_type(form: Schema, components: Mapping[str, Schema]) -> Any:
    kind = form.get("type", "object")
    if kind == "object":
        required = form.get("required", ())
        properties = {n: f for n, f in form.get("properties", {}).items() if n in required or f.get("examples")}
        return {name: example(part, components) for name, part in properties.items()}
    if kind == "array":
        return [example(form["items"], components)] if form.get("items") else []
    return _EMPTY[kind]


def _enumeration(name: str, about: str, texts: Mapping[Any, str]) -> Schema:
    values = {str(value): text for value, text in texts.items()}
    return {"title": _RENAMED.get(name, name), "type": "string", "enum": [*values], **_described(about, values)}


def _described(about: str, texts: Mapping[str, str]) -> Schema:
    """Describe the values of an enumeration, also in the text, for tools that do not know the extension."""
    lines = "\n".join(f"- `{value}`: {text}" for value, text in texts.items())
    return {"description": f"{about}\n\n{lines}".strip(), "x-enumDescriptions": {**texts}}


def _property(form: Schema, shared: Mapping[frozenset[str], str]) -> Schema:
    """Return the schema of a property.

    It has no `default`: generators such as openapi-typescript would make it required. A description inside `T | null`
    moves to the property, where generators look for it. An enumeration that has a component is a reference to it.
    """
    form.pop("default", None)
    kinds = [kind for kind in form.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        moved = {key: kinds[0].pop(key) for key in ("description", "examples") if key in kinds[0]}
        form = moved | form
    for part in walk(form):
        _share_enumeration(part, shared)
    return form


def _share_enumeration(form: Schema, shared: Mapping[frozenset[str], str]) -> None:
    values = form.get("enum")
    if not values:
        return
    if name := shared.get(frozenset(values)):
        del form["enum"]
        form.pop("type", None)
        form["$ref"] = _REF.format(name=name)
        return
    form["type"] = "string"
    for about, texts in _PARTS:
        if {*values} <= {*texts}:
            form.update(_described(about, {value: texts[value] for value in values}))


def _simplify_pattern(form: Schema) -> None:
    """Leave out what only Python needs: generators cannot compose an example of a pattern with a lookahead."""
    if "pattern" in form:
        form["pattern"] = form["pattern"].removesuffix(END.removeprefix("$"))


def _rename(form: Schema) -> None:
    name = str(form.get("$ref", "")).rpartition("/")[2]
    if name in _RENAMED:
        form["$ref"] = _REF.format(name=_RENAMED[name])
