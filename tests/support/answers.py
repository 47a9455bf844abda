"""What an answer of the API is compared with."""

from __future__ import annotations

from typing import Any

import httpx


def assert_problem(answer: httpx.Response, status: int, reason: str, *places: str | None) -> None:
    """RFC 9457, as DESIGN 7 has it. `places`: the pointers and the query parameters that `errors` names."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"urn:meetlink:problem:{reason}"
    assert body["status"] == status
    assert body["title"] and body["detail"]
    named = [error.get("pointer", error.get("parameter")) for error in body.get("errors", [])]
    assert named == [place for place in places if place is not None]
    assert all(error["detail"] and ("pointer" in error) != ("parameter" in error) for error in body.get("errors", []))


def as_far_as(expected: Any, answer: Any) -> Any:
    """`answer` without the members that `expected` does not name: an answer may grow."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        return {name: as_far_as(value, answer.get(name, "missing")) for name, value in expected.items()}
    if isinstance(expected, list) and isinstance(answer, list) and len(expected) == len(answer):
        return [as_far_as(one, other) for one, other in zip(expected, answer, strict=True)]
    return answer
