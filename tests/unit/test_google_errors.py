"""What Google's answers mean: the reason decides, for a 403 is "slower", "never" and "ask again for permission"."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from chalicelib.domain.connection import Account
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
from chalicelib.providers.google import Google
from chalicelib.providers.google_meet import GoogleMeet
from chalicelib.providers.google_meet_spaces import GoogleMeetSpaces
from chalicelib.providers.http_client import HttpClient

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REQUEST = MeetingRequest("v" * 32, "Talk", "", NOW, NOW + timedelta(minutes=30), "UTC")
TOKEN = "canary-access-token"


def calendar(reason: str, message: str = "…") -> dict[str, Any]:
    return {"error": {"code": 403, "message": message, "errors": [{"domain": "usageLimits", "reason": reason}]}}


def rpc(status: str, reason: str | None = None, message: str = "…") -> dict[str, Any]:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    return {"error": {"code": 403, "message": message, "status": status, "details": details}}


def raised_by(kind: type[Google], status: int, body: Any, headers: dict[str, str] | None = None) -> ProviderError:
    content = body if isinstance(body, str) else json.dumps(body)
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content, headers=headers))
    with pytest.raises(ProviderError) as raised:
        kind(HttpClient(lambda: httpx.Client(transport=transport)), lambda: NOW).create(TOKEN, REQUEST)
    assert TOKEN not in f"{raised.value}"
    return raised.value


@pytest.mark.parametrize("kind", [GoogleMeet, GoogleMeetSpaces])
@pytest.mark.parametrize(
    ("status", "body", "means"),
    [
        (401, rpc("UNAUTHENTICATED"), TokenRejected),
        (401, "", TokenRejected),
        (403, calendar("insufficientPermissions"), ReconnectNeeded),
        (403, rpc("PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), ReconnectNeeded),
        (403, calendar("accessNotConfigured"), Rejected),
        (403, rpc("PERMISSION_DENIED", "SERVICE_DISABLED"), Rejected),
        (403, calendar("domainPolicy"), Rejected),
        (403, calendar("somethingNew"), Rejected),
        (403, "<html>", Rejected),
        (400, calendar("timeRangeEmpty"), Rejected),
        (404, calendar("notFound"), Rejected),  # Not a meeting: the calendar, or the account.
        (410, calendar("deleted"), Rejected),
        (408, "<html>", Ambiguous),
        (500, rpc("INTERNAL"), Ambiguous),
        (503, rpc("UNAVAILABLE"), ProviderUnavailable),
    ],
)
def test_the_reason_decides(kind: type[Google], status: int, body: Any, means: type[ProviderError]) -> None:
    assert type(raised_by(kind, status, body)) is means


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, calendar("rateLimitExceeded")),
        (403, calendar("userRateLimitExceeded")),
        (403, calendar("quotaExceeded", "Calendar usage limits exceeded.")),
        (403, rpc("PERMISSION_DENIED", "RATE_LIMIT_EXCEEDED")),
        (429, rpc("RESOURCE_EXHAUSTED")),
        (429, ""),
    ],
)
def test_a_limit_is_waited_for(status: int, body: Any) -> None:
    error = raised_by(GoogleMeet, status, body, {"Retry-After": "30"})
    assert isinstance(error, ProviderUnavailable)
    assert (error.reason, error.retry_at) == ("rate_limited", NOW + timedelta(seconds=30))


@pytest.mark.parametrize("reason", ["accessNotConfigured", "domainPolicy", "notACalendarUser", "somethingNew"])
def test_every_refusal_says_what_to_do(reason: str) -> None:
    error = raised_by(GoogleMeet, 403, calendar(reason))
    assert isinstance(error, Rejected)
    assert error.advice.endswith(".")
    assert error.code == reason


def test_a_calendar_without_meet_has_words_of_its_own() -> None:
    error = raised_by(GoogleMeet, 400, calendar("invalid", "Invalid conference type value."))
    assert isinstance(error, Rejected)
    assert "Turn on Google Meet" in error.advice


@pytest.mark.parametrize("end", ["(or it might not exist)", "(or it may not exist)"])
def test_a_room_that_google_denies_may_not_exist(end: str) -> None:
    body = rpc("PERMISSION_DENIED", message=f"Permission denied on resource Space {end}.")
    transport = httpx.MockTransport(lambda _: httpx.Response(403, json=body))
    with pytest.raises(MeetingGone):
        GoogleMeetSpaces(HttpClient(lambda: httpx.Client(transport=transport)), lambda: NOW).update(
            TOKEN, "spaces/a", REQUEST
        )


@pytest.mark.parametrize(
    "body",
    [
        {"error": "text"},
        {"error": {"errors": "text", "details": {"a": 1}}},
        {"error": {"errors": [None, 7, {"reason": 7}, {"reason": TOKEN}], "status": 7, "message": None}},
        [],
    ],
)
def test_an_error_in_no_known_form_is_still_one(body: Any) -> None:
    error = raised_by(GoogleMeet, 403, body)
    assert isinstance(error, Rejected)
    assert error.code is None


@pytest.mark.parametrize(
    "space",
    [
        {},
        {"name": "spaces/a"},
        {"name": "spaces/../users/me", "meetingUri": "https://meet.google.com/abc"},
        {"name": 7, "meetingUri": "https://meet.google.com/abc"},
    ],
)
def test_a_room_without_a_name_that_can_be_kept_is_in_doubt(space: dict[str, Any]) -> None:
    assert isinstance(raised_by(GoogleMeetSpaces, 200, space), Ambiguous)


def account(body: dict[str, Any]) -> Account:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    return GoogleMeet(HttpClient(lambda: httpx.Client(transport=transport)), lambda: NOW).read_account(TOKEN)


def test_an_account_is_known_by_what_does_not_change() -> None:
    told = {"sub": "1", "email": "host@example.com", "hd": "example.com"}
    assert account(told) == Account("1", "host@example.com", "example.com")


def test_an_account_without_an_id_is_none() -> None:
    with pytest.raises(Ambiguous):
        account({"email": "host@example.com"})


def test_each_number_is_dialled_with_its_own_pin() -> None:
    phones = [
        {"phoneNumber": "+12025550100", "pin": "1", "regionCode": "US"},
        {"phoneNumber": "+442079460000", "pin": "2", "regionCode": "GB"},
        {"pin": "1"},
    ]
    space = {"name": "spaces/a", "meetingUri": "https://meet.google.com/abc", "phoneAccess": phones}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=space))
    meeting = GoogleMeetSpaces(HttpClient(lambda: httpx.Client(transport=transport)), lambda: NOW).create(
        TOKEN, REQUEST
    )
    assert [one.number for one in meeting.dial_in] == ["+12025550100,,1#", "+442079460000,,2#"]
    assert [one.country for one in meeting.dial_in] == ["US", "GB"]
