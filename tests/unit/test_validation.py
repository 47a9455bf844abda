"""Everything that is wrong with a request is reported at once, with pointers, in words for people."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from chalicelib.api import inbound_webhooks, pagination
from chalicelib.api.schemas import bookings, calendars, connections, fields, webhooks
from chalicelib.errors import InvalidInput
from chalicelib.handlers import workspace_forms
from chalicelib.validation import MAX_ERRORS, convert, find_flaws
from tests.support.examples import examples

MISSING = object()
BOOKING = {
    "calendar_id": "c-1",
    "starts_at": "2027-01-05T15:00:00Z",
    "ends_at": "2027-01-05T15:30:00Z",
    "time_zone": "Europe/Berlin",
    "title": "Introduction",
    "description": "",
    "guests": [
        {"email": "a@example.com", "name": "A", "time_zone": "UTC", "language": "de"},
        {"email": "b@example.com", "name": "B", "time_zone": None, "language": None},
    ],
    "metadata": {"a": {"b": [1]}},
    "version": 1,
    "links": {"reschedule": "https://example.com/r", "cancel": "https://example.com/c"},
    "emails": {"guests": False, "host": None},
    "cohosts": [{"user_id": "u-2", "name": "C", "email": "c@example.com"}],
    "host_id": "u-1",
}
CALENDAR = {
    "name": "Introduction",
    "host": {"user_id": "u-1", "name": "H", "email": "h@example.com", "time_zone": "UTC", "language": "en"},
    "location": {"type": "custom_link", "url": "https://example.com"},
    "guests_see_each_other": False,
    "emails": {"guests": None, "host": True},
}
EVENT = {
    "type": "booking.created",
    "timestamp": "2027-01-01T00:00:00Z",
    "data": BOOKING | {"booking_id": "b-1"},
}
NO_ID, NO_TEXT, NO_ZONE = [MISSING, None, 7, "", "a b", "x" * 129], [None, 7, []], [7, "", "Mars/Olympus", "x" * 65]
NO_EMAIL, NO_LINK = [None, 7, "", "nobody", "x" * 255], [7, "", "javascript:alert(1)", "https://a b", "x" * 1001]
NO_MOMENT = [MISSING, None, 7, "2027-01-05", "2027-01-05T15:00:00", "tomorrow", "0001-01-01T00:00:00Z"]
NO_LANGUAGE = [7, "", "d", "de_DE", "x" * 65]
BOOKING_BREAKS: dict[str, list[Any]] = {
    "/calendar_id": NO_ID,
    "/starts_at": NO_MOMENT,
    "/ends_at": NO_MOMENT,
    "/time_zone": [MISSING, None, *NO_ZONE],
    "/title": NO_TEXT,
    "/description": NO_TEXT,
    "/guests/0/email": [MISSING, *NO_EMAIL],
    "/guests/0/name": NO_TEXT,
    "/guests/0/time_zone": NO_ZONE,
    "/guests/1/email": [MISSING, *NO_EMAIL],
    "/guests/1/language": NO_LANGUAGE,
    "/guests/1/unknown": [None, 1],
    "/metadata": [None, [], "text"],
    "/version": ["1", -1, 1.5, True, 2**53 + 1],
    "/links/reschedule": NO_LINK,
    "/links/cancel": NO_LINK,
    "/emails/guests": [0, "false", []],
    "/emails/hosts": [True],
    "/unknown": [None, {}],
    "/a~1b~0c": [1],
}
CALENDAR_BREAKS: dict[str, list[Any]] = {
    "/name": [MISSING, *NO_TEXT],
    "/host/user_id": NO_ID,
    "/host/name": [MISSING, *NO_TEXT],
    "/host/email": [MISSING, *NO_EMAIL],
    "/host/time_zone": NO_ZONE,
    "/host/language": NO_LANGUAGE,
    "/location/url": [MISSING, None, *NO_LINK],
    "/location/unknown": [1],
    "/guests_see_each_other": [None, 0, "true"],
    "/emails/host": [1, "true"],
    "/unknown": [1],
}
EVENT_BREAKS = {
    "/type": [MISSING, None, "booking.refunded"],
    "/timestamp": NO_MOMENT[:-1],
    "/data/booking_id": NO_ID,
    **{f"/data{pointer}": values for pointer, values in BOOKING_BREAKS.items()},
}
CASES: dict[str, tuple[type[Struct], dict[str, Any], dict[str, list[Any]]]] = {
    "booking": (bookings.BookingBody, BOOKING, BOOKING_BREAKS),
    "calendar": (calendars.CalendarBody, CALENDAR, CALENDAR_BREAKS),
    "event": (inbound_webhooks.BookingEventBody, EVENT, EVENT_BREAKS),
}
MODULES = (fields, bookings, calendars, connections, webhooks, inbound_webhooks, pagination, workspace_forms)


def put(body: Any, pointer: str, value: Any) -> None:
    """Set the value at the pointer in the body, or remove it."""
    *parents, name = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for parent in parents:
        body = body[int(parent)] if isinstance(body, list) else body[parent]
    if value is MISSING:
        del body[name]
    else:
        body[name] = value


def pointers(body: Any, kind: type[Struct]) -> list[str]:
    return [flaw.pointer for flaw in find_flaws(body, kind)]


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_valid_body_has_no_flaws(case: str) -> None:
    kind, body, _ = CASES[case]
    assert find_flaws(body, kind) == []
    assert convert(body, kind) == msgspec.convert(body, kind)


@examples(300)
@given(data=st.data())
def test_the_pointers_are_those_of_the_fields_that_are_wrong(data: st.DataObject) -> None:
    kind, valid, breaks = CASES[data.draw(st.sampled_from(sorted(CASES)))]
    broken = data.draw(st.sets(st.sampled_from(sorted(breaks)), min_size=1))
    body = copy.deepcopy(valid)
    for pointer in sorted(broken):
        put(body, pointer, data.draw(st.sampled_from(breaks[pointer])))
    found = pointers(body, kind)
    assert set(found) == broken
    assert len(found) == len(broken), "a field is reported twice"


@pytest.mark.parametrize("case", sorted(CASES))
def test_every_field_can_be_wrong_at_once(case: str) -> None:
    kind, valid, breaks = CASES[case]
    body = copy.deepcopy(valid)
    for pointer, values in breaks.items():
        put(body, pointer, values[0])
    assert set(pointers(body, kind)) == set(breaks)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


PLACES = ["", "/guests", "/guests/0", "/links", "/metadata", "/starts_at", "/calendar_id", "/time_zone", "/version"]


@examples(300)
@given(place=st.sampled_from(PLACES), value=ANY_JSON)
def test_what_has_no_flaw_can_be_converted_and_flaws_are_in_plain_words(place: str, value: Any) -> None:
    body: Any = copy.deepcopy(BOOKING)
    if place == "":
        body = value
    elif place == "/guests/0":
        body["guests"][0] = value
    else:
        put(body, place, value)
    flaws = find_flaws(body, bookings.BookingBody)
    if not flaws:
        convert(body, bookings.BookingBody)
    for flaw in flaws:
        assert flaw.pointer.startswith(place)
        assert flaw.detail.endswith(".")
        assert not any(word in flaw.detail for word in ("`", "Expected", "regex"))


def test_the_end_is_compared_with_the_start_though_another_field_is_wrong() -> None:
    body = BOOKING | {"ends_at": "2027-01-05T14:00:00Z", "title": 7, "guests": [{"email": "nobody"}]}
    assert set(pointers(body, bookings.BookingBody)) == {"/ends_at", "/title", "/guests/0/email"}


def test_the_type_of_a_location_is_named_beside_other_errors() -> None:
    body = CALENDAR | {"location": {"type": "carrier_pigeon"}, "name": None}
    assert {flaw.pointer: flaw.detail for flaw in find_flaws(body, calendars.CalendarBody)} == {
        "/name": "This must be text.",
        "/location/type": "This must be one of: video, phone, in_person, custom_link.",
    }
    assert pointers(CALENDAR | {"location": {}}, calendars.CalendarBody) == ["/location/type"]


def test_errors_say_what_is_accepted() -> None:
    body = BOOKING | {"calendar_id": "a b", "starts_at": "2027-01-05", "version": -1, "x": 1, "metadata": []}
    assert {flaw.pointer: flaw.detail for flaw in find_flaws(body, bookings.BookingBody)} == {
        "/calendar_id": "This must be 1 to 128 of A-Z a-z 0-9 . _ : -.",
        "/starts_at": "This must be a date and time with a zone, such as 2027-01-05T15:00:00Z.",
        "/version": "This must be a whole number from 0 to 9007199254740992.",
        "/metadata": "This must be an object.",
        "/x": f"This name is unknown. Accepted here: {', '.join(BOOKING)}.",
    }


def test_a_list_that_is_too_long_is_reported_beside_its_items() -> None:
    guests = [{"email": "nobody"}, *({"email": f"g{n}@example.com"} for n in range(50))]
    assert pointers(BOOKING | {"guests": guests}, bookings.BookingBody) == ["/guests/0/email", "/guests"]


def test_further_checks_are_reported_with_the_rest_and_do_not_see_invalid_values() -> None:
    def refuse(name: str) -> str:
        assert isinstance(name, str)
        return "Not known."

    with pytest.raises(InvalidInput) as caught:
        convert({"provider": "zoom", "email": "nobody"}, connections.ConnectLinkBody, {"provider": refuse})
    assert [error.pointer for error in caught.value.errors] == ["/provider", "/email"]  # type: ignore[union-attr]
    assert [flaw.detail for flaw in find_flaws({"provider": 7}, connections.ConnectLinkBody, {"provider": refuse})] == [
        "This must be text of at most 64 characters."
    ]
    assert find_flaws({"provider": None}, connections.ConnectLinkBody, {"provider": refuse}) == []


def test_a_report_is_bounded() -> None:
    assert len(find_flaws({f"x{number}": 1 for number in range(5000)}, bookings.BookingBody)) == MAX_ERRORS


FORMS = [
    kind
    for module in MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Struct) and kind.__name__.endswith(("Body", "Data", "Form", "Query"))
]


@pytest.mark.parametrize("kind", FORMS, ids=lambda kind: kind.__name__)
def test_every_field_of_every_form_has_words_and_shows_no_pattern(kind: type[Struct]) -> None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    flaws = find_flaws(dict.fromkeys(fields, object()), kind)
    assert {str(flaw.path[0]) for flaw in flaws} == set(fields)
    for flaw in flaws:
        assert flaw.detail.startswith("This must be ")
        has_pattern = "pattern=" in repr(fields[str(flaw.path[0])].type)
        assert not (has_pattern and flaw.detail.startswith("This must be text")), "a pattern needs words"
