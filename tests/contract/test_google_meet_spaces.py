"""Google Meet's spaces pass the providers' contract, at their stand-in."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.cohost import CohostState
from chalicelib.domain.guest_experience import GuestEntry
from chalicelib.domain.meeting import ProviderMeeting
from chalicelib.domain.meeting_settings import MeetingSettings
from chalicelib.errors import MeetingGone, ProviderUnavailable, Rejected
from chalicelib.providers.cohost_changes import CohostChange
from chalicelib.providers.google_meet_spaces import GoogleMeetSpaces
from infra.local.standins.base import HeldMeeting
from infra.local.standins.faults import Call
from infra.local.standins.google import Door, OpenPolicy
from tests.contract.kit.contract import ProviderContract
from tests.contract.kit.subject import COHOSTS
from tests.support.clock import FakeClock
from tests.support.google import GoogleSubject, room_has_setting, rpc_error

SPACE = r"/v2/spaces/[^/:]+$"


class GoogleMeetSpacesSubject(GoogleSubject):
    kind = GoogleMeetSpaces
    create_path = r"/v2/spaces$"
    can_untick = "https://www.googleapis.com/auth/meetings.space.created"
    refused = replace(rpc_error(403, "PERMISSION_DENIED", "Meet is switched off."), times=2)  # With and without OPEN.
    lacks = {
        "a_wrong_key_is_refused": "is not connected by a key",
        "a_second_delete_reports_that_it_is_gone": "rooms are closed, not deleted; closing one again succeeds",
        "the_meeting_is_found_by_its_tag": "rooms have no tag and cannot be listed",
        "a_create_without_a_response_leaves_one_meeting": "an unused room may remain",
        "a_repeated_create_returns_the_same_meeting": "no idempotent create",
        "a_create_after_a_deletion_by_hand_does_not_return_the_dead_link": "no idempotent create",
        "the_expiry_of_a_refresh_token_is_known": "not reported",
        "a_visitor_is_admitted_by_a_short_lived_link": "has its own links",
    }

    def held(self) -> list[HeldMeeting]:
        return self.google.held_spaces()

    def accept_cohosts(self, *emails: str) -> None:
        self.google.google_accounts = frozenset(emails)

    def cohosts_of(self, made: ProviderMeeting) -> set[str]:
        return {member["email"] for member in self.google.spaces[made.id].members.values()}

    def has_setting(self, made: ProviderMeeting, name: str, value: Any) -> bool:
        return room_has_setting(self.google, str(made.join_url), name, value)

    def lock_setting(self) -> tuple[Any, MeetingSettings]:
        self.google.artifact_policy = OpenPolicy.IGNORES
        return False, MeetingSettings(summary=True)

    def delete_by_hand(self, meeting_id: str) -> None:
        del self.google.spaces[meeting_id]


class TestGoogleMeetSpaces(ProviderContract):
    subject_kind = GoogleMeetSpacesSubject


@pytest.fixture
def subject(clock: FakeClock) -> GoogleMeetSpacesSubject:
    return GoogleMeetSpacesSubject(clock)


def test_the_meetings_id_is_the_spaces_name_not_its_code(subject: GoogleMeetSpacesSubject) -> None:
    assert subject.create(subject.connect()).id in subject.google.spaces


def test_guests_of_a_new_room_enter_without_knocking(subject: GoogleMeetSpacesSubject) -> None:
    meeting = subject.create(subject.connect())
    assert subject.google.open_link(str(meeting.join_url)) is Door.ENTERS


@pytest.mark.parametrize("policy", [OpenPolicy.REFUSES, OpenPolicy.IGNORES])
def test_an_account_that_may_not_open_its_rooms_gets_them_all_the_same(
    subject: GoogleMeetSpacesSubject, policy: OpenPolicy
) -> None:
    subject.google.open_policy = policy
    tokens = subject.connect()
    meeting = subject.create(tokens)
    assert subject.google.open_link(str(meeting.join_url)) is Door.KNOCKS
    assert subject.provider.update(tokens.access_token, meeting.id, subject.request(days=8)) == meeting


def test_a_room_that_was_only_restricted_is_opened_again_when_its_booking_is_revived(
    subject: GoogleMeetSpacesSubject,
) -> None:
    # The process died before it recorded the deletion, so the booking still has the room.
    tokens = subject.connect()
    meeting = subject.create(tokens)
    subject.faults.add(rpc_error(400, "INVALID_ARGUMENT").fault(SPACE, "PATCH"))
    subject.provider.delete(tokens.access_token, meeting.id)
    assert subject.google.open_link(str(meeting.join_url)) is Door.KNOCKS
    assert subject.provider.update(tokens.access_token, meeting.id, subject.request()) == meeting
    assert subject.google.open_link(str(meeting.join_url)) is Door.ENTERS


@pytest.mark.parametrize(
    ("policy", "admission"), [(OpenPolicy.ALLOWS, GuestEntry.DIRECT), (OpenPolicy.IGNORES, GuestEntry.KNOCK)]
)
def test_what_guests_experience_is_read_from_the_room(
    subject: GoogleMeetSpacesSubject, policy: OpenPolicy, admission: GuestEntry
) -> None:
    subject.google.open_policy = policy
    token = subject.connect().access_token
    meeting = subject.provider.create(token, subject.request())
    experience = subject.provider.observe_guest_experience(token, meeting, subject.provider.read_account(token))
    assert (experience.admission, experience.is_observed) == (admission, True)
    assert experience.time_limit_minutes == 60  # A personal account.


@pytest.mark.parametrize(("method", "state"), [("GET", CohostState.FAILED), ("DELETE", CohostState.HOST)])
def test_cohosts_that_may_not_be_read_or_removed_are_not_tried_again_and_again(
    subject: GoogleMeetSpacesSubject, method: str, state: CohostState
) -> None:
    subject.accept_cohosts(*COHOSTS)
    (former, later), token = COHOSTS, subject.connect().access_token
    meeting = subject.provider.create(token, subject.request())
    subject.provider.set_cohosts(token, meeting.id, CohostChange((former,)))
    subject.faults.add(rpc_error(403, "PERMISSION_DENIED").fault("/members", method))
    (result,) = subject.provider.set_cohosts(token, meeting.id, CohostChange((later,), (former,)))
    assert (result.email, result.state) == (later, state)
    assert former in subject.cohosts_of(meeting)


def test_a_number_is_dialled_with_its_pin(subject: GoogleMeetSpacesSubject) -> None:
    (dial_in,) = subject.create(subject.connect()).dial_in
    assert re.fullmatch(r"\+12025550100,,[0-9]+#", dial_in.number)


def test_a_cancelled_bookings_room_is_closed_and_emptied(subject: GoogleMeetSpacesSubject) -> None:
    tokens = subject.connect()
    meeting = subject.create(tokens)
    subject.google.start_conference(meeting.id)
    subject.provider.delete(tokens.access_token, meeting.id)
    space = subject.google.spaces[meeting.id]
    assert space.body["config"].items() >= {"accessType": "RESTRICTED", "entryPointAccess": "CREATOR_APP_ONLY"}.items()
    assert space.conference is None


def test_an_empty_room_is_closed_by_one_call(subject: GoogleMeetSpacesSubject) -> None:
    tokens = subject.connect()
    meeting = subject.create(tokens)
    before = len(subject.faults.calls)
    subject.provider.delete(tokens.access_token, meeting.id)
    assert subject.faults.calls[before:] == [Call("PATCH", f"/v2/{meeting.id}", 200)]


def test_a_room_that_cannot_be_closed_at_least_makes_strangers_knock(subject: GoogleMeetSpacesSubject) -> None:
    tokens = subject.connect()
    meeting = subject.create(tokens)
    subject.faults.add(rpc_error(400, "INVALID_ARGUMENT").fault(SPACE, "PATCH"))
    subject.provider.delete(tokens.access_token, meeting.id)
    config = subject.google.spaces[meeting.id].body["config"]
    assert config.items() >= {"accessType": "RESTRICTED", "entryPointAccess": "ALL"}.items()


def test_everyone_leaving_while_the_room_is_closed_is_success(subject: GoogleMeetSpacesSubject) -> None:
    tokens = subject.connect()
    meeting = subject.create(tokens)
    subject.google.start_conference(meeting.id)
    subject.faults.add(rpc_error(400, "FAILED_PRECONDITION").fault(":endActiveConference$"))
    subject.provider.delete(tokens.access_token, meeting.id)


def test_people_who_cannot_be_sent_out_are_told(subject: GoogleMeetSpacesSubject) -> None:
    tokens = subject.connect()
    meeting = subject.create(tokens)
    subject.google.start_conference(meeting.id)
    subject.faults.add(rpc_error(403, "PERMISSION_DENIED", "No.").fault(":endActiveConference$"))
    with pytest.raises(Rejected):
        subject.provider.delete(tokens.access_token, meeting.id)


def test_a_closed_room_is_not_handed_out_again(subject: GoogleMeetSpacesSubject) -> None:
    tokens = subject.connect()
    meeting = subject.create(tokens)
    subject.provider.delete(tokens.access_token, meeting.id)
    with pytest.raises(MeetingGone):
        subject.provider.update(tokens.access_token, meeting.id, subject.request())


def test_the_eleventh_room_in_a_minute_has_to_wait(subject: GoogleMeetSpacesSubject) -> None:
    tokens = subject.connect()
    for _ in range(10):
        subject.create(tokens)
    with pytest.raises(ProviderUnavailable) as raised:
        subject.create(tokens)
    assert raised.value.reason == "rate_limited"
    subject.clock.advance(60)
    assert subject.create(tokens).join_url
