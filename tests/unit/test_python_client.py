"""The Python client: what it sends, what it sends again, and what it raises."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from meetlink import (
    Meetlink,
    MeetlinkError,
    NotReadyError,
    ProblemError,
    UnavailableError,
    WrongSignatureError,
    webhooks,
)
from standardwebhooks.webhooks import Webhook

from infra.api_description import read_document
from infra.client_types import PYTHON, TYPESCRIPT, write_python, write_typescript

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PLACEHOLDERS = {
    "booking_id": "b-1",
    "calendar_id": "c-1",
    "user_id": "u-1",
    "endpoint_id": "e-1",
    "delivery_id": "d-1",
    "secret_id": "s-1",
    "account_id": "a-1",
}
Reply = httpx.Response | Exception


class Server:
    """Replies in the given order, and remembers the requests and the pauses of the client."""

    def __init__(self, *replies: Reply) -> None:
        self.replies: Iterator[Reply] = iter(replies)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []
        self.client = Meetlink(
            "https://api.test", "key-1", transport=httpx.MockTransport(self._handle), sleep=self.pauses.append
        )

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        reply = next(self.replies)
        if isinstance(reply, Exception):
            raise reply
        return reply


def ok(**body: object) -> httpx.Response:
    return httpx.Response(200, json=body)


def problem(status: int, reason: str, **headers: str) -> httpx.Response:
    body = {"type": f"urn:meetlink:problem:{reason}", "title": "x", "status": status, "detail": "Because."}
    kind = {"Content-Type": "application/problem+json", "X-Request-Id": "r-1", **headers}
    return httpx.Response(status, content=json.dumps(body), headers=kind)


def meeting(state: str) -> httpx.Response:
    return ok(id="b-1", meeting={"state": state, "reason": None, "detail": None})


def test_the_types_of_both_clients_are_those_of_the_specification() -> None:
    document = read_document()
    assert PYTHON.read_text(encoding="utf-8") == write_python(document), "Run python -m infra.client_types."
    assert TYPESCRIPT.read_text(encoding="utf-8") == write_typescript(document), "Run python -m infra.client_types."


def test_each_call_of_the_api_is_a_method() -> None:
    sent: set[tuple[str, str]] = set()

    def handle(request: httpx.Request) -> httpx.Response:
        sent.add((request.method, request.url.path))
        return ok(items=[], next_cursor=None, resent=0, meeting={"state": "ready"})

    client = Meetlink("https://api.test", "key-1", transport=httpx.MockTransport(handle))
    for method in methods():
        needed = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]
        names = [p.name for p in needed[1:] if p.kind is not p.VAR_KEYWORD]
        result = method(client, *[PLACEHOLDERS.get(name, {}) for name in names])
        list(result) if inspect.isgenerator(result) else None
    known = {
        (method.upper(), re.sub(r"{(\w+)}", lambda name: PLACEHOLDERS[name[1]], path))
        for path, operations in read_document()["paths"].items()
        for method, operation in operations.items()
        if operation["security"]
    }
    assert sent == known


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEETLINK_KEY", raising=False)
    with pytest.raises(MeetlinkError, match="MEETLINK_KEY"):
        Meetlink("https://api.test")


def test_both_clients_have_the_same_methods() -> None:
    source = (TYPESCRIPT.parent / "client.ts").read_text(encoding="utf-8")
    found = re.findall(
        r"^  (?:async )?([a-z]\w+)(?:<\w+>)?\(", source.partition("export class Meetlink")[2], re.MULTILINE
    )
    names = {re.sub(r"_(\w)", lambda letter: letter[1].upper(), method.__name__) for method in methods()}
    assert set(found) - {"constructor"} == names


def methods() -> list[Callable[..., object]]:
    return [m for name, m in inspect.getmembers(Meetlink, inspect.isfunction) if name[0] != "_" and name != "close"]


def test_a_request_carries_the_key_and_an_id_with_any_character() -> None:
    server = Server(ok(id="a/b c"))
    server.client.put_booking("a/b c", {}, wait_seconds=5)  # type: ignore[typeddict-item]
    (request,) = server.requests
    assert (request.method, request.url.raw_path) == ("PUT", b"/v1/bookings/a%2Fb%20c")
    assert (request.headers["Authorization"], request.headers["Prefer"]) == ("Bearer key-1", "wait=5")


@pytest.mark.parametrize(
    "failure", [problem(503, "unavailable"), problem(500, "internal_error"), httpx.ReadTimeout("")]
)
def test_what_can_be_repeated_is_sent_again(failure: Reply) -> None:
    server = Server(failure, ok(id="b-1"))
    assert server.client.cancel_booking("b-1")["id"] == "b-1"
    assert [request.url.path for request in server.requests] == ["/v1/bookings/b-1"] * 2


@pytest.mark.parametrize("failure", [problem(503, "unavailable"), httpx.ReadTimeout("")])
def test_what_may_have_been_done_and_cannot_be_repeated_is_not_sent_again(failure: Reply) -> None:
    server = Server(failure)
    with pytest.raises((ProblemError, UnavailableError)):
        server.client.rotate_endpoint_secret("e-1")
    assert len(server.requests) == 1


@pytest.mark.parametrize("failure", [problem(429, "too_many_requests"), httpx.ConnectError("")])
def test_what_was_not_done_is_always_sent_again(failure: Reply) -> None:
    server = Server(failure, ok(secret=SECRET))
    assert server.client.rotate_endpoint_secret("e-1")["secret"] == SECRET


def test_a_booking_without_an_id_is_created_once_however_often_it_is_sent() -> None:
    server = Server(httpx.ReadTimeout(""), ok(id="b-1"))
    server.client.create_booking({})  # type: ignore[typeddict-item]
    first, second = (request.headers["Idempotency-Key"] for request in server.requests)
    assert first == second


def test_the_pause_is_what_the_api_asks_for() -> None:
    server = Server(problem(429, "too_many_requests", **{"Retry-After": "7"}), ok())
    server.client.get_me()
    assert server.pauses == [7]


def test_a_pause_that_would_be_too_long_is_left_to_the_caller() -> None:
    server = Server(problem(429, "too_many_requests", **{"Retry-After": "60"}))
    with pytest.raises(ProblemError) as refused:
        server.client.check_connection("u-1")
    assert (refused.value.status, refused.value.reason, server.pauses) == (429, "too_many_requests", [])


def test_pauses_grow_and_end() -> None:
    server = Server(*[problem(503, "unavailable") for _ in range(4)])
    with pytest.raises(ProblemError):
        server.client.get_me()
    first, second, third = server.pauses
    assert 0.5 <= first <= 1 <= second <= 2 <= third <= 4


def test_a_refusal_is_raised_with_everything_that_is_wrong() -> None:
    errors = [{"pointer": "/title", "detail": "Too odd."}]
    body = {
        "type": "urn:meetlink:problem:invalid_input",
        "title": "x",
        "status": 422,
        "detail": "See.",
        "errors": errors,
    }
    headers = {"Content-Type": "application/problem+json", "X-Request-Id": "r-1"}
    server = Server(httpx.Response(422, content=json.dumps(body), headers=headers))
    with pytest.raises(ProblemError) as refused:
        server.client.get_booking("b-1")
    assert (refused.value.errors, refused.value.request_id) == (errors, "r-1")


def test_a_race_with_another_request_is_run_again() -> None:
    assert Server(problem(409, "changed_meanwhile"), ok(id="b-1")).client.cancel_booking("b-1")["id"] == "b-1"


def test_pages_are_read_as_they_are_needed() -> None:
    pages = [ok(items=[{"id": "b-1"}, {"id": "b-2"}], next_cursor="c2"), ok(items=[{"id": "b-3"}], next_cursor=None)]
    server = Server(*pages)
    listed = server.client.list_bookings(starts_from="2031-01-01T00:00:00Z", status=None)
    assert next(listed)["id"] == "b-1"
    assert len(server.requests) == 1
    assert [booking["id"] for booking in listed] == ["b-2", "b-3"]
    query = {"from": "2031-01-01T00:00:00Z"}
    assert [dict(request.url.params) for request in server.requests] == [query, query | {"cursor": "c2"}]


def test_waiting_ends_with_the_link() -> None:
    server = Server(meeting("pending"), meeting("waiting"), meeting("ready"))
    assert server.client.wait_until_ready("b-1")["meeting"]["state"] == "ready"
    assert server.requests[0].headers["Prefer"] == "wait=20"


@pytest.mark.parametrize(("state", "seconds"), [("failed", 60), ("none", 60), ("removed", 60), ("waiting", 0)])
def test_waiting_ends_if_no_link_comes(state: str, seconds: float) -> None:
    with pytest.raises(NotReadyError) as ended:
        Server(meeting(state)).client.wait_until_ready("b-1", timeout_seconds=seconds)
    assert ended.value.booking["meeting"]["state"] == state


def signed(body: str, at: datetime | None = None) -> dict[str, str]:
    moment = at or datetime.now(UTC)
    signature = Webhook(SECRET).sign("evt_1", moment, body)
    return {"Webhook-Id": "evt_1", "Webhook-Timestamp": str(int(moment.timestamp())), "Webhook-Signature": signature}


def test_a_webhook_of_the_product_is_read() -> None:
    body = '{"type":"meeting.ready","data":{"booking_id":"b-1"}}'
    event = webhooks.verify(body.encode(), signed(body), SECRET)
    assert event["type"] == "meeting.ready"
    assert event["data"]["booking_id"] == "b-1"


@pytest.mark.parametrize(
    "break_it",
    [
        lambda headers: headers | {"Webhook-Signature": "v1,AAAA"},
        lambda headers: headers | {"Webhook-Signature": "nonsense"},
        lambda headers: headers | {"Webhook-Timestamp": "1"},
        lambda headers: {},
    ],
)
def test_a_webhook_of_another_sender_is_refused(break_it: Callable[[dict[str, str]], dict[str, str]]) -> None:
    with pytest.raises(WrongSignatureError):
        webhooks.verify(b"{}", break_it(signed("{}")), SECRET)
