"""Malformed, absurd and hostile input (RELIABILITY 18): a 4xx that says where, never a 5xx, never an exception."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from chalicelib.api.openapi import operations
from infra.local.aws import REGION
from tests.support.answers import assert_problem
from tests.support.aws import furnish, moto_client
from tests.support.clock import FakeClock
from tests.support.examples import examples
from tests.support.product import Product, booking, calendar, recorded_event

PATH = "/v1/bookings/b-1"
JSON = {"Content-Type": "application/json"}
SHARED = examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
BODIES = {
    PATH: ("PUT", booking()),
    "/v1/calendars/c-2": ("PUT", calendar("phone")),
    "/v1/users/u-1/connect-links": ("POST", {"email": "host@example.com", "name": "Demo Host", "provider": "zoom"}),
}


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """One for all: nothing here depends on what was sent before."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_PROFILE"):
            environment.delenv(name, raising=False)
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        made = Product(furnish(moto_client, "moto-bad-input-"), FakeClock())
        made.caller().put("/v1/calendars/c-1", json=calendar("phone"))
        yield made


@pytest.fixture
def caller(product: Product) -> httpx.Client:
    return product.caller()


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def with_metadata(text: str) -> bytes:
    """A booking that is right but for its metadata, which are `text` as it stands."""
    return json.dumps(booking(metadata="@")).replace('"@"', text).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null!",
        b"{",
        b'{"a": 1,}',
        b"{'a': 1}",
        b"\xff\xfe{\x00}\x00",
        b'\xef\xbb\xbf{"a": 1}',
        b'{"title": "\xff"}',
        b'{"title": "\xed\xa0\x80"}',
        b'{"a": "\x00"}',
        with_metadata('{"a": NaN}'),
        with_metadata('{"a": Infinity}'),
        with_metadata('{"a": -Infinity}'),
        with_metadata('{"a": 1e999}'),
        with_metadata('{"a": ' + "9" * 19 + "}"),
        with_metadata('{"a": ' + "9" * 5000 + "}"),
        with_metadata('{"a": 1, "a": 2}'),
        with_metadata('{"a": 1, "\\u0061": 2}'),
        with_metadata(nested(20)),
        with_metadata(nested(5000)),
        with_metadata("[" * 20000 + "]" * 20000),
        b"[" * 60000,
        b'{"a":' * 12000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_not_json_as_we_accept_it_is_400(caller: httpx.Client, body: bytes) -> None:
    assert_problem(caller.put(PATH, content=body, headers=JSON), 400, "malformed")


@pytest.mark.parametrize("body", [b"null", b"[]", b"7", b'"text"', b"true", b"{}", b'{"a": 1}'])
def test_json_that_is_no_booking_is_422(caller: httpx.Client, body: bytes) -> None:
    assert caller.put(PATH, content=body, headers=JSON).status_code == 422


def test_64_kilobytes_are_accepted_and_not_one_more(caller: httpx.Client) -> None:
    empty = len(with_metadata('{"a": ""}'))
    fits = with_metadata('{"a": "' + "x" * (65536 - empty) + '"}')
    assert len(fits) == 65536
    assert caller.put("/v1/bookings/large", content=fits, headers=JSON).status_code == 201
    assert_problem(caller.put("/v1/bookings/large", content=fits + b" ", headers=JSON), 413, "too_large")


def test_twenty_levels_are_accepted(caller: httpx.Client) -> None:
    answer = caller.put("/v1/bookings/deep", content=with_metadata(nested(19)), headers=JSON)
    assert answer.status_code == 201, answer.text
    assert answer.json()["metadata"] == json.loads(nested(19))


def test_metadata_come_back_as_they_were_sent(caller: httpx.Client) -> None:
    sent = {"": 0, "é": "\U0001f600", "big": 10**17, "small": -1e-300, "list": [[], {}, None, False, ""], "a.b/c~d": 1}
    assert caller.put("/v1/bookings/metadata", json=booking(metadata=sent)).json()["metadata"] == sent
    assert caller.get("/v1/bookings/metadata").json()["metadata"] == sent


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"starts_at": "2027-01-05T15:00:00"}, "/starts_at"),
        ({"starts_at": "2027-01-05"}, "/starts_at"),
        ({"starts_at": "tomorrow"}, "/starts_at"),
        ({"starts_at": 1796117400}, "/starts_at"),
        ({"starts_at": None}, "/starts_at"),
        ({"starts_at": "2027-02-30T15:00:00Z"}, "/starts_at"),
        ({"starts_at": "0001-01-01T00:00:00+23:59"}, "/starts_at"),
        ({"ends_at": "9999-12-31T23:59:59-23:59"}, "/ends_at"),
        ({"ends_at": "2027-01-05T09:30:00Z"}, "/ends_at"),
        ({"ends_at": "2027-01-05T09:29:59Z"}, "/ends_at"),
        ({"ends_at": "2027-01-05T10:29:59+01:00"}, "/ends_at"),
        ({"ends_at": "2027-02-05T10:00:00Z"}, "/ends_at"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"time_zone": ""}, "/time_zone"),
        ({"time_zone": "Europe"}, "/time_zone"),
        ({"time_zone": "../../etc/passwd"}, "/time_zone"),
        ({"time_zone": "/etc/localtime"}, "/time_zone"),
        ({"time_zone": "Europe/Berlin\x00"}, "/time_zone"),
        ({"time_zone": "tzdata.zi"}, "/time_zone"),
        ({"time_zone": "+02:00"}, "/time_zone"),
        ({"calendar_id": "c-9"}, "/calendar_id"),
        ({"calendar_id": "c 1"}, "/calendar_id"),
        ({"calendar_id": "c-1\n"}, "/calendar_id"),
        ({"calendar_id": ""}, "/calendar_id"),
        ({"calendar_id": "x" * 129}, "/calendar_id"),
        ({"guests": [{"email": "guest@example.com"}, {"email": "nobody"}]}, "/guests/1/email"),
        ({"guests": [{"email": "a@b@example.com"}]}, "/guests/0/email"),
        ({"guests": [{"email": "guest@example.com\r\nBcc: x@example.com"}]}, "/guests/0/email"),
        ({"guests": [{"email": "guest@example.com, other@example.com"}]}, "/guests/0/email"),
        ({"guests": [{"email": "Guest <guest@example.com>"}]}, "/guests/0/email"),
        ({"guests": [{"email": "guest@localhost"}]}, "/guests/0/email"),
        ({"guests": [{"email": "x" * 65 + "@example.com"}]}, "/guests/0/email"),
        ({"guests": [{"email": ""}]}, "/guests/0/email"),
        ({"guests": [{"name": "Demo Guest"}]}, "/guests/0/email"),
        ({"guests": [{"email": "guest@example.com", "time_zone": "Nowhere"}]}, "/guests/0/time_zone"),
        ({"guests": [{"email": "guest@example.com", "name": 7}]}, "/guests/0/name"),
        ({"guests": ["guest@example.com"]}, "/guests/0"),
        ({"guests": [{"email": f"g{n}@example.com"} for n in range(51)]}, "/guests"),
        ({"guests": {}}, "/guests"),
        ({"guests": None}, "/guests"),
        ({"title": 7}, "/title"),
        ({"title": None}, "/title"),
        ({"description": ["text"]}, "/description"),
        ({"metadata": []}, "/metadata"),
        ({"metadata": "text"}, "/metadata"),
        ({"version": "1"}, "/version"),
        ({"version": -1}, "/version"),
        ({"version": 1.5}, "/version"),
        ({"version": True}, "/version"),
    ],
    ids=repr,
)
def test_a_wrong_field_is_named(caller: httpx.Client, change: dict[str, Any], pointer: str) -> None:
    answer = caller.put("/v1/bookings/wrong", json=booking(**change))
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("name", ["calendar_id", "starts_at", "ends_at", "time_zone"])
def test_a_missing_field_is_named(caller: httpx.Client, name: str) -> None:
    body = {key: value for key, value in booking().items() if key != name}
    assert_problem(caller.put("/v1/bookings/wrong", json=body), 422, "invalid_input", f"/{name}")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"strats_at": "x"}, "/strats_at"), ({"a/b~c": 1}, "/a~1b~0c"), ({"__class__": {}}, "/__class__")],
)
def test_a_misspelled_field_is_refused_rather_than_ignored(
    caller: httpx.Client, change: dict[str, Any], pointer: str
) -> None:
    answer = caller.put("/v1/bookings/wrong", json=booking(**change))
    assert_problem(answer, 422, "invalid_input", pointer)
    assert "starts_at" in answer.json()["errors"][0]["detail"]


def test_everything_that_is_wrong_with_a_body_is_reported_at_once(caller: httpx.Client) -> None:
    guests = [{"email": "nobody", "time_zone": "Mars/Olympus"}, {"name": 7, "phone": "1"}]
    body = booking(ends_at="2027-01-05", time_zone="", guests=guests, version=-1, links={"cancel": "shop"}, color="red")
    del body["calendar_id"]
    guest = ("/guests/0/email", "/guests/0/time_zone", "/guests/1/email", "/guests/1/name", "/guests/1/phone")
    wrong = ("/calendar_id", "/ends_at", "/time_zone", *guest, "/version", "/links/cancel", "/color")
    answer = caller.put("/v1/bookings/wrong", json=body)
    assert_problem(answer, 422, "invalid_input", *wrong)
    details = {error["pointer"]: error["detail"] for error in answer.json()["errors"]}
    assert details["/ends_at"] == "This must be a date and time with a zone, such as 2027-01-05T15:00:00Z."
    assert details["/calendar_id"] == "This is required."


def test_everything_that_is_wrong_with_a_host_and_a_location_is_reported_at_once(caller: httpx.Client) -> None:
    host = {"user_id": "u 1", "email": "nobody", "time_zone": "Mars/Olympus"}
    body = {"host": host, "location": {"type": "custom_link", "url": "shop"}}
    wrong = ("/name", "/host/user_id", "/host/name", "/host/email", "/host/time_zone", "/location/url")
    assert_problem(caller.put("/v1/calendars/c-2", json=body), 422, "invalid_input", *wrong)


def test_what_only_the_workspace_can_refuse_is_reported_with_the_rest(caller: httpx.Client) -> None:
    body = {"provider": "carrier_pigeon", "return_to": "https://evil.example", "email": "nobody", "x": 1}
    answer = caller.post("/v1/users/u-1/connect-links", json=body)
    assert_problem(answer, 422, "invalid_input", "/provider", "/return_to", "/email", "/x")
    answer = caller.put("/v1/webhook-endpoints/e-1", json={"url": "https://10.0.0.1", "events": ["a", "b"]})
    assert_problem(answer, 422, "invalid_input", "/url", "/events/0", "/events/1")
    answer = caller.post("/v1/webhook-secrets", json={"secret": "whsec_c2hvcnQ=", "note": "x" * 201})
    assert_problem(answer, 422, "invalid_input", "/secret", "/note")


def test_everything_that_is_wrong_with_a_query_is_reported_at_once(caller: httpx.Client) -> None:
    query = "limit=0&from=2031&to=2031-01-01T00:00:00Z&to=2032-01-01T00:00:00Z&status=failed&cursor=*&state=failed"
    answer = caller.get(f"/v1/bookings?{query}")
    assert_problem(answer, 422, "invalid_input", "to", "limit", "cursor", "from", "status", "state")
    details = {error["parameter"]: error["detail"] for error in answer.json()["errors"]}
    assert details["limit"] == "This must be a whole number from 1 to 100."
    assert details["status"] == "This must be one of: confirmed, cancelled."


def test_every_route_with_a_key_refuses_a_query_parameter_that_it_does_not_have(
    product: Product, caller: httpx.Client
) -> None:
    tried = 0
    for path, method, _, description in operations(product.app):
        if description.auth != "key":
            continue
        body = {"json": {}} if method in ("POST", "PUT") else {}
        known = {
            "booking_id": "b-none",
            "calendar_id": "c-none",
            "user_id": "u-none",
            "endpoint_id": "e-none",
            "delivery_id": "d-none",
        }
        answer = caller.request(method, path.format(**known, secret_id="s-none"), params={"stauts": "x"}, **body)
        assert_problem(answer, 422, "invalid_input", "stauts")
        tried += 1
    assert tried > 20


@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        ("/v1/bookings?state=failed", ("limit", "cursor", "from", "to", "calendar_id", "user_id", "status")),
        ("/v1/bookings?stauts=cancelled&status=cancelled", ("status",)),
        ("/v1/calendars?page=2", ("limit", "cursor")),
    ],
)
def test_an_unknown_query_parameter_is_refused_with_the_accepted_ones(
    caller: httpx.Client, path: str, accepted: tuple[str, ...]
) -> None:
    answer = caller.get(path)
    assert_problem(answer, 422, "invalid_input", path.partition("?")[2].partition("=")[0])
    _, _, known = answer.json()["errors"][0]["detail"].partition(" Accepted here: ")
    assert set(accepted) <= set(known.rstrip(".").split(", "))


@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize("text", ["2031", "1.5e9", "-1", "2031-01-01", "2031-01-01T00:00:00", "tomorrow"])
def test_a_time_in_a_query_is_rfc_3339_with_an_offset(caller: httpx.Client, name: str, text: str) -> None:
    answer = caller.get("/v1/bookings", params={name: text})
    assert_problem(answer, 422, "invalid_input", name)
    assert caller.get("/v1/bookings", params={name: "2031-01-01T00:00:00+01:00"}).status_code == 200


@pytest.mark.parametrize(
    "email", ["o'hara+news@mail.example.com", "gast@müller.example", "GUEST@EXAMPLE.COM", "a@b.co", "1@2.example"]
)
def test_an_unusual_address_is_an_address(caller: httpx.Client, email: str) -> None:
    answer = caller.put("/v1/bookings/unusual", json=booking(guests=[{"email": email}]))
    assert answer.is_success, answer.text


@pytest.mark.parametrize(
    "zone", ["UTC", "Etc/GMT+5", "America/Argentina/Buenos_Aires", "Asia/Kathmandu", "GMT", "Zulu"]
)
def test_an_unusual_zone_is_a_zone(caller: httpx.Client, zone: str) -> None:
    assert caller.put("/v1/bookings/zoned", json=booking(time_zone=zone)).is_success


@pytest.mark.parametrize("zone", ["Factory", "localtime", "posixrules", "posix/Europe/Berlin", "right/Europe/Berlin"])
def test_a_zone_that_other_systems_do_not_know_is_refused(caller: httpx.Client, zone: str) -> None:
    answer = caller.put("/v1/bookings/zoned", json=booking(time_zone=zone))
    assert answer.status_code == 422, "accepted, though Zoom and calendars have no such zone"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/bookings/with%20space",
        "/v1/bookings/%00",
        "/v1/bookings/%F0%9F%98%80",
        "/v1/bookings/%FF%FE",
        "/v1/bookings/a%2Fb",
        "/v1/bookings/%2E%2E%2F",
        "/v1/bookings/" + "x" * 129,
        "/v1/bookings/" + "x" * 5000,
        "/v1/bookings/a%0D%0AX:y",
        "/v1/bookings/%25",
        "/v1/bookings/%",
        "/v1/bookings/{booking_id}",
        "/v1/calendars/a%23b",
        "/v1/users/u%231/connection",
        "/v1/users/%/connection",
        "//v1//bookings",
        "/v1/bookings/b-1/",
        "/v1/bookings/b-1?%",
        "/v1/bookings?limit=%ff",
        "/connect/" + "x" * 5000,
        "/connect/%ff",
        "/assets/..%2f..%2fapp.py",
        "/assets/%2e%2e",
        "/oauth/%ff/callback?state=%ff&code=%ff",
        "/oauth/zoom/callback?state=a&state=b",
        "/oauth/zoom/callback?" + "x=1&" * 2000,
        "/settings?notice=%3Cscript%3E",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_no_address_gives_a_5xx(product: Product, caller: httpx.Client, method: str, path: str) -> None:
    for who in (caller, product.stranger()):
        answer = who.request(method, path)
        assert answer.status_code < 500, answer.text
        assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "booking_id", ["with%20space", "%00", "%F0%9F%98%80", "a%2Fb", "x" * 129, "a%0D%0AX:y", "%25", "a%23b", "%20"]
)
def test_an_id_that_is_none_is_422_and_makes_nothing(caller: httpx.Client, booking_id: str) -> None:
    answer = caller.put(f"/v1/bookings/{booking_id}", json=booking())
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:meetlink:problem:invalid_id")


HOSTILE_HEADERS = [
    ("Authorization", "Bearer é"),
    ("Authorization", "Bearer meetlink.\x00.a.b"),
    ("Authorization", "Bearer meetlink.\ud800.a.b"),
    ("Authorization", "Bearer meetlink.é.a.b"),
    ("Authorization", "\x00"),
    ("Cookie", "meetlink=\x00; =; ;;; a"),
    ("Cookie", 'meetlink="quoted"'),
    ("Cookie", "meetlink=é\ud800"),
    ("Cookie", "meetlink=" + "x" * 8000),
    ("Prefer", "wait=\x00é"),
    ("Prefer", "wait=" + "9" * 8000),
    ("Idempotency-Key", "\x00é\ud800"),
    ("Idempotency-Key", "x" * 8000),
    ("Content-Type", "application/json; charset=utf-7"),
    ("Content-Type", "é"),
    ("Content-Type", ""),
    ("Accept", "application/octet-stream"),
    ("Accept", "é"),
    ("Origin", "\x00"),
    ("Origin", "http://["),
    ("Sec-Fetch-Site", "é"),
    ("Host", "["),
    ("Host", "[::1"),
    ("Host", "a b"),
    ("Host", "é"),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-For", "\x00"),
]
EVENTS = [
    ("PUT", "/v1/bookings/{booking_id}", {"booking_id": "b-1"}),
    ("POST", "/v1/bookings", None),
    ("GET", "/v1/bookings", None),
    ("POST", "/v1/users/{user_id}/connect-links", {"user_id": "u-1"}),
    ("GET", "/connect/{token}", {"token": "x"}),
    ("POST", "/connect/{token}", {"token": "x"}),
    ("GET", "/settings", None),
    ("POST", "/settings/disconnect", None),
    ("GET", "/oauth/{provider}/callback", {"provider": "zoom"}),
]


def lambda_event(
    product: Product, method: str, resource: str, ids: dict[str, str] | None, *, local: bool, **headers: str
) -> dict[str, Any]:
    """An event of API Gateway; a `local` one names no domain, as those of Chalice's own gateway."""
    event = recorded_event("api_gateway_put_booking")
    path = resource.format(**ids or {})
    event |= {"resource": resource, "path": path, "httpMethod": method, "pathParameters": ids}
    event["requestContext"] |= {"resourcePath": resource, "httpMethod": method, "path": f"/api{path}"}
    if local:
        del event["requestContext"]["domainName"]
    key = product.caller().headers["Authorization"]
    event["headers"] = {"content-type": "application/json", "authorization": key, "host": "localhost:8000"} | {
        name.lower(): value for name, value in headers.items()
    }
    return event


@pytest.mark.parametrize("local", [True, False], ids=["local", "api gateway"])
@pytest.mark.parametrize(("name", "value"), HOSTILE_HEADERS, ids=lambda value: repr(value[:30]))
def test_no_header_gives_a_5xx(product: Product, name: str, value: str, local: bool) -> None:
    for method, resource, ids in EVENTS:
        event = lambda_event(product, method, resource, ids, local=local, **{name: value})
        answer = product.app(event, None)
        assert answer["statusCode"] < 500, (method, resource, answer["body"])


@pytest.mark.parametrize(
    ("body", "encoded"),
    [(None, False), ("", False), ("\ud800", False), ("!", True), ("", True), (None, True), ("/w==", True)],
)
def test_no_body_of_an_event_gives_a_5xx(product: Product, body: str | None, encoded: bool) -> None:
    for method, resource, ids in EVENTS:
        if method == "GET":
            continue
        event = lambda_event(product, method, resource, ids, local=False)
        event |= {"body": body, "isBase64Encoded": encoded}
        answer = product.app(event, None)
        assert answer["statusCode"] < 500, (method, resource, answer["body"])


def test_a_body_in_base64_is_read(product: Product) -> None:
    import base64

    event = lambda_event(product, "PUT", "/v1/bookings/{booking_id}", {"booking_id": "b-64"}, local=False)
    event |= {"body": base64.b64encode(json.dumps(booking()).encode()).decode(), "isBase64Encoded": True}
    assert product.app(event, None)["statusCode"] == 201


def test_a_cursor_that_is_too_long_for_a_key_is_refused(caller: httpx.Client) -> None:
    import base64

    cursor = base64.urlsafe_b64encode(("\U0001f600" * 290).encode()).decode()
    for path in ("/v1/bookings", "/v1/calendars"):
        assert caller.get(path, params={"cursor": cursor}).status_code == 422, "DynamoDB refuses keys over 1024 bytes"


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Lone surrogates included: JSON can carry them as escapes.
    | st.text(st.characters(exclude_categories=()), max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from _places(child, (*path, name))


def _replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = value.copy()
    copy[path[0]] = _replaced(copy[path[0]], path[1:], by)
    return copy


def send(caller: httpx.Client, path: str, body: bytes) -> httpx.Response:
    return caller.request(BODIES[path][0], path, content=body, headers=JSON)


def assert_answered(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


@SHARED
@given(path=st.sampled_from(sorted(BODIES)), data=st.data(), value=ANYTHING)
def test_no_value_anywhere_in_a_body_gives_a_5xx(
    caller: httpx.Client, path: str, data: st.DataObject, value: Any
) -> None:
    _, body = BODIES[path]
    place = data.draw(st.sampled_from(list(_places(body))))
    assert_answered(send(caller, path, json.dumps(_replaced(body, place, value)).encode()))


@SHARED
@given(path=st.sampled_from(sorted(BODIES)), body=st.binary(max_size=200))
def test_no_bytes_give_a_5xx(caller: httpx.Client, path: str, body: bytes) -> None:
    assert_answered(send(caller, path, body))


@settings(SHARED, max_examples=10)
@given(title=st.text(st.characters(exclude_categories=()), max_size=300))
def test_every_title_is_accepted_and_the_booking_is_invited(product: Product, title: str) -> None:
    answer = send(product.caller(), PATH, json.dumps(booking(title=title, description=title)).encode())
    assert answer.is_success, answer.text
    assert product.settle() == []
    told = product.caller().get(PATH).json()["invitations"]
    assert {one["state"] for one in told} == {"sent"}


@SHARED
@given(
    name=st.sampled_from(["from", "to", "calendar_id", "user_id", "status", "cursor", "limit"]),
    value=st.text(max_size=60),
)
def test_no_query_gives_a_5xx(caller: httpx.Client, name: str, value: str) -> None:
    assert_answered(caller.get("/v1/bookings", params={name: value}))


@SHARED
@given(value=st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_no_id_gives_a_5xx(caller: httpx.Client, value: str) -> None:
    from urllib.parse import quote

    assert_answered(caller.get(f"/v1/bookings/{quote(value, safe='')}"))


@SHARED
@given(moment=st.datetimes(timezones=st.timezones()), text=st.sampled_from([str, lambda m: m.isoformat()]))
def test_no_time_gives_a_5xx(caller: httpx.Client, moment: Any, text: Callable[[Any], str]) -> None:
    assert_answered(caller.put(PATH, json=booking(starts_at=text(moment))))
    assert_answered(caller.get("/v1/bookings", params={"from": text(moment), "to": text(moment)}))
