"""A booking's history: what settlers noticed, in the writes that they make anyway."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.answers import Answer, AnswerSource, Choice, answer_key
from chalicelib.domain.history import MAX_ENTRIES, with_history
from chalicelib.domain.history_entry import HistoryEntry
from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingState
from chalicelib.domain.settlement import Settlement
from infra.local.standins.faults import Action, Fault
from tests.component.test_calls_per_booking import counted
from tests.support.clock import START
from tests.support.examples import examples
from tests.support.product import GUEST, WORKSPACE, Product, booking
from tests.support.steps import cancel, get, put


def history(product: Product, booking_id: str = "b-1") -> list[str]:
    record = product.services.booking_store.get(WORKSPACE, booking_id)
    assert record is not None
    return [describe(one) for one in record.settlement.history]


def describe(one: HistoryEntry) -> str:
    has_note = one.kind in ("meeting", "mailed", "reminded", "answered", "attendance")
    return f"{one.kind} {one.note.split(' ')[0]}" if has_note else one.kind


def test_a_bookings_life_is_told_in_order(connected: Product) -> None:
    put(connected)
    put(connected, days=40)
    connected.caller().post("/v1/bookings/b-1/retry")
    connected.settle()
    cancel(connected)
    assert history(connected) == [
        "booked",
        "meeting ready",
        "mailed REQUEST",
        "changed",
        "mailed REQUEST",
        "retried",
        "cancelled",
        "meeting removed",
        "mailed CANCEL",
    ]


def test_an_outage_and_its_end_are_two_entries(connected: Product) -> None:
    connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=503, times=None))
    put(connected)
    for _ in range(4):
        connected.tick()
    connected.zoom.faults.clear()
    for _ in range(20):
        connected.tick()
    entries = history(connected)
    assert entries.count("meeting waiting") == 1
    assert entries.count("meeting ready") == 1
    assert entries.index("meeting waiting") < entries.index("meeting ready")


def test_it_costs_no_write_of_its_own(connected: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    import chalicelib.store.booking_leases as leases

    def writes() -> int:
        connected.caller().put("/v1/bookings/b-2" if with_it else "/v1/bookings/b-1", json=booking())
        with counted(connected) as calls:
            connected.settle()
        return len(calls)

    connected.caller().put("/v1/bookings/b-0", json=booking())
    connected.settle()  # What a process reads once.
    with_it = False
    with monkeypatch.context() as patch:
        patch.setattr(leases, "with_history", lambda settlement, *_: settlement)
        without = writes()
    with_it = True
    assert writes() == without


def test_an_invitation_is_sent_once_more_to_one_person_with_the_same_number(connected: Product) -> None:
    put(connected)
    connected.services.bookings.resend_invitation(WORKSPACE, "b-1", GUEST["email"].upper())
    connected.settle()
    letters = connected.mails.to(GUEST["email"])
    assert [letter.invite.sequence for letter in letters] == [0, 0]
    assert len(connected.mails.to("host@example.com")) == 1
    connected.caller().post("/v1/bookings/b-1/retry")
    connected.settle()
    assert len(connected.mails.to(GUEST["email"])) == 2
    assert history(connected)[-3:] == ["retried", "mailed REQUEST", "retried"]
    put(connected, days=40)
    assert [letter.invite.sequence for letter in connected.mails.to(GUEST["email"])] == [0, 0, 1]
    assert get(connected)["invitations"][1]["state"] == "sent"


@given(data=st.data())
@examples(20)
def test_it_stays_small_and_repeats_nothing_whatever_happens(data: st.DataObject) -> None:
    from tests.support.rows import booking as stored_booking

    current, settlement, answers = stored_booking(), Settlement(), {}
    now = START
    for number in range(data.draw(st.integers(0, 60))):
        now += timedelta(seconds=data.draw(st.integers(0, 90)))
        current = replace(current, revision=current.revision + data.draw(st.integers(0, 1)), updated_at=now)
        state, reason = data.draw(st.sampled_from(MeetingState)), data.draw(st.sampled_from([None, *MeetingReason]))
        settlement = replace(settlement, revision=current.revision, meeting=Meeting(state, reason=reason))
        if data.draw(st.booleans()):
            key = answer_key(f"guest-{number % 7}@example.com")
            answers = answers | {key: Answer(data.draw(st.sampled_from(Choice)), now, now, 0, None, AnswerSource.LINK)}
        settlement = with_history(settlement, current, answers, now)
        assert with_history(settlement, current, answers, now + timedelta(hours=1)) == settlement
    assert len(settlement.history) <= MAX_ENTRIES
    assert len(msgspec.json.encode(settlement.history)) <= 4_096
