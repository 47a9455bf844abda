"""The community's Python client (`webexpythonsdk`) works against the stand-in, unchanged but for its base address.

A stand-in is only believable when a client that we did not write works against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from webexpythonsdk import ApiError, WebexAPI

from infra.local.standins.oauth_rules import Person
from infra.local.standins.server import serve
from infra.local.standins.webex import Mail, Webex, create_app
from infra.local.visitor import sign_in_and_consent

REDIRECT = "https://product.example/oauth/webex/callback"
NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
HOST = Person("person-1", "host@example.com", "password-1", "Demo Host")
CLIENT = {"client_id": "client-1", "client_secret": "client-secret-1"}
SCOPES = "meeting:schedules_write meeting:schedules_read spark:people_read"


@pytest.fixture
def webex() -> Webex:
    return Webex(**CLIENT, redirect_uris=[REDIRECT], accounts=[HOST], clock=lambda: NOW, random=Random(1))


@pytest.fixture
def url(webex: Webex) -> Iterator[str]:
    with serve(create_app(webex)) as server:
        yield server.url


@pytest.fixture
def client(url: str) -> WebexAPI:
    """Connected through the consent page, with the SDK's own exchange of the code."""
    query = {"response_type": "code", "client_id": "client-1", "redirect_uri": REDIRECT, "scope": SCOPES, "state": "s"}
    with httpx.Client() as browser:
        back = sign_in_and_consent(browser, f"{url}/v1/authorize?{urlencode(query)}", HOST.email, HOST.password)
    code = parse_qs(urlsplit(back).query)["code"][0]
    return WebexAPI(base_url=f"{url}/v1/", oauth_code=code, redirect_uri=REDIRECT, **CLIENT, wait_on_rate_limit=False)


def times(days: int = 7) -> dict[str, str]:
    start = NOW + timedelta(days=days)
    return {"start": start.isoformat(), "end": (start + timedelta(minutes=30)).isoformat(), "timezone": "Europe/Berlin"}


def test_it_says_whose_account_it_is(client: WebexAPI) -> None:
    me = client.people.me()
    assert (me.id, me.emails, me.displayName) == ("person-1", ["host@example.com"], "Demo Host")


def test_tokens_are_refreshed_and_tell_both_their_ends(client: WebexAPI, webex: Webex) -> None:
    (refresh_token,) = webex.identity.refresh_tokens
    new = client.access_tokens.refresh(**CLIENT, refresh_token=refresh_token)
    assert new.expires_in == 14 * 86_400 - 1
    assert new.refresh_token_expires_in == 90 * 86_400


def test_a_meeting_is_made_found_by_tag_read_and_deleted(client: WebexAPI, webex: Webex) -> None:
    meeting = client.meetings.create("Talk", **times(2), sendEmail=False, integrationTags=["tag-1"])
    client.meetings.create("Other talk", **times(2), sendEmail=False, integrationTags=["tag-2"])
    (found,) = client.meetings.list(integrationTag="tag-1", meetingType="meetingSeries")
    assert found.id == meeting.id
    assert client.meetings.get(meeting.id).webLink == meeting.webLink
    client.meetings.delete(meeting.id)
    assert [held.title for held in webex.meetings] == ["Other talk"]
    with pytest.raises(ApiError) as gone:
        client.meetings.get(meeting.id)
    assert gone.value.status_code == 404


def test_pages_are_followed(client: WebexAPI) -> None:
    for number in range(5):
        client.meetings.create(f"Talk {number}", **times(2), sendEmail=False)
    assert len(list(client.meetings.list(max=2))) == 5


def test_webex_mails_unless_it_is_told_not_to(client: WebexAPI, webex: Webex) -> None:
    meeting = client.meetings.create("Talk", **times())
    client.meetings.delete(meeting.id)
    assert webex.mails == [Mail("created", "Talk"), Mail("deleted", "Talk")]


def test_a_meeting_under_ten_minutes_is_refused_and_counts(client: WebexAPI, webex: Webex) -> None:
    webex.daily_limit = 1
    start = NOW + timedelta(days=1)
    short = {"start": start.isoformat(), "end": (start + timedelta(minutes=9)).isoformat()}
    for status in (400, 429):
        with pytest.raises(ApiError) as refused:
            client.meetings.create("Talk", **short)
        assert refused.value.status_code == status
