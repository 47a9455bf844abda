"""Print a command's result: a table or lines for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_MAX_WIDTH = 60


def format_json(result: Mapping[str, Any]) -> str:
    return json.dumps(result, indent=2, default=str)


def format_text(result: Mapping[str, Any], columns: Sequence[str]) -> str:
    """Return the result for people: its items as a table with these columns, everything else as lines."""
    items = result.get("items") if columns else None
    lines = [] if items is None else _table(items, columns)
    others = {name: value for name, value in result.items() if items is None or name != "items"}
    return "\n".join(lines + [line for name, value in others.items() for line in _lines(name, value)])


def _lines(name: str, value: Any, indent: str = "") -> list[str]:
    """Return a value as lines: one for each of its fields, and one for each of several objects."""
    if isinstance(value, Mapping) and value:
        fields = [line for key, part in value.items() for line in _lines(key, part, indent + "  ")]
        return [f"{indent}{name}:", *fields]
    if isinstance(value, Sequence) and value and isinstance(value[0], Mapping):
        return [f"{indent}{name}:", *(f"{indent}  {_text(item)}" for item in value)]
    return [f"{indent}{name}: {_text(value)}"]


def _table(items: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    if not items:
        return ["Nothing was found."]
    rows = [[_text(_at(item, column))[:_MAX_WIDTH] for column in columns] for item in items]
    heads = [column.replace(".0", "").replace(".", " ").replace("_", " ").upper() for column in columns]
    widths = [max(len(row[number]) for row in [heads, *rows]) for number in range(len(columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [heads, *rows]
    ]


def _at(value: Any, path: str) -> Any:
    """Return the value at a path of names and list positions; None if there is none."""
    for name in path.split("."):
        if isinstance(value, Sequence):
            value = value[int(name)] if int(name) < len(value) else None
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return ", ".join(f"{name} {_text(part)}" for name, part in value.items()) or "-"
        case list() | tuple():
            return "; ".join(map(_text, value)) or "-"
    return str(value)
