"""Titles and descriptions that a calendar writes for its bookings."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from chalicelib.domain.text_templates import find_flaw, render
from tests.support.answers import assert_problem
from tests.support.mailcheck import check_mail, texts_of
from tests.support.product import Product, booking, calendar

TEMPLATES = {
    "title_template": "{{guest.name}} – {{ host.name }}",
    "description_template": "{{calendar.name}}\nwith {{guest.name}}",
}
MOMENT_SECONDS = 2
"""Of this process, on a busy machine."""
UNTITLED = {"title": "", "description": ""}


@pytest.fixture
def caller(product: Product) -> httpx.Client:
    product.connect()
    assert product.caller().put("/v1/calendars/c-1", json=calendar(**TEMPLATES)).is_success
    return product.caller()


def put(product: Product, booking_id: str = "b-1", **changes: Any) -> dict[str, Any]:
    answer = product.caller().put(f"/v1/bookings/{booking_id}", json=booking(**changes))
    assert answer.is_success, answer.text
    assert product.settle() == []
    body: dict[str, Any] = answer.json()
    return body


def texts(body: dict[str, Any]) -> tuple[str, str]:
    return body["title"], body["description"]


def test_a_booking_without_texts_gets_the_calendars_everywhere(product: Product, caller: httpx.Client) -> None:
    assert {name: caller.get("/v1/calendars/c-1").json()[name] for name in TEMPLATES} == TEMPLATES
    body = put(product, **UNTITLED)
    assert texts(body) == ("Demo Guest – Demo Host", "Introduction\nwith Demo Guest")
    (meeting,) = product.zoom.meetings.values()
    assert meeting.topic == "Demo Guest – Demo Host"
    assert product.mails.to("guest@example.com")[0].invite.title == "Demo Guest – Demo Host"


def test_the_callers_own_texts_win(product: Product, caller: httpx.Client) -> None:
    assert texts(put(product, title="Mine", description="")) == ("Mine", "Introduction\nwith Demo Guest")
    assert texts(put(product, "b-2", title="", description="Mine")) == ("Demo Guest – Demo Host", "Mine")


def test_the_same_request_again_changes_nothing_and_another_name_does(product: Product, caller: httpx.Client) -> None:
    first = put(product, **UNTITLED)
    caller.put("/v1/calendars/c-1", json=calendar(title_template="Other"))  # For new bookings.
    assert put(product, **UNTITLED)["revision"] == first["revision"]
    guests = [{"name": "New Name", "email": "guest@example.com"}]
    assert put(product, **UNTITLED, guests=guests)["title"] == "New Name – Demo Host"
    assert put(product, "b-2", **UNTITLED)["title"] == "Other"
    caller.put("/v1/calendars/c-2", json=calendar(name="Second", title_template="{{calendar.name}}"))
    assert put(product, **UNTITLED, calendar_id="c-2")["title"] == "Second"


def test_a_repeated_creation_is_recognized_although_the_text_was_written(
    product: Product, caller: httpx.Client
) -> None:
    key = {"Idempotency-Key": "key-1"}
    ids = {caller.post("/v1/bookings", json=booking(**UNTITLED), headers=key).json()["id"] for _ in range(2)}
    assert len(ids) == 1


def test_without_a_template_a_booking_is_called_appointment(product: Product, caller: httpx.Client) -> None:
    caller.put("/v1/calendars/c-1", json=calendar())
    assert texts(put(product, **UNTITLED)) == ("Appointment", "")


@pytest.mark.parametrize(
    "name", ['<a href="https://evil.example">x</a>', "{{host.name}}", "\\1\\g<0>", "a\nb: c\r\nd", "&<>\"'"]
)
def test_a_name_is_only_text(product: Product, caller: httpx.Client, name: str) -> None:
    body = put(product, **UNTITLED, guests=[{"name": name, "email": "guest@example.com"}])
    assert "<" not in body["title"] + body["description"]
    assert "Demo Host – " not in body["title"]
    assert "\n" not in body["title"]
    for letter in product.mails.sent:
        assert check_mail(letter.raw) == []
        assert '<a href="https://evil' not in texts_of(letter.raw)[1]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{guest.email}}", "guest.email is unknown"),
        ("{{}}", "without a name is unknown"),
        ("{{guest.name", "Two braces"),
        ("guest.name}}", "Two braces"),
        ("{{guest.name}} {{ x }}", "x is unknown"),
        ("{{{{guest.name}}}}", "Two braces"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_list(caller: httpx.Client, template: str, problem: str) -> None:
    answer = caller.put("/v1/calendars/c-1", json=calendar(title_template=template, description_template=template))
    assert_problem(answer, 422, "invalid_input", "/title_template", "/description_template")
    detail = answer.json()["errors"][0]["detail"]
    assert problem in detail
    assert "{{guest.name}}, {{host.name}}, {{calendar.name}}" in detail


def test_single_braces_are_text() -> None:
    assert find_flaw("{guest.name} { }") is None
    assert render("{guest.name} {{guest.name}}", {"guest.name": "A"}) == "{guest.name} A"


def test_a_variable_with_many_spaces_takes_no_time() -> None:
    """A description may have 5,000 characters. With a pattern for the spaces, 2,000 take seconds."""
    started_at = time.process_time()
    assert "Two braces" in str(find_flaw("{{" + " " * 2000))
    assert render("{{" + " " * 2000, {}) == "{{" + " " * 2000
    assert render("{{\t\n host.name  }}", {"host.name": "A"}) == "A"
    assert time.process_time() - started_at < MOMENT_SECONDS
