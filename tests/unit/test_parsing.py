"""Any JSON that a provider sends about a meeting is parsed into a value that can be stored and read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.connection import Account
from chalicelib.domain.meeting import DialIn, MeetingRequest, ProviderMeeting
from chalicelib.errors import Ambiguous, Rejected
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.parsing import Phone, parse_meeting
from chalicelib.providers.registry import PROVIDERS
from chalicelib.providers.rooms import RoomProvider
from chalicelib.providers.zoom import Zoom
from tests.support.examples import examples

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REQUEST = MeetingRequest("v" * 32, "Talk", "", NOW + timedelta(days=1), NOW + timedelta(days=1, minutes=30), "UTC")
Fields = dict[str, Any]


def phones(fields: Fields, **names: str) -> Any:
    """A list with one number under a provider's field names, or an unexpected value instead."""
    entry = {name: fields[what] for what, name in names.items()}
    return [entry, fields["entry"]] if fields["is_list"] else fields["entry"]


def zoom(fields: Fields) -> Fields:
    numbers = phones(fields, number="number", country="country", city="city")
    body = {"id": fields["id"], "join_url": fields["link"], "password": fields["passcode"]}
    return body | {"settings": {"global_dial_in_numbers": numbers}}


def google_meet(fields: Fields) -> Fields:
    points = phones(fields, number="uri", code="pin", country="regionCode")
    if fields["is_list"]:
        points[0]["entryPointType"] = "phone"
    return {"id": fields["id"], "hangoutLink": fields["link"], "conferenceData": {"entryPoints": points}}


def google_meet_spaces(fields: Fields) -> Fields:
    numbers = phones(fields, number="phoneNumber", code="pin", country="regionCode")
    name = f"spaces/{fields['id']}" if isinstance(fields["id"], str) else fields["id"]
    return {"name": name, "meetingUri": fields["link"], "phoneAccess": numbers}


def microsoft_teams(fields: Fields) -> Fields:
    numbers = [fields["number"], fields["entry"]] if fields["is_list"] else fields["entry"]
    audio = {"tollNumber": fields["number"], "tollFreeNumbers": numbers, "conferenceId": fields["code"]}
    settings_ = {"passcode": fields["passcode"]}
    body = {"id": fields["id"], "joinWebUrl": fields["link"], "joinMeetingIdSettings": settings_}
    return body | {"audioConferencing": audio}


def webex(fields: Fields) -> Fields:
    telephony = {"callInNumbers": phones(fields, number="callInNumber"), "accessCode": fields["code"]}
    body = {"id": fields["id"], "webLink": fields["link"], "password": fields["passcode"]}
    return body | {"telephony": telephony}


def daily(fields: Fields) -> Fields:
    return {"name": fields["id"], "url": fields["link"]}


BODIES: dict[str, Callable[[Fields], Fields]] = {
    f.__name__: f for f in (zoom, google_meet, google_meet_spaces, microsoft_teams, webex, daily)
}
USUAL = {
    "id": "m-1",
    "link": "https://example.com/m-1",
    "passcode": "482913",
    "number": "+1 555 0100",
    "code": "12",
    "country": "US",
    "city": "New York",
    "entry": None,
    "is_list": True,
}
# With halves of surrogate pairs, which JSON can escape and UTF-8 cannot hold.
ANY_TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(["x" * 450_000, "\ud83d", "a\r\nb", "1\x000"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


def created(name: str, fields: Fields) -> ProviderMeeting:
    """What the provider makes of an answer with these fields."""
    content = json.dumps(BODIES[name](USUAL | fields))
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(201, content=content)))
    return PROVIDERS[name](HttpClient(lambda: client), lambda: NOW).create("token", REQUEST)


def test_every_provider_that_is_asked_is_tried() -> None:
    assert set(BODIES) == {name for name, kind in PROVIDERS.items() if not issubclass(kind, RoomProvider)}


@pytest.mark.parametrize("name", BODIES)
@examples(150)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(USUAL, ANY_JSON) | {"is_list": st.booleans()}))
def test_a_meeting_can_be_kept_or_is_in_doubt(name: str, fields: Fields) -> None:
    try:
        meeting = created(name, fields)
    except Ambiguous:
        return
    except Rejected:
        # An event without a link is not a meeting: it is deleted again.
        assert name == "google_meet"
        assert not fields["link"]
        return
    encoded = msgspec.json.encode(meeting)
    assert msgspec.json.decode(encoded, type=ProviderMeeting) == meeting
    assert len(encoded) < 150_000  # A row has 400 kB.


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("link", ["https://example.com/" + "x" * 450_000, 5, True, ["https://example.com"], {"a": 1}])
def test_a_link_that_cannot_be_kept_leaves_the_create_in_doubt(name: str, link: Any) -> None:
    with pytest.raises(Ambiguous):
        created(name, {"link": link})


@pytest.mark.parametrize("name", ["zoom", "webex", "microsoft_teams"])
@pytest.mark.parametrize(
    ("passcode", "expected"),
    [("482913", "482913"), (482913, "482913"), ("", None), (None, None), (True, None), (1.5, None), ("p" * 256, None)],
)
def test_a_passcode_is_text_or_a_whole_number(name: str, passcode: Any, expected: str | None) -> None:
    assert created(name, {"passcode": passcode}).passcode == expected


def test_numbers_that_are_not_text_are_dialled_as_well() -> None:
    as_numbers = {"number": 15550100, "code": 12, "country": 1, "city": ["New York"]}
    assert created("zoom", as_numbers).dial_in == (DialIn("15550100,,1#", "1", None),)
    assert created("google_meet_spaces", as_numbers).dial_in == (DialIn("15550100,,12#", "1"),)
    assert created("google_meet", {"code": 12}).dial_in == (DialIn("+1 555 0100,,12#", "US"),)


@pytest.mark.parametrize(
    ("code", "passcode", "sent"),
    [
        ("812 3456", "123456", ",,8123456#,,,,*123456#"),
        (8123456, 123456, ",,8123456#,,,,*123456#"),
        ("8123456", None, ",,8123456#"),
        ("8123456", "not digits", ",,8123456#"),
        (None, "123456", ""),
    ],
)
def test_a_phone_sends_the_code_and_then_the_passcode(code: Any, passcode: Any, sent: str) -> None:
    meeting = parse_meeting(
        "zoom", "1", "https://zoom.us/j/1", phones=[Phone("+1 212 555 0143", code, passcode=passcode)]
    )
    assert meeting.dial_in == (DialIn(f"+1 212 555 0143{sent}"),)


@pytest.mark.parametrize("name", [name for name in BODIES if name != "daily"])
@pytest.mark.parametrize("number", [None, True, {"a": 1}, ["+1"], "", "1" * 65, "+1\ud83d"])
def test_what_is_no_number_is_left_out(name: str, number: Any) -> None:
    assert created(name, {"number": number}).dial_in == ()


@pytest.mark.parametrize(
    ("code", "number"), [("123 456#", "+1,,123456#"), (None, "+1"), ("", "+1"), ({}, "+1"), ("1" * 65, "+1")]
)
def test_a_phone_sends_the_digits_of_a_code(code: Any, number: str) -> None:
    assert parse_meeting("zoom", "1", "https://example.com", phones=[Phone("+1", code)]).dial_in == (DialIn(number),)


def test_of_numbers_without_end_a_hundred_different_ones_are_kept() -> None:
    numbers = [Phone(number // 2) for number in range(1000)]
    assert [one.number for one in parse_meeting("zoom", "1", "https://example.com", phones=numbers).dial_in] == [
        str(number) for number in range(100)
    ]


def test_no_provider_goes_past_the_gate() -> None:
    files = (Path(__file__).parents[2] / "chalicelib" / "providers").glob("*.py")
    makers = {path.stem for path in files if "ProviderMeeting(" in path.read_text(encoding="utf-8")}
    # The names of rooms are our own.
    assert makers == {"parsing", "jitsi", "jaas", "rehearsal"}


@pytest.mark.parametrize("organization", [7, ["a"], {"id": "a"}, True, "", "x" * 5000, "org-1", None])
def test_an_account_can_always_be_kept(organization: Any) -> None:
    body = {"id": "u-1", "email": "host@example.com", "account_id": organization}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    account = Zoom(HttpClient(lambda: httpx.Client(transport=transport)), lambda: NOW).read_account("token")
    assert msgspec.json.decode(msgspec.json.encode(account), type=Account) == account
