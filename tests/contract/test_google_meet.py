"""Google Meet through Calendar events passes the providers' contract, at its stand-in."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from chalicelib.errors import Ambiguous, MeetingGone, ProviderUnavailable, Rejected
from chalicelib.providers.google_meet import GoogleMeet
from infra.local.standins.base import HeldMeeting
from infra.local.standins.faults import Action, Call, Fault
from infra.local.standins.google import Conference
from tests.contract.kit.contract import ProviderContract
from tests.contract.kit.subject import WITHOUT_COHOSTS, WITHOUT_SETTINGS
from tests.support.clock import FakeClock
from tests.support.google import GoogleSubject, calendar_error

EVENT = r"/events/[a-v0-9]+$"
REFUSED = calendar_error(400, "invalid", "Invalid conference type value.")


class GoogleMeetSubject(GoogleSubject):
    kind = GoogleMeet
    create_path = r"/calendars/primary/events$"
    can_untick = "https://www.googleapis.com/auth/calendar.events.owned"
    refused = REFUSED
    lacks = (
        WITHOUT_SETTINGS
        | WITHOUT_COHOSTS
        | {
            "a_guest_enters_a_new_meeting_without_waiting": "guests knock, unless the operator turns on open rooms",
            "a_wrong_key_is_refused": "is not connected by a key",
            "the_expiry_of_a_refresh_token_is_known": "not reported",
            "a_visitor_is_admitted_by_a_short_lived_link": "has its own links",
        }
    )

    def held(self) -> list[HeldMeeting]:
        return self.google.held_events()

    def delete_by_hand(self, meeting_id: str) -> None:
        self.google.delete_event(meeting_id)

    def event(self) -> dict[str, object]:
        (event,) = self.google.events.values()
        return event.body


class TestGoogleMeet(ProviderContract):
    subject_kind = GoogleMeetSubject


@pytest.fixture
def subject(clock: FakeClock) -> GoogleMeetSubject:
    return GoogleMeetSubject(clock)


def test_google_has_no_one_and_no_reason_to_mail(subject: GoogleMeetSubject) -> None:
    tokens = subject.connect()
    meeting = subject.create(tokens)
    subject.provider.update(tokens.access_token, meeting.id, subject.request(days=8))
    assert "attendees" not in subject.event()
    assert subject.event()["reminders"] == {"useDefault": False}
    subject.provider.delete(tokens.access_token, meeting.id)
    assert subject.google.mails == []


def test_the_events_id_is_the_bookings_tag(subject: GoogleMeetSubject) -> None:
    request = subject.request("v")
    assert subject.create(subject.connect(), request).id == request.tag


def test_a_number_is_dialled_with_its_pin(subject: GoogleMeetSubject) -> None:
    meeting = subject.create(subject.connect())
    (dial_in,) = meeting.dial_in
    assert re.fullmatch(r"\+1-202-555-0100,,[0-9]+#", dial_in.number)
    assert dial_in.country == "US"
    assert meeting.passcode is None


@pytest.mark.parametrize("reads", [1, 2])
def test_a_conference_that_takes_a_moment_is_waited_for(subject: GoogleMeetSubject, reads: int) -> None:
    subject.google.pending_reads = reads
    meeting = subject.create(subject.connect())
    assert meeting.join_url
    assert [held.link for held in subject.held()] == [meeting.join_url]


def test_a_conference_that_takes_long_is_asked_for_again_later(subject: GoogleMeetSubject) -> None:
    subject.google.pending_reads = 6
    tokens = subject.connect()
    with pytest.raises(Ambiguous):  # The event exists: it must be looked for, should the booking be cancelled now.
        subject.create(tokens)
    assert len(subject.google.faults.calls) < 12
    meeting = subject.create(tokens)
    assert [(held.id, held.link) for held in subject.held()] == [(meeting.id, meeting.join_url)]


@pytest.mark.parametrize("status", [401, 429, 503])
def test_an_event_that_exists_is_not_forgotten_when_its_conference_cannot_be_read(
    subject: GoogleMeetSubject, status: int
) -> None:
    subject.google.pending_reads = 1
    subject.faults.add(Fault(EVENT, Action.BEFORE, method="GET", status=status))
    with pytest.raises(Ambiguous):
        subject.create(subject.connect())
    assert len(subject.held()) == 1


@pytest.mark.parametrize("conference", [Conference.REFUSED, Conference.LEFT_OUT])
def test_a_calendar_without_meet_is_told_to_the_host_and_left_clean(
    subject: GoogleMeetSubject, conference: Conference
) -> None:
    subject.google.conference = conference
    tokens = subject.connect()
    with pytest.raises(Rejected) as raised:
        subject.create(tokens)
    assert "Google Meet" in raised.value.advice
    assert subject.held() == []


def test_a_conference_that_failed_is_tried_again_with_another_event(subject: GoogleMeetSubject) -> None:
    subject.google.conference = Conference.FAILS
    tokens = subject.connect()
    with pytest.raises(ProviderUnavailable):
        subject.create(tokens)
    assert subject.held() == []
    subject.google.conference = Conference.MADE
    with pytest.raises(MeetingGone):  # Its id stays taken: the settler goes on under the next generation's tag.
        subject.create(tokens)
    assert subject.create(tokens, subject.request("b")).join_url


def test_a_repeated_create_brings_title_and_times_up_to_date(subject: GoogleMeetSubject) -> None:
    tokens = subject.connect()
    meeting = subject.create(tokens)
    again = subject.create(tokens, subject.request(title="Longer talk", minutes=45))
    assert again == meeting
    assert [held.title for held in subject.held()] == ["Longer talk"]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_limit_after_the_event_was_made_leaves_it_in_doubt(subject: GoogleMeetSubject, method: str) -> None:
    tokens = subject.connect()
    subject.create(tokens)
    subject.faults.add(calendar_error(403, "rateLimitExceeded").fault(EVENT, method))
    with pytest.raises(Ambiguous):
        subject.create(tokens)


def test_an_event_that_cannot_be_brought_up_to_date_is_not_left_behind(subject: GoogleMeetSubject) -> None:
    tokens = subject.connect()
    subject.create(tokens)
    subject.faults.add(calendar_error(400, "invalid").fault(EVENT, "PATCH"))
    with pytest.raises(Rejected):
        subject.create(tokens)
    assert subject.held() == []


def test_a_deleted_event_that_cannot_be_changed_is_gone(subject: GoogleMeetSubject) -> None:
    tokens = subject.connect()
    meeting = subject.create(tokens)
    subject.delete_by_hand(meeting.id)
    subject.faults.add(calendar_error(403, "forbidden").fault(EVENT, "PATCH"))
    with pytest.raises(MeetingGone):
        subject.provider.update(tokens.access_token, meeting.id, subject.request(days=8))


def test_a_change_that_is_refused_stays_refused(subject: GoogleMeetSubject) -> None:
    tokens = subject.connect()
    meeting = subject.create(tokens)
    subject.faults.add(calendar_error(403, "forbidden").fault(EVENT, "PATCH"))
    with pytest.raises(Rejected):
        subject.provider.update(tokens.access_token, meeting.id, subject.request(days=8))
    assert [held.id for held in subject.held()] == [meeting.id]


def test_a_link_that_was_taken_off_the_event_is_made_anew(subject: GoogleMeetSubject) -> None:
    tokens = subject.connect()
    meeting = subject.create(tokens)
    subject.google.take_conference_off(meeting.id)
    with pytest.raises(MeetingGone):
        subject.provider.update(tokens.access_token, meeting.id, subject.request(days=8))
    assert subject.held() == []


def test_an_event_without_a_link_is_not_found_and_not_left_behind(subject: GoogleMeetSubject) -> None:
    tokens, request = subject.connect(), subject.request()
    meeting = subject.create(tokens, request)
    subject.google.take_conference_off(meeting.id)
    assert subject.provider.find(tokens.access_token, request) == []
    assert subject.held() == []


def test_creating_is_one_call(subject: GoogleMeetSubject) -> None:
    tokens = subject.connect()
    before = len(subject.faults.calls)
    subject.create(tokens)
    assert subject.faults.calls[before:] == [Call("POST", "/calendar/v3/calendars/primary/events", 200)]


def test_a_wider_permission_will_do(subject: GoogleMeetSubject) -> None:
    wide = frozenset({"openid", "https://www.googleapis.com/auth/calendar"})
    assert not subject.oauth_provider().oauth.missing_scopes(wide)


def test_an_answer_without_the_event_is_in_doubt(subject: GoogleMeetSubject) -> None:
    tokens = subject.connect()
    subject.faults.add(Fault(subject.create_path, Action.AFTER, status=200, body={"hangoutLink": 7, "id": None}))
    with pytest.raises(Ambiguous):
        subject.create(tokens)


@pytest.mark.parametrize("guests", [0, 1, 50, 900])
@pytest.mark.parametrize("length", [0, 8190, 20_000])
def test_description_and_guests_fit_into_googles_limit(subject: GoogleMeetSubject, guests: int, length: int) -> None:
    request = replace(
        subject.request(), description="x" * length, guests=("Demo Guest",) * guests, guests_label="Gäste"
    )
    subject.create(subject.connect(), request)
    description = str(subject.event().get("description", ""))
    assert len(description) <= 8192
    assert ("Gäste: Demo Guest" in description) is (guests > 0)
    assert "attendees" not in subject.event()


def test_a_guests_name_is_one_line_without_tags(subject: GoogleMeetSubject) -> None:
    names = ("<a href='https://evil.example'>Demo</a>\r\nGuest", "\u202eSecond")
    request = replace(subject.request(), description="Questions", guests=names, guests_label="Guests")
    subject.create(subject.connect(), request)
    assert subject.event()["description"] == "Questions\n\nGuests: a href='https://evil.example'Demo/a Guest, Second"
