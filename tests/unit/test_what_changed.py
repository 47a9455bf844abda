"""An update shows what the last email said, struck through beside what is true now."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.calendar import Location, LocationType
from chalicelib.domain.invitation import Announcement, InvitationState, Invite, Method
from chalicelib.domain.invitation_plan import announce, outstanding
from chalicelib.domain.meeting import Meeting
from chalicelib.domain.row_size import with_announcement
from chalicelib.domain.settlement import Settlement
from chalicelib.mail.message import LARGEST, compose
from chalicelib.wording import LANGUAGES
from tests.support.clock import START
from tests.support.invites import LINK, SENDER, guest_invite, host_invite
from tests.support.mailcheck import texts_of
from tests.unit.test_booking import APPOINTMENT, booked, connection
from tests.unit.test_invitation import as_sent
from tests.unit.test_plan import MADE

NOW = guest_invite()
SAME = Announcement(0, NOW.title, NOW.starts_at, NOW.ends_at, NOW.location, NOW.host.name, NOW.join_url)
OLD = replace(
    SAME,
    title="First call",
    starts_at=NOW.starts_at - timedelta(days=1),
    ends_at=NOW.ends_at - timedelta(days=1),
    location=Location(LocationType.PHONE, "+1 212 555 0143"),
    host="Former Host",
    join_url="https://video.example.org/j/1",
)


def struck(invite: Invite) -> list[str]:
    return re.findall(r"<del[^>]*>([^<]*)</del>", texts_of(compose(invite, SENDER).raw)[1])


def in_plain_text(invite: Invite, word: str = "before") -> list[str]:
    return re.findall(rf"\n  {word}: (.*?)\r?\n", texts_of(compose(invite, SENDER).raw)[0])


def updated(before: Announcement | None, **changes: object) -> Invite:
    return guest_invite(is_update=True, before=before, **changes)


def test_every_value_that_changed_is_shown_with_its_earlier_one() -> None:
    earlier = [
        "First call",
        "Monday, 4 January 2027, 10:00 – 10:30 (New York time)",
        "By phone: +1 212 555 0143",
        "Former Host",
        "https://video.example.org/j/1",
    ]
    assert struck(updated(OLD)) == in_plain_text(updated(OLD)) == earlier


@pytest.mark.parametrize(
    "invite",
    [
        updated(SAME),
        updated(None),
        replace(updated(OLD), is_update=False),
        replace(updated(OLD), method=Method.CANCEL),
    ],
    ids=["nothing changed", "the last email is unknown", "a first invitation", "a cancellation"],
)
def test_an_email_without_a_known_difference_strikes_nothing_through(invite: Invite) -> None:
    assert (struck(invite), in_plain_text(invite)) == ([], [])


def test_a_link_that_comes_late_strikes_nothing_through() -> None:
    assert struck(updated(replace(SAME, join_url=None))) == []


def test_a_host_reads_what_changed_without_themselves() -> None:
    assert "Former Host" not in struck(host_invite(is_update=True, before=OLD))


@pytest.mark.parametrize("language", LANGUAGES)
def test_plain_text_says_in_each_language_which_value_is_the_earlier_one(language: str) -> None:
    words = {"en": "before", "de": "bisher", "fr": "avant", "es": "antes", "ja": "変更前"}
    recipient = replace(NOW.recipient, language=language)
    assert "First call" in in_plain_text(updated(OLD, recipient=recipient), words[language])


def test_hostile_earlier_values_stay_small_and_harmless() -> None:
    hostile = replace(OLD, title="<b>\r\n" + "é" * 5000, host="\x00x" * 5000, join_url="javascript:alert(1)")
    mail = compose(updated(hostile, description="é" * 9000), SENDER)
    assert len(mail.raw) <= LARGEST
    assert "<b>" not in texts_of(mail.raw)[1]
    assert "javascript" not in mail.raw.decode()


def moved(booking: Booking) -> Booking:
    later = {"starts_at": APPOINTMENT.starts_at + timedelta(1), "ends_at": APPOINTMENT.ends_at + timedelta(1)}
    return replace(booking, revision=booking.revision + 1, appointment=replace(booking.appointment, **later))


def plan(booking: Booking, settlement: Settlement, meeting: Meeting = MADE) -> list[Invite]:
    return outstanding(
        booking, meeting, settlement.invitations, announcements=settlement.announcements, uid="uid",
        sequence=settlement.sequence + 1, now=START,
    )  # fmt: skip


def recorded(settlement: Settlement, booking: Booking, state: InvitationState = InvitationState.SENT) -> Settlement:
    """What a run records that ends with these states."""
    invites = plan(booking, settlement)
    marks = [replace(i, follows=invite.follows) for i, invite in zip(as_sent(invites, state), invites, strict=True)]
    number = invites[0].sequence
    settlement = replace(settlement, invitations=tuple(marks), sequence=number)
    return with_announcement(settlement, announce(booking, MADE, number))


def test_an_update_knows_what_the_email_before_said_also_when_it_is_sent_again() -> None:
    first = booked(connection())
    once = recorded(Settlement(), first)
    assert [invite.before for invite in plan(first, Settlement())] == [None, None]
    said = announce(first, MADE, 0)
    assert [invite.before for invite in plan(moved(first), once)] == [said, said]
    unsure = recorded(once, moved(first), InvitationState.SENDING)
    assert [(i.sequence, i.before) for i in plan(moved(first), unsure)] == [(1, said), (1, said)]
    other = replace(moved(first), appointment=replace(moved(first).appointment, title="Other"))
    assert [(i.sequence, i.before) for i in plan(other, unsure)] == [(2, said), (2, said)]


def test_only_what_an_email_may_refer_to_is_kept() -> None:
    booking, settlement = booked(connection()), recorded(Settlement(), booked(connection()))
    for number in range(9):
        booking = replace(booking, appointment=replace(booking.appointment, title=f"Talk {number}"))
        settlement = recorded(settlement, booking)
    assert [announcement.title for announcement in settlement.announcements] == ["Talk 7", "Talk 8"]


def test_links_of_each_recipients_own_are_not_repeated() -> None:
    personal = replace(MADE, join_url=LINK, host_url=f"{LINK}/host")
    assert announce(booked(connection()), personal, 0).join_url is None
