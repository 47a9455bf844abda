"""Who is mailed what, when, under which number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.booking import Booking, Guest
from chalicelib.domain.booking_changes import cancel
from chalicelib.domain.calendar import Location, LocationType
from chalicelib.domain.invitation import Invitation, InvitationState, Invite, Method, parties
from chalicelib.domain.invitation_plan import outstanding, release_at
from chalicelib.domain.meeting import Meeting, MeetingState
from tests.support.clock import START
from tests.unit.test_booking import APPOINTMENT, LATER, booked, connection
from tests.unit.test_plan import MADE

BOOKING = booked(connection())
HOLD = timedelta(minutes=15)


def owed(booking: Booking, sent: Sequence[Invitation] = (), meeting: Meeting = MADE, **more: Any) -> list[Invite]:
    number = max((i.sequence for i in sent), default=-1) + 1
    return outstanding(booking, meeting, tuple(sent), uid="uid", sequence=number, **({"now": START} | more))


def as_sent(invites: list[Invite], state: InvitationState = InvitationState.SENT) -> list[Invitation]:
    return [
        Invitation(i.recipient.email, i.recipient.name, i.recipient.role, i.recipient.time_zone, i.method, i.sequence,
                   i.content, state)
        for i in invites
    ]  # fmt: skip


def short(invites: list[Invite]) -> list[tuple[str, str, int]]:
    return [(i.recipient.email.split("@")[0], i.method.value, i.sequence) for i in invites]


def with_guests(*names: str, booking: Booking = BOOKING) -> Booking:
    guests = tuple(Guest(name, f"{name}@example.com") for name in names)
    return replace(booking, appointment=replace(booking.appointment, guests=guests))


class TestWhoIsMailed:
    def test_host_and_guests_are_each_invited_once(self) -> None:
        assert short(owed(with_guests("one", "two"))) == [
            ("host", "REQUEST", 0),
            ("one", "REQUEST", 0),
            ("two", "REQUEST", 0),
        ]

    def test_when_all_know_all_no_one_is_mailed(self) -> None:
        assert owed(BOOKING, as_sent(owed(BOOKING))) == []

    def test_a_new_link_is_told_to_all_under_a_new_number(self) -> None:
        sent = as_sent(owed(BOOKING))
        other = replace(MADE, join_url="https://zoom.us/j/2")
        assert short(owed(BOOKING, sent, other)) == [("host", "REQUEST", 1), ("guest", "REQUEST", 1)]

    def test_a_guest_who_is_taken_off_is_told_and_the_host_sees_it(self) -> None:
        sent = as_sent(owed(with_guests("one", "two")))
        assert short(owed(with_guests("one"), sent)) == [("host", "REQUEST", 1), ("two", "CANCEL", 1)]

    def test_cancelling_tells_all_who_were_invited(self) -> None:
        sent = as_sent(owed(with_guests("one", "two")))[:2]
        assert short(owed(cancel(BOOKING, now=LATER), sent)) == [("host", "CANCEL", 1), ("one", "CANCEL", 1)]

    def test_cancelling_before_anyone_was_invited_tells_no_one(self) -> None:
        assert owed(cancel(BOOKING, now=LATER)) == []

    def test_who_was_told_of_the_end_is_not_told_again(self) -> None:
        ended = cancel(BOOKING, now=LATER)
        told = as_sent(owed(ended, as_sent(owed(BOOKING))))
        assert owed(ended, told) == []

    def test_a_guest_who_is_the_host_too_gets_one_mail(self) -> None:
        both = replace(BOOKING, appointment=replace(APPOINTMENT, guests=(Guest("Same", "HOST@Example.com"),)))
        assert [p.role.value for p in parties(both)] == ["host"]

    def test_no_one_is_invited_to_what_is_over(self) -> None:
        assert owed(BOOKING, now=APPOINTMENT.ends_at) == []

    def test_a_mail_whose_sending_was_not_confirmed_goes_again_under_its_own_number(self) -> None:
        begun = as_sent(owed(BOOKING), InvitationState.SENDING)
        assert short(owed(BOOKING, begun)) == [("host", "REQUEST", 0), ("guest", "REQUEST", 0)]

    def test_a_cancellation_whose_sending_was_not_confirmed_is_still_owed(self) -> None:
        ended = cancel(BOOKING, now=LATER)
        begun = as_sent(owed(ended, as_sent(owed(BOOKING))), InvitationState.SENDING)
        assert short(owed(ended, begun)) == [("host", "CANCEL", 1), ("guest", "CANCEL", 1)]

    def test_guests_do_not_see_each_other_and_the_host_sees_all(self) -> None:
        seen = {i.recipient.email: [p.email for p in i.attendees] for i in owed(with_guests("one", "two"))}
        assert seen == {
            "host@example.com": ["host@example.com", "one@example.com", "two@example.com"],
            "one@example.com": ["host@example.com", "one@example.com"],
            "two@example.com": ["host@example.com", "two@example.com"],
        }

    @given(st.lists(st.sets(st.sampled_from("abcd")), min_size=1, max_size=6))
    def test_each_recipients_numbers_rise_and_the_last_mail_says_how_it_is(self, rounds: list[set[str]]) -> None:
        known: dict[str, Invitation] = {}
        for guests in rounds:
            for invitation in as_sent(owed(with_guests(*sorted(guests)), list(known.values()))):
                before = known.get(invitation.email)
                assert before is None or invitation.sequence > before.sequence
                known[invitation.email] = invitation
        invited = {email.split("@")[0] for email, i in known.items() if i.method is Method.REQUEST}
        assert invited == rounds[-1] | {"host"}


class TestWhatIsSaid:
    def test_a_link_that_is_not_there_yet_is_promised(self) -> None:
        waiting = Meeting(state=MeetingState.WAITING)
        assert all(i.link_follows and i.join_url is None for i in owed(BOOKING, meeting=waiting))

    def test_a_link_that_will_never_come_is_not(self) -> None:
        for state in (MeetingState.FAILED, MeetingState.NONE):
            assert not any(i.link_follows for i in owed(BOOKING, meeting=Meeting(state=state)))

    def test_a_link_of_the_callers_own_is_the_link(self) -> None:
        own = replace(BOOKING, location=Location(LocationType.CUSTOM_LINK, "https://example.com/me"), eligibility=None)
        assert {i.join_url for i in owed(own, meeting=Meeting(state=MeetingState.NONE))} == {"https://example.com/me"}

    def test_everyone_reads_times_in_their_own_zone(self) -> None:
        booking = replace(
            BOOKING,
            host=replace(BOOKING.host, time_zone="Asia/Tokyo"),
            appointment=replace(
                APPOINTMENT, guests=(Guest("A", "a@example.com", "America/New_York"), Guest("B", "b@example.com"))
            ),
        )
        assert [p.time_zone for p in parties(booking)] == ["Asia/Tokyo", "America/New_York", "Europe/Berlin"]


class TestWhenItGoes:
    @pytest.mark.parametrize("state", [MeetingState.NONE, MeetingState.READY, MeetingState.REMOVED])
    def test_at_once_when_there_is_nothing_to_wait_for(self, state: MeetingState) -> None:
        assert release_at(BOOKING, Meeting(state=state), HOLD) == BOOKING.updated_at

    def test_not_while_the_link_is_being_made(self) -> None:
        assert release_at(BOOKING, Meeting(), HOLD) is None

    @pytest.mark.parametrize("state", [MeetingState.WAITING, MeetingState.FAILED])
    def test_after_the_hold_when_the_link_cannot_be_made_now(self, state: MeetingState) -> None:
        assert release_at(BOOKING, Meeting(state=state), HOLD) == BOOKING.updated_at + HOLD

    @pytest.mark.parametrize(("minutes_ahead", "expected"), [(20, 5), (16, 1), (15, 0), (5, 0), (-60, 0)])
    def test_sooner_when_the_start_is_near(self, minutes_ahead: int, expected: int) -> None:
        starts_at = START + timedelta(minutes=minutes_ahead)
        soon = replace(BOOKING, appointment=replace(APPOINTMENT, starts_at=starts_at))
        assert release_at(soon, Meeting(state=MeetingState.WAITING), HOLD) == START + timedelta(minutes=expected)

    @pytest.mark.parametrize("state", list(MeetingState))
    @pytest.mark.parametrize("join_url", [None, "https://zoom.us/j/1"])
    def test_a_cancellation_waits_for_nothing(self, state: MeetingState, join_url: str | None) -> None:
        ended = cancel(BOOKING, now=LATER)
        assert release_at(ended, Meeting(state=state, join_url=join_url), HOLD) == LATER

    @pytest.mark.parametrize("state", [MeetingState.WAITING, MeetingState.FAILED])
    def test_a_change_of_a_meeting_that_has_its_link_waits_for_nothing(self, state: MeetingState) -> None:
        assert release_at(BOOKING, replace(MADE, state=state), HOLD) == BOOKING.updated_at
