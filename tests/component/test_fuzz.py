"""Schema-driven fuzzing: whatever is sent, the API answers as it describes itself, and never with a 5xx.

Schemathesis makes requests from the description, valid ones and broken ones; the same ones in every run.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi import checks

from infra.local.gateway import wsgi
from tests.support.product import Product, booking, calendar

pytestmark = pytest.mark.exhaustive
EXAMPLES = 12
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
bounded = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
KNOWN = {"calendar_id": "c-1", "booking_id": "b-1", "user_id": "u-1", "provider": "zoom"}


@pytest.fixture
def furnished(connected: Product) -> Product:
    """A connected user with a settled booking, so that good ids find something."""
    assert connected.caller().put("/v1/bookings/b-1", json=booking()).status_code == 201
    connected.settle()
    return connected


def operations(product: Product) -> list[Any]:
    app = wsgi(product.app)
    document = product.stranger().get("/openapi.json").json()
    known = schemathesis.openapi.from_dict(document)
    known.app = app
    return [found.ok() for found in known.get_all_operations()]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "broken"])
def test_every_operation_answers_as_described_whatever_is_sent(furnished: Product, mode: GenerationMode) -> None:
    seen: Counter[int] = Counter()
    key = {"Authorization": furnished.caller().headers["Authorization"]}
    for operation in operations(furnished):
        cases = operation.as_strategy(generation_mode=mode)

        @bounded
        @given(case=cases, lucky=st.booleans())
        def attempt(case: Case, lucky: bool) -> None:
            if lucky:
                case.path_parameters = {n: KNOWN.get(n, v) for n, v in (case.path_parameters or {}).items()}
                case.headers = {**(case.headers or {}), **key}
            answer = case.call(headers=key)
            case.validate_response(answer, checks=CHECKS)
            seen[answer.status_code] += 1

        try:
            attempt()
        except Unsatisfiable:  # Nothing of it can be broken.
            assert mode is GenerationMode.NEGATIVE
            assert not operation.body
            assert not operation.path_parameters
    print(f"{sum(seen.values())} requests: {dict(sorted(seen.items()))}")
    assert sum(seen.values()) > 200
    assert not any(status >= 500 for status in seen)


def test_nothing_but_a_key_opens_any_operation(furnished: Product) -> None:
    wrong = ["", "Bearer", "Bearer x", "Bearer meetlink.ws-1.00000000.x", "Basic dXNlcjpwYXNz"]
    wrong.append(furnished.caller().headers["Authorization"][:-1])
    refused = 0
    for operation in operations(furnished):
        if not operation.definition.raw.get("security"):
            continue
        path = re.sub(r"{(\w+)}", lambda name: KNOWN.get(name[1], "x-1"), operation.full_path)
        for header in wrong:
            answer = furnished.stranger().request(operation.method.upper(), path, headers={"Authorization": header})
            assert answer.status_code == 401, (operation.label, header, answer.text)
            assert answer.json()["type"] == "urn:meetlink:problem:unauthorized"
            refused += 1
    assert refused >= 17 * len(wrong)


BODIES = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode()),
    st.integers(1, 3000).map(lambda depth: b"[" * depth + b"]" * depth),
    st.integers(65_000, 70_000).map(lambda size: b'"' + b"x" * size + b'"'),
)


def test_no_bytes_at_all_are_answered_with_a_5xx(furnished: Product) -> None:
    caller = furnished.caller()
    seen: Counter[int] = Counter()

    @settings(bounded, max_examples=150)
    @given(
        body=BODIES,
        path=st.sampled_from(["/v1/bookings/b-2", "/v1/calendars/c-2", "/v1/bookings", "/v1/users/u-1/connect-links"]),
        media_type=st.sampled_from(["application/json", "application/json; charset=latin-1", "text/plain", ""]),
    )
    def attempt(body: bytes, path: str, media_type: str) -> None:
        method = "POST" if path.endswith(("bookings", "links")) else "PUT"
        answer = caller.request(method, path, content=body, headers={"Content-Type": media_type})
        seen[answer.status_code] += 1
        assert answer.status_code < 500, (method, path, body)

    attempt()
    assert sum(seen.values()) >= 150


def test_no_path_or_header_is_answered_with_a_5xx(furnished: Product) -> None:
    caller = furnished.caller()
    texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)

    @settings(bounded, max_examples=150)
    @given(
        prefix=st.sampled_from(
            ["/v1/bookings/", "/v1/calendars/", "/v1/users/", "/", "/connect/", "/oauth/", "/settings/"]
        ),
        rest=texts,
        name=st.sampled_from(
            ["Prefer", "Origin", "Authorization", "Cookie", "Accept", "Idempotency-Key", "Content-Type"]
        ),
        value=texts,
    )
    def attempt(prefix: str, rest: str, name: str, value: str) -> None:
        for path in (prefix + quote(rest, safe=""), prefix + quote(rest, safe="/%?=&")):
            assert caller.get(path, headers={name: value}).status_code < 500, (path, name, value)

    attempt()


def test_calendars_with_any_text_are_kept(furnished: Product) -> None:
    @settings(bounded, max_examples=40)
    @given(name=st.text(max_size=50))
    def attempt(name: str) -> None:
        answer = furnished.caller().put("/v1/calendars/c-3", json=calendar("phone", name=name))
        assert answer.status_code in (200, 201)

    attempt()
