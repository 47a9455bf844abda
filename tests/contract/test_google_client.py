"""Google's own Python client works against the stand-in, unchanged but for its base addresses.

A stand-in is only believable when a client that we did not write works against it. The client knows the contracts too:
it refuses parameters that they do not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import google_auth_httplib2
import httplib2
import httpx
import pytest
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from infra.local.standins.google import Conference, Google, Mail, contract, create_app
from infra.local.standins.oauth_rules import Person
from infra.local.standins.server import serve
from infra.local.visitor import sign_in_and_consent
from tests.support.clock import FakeClock

AUTH = "https://www.googleapis.com/auth/"
EVENTS, SPACES = AUTH + "calendar.events.owned", AUTH + "meetings.space.created"
REDIRECT = "https://product.example/oauth/callback"
HOST = Person("100000000000000000001", "host@example.com", "password-1", "Demo Host")
EVENT = {
    "id": "0123456789abcdefghijklmnopqrstuv",
    "summary": "Talk",
    "start": {"dateTime": "2030-01-01T10:00:00Z"},
    "end": {"dateTime": "2030-01-01T10:30:00Z"},
}
MEET = {"createRequest": {"requestId": "request-1", "conferenceSolutionKey": {"type": "hangoutsMeet"}}}
QUIETLY = {"calendarId": "primary", "conferenceDataVersion": 1, "sendUpdates": "none"}


@dataclass
class Stage:
    """The stand-in, and where it listens."""

    google: Google
    url: str

    def tokens(self, *scopes: str) -> dict[str, Any]:
        """Consent in a browser and exchange the code."""
        asked = {
            "client_id": "client-1",
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": " ".join(scopes),
            "access_type": "offline",
            "prompt": "consent",
        }
        with httpx.Client(trust_env=False) as browser:
            start = str(httpx.URL(f"{self.url}/o/oauth2/v2/auth", params=asked))
            back = httpx.URL(sign_in_and_consent(browser, start, HOST.email, HOST.password))
            form = {
                "grant_type": "authorization_code",
                "code": back.params["code"],
                "redirect_uri": REDIRECT,
                "client_id": "client-1",
                "client_secret": "client-secret-1",
            }
            return dict(browser.post(f"{self.url}/token", data=form).json())

    def client(self, api: str, version: str, path: str, *scopes: str) -> Any:
        """Google's client with the host's credentials; it refreshes them by itself."""
        tokens = self.tokens(*scopes)
        credentials = Credentials(
            tokens["access_token"],
            refresh_token=tokens["refresh_token"],
            token_uri=f"{self.url}/token",
            client_id="client-1",
            client_secret="client-secret-1",
        )
        http = google_auth_httplib2.AuthorizedHttp(credentials, http=httplib2.Http(proxy_info=None, timeout=10))
        options = {"api_endpoint": self.url + path}
        return build(api, version, http=http, static_discovery=True, client_options=options)

    def events(self, scope: str = EVENTS) -> Any:
        return self.client("calendar", "v3", "/calendar/v3/", scope).events()

    def spaces(self) -> Any:
        return self.client("meet", "v2", "/", SPACES).spaces()


@pytest.fixture
def stage(clock: FakeClock) -> Iterator[Stage]:
    google = Google(
        client_id="client-1",
        client_secret="client-secret-1",
        redirect_uris=[REDIRECT],
        accounts=[HOST],
        clock=clock,
        random=Random(1),
        queries_a_minute=30,
    )
    with serve(create_app(google)) as server:
        yield Stage(google, server.url)


def why(raised: pytest.ExceptionInfo[HttpError]) -> tuple[int, str]:
    """The status, and the reason as the client reads it out of the body."""
    details = raised.value.error_details
    first = details[0] if isinstance(details, list) else {}
    return int(raised.value.resp.status), str(first.get("reason", details))


def conforms(method_id: str, body: Any) -> Any:
    assert contract.response_errors(method_id, body) == []
    return body


def test_it_lives_through_an_event(stage: Stage) -> None:
    events = stage.events()
    meeting = conforms(
        "calendar.events.insert", events.insert(body={**EVENT, "conferenceData": MEET}, **QUIETLY).execute()
    )
    assert meeting["hangoutLink"].startswith("https://meet.google.com/")
    assert meeting["conferenceData"]["createRequest"]["status"]["statusCode"] == "success"
    known = {"calendarId": "primary", "eventId": meeting["id"]}
    changed = events.patch(eventId=meeting["id"], body={"summary": "Longer"}, **QUIETLY).execute()
    assert conforms("calendar.events.patch", changed)["hangoutLink"] == meeting["hangoutLink"]
    assert conforms("calendar.events.get", events.get(**known).execute())["summary"] == "Longer"
    assert events.delete(**known, sendUpdates="none").execute() == ""
    assert events.get(**known).execute()["status"] == "cancelled"
    assert stage.google.held_events() == []


def test_a_deleted_id_stays_taken(stage: Stage) -> None:
    events = stage.events()
    events.insert(body=EVENT, **QUIETLY).execute()
    for _ in range(2):
        with pytest.raises(HttpError) as raised:
            events.insert(body=EVENT, **QUIETLY).execute()
        assert why(raised) == (409, "duplicate")
        if stage.google.held_events():
            events.delete(calendarId="primary", eventId=EVENT["id"]).execute()
    with pytest.raises(HttpError) as raised:
        events.delete(calendarId="primary", eventId=EVENT["id"]).execute()
    assert why(raised) == (410, "deleted")


def test_without_the_version_the_conference_is_silently_left_out(stage: Stage) -> None:
    meeting = stage.events().insert(calendarId="primary", body={**EVENT, "conferenceData": MEET}).execute()
    assert "conferenceData" not in meeting
    assert "hangoutLink" not in meeting


def test_a_conference_may_come_later(stage: Stage) -> None:
    stage.google.pending_reads = 1
    events = stage.events()
    meeting = events.insert(body={**EVENT, "conferenceData": MEET}, **QUIETLY).execute()
    assert "hangoutLink" not in meeting
    shown = [events.get(calendarId="primary", eventId=meeting["id"]).execute() for _ in range(2)]
    states = [event["conferenceData"]["createRequest"]["status"]["statusCode"] for event in shown]
    assert states == ["pending", "success"]


def test_the_same_conference_is_not_made_twice(stage: Stage) -> None:
    events = stage.events()
    meeting = events.insert(body={**EVENT, "conferenceData": MEET}, **QUIETLY).execute()
    again = events.patch(eventId=meeting["id"], body={"conferenceData": MEET}, **QUIETLY).execute()
    assert again["hangoutLink"] == meeting["hangoutLink"]
    without = events.patch(eventId=meeting["id"], body={"conferenceData": None}, **QUIETLY).execute()
    assert "hangoutLink" not in without


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": "UPPER-CASE"}, "invalid"),
        ({"id": "abc"}, "invalid"),
        ({"summery": "a misspelt field"}, "invalid"),
        ({"hangoutLink": "https://meet.google.com/aaa-bbbb-ccc"}, "invalid"),
        ({"summary": 7}, "invalid"),
        ({"start": None}, "invalid"),
        ({"end": {"dateTime": "2030-01-01T09:00:00Z"}}, "timeRangeEmpty"),
        ({"end": {"dateTime": "2030-01-01T11:00:00"}}, "invalid"),
        ({"conferenceData": {"createRequest": {"conferenceSolutionKey": {"type": "teams"}}}}, "invalid"),
    ],
)
def test_it_is_strict(stage: Stage, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(HttpError) as raised:
        stage.events().insert(body={**EVENT, **change}, **QUIETLY).execute()
    assert why(raised) == (400, reason)
    assert stage.google.events == {}


def test_unknown_parameters_are_refused(stage: Stage) -> None:
    headers = {"Authorization": f"Bearer {stage.tokens(EVENTS)['access_token']}"}
    base = f"{stage.url}/calendar/v3/calendars/primary/events"
    with httpx.Client(trust_env=False, headers=headers) as client:
        for query in ("conferenceVersion=1", "conferenceDataVersion=one", "sendUpdates=nobody"):
            assert client.post(f"{base}?{query}", json=EVENT).status_code == 400


def test_another_calendar_is_not_found(stage: Stage) -> None:
    with pytest.raises(HttpError) as raised:
        stage.events().get(calendarId="other@example.com", eventId=EVENT["id"]).execute()
    assert why(raised) == (404, "notFound")


def test_a_calendar_without_meet_says_so(stage: Stage) -> None:
    stage.google.conference = Conference.REFUSED
    with pytest.raises(HttpError, match=r"Invalid conference type value\."):
        stage.events().insert(body={**EVENT, "conferenceData": MEET}, **QUIETLY).execute()


def test_guests_are_mailed_unless_google_is_told_not_to(stage: Stage) -> None:
    events = stage.events()
    guests = {"attendees": [{"email": "guest@example.com"}]}
    events.insert(body={**EVENT, **guests}, **QUIETLY).execute()
    assert stage.google.mails == []
    events.patch(calendarId="primary", eventId=EVENT["id"], body={"summary": "Moved"}).execute()
    assert stage.google.mails == [Mail(EVENT["id"], ("guest@example.com",))]


def test_each_user_has_a_quota(stage: Stage, clock: FakeClock) -> None:
    events = stage.events()
    events.insert(body=EVENT, **QUIETLY).execute()
    known = {"calendarId": "primary", "eventId": EVENT["id"]}
    for _ in range(29):
        events.get(**known).execute()
    with pytest.raises(HttpError) as raised:
        events.get(**known).execute()
    assert why(raised) == (403, "rateLimitExceeded")
    clock.advance(60)
    assert events.get(**known).execute()


def test_one_permission_does_not_open_the_other_door(stage: Stage) -> None:
    with pytest.raises(HttpError) as raised:
        stage.events(SPACES).insert(body=EVENT, **QUIETLY).execute()
    assert raised.value.resp.status == 403
    assert "ACCESS_TOKEN_SCOPE_INSUFFICIENT" in str(raised.value.error_details)


def test_it_refreshes_by_itself(stage: Stage) -> None:
    events = stage.events()
    stage.google.identity.end_access_tokens()
    assert events.insert(body=EVENT, **QUIETLY).execute()["id"] == EVENT["id"]
    assert stage.google.identity.refresh_calls == 1


def test_without_offline_access_there_is_no_refresh_token(stage: Stage) -> None:
    asked = {"client_id": "client-1", "redirect_uri": REDIRECT, "response_type": "code", "scope": EVENTS}
    with httpx.Client(trust_env=False) as browser:
        start = str(httpx.URL(f"{stage.url}/o/oauth2/v2/auth", params=asked))
        back = httpx.URL(sign_in_and_consent(browser, start, HOST.email, HOST.password))
        form = {"grant_type": "authorization_code", "code": back.params["code"], "redirect_uri": REDIRECT}
        client = {"client_id": "client-1", "client_secret": "client-secret-1"}
        assert "refresh_token" not in browser.post(f"{stage.url}/token", data=form | client).json()


def test_it_lives_through_a_space(stage: Stage) -> None:
    spaces, google = stage.spaces(), stage.google
    meeting = conforms("meet.spaces.create", spaces.create(body={}).execute())
    assert meeting["meetingUri"] == f"https://meet.google.com/{meeting['meetingCode']}"
    google.start_conference(meeting["name"])
    seen = conforms("meet.spaces.get", spaces.get(name=f"spaces/{meeting['meetingCode']}").execute())
    assert (seen["name"], "activeConference" in seen) == (meeting["name"], True)
    body = {"config": {"accessType": "RESTRICTED"}}
    changed = spaces.patch(name=meeting["name"], updateMask="config.accessType", body=body).execute()
    assert conforms("meet.spaces.patch", changed)["config"]["accessType"] == "RESTRICTED"
    assert spaces.endActiveConference(name=meeting["name"], body={}).execute() == {}
    with pytest.raises(HttpError, match="no active conference"):
        spaces.endActiveConference(name=meeting["name"], body={}).execute()


def test_a_spaces_code_can_be_read_but_not_written(stage: Stage) -> None:
    spaces = stage.spaces()
    meeting = spaces.create(body={}).execute()
    with pytest.raises(HttpError, match="Permission denied on resource Space"):
        spaces.patch(name=f"spaces/{meeting['meetingCode']}", body={"config": {"accessType": "OPEN"}}).execute()


@pytest.mark.parametrize(
    ("mask", "body"),
    [
        ("config.acessType", {"config": {"accessType": "OPEN"}}),
        ("config.accessType", {"config": {"accessType": "EVERYBODY"}}),
        ("config.accessType", {"configuration": {}}),
        ("config.accessType", {"meetingUri": "https://meet.google.com/aaa-bbbb-ccc"}),
    ],
)
def test_spaces_are_strict_too(stage: Stage, mask: str, body: dict[str, Any]) -> None:
    spaces = stage.spaces()
    meeting = spaces.create(body={}).execute()
    with pytest.raises(HttpError) as raised:
        spaces.patch(name=meeting["name"], updateMask=mask, body=body).execute()
    assert raised.value.resp.status == 400
    assert spaces.get(name=meeting["name"]).execute() == meeting


def test_what_is_unset_goes_back_to_the_hosts_own_setting(stage: Stage) -> None:
    spaces = stage.spaces()
    meeting = spaces.create(body={"config": {"accessType": "OPEN"}}).execute()
    assert meeting["config"]["accessType"] == "OPEN"
    changed = spaces.patch(name=meeting["name"], updateMask="config.accessType", body={"config": {}}).execute()
    assert changed["config"]["accessType"] == "RESTRICTED"


def test_spaces_have_a_quota_of_their_own(stage: Stage) -> None:
    spaces = stage.spaces()
    for _ in range(10):
        spaces.create(body={}).execute()
    with pytest.raises(HttpError) as raised:
        spaces.create(body={}).execute()
    assert raised.value.resp.status == 429
