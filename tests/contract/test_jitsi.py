"""Jitsi Meet, on the public server and on one's own: as far as there is a contract to pass, it passes."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from chalicelib.domain.guest_experience import GuestEntry, Moderator
from chalicelib.domain.meeting import Visit
from chalicelib.errors import Rejected
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.jitsi import Jitsi
from tests.contract.kit.contract import ProviderContract
from tests.contract.kit.subject import WITHOUT_A_SERVER, WITHOUT_COHOSTS, ServerlessSubject
from tests.support.clock import START, FakeClock
from tests.support.jitsi_rules import prosody_problems

SECRET = "app-secret-canary"
OWN = {"server": "https://meet.example.com", "app_id": "app-1", "app_secret": SECRET}


class JitsiSubject(ServerlessSubject):
    """The public server."""

    kind = Jitsi
    lacks = (
        WITHOUT_A_SERVER
        | WITHOUT_COHOSTS
        | {"a_visitor_is_admitted_by_a_short_lived_link": "the link is the room itself"}
    )

    def secrets(self) -> list[str]:
        return [SECRET]

    def key_form(self) -> dict[str, str]:
        return {"server": "", "app_id": "", "app_secret": ""}


class OwnServerSubject(JitsiSubject):
    """A server that asks for tokens."""

    lacks = WITHOUT_A_SERVER

    def key_form(self) -> dict[str, str]:
        return OWN


class TestJitsi(ProviderContract):
    subject_kind = JitsiSubject


class TestOwnServer(ProviderContract):
    subject_kind = OwnServerSubject


@pytest.fixture
def jitsi() -> Jitsi:
    return Jitsi(HttpClient(lambda: None), lambda: START)  # type: ignore[arg-type] # It sends no request.


def test_the_room_of_the_public_server_is_the_tag_and_nothing_guessable(clock: FakeClock) -> None:
    subject = JitsiSubject(clock)
    meeting = subject.create(subject.connect(), subject.request("room-tag"))
    assert meeting.join_url == f"https://meet.jit.si/{subject.request('room-tag').tag}"


def test_whoever_joins_gets_a_token_for_this_room_and_this_time(jitsi: Jitsi) -> None:
    visit = Visit(True, "visitor-1", "Demo Host", "Talk", START, START + timedelta(hours=2))
    address = urlsplit(jitsi.create_join_link(jitsi.read_key(OWN), "room-1", visit))
    assert (address.scheme, address.netloc, address.path) == ("https", "meet.example.com", "/room-1")
    token = jwt.decode(parse_qs(address.query)["jwt"][0], OctKey.import_key(SECRET), algorithms=["HS256"])
    assert token.claims == {
        "iss": "app-1",
        "aud": "jitsi",
        "sub": "meet.example.com",
        "room": "room-1",
        "nbf": int((START - timedelta(minutes=5)).timestamp()),
        "exp": int((START + timedelta(hours=2)).timestamp()),
        "context": {
            "user": {"id": "visitor-1", "moderator": "true", "affiliation": "owner", "name": "Demo Host"},
        },
    }


def test_a_guest_is_no_moderator(jitsi: Jitsi) -> None:
    visit = Visit(False, "visitor-2", None, "Talk", START, START + timedelta(hours=2))
    query = parse_qs(urlsplit(jitsi.create_join_link(jitsi.read_key(OWN), "room-1", visit)).query)
    claims = jwt.decode(query["jwt"][0], OctKey.import_key(SECRET), algorithms=["HS256"]).claims
    assert claims["context"]["user"] == {"id": "visitor-2", "moderator": "false", "affiliation": "member"}


@pytest.mark.parametrize("is_host", [True, False], ids=["host", "guest"])
@pytest.mark.parametrize("audience", ["", "meetings"])
def test_prosodys_rules_accept_the_token(jitsi: Jitsi, is_host: bool, audience: str) -> None:
    visit = Visit(is_host, "visitor-1", "Demo Host" if is_host else None, "Talk", START, START + timedelta(hours=2))
    address = jitsi.create_join_link(jitsi.read_key(OWN | {"audience": audience}), "room-1", visit)
    token = parse_qs(urlsplit(address).query)["jwt"][0]
    claims = jwt.decode(token, OctKey.import_key(SECRET), algorithms=["HS256"]).claims
    rules = {"app_id": "app-1", "room": "room-1", "audiences": (audience or "jitsi",)}
    assert prosody_problems(claims, now=START, **rules) == []
    assert prosody_problems(claims, now=START - timedelta(hours=1), **rules) == ["it is not valid yet"]
    assert prosody_problems(claims, now=START + timedelta(hours=2), **rules) == ["it has expired"]
    other = claims | {"aud": "other", "context": {"user": claims["context"]["user"] | {"moderator": True}}}
    assert prosody_problems(other, now=START, **rules) == [
        "aud is no accepted audience",
        "user.moderator is a boolean or an object",
    ]


def test_a_server_with_an_audience_of_its_own_gets_that(jitsi: Jitsi) -> None:
    visit = Visit(False, "visitor-2", None, "Talk", START, START + timedelta(hours=2))
    key = jitsi.read_key(OWN | {"audience": "meetings"})
    query = parse_qs(urlsplit(jitsi.create_join_link(key, "room-1", visit)).query)
    claims = jwt.decode(query["jwt"][0], OctKey.import_key(SECRET), algorithms=["HS256"]).claims
    assert claims["aud"] == "meetings"


@pytest.mark.parametrize(
    ("typed", "admission", "moderator"),
    [
        ({"server": ""}, GuestEntry.HOST_FIRST, Moderator.FIRST_TO_SIGN_IN),
        ({"server": "meet.example.com"}, GuestEntry.DIRECT, Moderator.FIRST_TO_ARRIVE),
        (OWN, GuestEntry.DIRECT, Moderator.HOST_LINK),
    ],
    ids=["public", "own", "own with tokens"],
)
def test_what_guests_experience_depends_on_the_server(
    jitsi: Jitsi, typed: dict[str, str], admission: GuestEntry, moderator: Moderator
) -> None:
    experience = jitsi.guest_experience(jitsi.read_account(jitsi.read_key(typed)))
    assert (experience.admission, experience.moderator) == (admission, moderator)
    assert experience.notes


@pytest.mark.parametrize(
    ("typed", "server"),
    [
        ("", "https://meet.jit.si"),
        ("meet.example.com", "https://meet.example.com"),
        ("https://Meet.Example.com/", "https://meet.example.com"),
        ("https://meet.example.com:8443", "https://meet.example.com:8443"),
    ],
)
def test_a_server_may_be_typed_in_several_ways(jitsi: Jitsi, typed: str, server: str) -> None:
    assert json.loads(jitsi.read_key({"server": typed}))["server"] == server


@pytest.mark.parametrize(
    "typed",
    [
        {"server": "http://meet.example.com"},
        {"server": "https://user@meet.example.com"},
        {"server": "https://meet.example.com/path"},
        {"server": "https://meet.example.com?x=1"},
        {"server": "https://meet.example.com:0"},
        {"server": "https://[bad"},
        {"server": "javascript:alert(1)"},
        {"server": "", "app_id": "app-1"},
        {"server": "", "app_secret": SECRET},
        {"server": "", "app_id": "app-1", "app_secret": "short"},
        {"server": "meet.example.com", "audience": "meetings"},
    ],
)
def test_what_cannot_work_is_refused_with_what_to_do(jitsi: Jitsi, typed: dict[str, str]) -> None:
    with pytest.raises(Rejected) as refused:
        jitsi.read_key(typed)
    assert refused.value.advice


@given(server=st.text() | st.text(alphabet="htps:/.me-x1[]@?#% ").map("https://".__add__))
def test_whatever_is_typed_as_a_server_is_refused_or_a_plain_https_address(server: str) -> None:
    jitsi = Jitsi(HttpClient(lambda: None), lambda: START)  # type: ignore[arg-type]
    try:
        kept = json.loads(jitsi.read_key({"server": server}))["server"]
    except Rejected:
        return
    parts = urlsplit(kept)
    assert (parts.scheme, parts.path, parts.query, parts.fragment) == ("https", "", "", "")
    assert parts.hostname
    assert parts.username is None
    assert not set(kept) & set(" \t\r\n<>\"'\\`")
