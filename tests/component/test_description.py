"""Routes and the API's description say the same, and what it says is valid OpenAPI."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from chalicelib.api import problems
from chalicelib.api.openapi import document, operations
from chalicelib.api.routing import description_of
from chalicelib.api.schemas.bookings import Booking, BookingBody
from chalicelib.domain.connection import Reason
from chalicelib.domain.meeting import MeetingReason
from tests.support.product import Product, booking, calendar

BROWSER_PAGES = ("/a/", "/assets/", "/connect/", "/docs/", "/j/", "/llms.txt", "/oauth/", "/settings", "/workspace")


@pytest.fixture
def described(product: Product) -> dict[str, Any]:
    """The document as callers get it."""
    answer = product.stranger().get("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    known: dict[str, Any] = answer.json()
    return known


def test_every_route_is_described_but_the_browsers_pages(product: Product) -> None:
    missing = [
        (method, path)
        for path, methods in product.app.routes.items()
        for method, entry in methods.items()
        if method != "OPTIONS" and not path.startswith(BROWSER_PAGES) and description_of(entry.view_function) is None
    ]
    assert missing == []


def test_everything_described_is_routed(product: Product, described: dict[str, Any]) -> None:
    told = {(path, method.upper()) for path, methods in described["paths"].items() for method in methods}
    assert told == {(path, method) for path, method, _, _ in operations(product.app)}
    assert all(method in product.app.routes[path] for path, method in told)


def test_the_server_is_the_one_that_was_asked(product: Product, described: dict[str, Any]) -> None:
    assert described["servers"] == [{"url": product.base_url}]


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    for reference in references(described):
        place: Any = described
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_every_example_is_valid(described: dict[str, Any]) -> None:
    checked = 0
    for content in contents(described):
        shown = [content["example"]] if "example" in content else []
        shown += [one["value"] for one in content.get("examples", {}).values()]
        for value in shown:
            form = content["schema"] | {"components": described["components"]}
            jsonschema.Draft202012Validator(form).validate(value)
            checked += 1
    assert checked > 60


def test_the_examples_of_requests_are_accepted(connected: Product, described: dict[str, Any]) -> None:
    paths = described["paths"]
    made = paths["/v1/calendars/{calendar_id}"]["put"]["requestBody"]["content"]["application/json"]["example"]
    assert connected.caller().put("/v1/calendars/c-9", json=made).status_code == 201
    booked = paths["/v1/bookings/{booking_id}"]["put"]["requestBody"]["content"]["application/json"]["example"]
    assert connected.caller().put("/v1/bookings/b-9", json=booked).status_code == 201


def test_every_reason_that_the_code_gives_is_on_the_list() -> None:
    pages_only = {
        "cross_site",
        "csrf",
        "flow_refused",
        "forbidden",
        "link_expired",
        "no_session",
        "not_admin",
        "old_sign_in",
    }
    known = {*problems.REASONS, *MeetingReason, *Reason, *pages_only}
    unlisted = set()
    for file in [*Path("chalicelib/api").rglob("*.py"), *Path("chalicelib/domain").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "reason" and isinstance(node.value, ast.Constant):
                unlisted |= {node.value.value} - known - {None}
    assert unlisted == set()


def test_the_meetings_reasons_are_the_closed_list(described: dict[str, Any]) -> None:
    form = described["components"]["schemas"]["Meeting"]["properties"]["reason"]
    assert form["anyOf"] == [{"$ref": "#/components/schemas/MeetingReason"}, {"type": "null"}]
    assert described["components"]["schemas"]["MeetingReason"]["enum"] == list(MeetingReason)


def test_the_requests_that_validate_are_the_ones_described(described: dict[str, Any]) -> None:
    form = msgspec.json.schema_components([BookingBody], ref_template="#/components/schemas/{name}")[1]["BookingBody"]
    told = described["components"]["schemas"]["BookingBody"]
    for rule in ("required", "additionalProperties"):
        assert told[rule] == form[rule]
    assert told["properties"]["guests"]["maxItems"] == form["properties"]["guests"]["maxItems"] == 50
    assert told["properties"].keys() == form["properties"].keys()
    assert set(Booking.__struct_fields__) == set(described["components"]["schemas"]["Booking"]["properties"])


def test_no_schema_has_a_default_as_generated_clients_would_require_the_field(described: dict[str, Any]) -> None:
    with_default = [at for at, form in schemas(described) if "default" in form]
    assert with_default == []
    required = {name: set(form.get("required", ())) for name, form in described["components"]["schemas"].items()}
    assert required["HostBody"] == {"user_id", "name", "email"}
    assert required["GuestBody"] == {"email"}
    assert required["BookingBody"] == {"calendar_id", "starts_at", "ends_at", "time_zone"}
    assert required["ConnectLinkBody"] == required["SecretBody"] == required["LinksBody"] == set()
    pages = [name for name in required if name.endswith("Page")]
    assert len(pages) >= 6
    assert all(required[name] == {"items", "next_cursor"} for name in pages)


def test_everything_has_a_description(described: dict[str, Any]) -> None:
    """Tools show it beside each field; without one a reader has to guess."""
    components, missing = described["components"]["schemas"], []
    for name, form in components.items():
        missing += [] if form.get("description") else [name]
        missing += [
            f"{name}.{field}" for field, part in form.get("properties", {}).items() if not about(part, components)
        ]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            parts = [operation, *operation["parameters"], *operation["responses"].values()]
            missing += [f"{method} {path}" for part in parts if not part.get("description") and "$ref" not in part]
    missing += [name for name, item in described["webhooks"].items() if not item["post"].get("description")]
    assert missing == []


def test_every_value_of_an_enumeration_is_explained(described: dict[str, Any]) -> None:
    enumerations = [(at, form) for at, form in schemas(described) if "enum" in form]
    assert len(enumerations) > 15
    for at, form in enumerations:
        assert form["type"] == "string", at
        assert [value for value in form["enum"] if f"`{value}`" not in form.get("description", "")] == [], at


def test_every_problem_is_one_of_the_shared_responses(described: dict[str, Any]) -> None:
    """Otherwise clients are generated with a class for each problem of each operation."""
    for path, methods in described["paths"].items():
        for operation in methods.values():
            problematic = {status: r for status, r in operation["responses"].items() if int(status) >= 400}
            assert all(set(response) == {"$ref"} for response in problematic.values()), path
    for name, response in described["components"]["responses"].items():
        (content,) = response["content"].values()
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}, name


def test_metadata_may_be_nested_in_requests_answers_and_events(described: dict[str, Any]) -> None:
    value = {"order": {"lines": [1, "two", None]}, "paid": True}
    for name in ("BookingBody", "BookingEventData", "Booking", "MeetingEventData"):
        form = described["components"]["schemas"][name]["properties"]["metadata"]
        assert form["additionalProperties"] is True, name
        jsonschema.Draft202012Validator(form).validate(value)


def test_every_object_names_its_members_or_allows_any(described: dict[str, Any]) -> None:
    """An object schema with neither becomes a type without members in generated clients."""
    closed = [
        at
        for at, form in schemas(described)
        if form.get("type") == "object" and not form.get("properties") and form.get("additionalProperties") is not True
    ]
    assert closed == []


def test_starting_the_api_does_not_build_it(product: Product) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from chalice.app import Chalice; from chalicelib import api; "
        "api.register(Chalice('x'), lambda: None); "
        "print([m for m in ('chalicelib.api.openapi', 'chalicelib.api.docs_page', 'jinja2') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_a_real_answer_has_every_field_that_is_described(connected: Product) -> None:
    connected.caller().put("/v1/bookings/b-1", json=booking())
    connected.settle()
    known = document(connected.app)
    for path, name in (("/v1/bookings/b-1", "Booking"), ("/v1/calendars/c-1", "Calendar")):
        form = {"$ref": f"#/components/schemas/{name}", "components": known["components"]}
        jsonschema.Draft202012Validator(form).validate(connected.caller().get(path).json())
    phone = connected.caller().put("/v1/calendars/c-2", json=calendar({"type": "phone", "phone": "1"})).json()
    assert phone["location"] == {"type": "phone", "phone": "1"}


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for one in value for found in references(one)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [found for one in value.values() for found in references(one)]


def schemas(described: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every JSON schema of the document, with its place."""
    found: list[tuple[str, dict[str, Any]]] = []

    def visit(value: Any, at: str) -> None:
        if isinstance(value, list):
            for number, one in enumerate(value):
                visit(one, f"{at}/{number}")
        if not isinstance(value, dict):
            return
        if "type" in value or "anyOf" in value or "$ref" in value:
            found.append((at, value))
        for name, one in value.items():
            if name not in ("example", "examples"):
                visit(one, f"{at}/{name}")

    visit(described, "")
    assert len(found) > 300
    return found


def about(form: dict[str, Any], components: dict[str, Any]) -> str:
    """The description of a property: its own, or that of the component that it is."""
    own = form.get("description") or form.get("items", {}).get("description", "")
    name = form.get("$ref", "").rpartition("/")[2]
    return str(own or (components[name]["description"] if name else ""))


def contents(described: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for methods in described["paths"].values():
        for operation in methods.values():
            for answer in [operation.get("requestBody", {}), *operation["responses"].values()]:
                found += answer.get("content", {}).values()
    for response in described["components"]["responses"].values():
        found += response["content"].values()
    for item in described["webhooks"].values():
        found += item["post"]["requestBody"]["content"].values()
    return found
