"""Google Meet with open rooms passes the providers' contract, at its stand-in; what is its own follows below."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.guest_experience import GuestEntry
from chalicelib.domain.meeting import ProviderMeeting
from chalicelib.domain.meeting_settings import MeetingSettings, RecordingMode
from chalicelib.errors import ProviderUnavailable
from chalicelib.providers.google_meet_open import OpenGoogleMeet
from chalicelib.providers.registry import PROVIDERS
from infra.local.standins.faults import Action, Call, Fault
from infra.local.standins.google import Door, OpenPolicy
from tests.contract.kit.contract import ProviderContract
from tests.contract.kit.subject import WITHOUT_SETTINGS
from tests.contract.test_google_meet import GoogleMeetSubject
from tests.support.clock import FakeClock
from tests.support.google import room_has_setting, rpc_error

SETTINGS = "https://www.googleapis.com/auth/meetings.space.settings"
SPACE = r"/v2/spaces/[^/]+$"


class OpenGoogleMeetSubject(GoogleMeetSubject):
    kind = OpenGoogleMeet
    variant = "open rooms"
    lacks = {
        behaviour: why
        for behaviour, why in GoogleMeetSubject.lacks.items()
        if behaviour not in {"a_guest_enters_a_new_meeting_without_waiting", *WITHOUT_SETTINGS}
    }

    def has_setting(self, made: ProviderMeeting, name: str, value: Any) -> bool:
        return room_has_setting(self.google, str(made.join_url), name, value)

    def lock_setting(self) -> tuple[Any, MeetingSettings]:
        self.google.artifact_policy = OpenPolicy.REFUSES
        return RecordingMode.NONE, MeetingSettings(recording=RecordingMode.CLOUD)


class TestOpenGoogleMeet(ProviderContract):
    subject_kind = OpenGoogleMeetSubject


@pytest.fixture
def subject(clock: FakeClock) -> OpenGoogleMeetSubject:
    return OpenGoogleMeetSubject(clock)


@pytest.fixture
def token(subject: OpenGoogleMeetSubject) -> str:
    return subject.connect().access_token


def door(subject: OpenGoogleMeetSubject) -> Door:
    (event,) = subject.google.events.values()
    assert event.conference
    return subject.google.open_link(event.conference["hangoutLink"])


def test_the_room_is_read_by_its_code_and_changed_by_its_name(subject: OpenGoogleMeetSubject, token: str) -> None:
    before = len(subject.faults.calls)
    meeting = subject.provider.create(token, subject.request())
    code = str(meeting.join_url).rpartition("/")[2]
    (name,) = subject.google.spaces
    assert subject.faults.calls[before:] == [
        Call("POST", "/calendar/v3/calendars/primary/events", 200),
        Call("GET", f"/v2/spaces/{code}", 200),
        Call("PATCH", f"/v2/{name}", 200),
    ]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("status", [401, 429, 503, 500])
def test_a_room_that_cannot_be_opened_now_is_opened_by_the_next_update(
    subject: OpenGoogleMeetSubject, token: str, method: str, status: int
) -> None:
    subject.faults.add(Fault(SPACE, Action.BEFORE, method=method, status=status))
    meeting = subject.provider.create(token, subject.request())
    assert meeting.is_unfinished
    assert door(subject) is Door.KNOCKS
    updated = subject.provider.update(token, meeting.id, subject.request())
    assert updated is not None
    assert not updated.is_unfinished
    assert door(subject) is Door.ENTERS


def test_an_update_that_cannot_open_the_room_is_repeated(subject: OpenGoogleMeetSubject, token: str) -> None:
    meeting = subject.provider.create(token, subject.request())
    subject.faults.add(Fault(SPACE, Action.BEFORE, method="GET", status=503))
    with pytest.raises(ProviderUnavailable):
        subject.provider.update(token, meeting.id, subject.request(days=8))


def test_a_create_that_is_repeated_after_a_crash_opens_the_room(subject: OpenGoogleMeetSubject, token: str) -> None:
    subject.faults.add(Fault(SPACE, Action.LOST_BEFORE))
    assert subject.provider.create(token, subject.request()).is_unfinished
    subject.provider.create(token, subject.request())
    assert door(subject) is Door.ENTERS


@pytest.mark.parametrize("policy", [OpenPolicy.REFUSES, OpenPolicy.IGNORES])
def test_a_policy_that_keeps_rooms_closed_fails_neither_create_nor_update(
    subject: OpenGoogleMeetSubject, token: str, policy: OpenPolicy
) -> None:
    subject.google.open_policy = policy
    meeting = subject.provider.create(token, subject.request())
    assert not meeting.is_unfinished
    assert subject.provider.update(token, meeting.id, subject.request(days=8)) == meeting
    experience = subject.provider.observe_guest_experience(token, meeting, subject.provider.read_account(token))
    assert experience.admission is GuestEntry.KNOCK
    assert "administrator" in " ".join(experience.notes)


def test_whoever_unticks_the_permission_connects_and_has_guests_knock(subject: OpenGoogleMeetSubject) -> None:
    tokens = subject.connect(untick=SETTINGS)
    assert not subject.oauth_provider().oauth.missing_scopes(frozenset(tokens.scopes))
    meeting = subject.create(tokens)
    assert door(subject) is Door.KNOCKS
    account = subject.provider.read_account(tokens.access_token)
    experience = subject.provider.observe_guest_experience(tokens.access_token, meeting, account)
    assert (experience.admission, experience.is_observed) == (GuestEntry.KNOCK, True)
    assert "Connect again" in experience.notes[0]


def test_a_switched_off_meet_api_is_reported_to_the_host(subject: OpenGoogleMeetSubject, token: str) -> None:
    subject.faults.add(rpc_error(403, "PERMISSION_DENIED", reason="SERVICE_DISABLED").fault(SPACE, "GET"))
    meeting = subject.provider.create(token, subject.request())
    subject.faults.add(rpc_error(403, "PERMISSION_DENIED", reason="SERVICE_DISABLED").fault(SPACE, "GET"))
    experience = subject.provider.observe_guest_experience(token, meeting, subject.provider.read_account(token))
    assert experience.admission is GuestEntry.KNOCK
    assert "operator" in experience.notes[0]


def test_the_room_of_a_deleted_event_makes_guests_knock_again(subject: OpenGoogleMeetSubject, token: str) -> None:
    meeting = subject.provider.create(token, subject.request())
    subject.provider.delete(token, meeting.id)
    assert subject.held() == []
    assert subject.google.open_link(str(meeting.join_url)) is Door.KNOCKS


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_an_event_whose_room_cannot_be_closed_is_deleted_all_the_same(
    subject: OpenGoogleMeetSubject, token: str, method: str
) -> None:
    meeting = subject.provider.create(token, subject.request())
    subject.faults.add(rpc_error(403, "PERMISSION_DENIED").fault(SPACE, method))
    subject.provider.delete(token, meeting.id)
    assert subject.held() == []


def test_events_are_written_into_the_calendar_with_and_without_open_rooms_and_by_no_other_provider() -> None:
    writers = {name for name, kind in PROVIDERS.items() if kind.writes_calendar_events}
    assert (writers, OpenGoogleMeet.writes_calendar_events) == ({"google_meet"}, True)
