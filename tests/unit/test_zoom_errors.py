"""What Zoom's answers mean: the body's code decides before the status does (PROVIDERS 1.5)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.meeting import MeetingRequest
from chalicelib.errors import (
    Ambiguous,
    MeetingGone,
    ProviderError,
    ProviderUnavailable,
    ReconnectNeeded,
    Rejected,
    TokenRejected,
)
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.zoom import Zoom

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
TRACKING = "v=2.0;clid=us04;rid=WEB_0123456789abcdef"
TOKEN = "canary-access-token"
TAG = "0123456789abcdefghijklmnopqrstuv"
REQUEST = MeetingRequest(TAG, "Talk", "", NOW, NOW + timedelta(minutes=30), "UTC")
NO_SCOPE = "Invalid access token, does not contain scopes:[meeting:write:meeting, meeting:write:meeting:admin]."
MEETING = {"id": 93412345678, "join_url": "https://zoom.us/j/93412345678?pwd=x", "password": "739182"}


@dataclass(frozen=True)
class Case:
    """An answer as Zoom gives it, and what it means. A `body` that is text is sent as it is."""

    status: int
    body: Any
    means: type[ProviderError]
    reason: str
    headers: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    retry_at: datetime | None = None


def said(code: int, message: str = "…") -> dict[str, Any]:
    return {"code": code, "message": message}


CASES = {
    "an invalid token": Case(401, said(124, "Invalid access token."), TokenRejected, "reconnect_needed", code="124"),
    "an invalid token as 400": Case(
        400, said(124, "Access token is expired."), TokenRejected, "reconnect_needed", code="124"
    ),
    "401 without a code": Case(401, "", TokenRejected, "reconnect_needed"),
    "a missing scope as 400": Case(400, said(4711, NO_SCOPE), ReconnectNeeded, "reconnect_needed", code="4711"),
    "a missing scope as 401": Case(401, said(4711, NO_SCOPE), ReconnectNeeded, "reconnect_needed", code="4711"),
    "a missing scope under another code": Case(
        400, said(104, NO_SCOPE), ReconnectNeeded, "reconnect_needed", code="104"
    ),
    "a missing scope under the code of an invalid token": Case(
        401, said(124, NO_SCOPE), ReconnectNeeded, "reconnect_needed", code="124"
    ),
    "an unknown user": Case(404, said(1001, "User does not exist"), ReconnectNeeded, "reconnect_needed", code="1001"),
    "an unknown meeting": Case(
        404, said(3001, "Meeting does not exist: 93412345678."), MeetingGone, "meeting_gone", code="3001"
    ),
    "an unknown meeting as 400": Case(400, said(3001), MeetingGone, "meeting_gone", code="3001"),
    "404 without a code": Case(404, "", MeetingGone, "meeting_gone"),
    "a code sent as text": Case(404, {"code": "3001"}, MeetingGone, "meeting_gone", code="3001"),
    "invalid fields": Case(400, said(300, "Validation Failed."), Rejected, "provider_rejected", code="300"),
    "a user who may not host": Case(400, said(3161), Rejected, "provider_rejected", code="3161"),
    "an unknown code": Case(400, said(3000), Rejected, "provider_rejected"),
    "forbidden": Case(403, "", Rejected, "provider_rejected"),
    "a rate limit in seconds": Case(
        429,
        said(429),
        ProviderUnavailable,
        "rate_limited",
        {"Retry-After": "1", "X-RateLimit-Type": "QPS"},
        code="429",
        retry_at=NOW + timedelta(seconds=1),
    ),
    "the daily limit": Case(
        429,
        said(429),
        ProviderUnavailable,
        "rate_limited",
        {"Retry-After": "2026-03-02T00:00:00Z", "X-RateLimit-Type": "Daily-limit"},
        code="429",
        retry_at=MIDNIGHT,
    ),
    "the daily limit without a time": Case(
        429,
        said(429),
        ProviderUnavailable,
        "rate_limited",
        {"X-RateLimit-Type": "Daily-limit"},
        code="429",
        retry_at=MIDNIGHT,
    ),
    "a rate limit without a time": Case(429, "", ProviderUnavailable, "rate_limited"),
    "an outage": Case(503, "<html>", ProviderUnavailable, "provider_unavailable"),
    "an outage that names its end": Case(
        503,
        "",
        ProviderUnavailable,
        "provider_unavailable",
        {"Retry-After": "90"},
        retry_at=NOW + timedelta(seconds=90),
    ),
    "an error of Zoom's own": Case(500, said(300), Ambiguous, "provider_unavailable"),
    "a bad gateway": Case(502, "<html>", Ambiguous, "provider_unavailable"),
    "a gateway that waited too long": Case(504, "", Ambiguous, "provider_unavailable"),
    "a redirect": Case(302, "", Ambiguous, "provider_unavailable", {"Location": "https://zoom.us/maintenance"}),
    "XML": Case(400, "<?xml version='1.0'?><error/>", Rejected, "provider_rejected"),
    "a list": Case(400, [said(124)], Rejected, "provider_rejected"),
}


def zoom(*answers: httpx.Response) -> Zoom:
    """A Zoom that gives these answers, one after the other."""
    given = chain(answers, (answer(a.status_code, a.text, dict(a.headers)) for a in repeat(answers[-1])))
    client = httpx.Client(transport=httpx.MockTransport(lambda request: next(given)))
    return Zoom(HttpClient(lambda: client), lambda: NOW)


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    content = body if isinstance(body, str) else json.dumps(body)
    return httpx.Response(status, content=content, headers={"x-zm-trackingid": TRACKING} | (headers or {}))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_answer_means(case: Case) -> None:
    with pytest.raises(ProviderError) as caught:
        zoom(answer(case.status, case.body, case.headers)).update(TOKEN, "93412345678", REQUEST)
    error = caught.value
    assert (type(error), error.reason) == (case.means, case.reason)
    assert (error.status, error.call.request_id) == (case.status, TRACKING)
    assert getattr(error, "retry_at", None) == case.retry_at
    if case.code:
        assert error.code == case.code


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_error_tells_neither_the_token_nor_the_body(case: Case) -> None:
    with pytest.raises(ProviderError) as caught:
        zoom(answer(case.status, case.body, case.headers)).create(TOKEN, REQUEST)
    told = str(caught.value)
    assert TOKEN not in told
    assert "does not contain scopes" not in told
    assert "<" not in told


@pytest.mark.parametrize("body", ["", said(2001, "Account does not exist."), said(3001)], ids=["none", "2001", "3001"])
def test_a_create_that_finds_nothing_misses_no_meeting(body: Any) -> None:
    with pytest.raises(Rejected) as caught:
        zoom(answer(404, body)).create(TOKEN, REQUEST)
    assert (caught.value.status, caught.value.call.request_id) == (404, TRACKING)
    assert caught.value.advice


@pytest.mark.parametrize("code", [300, 3161])
def test_a_refusal_that_the_host_can_do_something_about_says_what(code: int) -> None:
    with pytest.raises(Rejected) as caught:
        zoom(answer(400, said(code))).create(TOKEN, REQUEST)
    assert caught.value.advice


NETWORK = {
    "no connection": (httpx.ConnectError("refused"), ProviderUnavailable),
    "no connection in time": (httpx.ConnectTimeout("late"), ProviderUnavailable),
    "no answer in time": (httpx.ReadTimeout("late"), Ambiguous),
    "a lost connection": (httpx.RemoteProtocolError("closed"), Ambiguous),
    "a broken connection": (httpx.ReadError("reset"), Ambiguous),
    "a request cut off": (httpx.WriteError("reset"), Ambiguous),
}


@pytest.mark.parametrize(("failure", "means"), NETWORK.values(), ids=NETWORK)
def test_what_was_certainly_not_done_is_told_from_what_may_have_been(
    failure: httpx.TransportError, means: type[ProviderError]
) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise failure

    client = httpx.Client(transport=httpx.MockTransport(fail))
    with pytest.raises(ProviderError) as caught:
        Zoom(HttpClient(lambda: client), lambda: NOW).create(TOKEN, REQUEST)
    assert type(caught.value) is means
    assert TOKEN not in str(caught.value)


def test_an_answer_without_end_is_cut_off() -> None:
    with pytest.raises(Ambiguous):
        zoom(answer(201, '"' + "x" * (1 << 21) + '"')).create(TOKEN, REQUEST)


UNREADABLE = {
    "nothing": "",
    "HTML": "<html>",
    "a list": [],
    "an error in a success": said(300),
    "no link": {"id": 1},
    "no id": {"join_url": "https://zoom.us/j/1"},
    "deep nesting": "[" * 100_000,
    "not UTF-8": "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_a_created_meeting_that_cannot_be_read_may_be_one(body: Any) -> None:
    with pytest.raises(Ambiguous):
        zoom(answer(201, body)).create(TOKEN, REQUEST)


@pytest.mark.parametrize("settings", [None, [], {"global_dial_in_numbers": None}, {"global_dial_in_numbers": [None]}])
def test_a_meeting_with_odd_dial_in_numbers_is_a_meeting_without(settings: Any) -> None:
    meeting = zoom(answer(201, MEETING | {"settings": settings})).create(TOKEN, REQUEST)
    assert (meeting.id, meeting.dial_in) == ("93412345678", ())


@pytest.mark.parametrize(
    "body",
    [said(300), {}, {"meetings": None}, {"meetings": [None]}, {"meetings": [{"agenda": TAG}]}, [], ""],
    ids=["an error", "nothing in it", "null", "null in it", "no id", "a list", "no body"],
)
def test_a_list_that_cannot_be_read_does_not_say_that_the_meeting_is_not_there(body: Any) -> None:
    # An empty list lets a second meeting be made.
    with pytest.raises(Ambiguous):
        zoom(answer(200, body)).find(TOKEN, REQUEST)


def test_a_meeting_that_goes_between_list_and_look_is_not_there() -> None:
    listed = answer(200, {"meetings": [{"id": 1, "agenda": TAG}]})
    assert zoom(listed, answer(404, said(3001))).find(TOKEN, REQUEST) == []


def test_every_page_is_looked_through() -> None:
    first = answer(200, {"meetings": [{"id": 1, "agenda": "another"}], "next_page_token": "p-2"})
    second = answer(200, {"meetings": [{"id": 93412345678, "agenda": f"{TAG}\nmore"}], "next_page_token": ""})
    (found,) = zoom(first, second, answer(200, MEETING)).find(TOKEN, REQUEST)
    assert found.id == "93412345678"


def test_a_list_that_never_ends_is_left_after_a_hundred_pages() -> None:
    # The hundred-and-first would be a StopIteration.
    pages = [answer(200, {"meetings": [], "next_page_token": "the same"}) for _ in range(100)]
    with pytest.raises(Ambiguous, match="does not end"):
        zoom(*pages).find(TOKEN, REQUEST)


def test_whoever_chooses_zoom_is_told_how_long_free_meetings_last() -> None:
    assert "40 minutes" in Zoom.limits


@pytest.mark.parametrize(
    "call",
    [lambda z: z.update(TOKEN, "1", REQUEST), lambda z: z.delete(TOKEN, "1")],
    ids=["update", "delete"],
)
def test_success_without_a_body_is_success(call: Callable[[Zoom], None]) -> None:
    assert call(zoom(httpx.Response(204))) is None


@given(
    st.sampled_from([200, 201, 204, 301, 400, 401, 403, 404, 408, 409, 410, 422, 429, 500, 501, 502, 503, 504, 599]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["code", "message", "id", "join_url", "settings", "meetings", "email", "next_page_token"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    ),
)
def test_whatever_is_answered_only_our_own_errors_come_out(status: int, body: Any) -> None:
    calls: list[Callable[[Zoom], Any]] = [
        lambda z: z.read_account(TOKEN),
        lambda z: z.create(TOKEN, REQUEST),
        lambda z: z.update(TOKEN, "1", REQUEST),
        lambda z: z.delete(TOKEN, "1"),
    ]
    for call in calls:
        try:
            call(zoom(answer(status, body)))
        except ProviderError:
            continue
