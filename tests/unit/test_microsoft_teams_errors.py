"""What Microsoft Graph's answers mean for Teams meetings."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from chalicelib.domain.meeting import DialIn, MeetingRequest
from chalicelib.errors import Ambiguous, MeetingGone, ProviderError, ProviderUnavailable, Rejected, TokenRejected
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.microsoft_teams import MicrosoftTeams

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOKEN = "canary-access-token"
REQUEST = MeetingRequest("0123456789abcdefghijklmnopqrstuv", "Talk", "", NOW, NOW + timedelta(minutes=30), "UTC")
GUID = "5B1C4ED2-7C9D-4AB8-9F6E-0D2C1A3B4C5D"
MEETING = {
    "id": "MSpk*1",
    "joinWebUrl": "https://teams.microsoft.com/l/meetup-join/1",
    "subject": "Talk",
    "startDateTime": "2026-03-01T12:00:00.0000000Z",
    "endDateTime": "2026-03-01T12:30:00.0000000Z",
}

OPEN = {"lobbyBypassSettings": {"scope": "everyone", "isDialInBypassEnabled": True}}


def answer(status: int, body: Any = "", **headers: str) -> httpx.Response:
    content = body if isinstance(body, str) else json.dumps(body)
    return httpx.Response(status, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})


def graph(*answers: httpx.Response, requests: list[httpx.Request] | None = None) -> MicrosoftTeams:
    """A Graph that gives these answers, one after the other."""
    given = iter(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        if requests is not None:
            requests.append(request)
        return next(given)

    return MicrosoftTeams(HttpClient(lambda: httpx.Client(transport=httpx.MockTransport(handle))), lambda: NOW)


def said(code: str, message: str = "…") -> dict[str, Any]:
    inner = {"date": "2026-03-01T12:00:00", "request-id": "request-1", "client-request-id": "request-2"}
    return {"error": {"code": code, "message": message, "innerError": inner}}


CREATING: dict[str, tuple[httpx.Response, type[ProviderError]]] = {
    "an expired token": (answer(401, said("InvalidAuthenticationToken")), TokenRejected),
    "a claims challenge": (
        answer(
            401,
            said("InvalidAuthenticationToken"),
            WWW_Authenticate='Bearer error="insufficient_claims", claims="e30="',
        ),
        TokenRejected,
    ),
    "no licence": (answer(403, said("Forbidden", "")), Rejected),
    "no licence, without a body": (answer(403), Rejected),
    "a policy": (answer(403, said("AccessDenied")), Rejected),
    "bad details": (answer(400, said("BadRequest")), Rejected),
    "a condition that does not hold": (answer(412, said("PreconditionFailed")), Rejected),
    "an account without Teams": (answer(404, said("NotFound", "3004: User not found.")), Rejected),
    "a conflict": (answer(409, said("Conflict")), ProviderUnavailable),
    "too many calls": (answer(429, said("TooManyRequests"), Retry_After="10"), ProviderUnavailable),
    "an outage": (answer(503, said("ServiceUnavailable"), Retry_After="10"), ProviderUnavailable),
    "a failure": (answer(500, said("UnknownError")), Ambiguous),
    "a gateway that waited too long": (answer(504, said("GatewayTimeout"), Retry_After="10"), Ambiguous),
    "a redirect": (answer(302), Ambiguous),
    "an error in a success": (answer(200, said("UnknownError")), Ambiguous),
    "no link": (answer(201, {"id": "1"}), Ambiguous),
    "no id": (answer(201, {"joinWebUrl": "https://teams.microsoft.com/1"}), Ambiguous),
    "an error that is no object": (answer(400, {"error": "text"}), Rejected),
    "a list": (answer(400, [1]), Rejected),
}


@pytest.mark.parametrize(("given", "means"), CREATING.values(), ids=CREATING)
def test_an_answer_to_a_create_means(given: httpx.Response, means: type[ProviderError]) -> None:
    with pytest.raises(ProviderError) as raised:
        graph(given).create(TOKEN, REQUEST)
    assert type(raised.value) is means
    assert TOKEN not in str(raised.value)
    if isinstance(raised.value, Rejected):
        assert raised.value.advice


@pytest.mark.parametrize("status", [429, 503])
def test_the_time_that_graph_names_is_waited_for(status: int) -> None:
    with pytest.raises(ProviderUnavailable) as raised:
        graph(answer(status, "", Retry_After="10")).create(TOKEN, REQUEST)
    assert raised.value.retry_at == NOW + timedelta(seconds=10)


@pytest.mark.parametrize(
    "given",
    [answer(403, said("Forbidden")), answer(403, "", request_id="request-1")],
    ids=["in the body", "in a header"],
)
def test_the_request_id_is_kept_for_microsofts_support(given: httpx.Response) -> None:
    with pytest.raises(Rejected) as raised:
        graph(given).create(TOKEN, REQUEST)
    assert raised.value.call.request_id == "request-1"


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_a_meeting_that_is_not_there_is_gone(verb: str) -> None:
    provider = graph(answer(404, said("NotFound", "3004: Meeting not found.")))
    with pytest.raises(MeetingGone):
        provider.update(TOKEN, "1", REQUEST) if verb == "update" else provider.delete(TOKEN, "1")


def test_ids_are_quoted_in_addresses() -> None:
    requests: list[httpx.Request] = []
    graph(answer(200, MEETING), answer(204), requests=requests).delete(TOKEN, "MSp/k?1=#")
    assert [request.method for request in requests] == ["PATCH", "DELETE"]
    assert requests[0].url.raw_path == requests[1].url.raw_path == b"/v1.0/me/onlineMeetings/MSp%2Fk%3F1%3D%23"


@pytest.mark.parametrize(
    ("changed", "sent"),
    [
        ({"subject": "Other"}, {"subject"}),
        ({"startDateTime": "2026-03-01T13:00:00.0000000Z"}, {"startDateTime", "endDateTime", "subject"}),
        ({"endDateTime": "soon"}, {"startDateTime", "endDateTime", "subject"}),
        ({"startDateTime": None}, {"startDateTime", "endDateTime", "subject"}),
    ],
    ids=["another subject", "another time", "a time that cannot be read", "no time"],
)
def test_whatever_is_not_as_asked_is_changed(changed: dict[str, Any], sent: set[str]) -> None:
    requests: list[httpx.Request] = []
    graph(answer(201, MEETING | changed), answer(200, MEETING), requests=requests).create(TOKEN, REQUEST)
    assert [request.method for request in requests] == ["POST", "PATCH"]
    wanted = {"startDateTime": "2026-03-01T12:00:00Z", "endDateTime": "2026-03-01T12:30:00Z", "subject": "Talk"}
    # Times that are right are not sent again: a settler that stood still would take a move back.
    assert json.loads(requests[1].content) == {name: wanted[name] for name in sent} | OPEN


@pytest.mark.parametrize("start", ["2026-03-01T12:00:00Z", "2026-03-01T13:00:00.0000000+01:00"])
def test_the_same_time_in_another_form_is_the_same(start: str) -> None:
    requests: list[httpx.Request] = []
    graph(answer(201, MEETING | {"startDateTime": start}), answer(200, MEETING), requests=requests).create(
        TOKEN, REQUEST
    )
    assert json.loads(requests[1].content) == OPEN


def test_times_that_are_refused_for_a_meeting_that_was_got_are_told() -> None:
    with pytest.raises(Rejected):
        graph(answer(200, MEETING), *[answer(400, said("BadRequest"))] * 2).create(TOKEN, REQUEST)


def test_a_token_that_expires_in_between_leaves_a_meeting_to_look_for() -> None:
    with pytest.raises(Ambiguous):
        graph(answer(200, MEETING), answer(401)).create(TOKEN, REQUEST)


@pytest.mark.parametrize(
    ("more", "numbers"),
    [
        ({"audioConferencing": None}, ()),
        ({"audioConferencing": []}, ()),
        ({"audioConferencing": {"tollNumber": "+1 555 0100", "tollNumbers": None}}, ("+1 555 0100",)),
        (
            {"audioConferencing": {"tollNumbers": ["+1 555 0100", "+49 30 0"], "conferenceId": "12"}},
            ("+1 555 0100,,12#", "+49 30 0,,12#"),
        ),
        (
            {"audioConferencing": {"tollNumber": "+1", "tollNumbers": ["+1", None], "tollFreeNumber": "+2"}},
            ("+1", "+2"),
        ),
        ({"joinMeetingIdSettings": None}, ()),
    ],
)
def test_dial_in_numbers_are_read_as_far_as_there_are_any(more: dict[str, Any], numbers: tuple[str, ...]) -> None:
    meeting = graph(answer(201, MEETING | more), answer(200, MEETING)).create(TOKEN, REQUEST)
    assert meeting.dial_in == tuple(DialIn(number) for number in numbers)


class TestAccount:
    def test_it_is_known_by_its_object_id(self) -> None:
        me = {"id": GUID, "mail": None, "userPrincipalName": "host@example.com"}
        account = graph(answer(200, me)).read_account(TOKEN)
        assert (account.id, account.email) == (GUID.lower(), "host@example.com")

    def test_its_mail_address_comes_before_its_sign_in_name(self) -> None:
        me = {"id": GUID, "mail": "host@example.com", "userPrincipalName": "h1@example.onmicrosoft.com"}
        assert graph(answer(200, me)).read_account(TOKEN).email == "host@example.com"

    @pytest.mark.parametrize("account_id", ["48d31887fad8b2f1", "00000000-0000-0000-48d3-1887fad8b2f1"])
    def test_a_personal_one_is_refused_with_words(self, account_id: str) -> None:
        with pytest.raises(Rejected) as refused:
            graph(answer(200, {"id": account_id, "userPrincipalName": "person@example.com"})).read_account(TOKEN)
        assert "work or school account" in refused.value.advice

    @pytest.mark.parametrize("body", [{}, {"id": GUID}, {"userPrincipalName": "host@example.com"}, "", []])
    def test_an_answer_that_names_no_one_is_none(self, body: Any) -> None:
        with pytest.raises(Ambiguous):
            graph(answer(200, body)).read_account(TOKEN)
