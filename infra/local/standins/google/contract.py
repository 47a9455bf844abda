"""Google's published contracts: the discovery documents that its own Python client ships.

Unknown fields and parameters are refused, read-only fields too. Real Google ignores most of them silently; a misspelt
one would then pass every test and do nothing in production.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient.discovery_cache
from jsonschema import Draft202012Validator, FormatChecker

_DOCUMENTS = Path(googleapiclient.discovery_cache.__file__).parent / "documents"


@cache
def document(api: str) -> dict[str, Any]:
    """A discovery document, such as "calendar.v3"."""
    contract: dict[str, Any] = json.loads((_DOCUMENTS / f"{api}.json").read_text(encoding="utf-8"))
    return contract


def operation(method_id: str) -> dict[str, Any]:
    """A method by its full name, such as "calendar.events.insert"."""
    name, *resources, verb = method_id.split(".")
    part: dict[str, Any] = _api(name)
    for resource in resources:
        part = part["resources"][resource]
    method: dict[str, Any] = part["methods"][verb]
    return method


def scopes(method_id: str) -> frozenset[str]:
    """Any one of these will do."""
    return frozenset(operation(method_id)["scopes"])


def query_errors(method_id: str, query: Mapping[str, str]) -> list[str]:
    """What is wrong with a request's query parameters."""
    own = operation(method_id).get("parameters", {})
    parameters = {**_api(method_id.split(".", maxsplit=1)[0])["parameters"], **own}
    return [
        f"{name}={value}"
        for name, value in query.items()
        if name not in parameters or parameters[name].get("location") != "query" or not _fits(parameters[name], value)
    ]


def request_errors(method_id: str, body: Any) -> list[str]:
    """What is wrong with a request's body."""
    name = operation(method_id)["request"]["$ref"]
    problems = [
        f"{'.'.join(map(str, error.path)) or '(body)'}: {error.message}"
        for error in _validator(method_id.split(".", maxsplit=1)[0], name, True).iter_errors(body)
    ]
    return problems or [f"{field}: is missing" for field in _required(method_id, name) if field not in body]


def response_errors(method_id: str, body: Any) -> list[str]:
    """What in an answer's body the contract does not know."""
    name = operation(method_id)["response"]["$ref"]
    return [error.message for error in _validator(method_id.split(".", maxsplit=1)[0], name, False).iter_errors(body)]


def _api(name: str) -> dict[str, Any]:
    return document({"calendar": "calendar.v3", "meet": "meet.v2"}[name])


def _fits(parameter: dict[str, Any], value: str) -> bool:
    patterns = {"integer": r"-?[0-9]+", "boolean": "true|false"}
    pattern = "|".join(map(re.escape, parameter["enum"])) if "enum" in parameter else patterns.get(parameter["type"])
    return pattern is None or re.fullmatch(pattern, value) is not None


def _required(method_id: str, name: str) -> list[str]:
    fields = _api(method_id.split(".", maxsplit=1)[0])["schemas"][name]["properties"]
    return [field for field, says in fields.items() if method_id in says.get("annotations", {}).get("required", [])]


@cache
def _validator(api: str, name: str, is_request: bool) -> Draft202012Validator:
    schemas = copy.deepcopy(_api(api)["schemas"])
    for schema in schemas.values():
        _as_json_schema(schema, is_request)
    root = {"$ref": f"#/$defs/{name}", "$defs": schemas}
    return Draft202012Validator(root, format_checker=FormatChecker(["date", "date-time"]))


def _as_json_schema(node: Any, is_request: bool) -> None:
    """Discovery's dialect in place: `$ref` by bare name, `id` for the name, numbers of 64 bits as strings."""
    if not isinstance(node, dict):
        return
    node.pop("id", None)
    node.pop("default", None)
    if "$ref" in node:
        node["$ref"] = f"#/$defs/{node['$ref']}"
    if node.get("type") == "any":
        del node["type"]
    if "properties" in node:
        fields = node["properties"]
        if is_request:
            fields = {field: says for field, says in fields.items() if not _is_read_only(says)}
        node["properties"] = fields
        node.setdefault("additionalProperties", False)
        for child in fields.values():
            _as_json_schema(child, is_request)
    for key in ("items", "additionalProperties"):
        _as_json_schema(node.get(key), is_request)


def _is_read_only(says: dict[str, Any]) -> bool:
    # Calendar says it in words only.
    return bool(says.get("readOnly")) or "Read-only." in says.get("description", "")
