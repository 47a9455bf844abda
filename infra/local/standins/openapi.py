"""Check bodies against a provider's published OpenAPI contract, a subset of which is in `infra/local/contracts`."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_CONTRACTS = Path(__file__).resolve().parents[1] / "contracts"


@cache
def read_contract(file_name: str) -> dict[str, Any]:
    """Read a contract and merge the parts of each `allOf`: each alone would reject the properties of the others."""
    document: dict[str, Any] = json.loads((_CONTRACTS / file_name).read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        parts = [schemas[part["$ref"].split("/")[-1]] for part in schema.get("allOf", [])]
        if len(parts) > 1:
            schemas[name] = {"type": "object", "properties": {k: v for p in parts for k, v in p["properties"].items()}}
    return document


def body_schema(file_name: str, method: str, path: str, part: str) -> dict[str, Any]:
    """Return the schema of a body. `part` is "request" or the status of the response."""
    operation = read_contract(file_name)["paths"][path][method]
    holder = operation["requestBody"] if part == "request" else operation["responses"][part]
    (content,) = holder["content"].values()
    schema: dict[str, Any] = content["schema"]
    return schema


@cache
def body_validator(file_name: str, method: str, path: str, part: str) -> Draft202012Validator:
    """Return a validator of a body that rejects undeclared properties too."""
    components = read_contract(file_name)["components"]
    schema = copy.deepcopy(body_schema(file_name, method, path, part) | {"components": components})
    _forbid_unknown_fields(schema)
    return Draft202012Validator(schema)


def _forbid_unknown_fields(schema: Any) -> None:
    """Reject undeclared properties at every level: published contracts seldom do."""
    if isinstance(schema, list):
        for item in schema:
            _forbid_unknown_fields(item)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
        for item in schema.values():
            _forbid_unknown_fields(item)
