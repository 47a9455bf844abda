"""Recipients whose emails are switched off: their invitations are recorded and not sent."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.domain.booking import Booking, Guest, content_digest
from chalicelib.domain.booking_changes import book, cancel, change
from chalicelib.domain.emails import UNDECIDED, Emails
from chalicelib.domain.invitation import Invitation, InvitationState, Invite, Role, is_emailed
from chalicelib.domain.invitation_plan import outstanding
from tests.support.clock import START
from tests.unit.test_booking import APPOINTMENT, LATER, booked, calendar, connection
from tests.unit.test_invitation import as_sent
from tests.unit.test_plan import MADE

GUESTS_OFF = Emails(guests=False)


def recorded(invites: list[Invite], revision: int) -> list[Invitation]:
    """What settling records of these invites."""
    return [
        replace(sent, left_at_revision=revision) if invite.is_left_to_caller else replace(sent, sent_at=START)
        for invite, sent in zip(invites, as_sent(invites), strict=True)
    ]


def plan(booking: Booking, last: list[Invitation], *, settled: int | None = None) -> list[Invite]:
    number = max((invitation.sequence for invitation in last), default=-1) + 1
    before = booking.revision - 1 if settled is None else settled
    return outstanding(
        booking, MADE, tuple(last), uid="uid", sequence=number, now=START, settled_revision=before
    )  # fmt: skip


def short(invites: list[Invite]) -> list[tuple[str, str, int, bool]]:
    return [(i.recipient.role.value, i.method.value, i.sequence, i.is_left_to_caller) for i in invites]


def changed(booking: Booking, emails: Emails = UNDECIDED, **content: object) -> Booking:
    appointment = replace(booking.appointment, emails=emails, **content)
    return change(booking, appointment, None, None, version=None, now=LATER)


BOOKING = booked(connection())
OFF = changed(BOOKING, GUESTS_OFF)
MAILED = recorded(plan(BOOKING, []), 1)
LEFT = recorded(plan(replace(OFF, revision=1), []), 1)


@pytest.mark.parametrize(
    ("own", "of_calendar", "of_workspace", "expected"),
    [
        (UNDECIDED, UNDECIDED, UNDECIDED, (True, True)),
        (UNDECIDED, UNDECIDED, GUESTS_OFF, (False, True)),
        (UNDECIDED, Emails(guests=True), GUESTS_OFF, (True, True)),
        (UNDECIDED, Emails(host=False), GUESTS_OFF, (False, False)),
        (Emails(guests=True), GUESTS_OFF, Emails(host=False), (True, False)),
    ],
)
def test_the_booking_decides_then_its_calendar_then_its_workspace(
    own: Emails, of_calendar: Emails, of_workspace: Emails, expected: tuple[bool, bool]
) -> None:
    booking = book(
        ("ws-1", "b-1"), replace(APPOINTMENT, emails=own), replace(calendar(), emails=of_calendar), None,
        version=None, now=START, workspace_emails=of_workspace,
    )  # fmt: skip
    assert (is_emailed(booking, Role.GUEST), is_emailed(booking, Role.HOST)) == expected


def test_a_change_keeps_what_it_does_not_mention() -> None:
    moved = changed(OFF, title="Other")
    assert moved.appointment.emails == GUESTS_OFF
    assert changed(moved, Emails(host=False)).appointment.emails == Emails(guests=False, host=False)
    assert changed(moved, Emails(guests=True)).appointment.emails == Emails(guests=True)


def test_another_choice_is_other_content() -> None:
    choices = [UNDECIDED, GUESTS_OFF, Emails(guests=True), Emails(host=False)]
    assert len({content_digest(replace(APPOINTMENT, emails=emails)) for emails in choices}) == 4
    assert changed(OFF, GUESTS_OFF) is OFF


def test_who_is_switched_off_gets_a_number_as_the_others() -> None:
    assert short(plan(replace(OFF, revision=1), [])) == [("host", "REQUEST", 0, False), ("guest", "REQUEST", 0, True)]
    moved = changed(replace(OFF, revision=1), title="Other")
    assert short(plan(moved, LEFT)) == [("host", "REQUEST", 1, False), ("guest", "REQUEST", 1, True)]
    assert short(plan(cancel(OFF, now=LATER), LEFT, settled=2)) == [
        ("host", "CANCEL", 1, False),
        ("guest", "CANCEL", 1, True),
    ]


def test_switching_off_sends_nothing_and_is_recorded_once() -> None:
    assert short(plan(OFF, MAILED)) == [("guest", "REQUEST", 0, True)]
    noted = [MAILED[0], replace(MAILED[1], left_at_revision=2)]
    assert not noted[1].is_left_to_caller
    assert plan(OFF, noted) == []
    assert plan(changed(OFF, Emails(guests=True)), noted) == []


def test_files_of_revisions_that_were_not_settled_count_after_our_own_email_too() -> None:
    """Moved, and moved back: the caller may have mailed the file of the revision between."""
    noted = [MAILED[0], replace(MAILED[1], left_at_revision=2)]
    there = changed(OFF, title="Other")
    back = changed(there, title=OFF.appointment.title)
    on_again = changed(back, Emails(guests=True))
    (invite,) = plan(on_again, noted, settled=2)
    assert short([invite]) == [("guest", "REQUEST", 3, False)]


def test_an_email_with_an_unknown_outcome_is_the_callers_after_switching_off() -> None:
    begun = [MAILED[0], replace(MAILED[1], state=InvitationState.SENDING)]
    assert short(plan(OFF, begun)) == [("guest", "REQUEST", 0, True)]


def test_switching_on_invites_once_with_the_entry_that_the_caller_sent() -> None:
    first = replace(OFF, revision=1)
    on = changed(first, Emails(guests=True))
    (invite,) = plan(on, LEFT)
    assert (short([invite]), invite.is_update) == ([("guest", "REQUEST", 0, False)], False)
    assert plan(on, [LEFT[0], *recorded([invite], 2)]) == []


def test_after_unsettled_revisions_the_number_is_higher_than_that_of_any_file() -> None:
    """Moved, and moved back before it was settled: the caller may have mailed the file of the revision between."""
    first = replace(OFF, revision=1)
    there = changed(first, title="Other")
    assert short(plan(there, LEFT))[1] == ("guest", "REQUEST", 1, True)
    back = changed(there, title=first.appointment.title)
    assert short(plan(back, LEFT, settled=1)) == [("guest", "REQUEST", 2, True)]
    on_again = changed(there, Emails(guests=True), title=first.appointment.title)
    assert short(plan(on_again, LEFT, settled=1)) == [("guest", "REQUEST", 2, False)]
    assert plan(back, [LEFT[0], *recorded(plan(back, LEFT, settled=1), back.revision)], settled=1) == []


def test_a_guest_who_is_taken_off_is_the_callers_too() -> None:
    two = replace(APPOINTMENT, guests=(*APPOINTMENT.guests, Guest("Two", "two@example.com")), emails=GUESTS_OFF)
    both = book(("ws-1", "b-1"), two, calendar(), connection(), version=None, now=START)
    fewer = changed(both, guests=APPOINTMENT.guests)
    last = recorded(plan(both, []), 1)
    assert short(plan(fewer, last)) == [("host", "REQUEST", 1, False), ("guest", "CANCEL", 1, True)]
