"""A request in curl, Python and TypeScript, with the example values of the reference."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SampleRequest:
    """An operation with example values."""

    method: str
    path: str
    """With example ids."""
    body: Any = None
    has_key: bool = True
    headers: tuple[tuple[str, str], ...] = ()

    def as_tabs(self) -> Sequence[tuple[str, str]]:
        """Return (language, code) for each language."""
        return [("bash", self._curl()), ("python", self._python()), ("ts", self._typescript())]

    def _curl(self) -> str:
        lines = ["curl -sS" + ("" if self.method == "GET" else f" -X {self.method}") + f' "$MEETLINK_URL{self.path}"']
        if self.has_key:
            lines.append('-H "Authorization: Bearer $MEETLINK_KEY"')
        lines += [f'-H "{name}: {value}"' for name, value in self.headers]
        if self.body is not None:
            lines.append('-H "Content-Type: application/json"')
            lines.append("-d '" + _json(self.body).replace("'", "'\\''") + "'")
        return " \\\n  ".join(lines)

    def _python(self) -> str:
        arguments = [f'"{self.path}"']
        if self.body is not None:
            arguments.append(f"json={_python_value(self.body)}")
        if self.headers:
            arguments.append(f"headers={json.dumps(dict(self.headers))}")
        return f"response = api.{self.method.lower()}({_join(arguments)})\nresponse.raise_for_status()"

    def _typescript(self) -> str:
        headers = dict(self.headers)
        lines = [f'method: "{self.method}",']
        keys = ["Authorization: `Bearer ${process.env.MEETLINK_KEY}`"] if self.has_key else []
        keys += [f'"{name}": "{value}"' for name, value in headers.items()]
        keys += ['"Content-Type": "application/json"'] if self.body is not None else []
        lines += [f"headers: {{ {', '.join(keys)} }},"] if keys else []
        lines += [f"body: JSON.stringify({_indented(_unquoted(_json(self.body)))}),"] if self.body is not None else []
        options = "\n".join(f"  {line}" for line in lines)
        return f"const response = await fetch(`${{process.env.MEETLINK_URL}}{self.path}`, {{\n{options}\n}});"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _python_value(value: Any, indent: str = "") -> str:
    """Write a JSON value as Python, an item a line where it is not empty."""
    inner = indent + "    "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(name)}: {_python_value(item, inner)},\n" for name, item in value.items()]
        return "{\n" + "".join(lines) + indent + "}"
    if isinstance(value, list) and value:
        return "[\n" + "".join(f"{inner}{_python_value(item, inner)},\n" for item in value) + indent + "]"
    if isinstance(value, bool) or value is None:
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def _unquoted(text: str) -> str:
    return re.sub(r'^(\s*)"(\w+)":', r"\1\2:", text, flags=re.MULTILINE)


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _join(arguments: Sequence[str]) -> str:
    line = ", ".join(arguments)
    if "\n" not in line and len(line) < 80:
        return line
    return "\n    " + ",\n    ".join(argument.replace("\n", "\n    ") for argument in arguments) + ",\n"
