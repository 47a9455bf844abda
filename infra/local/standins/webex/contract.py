"""Webex's published OpenAPI contract as data: schemas of bodies.

The file is a subset of the Meetings API with the operations that the product uses; where it was cut from stands in its
`info`.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from infra.local.standins.kit import forbid_unknown

_FILE = Path(__file__).resolve().parents[2] / "contracts" / "webex-meetings.subset.openapi.json"


def request_errors(method: str, path: str, body: Any) -> list[str]:
    """What in a request's body is not as the contract has it, unknown properties included."""
    return _errors(method, path, "request", body)


def response_errors(method: str, path: str, status: str, body: Any) -> list[str]:
    """What in an answer's body is not as the contract has it, undeclared properties included."""
    return _errors(method, path, status, body)


def _errors(method: str, path: str, part: str, body: Any) -> list[str]:
    found = _validator(method, path, part).iter_errors(body)
    return [f"{'/'.join(map(str, error.path)) or '(body)'}: {error.message}" for error in found]


@cache
def _validator(method: str, path: str, part: str) -> Draft202012Validator:
    document = json.loads(_FILE.read_text(encoding="utf-8"))
    operation = document["paths"][path][method]
    holder = operation["requestBody"] if part == "request" else operation["responses"][part]
    (content,) = holder["content"].values()
    root = copy.deepcopy(content["schema"]) | {"components": document["components"]}
    forbid_unknown(root)
    return Draft202012Validator(root)
