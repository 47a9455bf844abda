"""What Webex's answers mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

import httpx
import pytest

from chalicelib.domain.meeting import DialIn, MeetingRequest
from chalicelib.errors import Ambiguous, MeetingGone, ProviderError, ProviderUnavailable, Rejected, TokenRejected
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.webex import Webex

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOKEN = "canary-access-token"
TAG = "0123456789abcdefghijklmnopqrstuv"
REQUEST = MeetingRequest(TAG, "Talk", "", NOW + timedelta(days=1), NOW + timedelta(days=1, minutes=30), "UTC")
MEETING = {"id": "m-1", "webLink": "https://example.webex.com/j.php?MTID=m1", "hostKey": "123456", "password": "pw"}
NO_SCOPE = "the access token is missing required scopes or the user is missing required roles or licenses."


def answer(status: int, body: Any = "", **headers: str) -> httpx.Response:
    content = body if isinstance(body, str) else json.dumps(body)
    return httpx.Response(status, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})


def webex(*answers: httpx.Response, requests: list[httpx.Request] | None = None) -> Webex:
    """A Webex that gives these answers, one after the other, and the last one again and again."""
    given = chain(answers, (answer(a.status_code, a.text, **a.headers) for a in repeat(answers[-1])))

    def handle(request: httpx.Request) -> httpx.Response:
        if requests is not None:
            requests.append(request)
        return next(given)

    return Webex(HttpClient(lambda: httpx.Client(transport=httpx.MockTransport(handle))), lambda: NOW)


def said(message: str) -> dict[str, Any]:
    return {"message": message, "errors": [{"description": message}], "trackingId": "ROUTER_1"}


CREATING: dict[str, tuple[httpx.Response, type[ProviderError]]] = {
    "an expired token": (answer(401, said("The request requires a valid access token.")), TokenRejected),
    "no licence, or no scope": (answer(403, said(NO_SCOPE)), Rejected),
    "bad details": (answer(400, said("The input parameters contain invalid items.")), Rejected),
    "no site": (answer(404, said("The requested resource could not be found.")), Rejected),
    "a site that went": (answer(410), Rejected),
    "a conflict": (answer(409, said("Conflict")), Rejected),
    "a wrong method": (answer(405), Rejected),
    "a lock": (answer(423, said("Locked"), Retry_After="10"), ProviderUnavailable),
    "the daily limit": (answer(429, said("Too Many Requests"), Retry_After="3600"), ProviderUnavailable),
    "an outage": (answer(503), ProviderUnavailable),
    "a failure": (answer(500, said("Something went wrong")), Ambiguous),
    "a bad gateway": (answer(502, "<html>"), Ambiguous),
    "a redirect": (answer(302), Ambiguous),
    "an error in a success": (answer(200, said("…")), Ambiguous),
    "no link": (answer(200, {"id": "m-1"}), Ambiguous),
    "no id": (answer(200, {"webLink": "https://example.webex.com/1"}), Ambiguous),
    "XML": (answer(400, "<error/>"), Rejected),
}


@pytest.mark.parametrize(("given", "means"), CREATING.values(), ids=CREATING)
def test_an_answer_to_a_create_means(given: httpx.Response, means: type[ProviderError]) -> None:
    with pytest.raises(ProviderError) as raised:
        webex(given).create(TOKEN, REQUEST)
    assert type(raised.value) is means
    assert TOKEN not in str(raised.value)
    if isinstance(raised.value, Rejected):
        assert raised.value.advice


@pytest.mark.parametrize("status", [423, 429, 503])
def test_the_time_that_webex_names_is_waited_for(status: int) -> None:
    with pytest.raises(ProviderUnavailable) as raised:
        webex(answer(status, "", Retry_After="3600")).create(TOKEN, REQUEST)
    assert raised.value.retry_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    "given", [answer(403, said(NO_SCOPE)), answer(403, "", trackingId="ROUTER_1")], ids=["in the body", "in a header"]
)
def test_the_tracking_id_is_kept_for_webexs_support(given: httpx.Response) -> None:
    with pytest.raises(Rejected) as raised:
        webex(given).create(TOKEN, REQUEST)
    assert raised.value.call.request_id == "ROUTER_1"


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_a_meeting_that_is_not_there_is_gone(verb: str, status: int) -> None:
    provider = webex(answer(status, said("The requested resource could not be found.")))
    with pytest.raises(MeetingGone):
        provider.update(TOKEN, "m-1", REQUEST) if verb == "update" else provider.delete(TOKEN, "m-1")


@pytest.mark.parametrize("status", [400, 415])
def test_a_change_is_sent_as_json_and_else_in_the_contracts_media_type(status: int) -> None:
    # Other products send the one; the contract names the other.
    requests: list[httpx.Request] = []
    webex(answer(status), answer(200, MEETING), requests=requests).update(TOKEN, "m-1", REQUEST)
    types = [request.headers["Content-Type"] for request in requests]
    assert types == ["application/json", "application/json-patch+json"]
    assert len({request.content for request in requests}) == 1


def test_a_change_that_is_refused_in_every_form_is_given_up() -> None:
    requests: list[httpx.Request] = []
    with pytest.raises(Rejected):
        webex(answer(400), requests=requests).update(TOKEN, "m-1", REQUEST)
    forms = [("timezone" in json.loads(r.content), r.headers["Content-Type"]) for r in requests]
    types = ("application/json", "application/json-patch+json")
    assert forms == [(zone, kind) for zone in (True, False) for kind in types]


def test_a_change_that_is_forbidden_is_not_sent_again() -> None:
    requests: list[httpx.Request] = []
    with pytest.raises(Rejected):
        webex(answer(403), requests=requests).update(TOKEN, "m-1", REQUEST)
    assert len(requests) == 1


def test_no_mail_is_asked_for() -> None:
    requests: list[httpx.Request] = []
    provider = webex(answer(200, MEETING), answer(200, MEETING), answer(204), requests=requests)
    provider.create(TOKEN, REQUEST)
    provider.update(TOKEN, "m-1", REQUEST)
    provider.delete(TOKEN, "m-1")
    assert [json.loads(request.content)["sendEmail"] for request in requests[:2]] == [False, False]
    assert requests[2].url.query == b"sendEmail=false"


@pytest.mark.parametrize(
    "body",
    [said("…"), {}, {"items": None}, {"items": [None]}, {"items": [{"title": "Talk"}]}, [], ""],
    ids=["an error", "nothing in it", "null", "null in it", "no id", "a list", "no body"],
)
def test_a_list_that_cannot_be_read_does_not_say_that_the_meeting_is_not_there(body: Any) -> None:
    # An empty list lets a second meeting be made.
    with pytest.raises(Ambiguous):
        webex(answer(200, body)).find(TOKEN, REQUEST)


def test_the_next_page_is_asked_for_at_webex_whatever_the_link_says() -> None:
    requests: list[httpx.Request] = []
    first = answer(200, {"items": []}, Link='<https://evil.example/v1/meetings?cursor=2>; rel="next"')
    second = answer(
        200, {"items": [MEETING | {"integrationTags": [TAG]}]}, Link='<https://webexapis.com/1>; rel="first"'
    )
    (found,) = webex(first, second, requests=requests).find(TOKEN, REQUEST)
    assert found.id == "m-1"
    assert str(requests[1].url) == "https://webexapis.com/v1/meetings?cursor=2"


def test_a_list_without_end_is_left() -> None:
    page = answer(200, {"items": []}, Link='<https://webexapis.com/v1/meetings?cursor=1>; rel="next"')
    with pytest.raises(Ambiguous):
        webex(*[page] * 200).find(TOKEN, REQUEST)


def test_an_occurrence_is_known_by_its_series() -> None:
    body = {"items": [MEETING | {"id": "m-1_20260302T120000Z", "meetingSeriesId": "m-1", "integrationTags": [TAG]}]}
    assert [found.id for found in webex(answer(200, body)).find(TOKEN, REQUEST)] == ["m-1"]


@pytest.mark.parametrize(
    ("telephony", "numbers"),
    [
        (None, ()),
        ([], ()),
        ({"callInNumbers": None}, ()),
        ({"callInNumbers": 5}, ()),
        ({"callInNumbers": [None, {"label": "US"}]}, ()),
        ({"callInNumbers": [{"callInNumber": "+1 555 0100"}]}, ("+1 555 0100",)),
        ({"accessCode": "12", "callInNumbers": [{"callInNumber": "+1 555 0100"}]}, ("+1 555 0100,,12#",)),
    ],
)
def test_dial_in_numbers_are_read_as_far_as_there_are_any(telephony: Any, numbers: tuple[str, ...]) -> None:
    meeting = webex(answer(200, MEETING | {"telephony": telephony})).create(TOKEN, REQUEST)
    assert meeting.dial_in == tuple(DialIn(number) for number in numbers)


@pytest.mark.parametrize(
    "body", [{}, {"id": "p-1"}, {"id": "p-1", "emails": []}, {"emails": ["a@example.com"]}, "", []]
)
def test_an_account_that_names_no_one_is_none(body: Any) -> None:
    with pytest.raises(Ambiguous):
        webex(answer(200, body)).read_account(TOKEN)
