"""Microsoft Graph's published metadata (CSDL) as data: what a body may hold.

The file is a subset with the types and the action that the product uses; its note names the source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).resolve().parents[2] / "contracts" / "msgraph-online-meeting.subset.json"


@cache
def _metadata() -> dict[str, Any]:
    types: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))["types"]
    return types


def properties(name: str) -> dict[str, Any]:
    """The properties of one of Graph's types, with those of its bases."""
    graph_type: dict[str, Any] = _metadata()[name]
    base = graph_type["base"].removeprefix("graph.") if graph_type["base"] else None
    own: dict[str, Any] = graph_type["properties"]
    return (properties(base) if base else {}) | own


def parameters(action: str) -> dict[str, Any]:
    """The parameters of one of Graph's actions."""
    declared: dict[str, Any] = _metadata()[action][0]["parameters"]
    return {name: kind for name, kind in declared.items() if name != "bindingParameter"}


def errors(known: Mapping[str, Any], body: Mapping[str, Any], at: str = "") -> list[str]:
    """What in a body is not as the metadata has it: unknown names, wrong types, null where there must be something."""
    wrong = []
    for name, value in body.items():
        if "@odata." in name:
            continue
        kind = known.get(name)
        if kind is None:
            wrong.append(f"{at}{name}: unknown")
        elif value is None:
            wrong += [] if kind["nullable"] else [f"{at}{name}: null"]
        else:
            wrong += [f"{at}{name}{problem}" for problem in _value_errors(kind["type"], value)]
    return wrong


def _value_errors(kind: str, value: Any) -> list[str]:
    if kind.startswith("Collection("):
        inner = kind.removeprefix("Collection(").removesuffix(")")
        return [w for v in value for w in _value_errors(inner, v)] if isinstance(value, list) else [": not a list"]
    if kind.startswith("graph."):
        graph_type = _metadata().get(kind.removeprefix("graph."))
        if graph_type is None:
            return []  # Not in the subset.
        if graph_type["kind"] == "Enum":
            return [] if value in graph_type["members"] else [": not a member"]
        return (
            errors(properties(kind.removeprefix("graph.")), value, ".") if isinstance(value, dict) else [": no object"]
        )
    if kind == "Edm.DateTimeOffset":
        is_moment = isinstance(value, str) and re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value
        )
        return [] if is_moment else [": no date and time with offset"]
    python = {"Edm.String": str, "Edm.Boolean": bool, "Edm.Int32": int}.get(kind, object)
    return [] if isinstance(value, python) else [f": not {kind}"]
