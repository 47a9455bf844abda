"""When reminders are due, and who gets them, over any sequence of what callers do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.booking import Appointment, Booking, Guest
from chalicelib.domain.booking_changes import book, cancel, change
from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
from chalicelib.domain.invitation import Invitation, InvitationState, Method, address_key, parties
from chalicelib.domain.reminder import DEFAULT_REMINDERS, Addressees, Reminder, choose_reminders
from chalicelib.domain.reminder_plan import (
    LATEST,
    SPREAD,
    due_reminders,
    next_due_at,
    recipient_key,
    with_progress,
)
from chalicelib.domain.settlement import Settlement
from tests.support.clock import START

MINUTE = timedelta(minutes=1)
CALENDAR = Calendar(
    "ws-1", "c-1", "Calls", Host("u-1", "Demo Host", "host@example.com"), Location(LocationType.PHONE), START, START
)
GUESTS = tuple(Guest(f"Guest {n}", f"guest-{n}@example.com") for n in range(3))
REMINDERS = st.lists(
    st.builds(Reminder, st.sampled_from([5, 30, 60, 61, 1440]), st.sampled_from(Addressees)),
    max_size=3,
    unique_by=lambda reminder: reminder.minutes_before,
).map(tuple)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 200)),
        st.tuples(st.just("reschedule"), st.integers(1, 2000)),
        st.tuples(st.just("guests"), st.integers(0, 3)),
        st.tuples(st.just("title"), st.integers(0, 9)),
        st.tuples(st.just("move"), REMINDERS),
        st.tuples(st.just("bounce"), st.integers(0, 2)),
        st.tuples(st.just("cancel"), st.none()),
    ),
    max_size=8,
)


class Life:
    """A booking with emails that all arrive at once, and a schedule that comes each full minute in which it is due."""

    def __init__(self, name: str, reminders: tuple[Reminder, ...], minutes: int) -> None:
        self.now = START
        starts_at = START + minutes * MINUTE
        appointment = Appointment("c-1", starts_at, starts_at + 30 * MINUTE, "Europe/Berlin", "Call", guests=GUESTS[:1])
        key = ("ws-1", name)
        self.booking: Booking = book(key, appointment, CALENDAR, None, reminders=reminders, version=None, now=START)
        self.settlement = Settlement()
        self.sent: list[tuple[str, datetime, int, datetime]] = []
        self.dropped = 0
        self.settle()

    def change(self, **changes: Any) -> None:
        if self.booking.is_cancelled:
            return
        move = changes.pop("reminders", None)
        calendar = replace(CALENDAR, calendar_id=f"c-{self.booking.revision}") if move is not None else None
        if calendar:
            changes["calendar_id"] = calendar.calendar_id
        appointment = replace(self.booking.appointment, **changes)
        self.booking = change(
            self.booking, appointment, calendar, None, reminders=move or (), version=None, now=self.now
        )
        self.settle()

    def settle(self) -> None:
        """Invite all who see a change, and remind."""
        last = {address_key(one.email): one for one in self.settlement.invitations}
        appointment = self.booking.appointment
        content = str((appointment.starts_at, appointment.title))
        invited = []
        for party in parties(self.booking):
            old = last.get(address_key(party.email))
            is_current = old is not None and old.content == content
            new = Invitation(
                party.email, party.name, party.role, party.time_zone, Method.REQUEST, 0, content,
                InvitationState.SENT, self.now, starts_at=appointment.starts_at,
            )  # fmt: skip
            invited.append(old if old and is_current else new)
        self.settlement = replace(self.settlement, invitations=tuple(invited))
        self.remind()

    def remind(self) -> None:
        for due in due_reminders(self.booking, self.settlement, {}, self.now):
            progress = due.progress
            self.dropped += due.is_late
            if not due.is_late:
                for party in due.recipients:
                    start, minutes = self.booking.appointment.starts_at, due.reminder.minutes_before
                    self.sent.append((party.email, start, minutes, self.now))
                    progress = replace(progress, marks=progress.marks | {recipient_key(party.email): True})
            self.settlement = with_progress(self.booking, self.settlement, progress)
        assert all(
            one.is_late or not one.recipients for one in due_reminders(self.booking, self.settlement, {}, self.now)
        )
        for due in due_reminders(self.booking, self.settlement, {}, self.now):
            done = replace(due.progress, marks={}, is_done=True, is_dropped=due.is_late)
            self.settlement = with_progress(self.booking, self.settlement, done)

    def wait(self, until: datetime) -> None:
        while (due_at := next_due_at(self.booking, self.settlement, self.now)) and due_at <= until:
            assert due_at > self.now
            self.now = max(self.now, due_at + (START - due_at) % MINUTE)
            self.remind()
        self.now = max(self.now, until)

    def step(self, what: str, value: Any) -> None:
        match what:
            case "wait":
                self.wait(self.now + value * MINUTE)
            case "reschedule":
                starts_at = self.now + value * MINUTE
                self.change(starts_at=starts_at, ends_at=starts_at + 30 * MINUTE)
            case "guests":
                self.change(guests=GUESTS[:value])
            case "title":
                self.change(title=f"Call {value}")
            case "move":
                self.change(reminders=value)
            case "bounce":
                bounced = [replace(one, state=InvitationState.BOUNCED) for one in self.settlement.invitations[value:]]
                kept = self.settlement.invitations[:value]
                self.settlement = replace(self.settlement, invitations=(*kept, *bounced))
            case "cancel":
                self.booking = cancel(self.booking, now=self.now)


@given(st.sampled_from(["b-1", "b-2", "b-3"]), REMINDERS, st.integers(1, 3000), STEPS)
def test_each_recipient_is_reminded_once_in_time_and_none_is_forgotten(
    name: str, reminders: tuple[Reminder, ...], minutes: int, steps: list[tuple[str, Any]]
) -> None:
    life = Life(name, reminders, minutes)
    for what, value in steps:
        life.step(what, value)
    booking, invitations = life.booking, life.settlement.invitations
    life.wait(booking.appointment.ends_at)
    assert len({sent[:3] for sent in life.sent}) == len(life.sent)
    for _, starts_at, before, at in life.sent:
        assert starts_at - before * MINUTE - SPREAD <= at <= starts_at - before * MINUTE + MINUTE
        assert at < starts_at
    expected = set()
    for reminder in booking.reminders if not booking.is_cancelled else ():
        first_due = booking.appointment.starts_at - reminder.minutes_before * MINUTE - SPREAD
        for invitation in invitations:
            is_addressed = reminder.to is Addressees.ALL or f"{invitation.role.value}" in reminder.to.value
            was_set = max(booking.reminders_set_at or START, invitation.sent_at or life.now) < first_due
            if is_addressed and was_set and invitation.state is InvitationState.SENT:
                expected.add((invitation.email, booking.appointment.starts_at, reminder.minutes_before))
    assert expected <= {sent[:3] for sent in life.sent}
    assert life.dropped == 0


def test_a_reminder_that_is_ten_minutes_late_is_dropped_once_and_one_after_the_start_too() -> None:
    life = Life("b-1", (Reminder(60, Addressees.GUESTS), Reminder(5, Addressees.ALL)), 300)
    due_at = next_due_at(life.booking, life.settlement, life.now)
    assert due_at is not None
    life.now = due_at + LATEST + timedelta(seconds=1)
    life.remind()
    life.remind()
    assert (life.sent, life.dropped) == ([], 1)
    life.now = life.booking.appointment.starts_at
    life.remind()
    assert (life.sent, life.dropped) == ([], 2)
    assert next_due_at(life.booking, life.settlement, life.now) is None


def test_due_times_are_spread_evenly() -> None:
    lives = (Life(f"b-{number}", DEFAULT_REMINDERS, 300) for number in range(500))
    times = [next_due_at(life.booking, life.settlement, life.now) for life in lives]
    before = sorted((START + 240 * MINUTE - at) / MINUTE for at in times if at is not None)
    assert 0 <= before[0] < 0.1 and 4.9 < before[-1] <= 5
    assert [round(before[n * 100]) for n in range(1, 5)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("calendars", "workspaces", "chosen"),
    [
        (None, None, DEFAULT_REMINDERS),
        (None, (), ()),
        ((), DEFAULT_REMINDERS, ()),
        ((Reminder(5, Addressees.HOST),), (), (Reminder(5, Addressees.HOST),)),
    ],
)
def test_the_calendar_wins_over_the_workspace_and_an_empty_list_over_the_default(
    calendars: tuple[Reminder, ...] | None, workspaces: tuple[Reminder, ...] | None, chosen: tuple[Reminder, ...]
) -> None:
    assert choose_reminders(calendars, workspaces) == chosen


def test_a_booking_of_the_release_before_reminders_has_none() -> None:
    life = Life("b-1", (), 120)
    life.wait(life.booking.appointment.ends_at)
    assert (life.sent, life.dropped, life.settlement.reminders) == ([], 0, ())
