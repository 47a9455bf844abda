"""Stored digests. If a recorded value changes, an upgrade emails every guest again or updates every meeting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.booking import Appointment, Guest, Links, content_digest
from chalicelib.domain.calendar import Location, LocationType
from chalicelib.domain.digest import digest, set_values
from chalicelib.domain.invitation import EntryOwner, Invite, Method, Party, Role
from chalicelib.domain.meeting import DialIn, MeetingRequest
from chalicelib.domain.meeting_settings import MeetingSettings, RecordingMode

STARTS_AT = datetime(2027, 1, 5, 9, 30, tzinfo=UTC)
ENDS_AT = datetime(2027, 1, 5, 10, 0, tzinfo=UTC)
HOST = Party(Role.HOST, "Demo Host", "host@example.com", "Europe/Berlin", "de")
GUEST = Party(Role.GUEST, "Demo Guest", "guest@example.com", "America/New_York")
SHORT_INVITE = Invite(
    workspace_id="ws-1",
    booking_id="b-1",
    method=Method.REQUEST,
    uid="uid",
    sequence=0,
    stamped_at=STARTS_AT,
    recipient=GUEST,
    host=HOST,
    attendees=(HOST, GUEST),
    title="Introductory call",
    description="",
    starts_at=STARTS_AT,
    ends_at=ENDS_AT,
    location=Location(LocationType.PHONE, "+1 212 555 0143"),
)
FULL_INVITE = Invite(
    workspace_id="ws-1",
    booking_id="b-1",
    method=Method.CANCEL,
    uid="uid",
    sequence=3,
    stamped_at=STARTS_AT,
    recipient=HOST,
    host=HOST,
    attendees=(HOST, GUEST),
    title="Introductory call",
    description="We will look at your questions.",
    starts_at=STARTS_AT,
    ends_at=ENDS_AT,
    location=Location(LocationType.VIDEO),
    join_url="https://zoom.us/j/1",
    passcode="8Hp7tw",
    dial_in=(DialIn("+1 212 555 0143", "US", "New York"),),
    link_follows=True,
    links=Links("https://example.com/move", "https://example.com/cancel"),
)
REQUEST = MeetingRequest("tag", "Introductory call", "Questions", STARTS_AT, ENDS_AT, "Europe/Berlin")
EVENT_REQUEST = MeetingRequest(
    "tag", "Introductory call", "Questions", STARTS_AT, ENDS_AT, "Europe/Berlin", ("Demo Guest",), "Guests"
)
SETTINGS_REQUEST = replace(
    REQUEST, settings=MeetingSettings(waiting_room=False, join_before_host_minutes=None, recording=RecordingMode.CLOUD)
)
SHORT_APPOINTMENT = Appointment("c-1", STARTS_AT, ENDS_AT, "Europe/Berlin", "Introductory call")
FULL_APPOINTMENT = Appointment(
    "c-1",
    STARTS_AT,
    ENDS_AT,
    "Europe/Berlin",
    "Introductory call",
    "Questions",
    (Guest("Demo Guest", "guest@example.com", "America/New_York", "en"),),
    {"order": 4711, "paid": True},
    Links("https://example.com/move", "https://example.com/cancel"),
)


@pytest.mark.parametrize(
    ("current", "recorded"),
    [
        (SHORT_INVITE.content, "1d85357704c1bf78"),
        (FULL_INVITE.content, "8ff367a952991482"),
        (REQUEST.fingerprint, "4c213069b6c36cfa"),
        (EVENT_REQUEST.fingerprint, "ed04505623f8607d"),
        (SETTINGS_REQUEST.fingerprint, "34d6b3b703a1cb10"),
        (content_digest(SHORT_APPOINTMENT), "8a2fcce1d3a155fa482f29587dc3b7af"),
        (content_digest(FULL_APPOINTMENT), "8cba5400e6086a217e7eb0b32fac52cb"),
    ],
    ids=[
        "short invite",
        "full invite",
        "meeting request",
        "event request",
        "settings request",
        "short appointment",
        "full appointment",
    ],
)
def test_the_digest_is_as_recorded(current: str, recorded: str) -> None:
    assert current == recorded


VALUES = st.dictionaries(st.sampled_from("abcdef"), st.integers() | st.text(min_size=1) | st.just(True))


@given(VALUES, st.sampled_from([None, "", (), [], {}, False]))
def test_a_new_field_that_is_unset_adds_nothing(values: dict[str, Any], unset: Any) -> None:
    assert digest(set_values(**values, new=unset), length=16) == digest(set_values(**values), length=16)


@given(VALUES, st.integers() | st.text(min_size=1))
def test_a_new_field_that_is_set_changes_the_digest(values: dict[str, Any], value: Any) -> None:
    assert digest(set_values(**values, new=value), length=16) != digest(set_values(**values), length=16)


def test_an_instant_counts_and_not_its_offset() -> None:
    in_berlin = STARTS_AT.astimezone(timezone(timedelta(hours=1)))
    assert digest({"at": in_berlin}, length=16) == digest({"at": STARTS_AT}, length=16)


@pytest.mark.parametrize("text", ["\ud800", "\x00", "é", "🙂"])
def test_any_text_has_a_digest(text: str) -> None:
    assert len(digest({"text": text}, length=32)) == 32


def test_the_label_of_the_guests_is_no_reason_to_change_an_event() -> None:
    assert replace(EVENT_REQUEST, guests_label="Gäste").fingerprint == EVENT_REQUEST.fingerprint


def test_each_setting_counts_and_one_that_the_provider_lacks_does_not() -> None:
    fingerprints = {
        replace(REQUEST, settings=settings).fingerprint
        for settings in (
            MeetingSettings(),
            MeetingSettings(waiting_room=False),
            MeetingSettings(waiting_room=True),
            MeetingSettings(join_before_host_minutes=None),
            MeetingSettings(join_before_host_minutes=0),
            MeetingSettings(summary=False),
        )
    }
    assert len(fingerprints) == 6
    assert replace(REQUEST, settings_ignored=("summary",)).fingerprint == REQUEST.fingerprint


def test_the_owner_of_the_entry_and_what_happens_to_it_are_no_part_of_the_content() -> None:
    event = replace(FULL_INVITE, entry_owner=EntryOwner.PROVIDER, withdraws=True, is_event_current=False)
    assert event.content == FULL_INVITE.content
