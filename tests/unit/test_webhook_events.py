"""Which changes cause events, and when a failed delivery is retried."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.connection import Account, Connection, Reason
from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.domain.meeting_states import record_intent
from chalicelib.domain.settlement import Settlement
from chalicelib.webhooks.delivery import next_attempt, pause_after, pause_after_slow_answers
from chalicelib.webhooks.events import Event, connection_changes, event_id, meeting_change
from chalicelib.webhooks.model import Delivery, DeliveryKey

NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
LINK = Meeting(MeetingState.READY, id="1", join_url="https://zoom.us/j/1", passcode="1")
WAITING = Meeting(MeetingState.WAITING, reason="provider_unavailable", attempts=3)
FAILED = Meeting(MeetingState.FAILED, reason="provider_rejected")
INTENT = record_intent(WAITING, NOW)
PATIENT = replace(WAITING, state=MeetingState.PENDING, attempts=1)
CONNECTION = Connection("ws-1", "u-1", "zoom", "zoom#a", Account("a", "host@example.com"), NOW)


@pytest.mark.parametrize(
    ("before", "after", "event_type"),
    [
        (None, LINK, "meeting.ready"),
        (INTENT, LINK, "meeting.ready"),
        (LINK, LINK, None),
        (LINK, replace(LINK, fingerprint="moved", attempts=1, verify_at=NOW), None),
        (LINK, replace(LINK, join_url="https://zoom.us/j/2"), "meeting.ready"),
        (LINK, replace(LINK, reason="not_updatable"), "meeting.ready"),
        (None, WAITING, "meeting.waiting"),
        (WAITING, INTENT, None),
        (INTENT, replace(WAITING, attempts=4), None),
        (None, PATIENT, None),
        (PATIENT, WAITING, "meeting.waiting"),
        (record_intent(PATIENT, NOW), WAITING, "meeting.waiting"),
        (INTENT, replace(WAITING, reason="reconnect_needed"), "meeting.waiting"),
        (LINK, WAITING, "meeting.waiting"),
        (INTENT, FAILED, "meeting.failed"),
        (FAILED, FAILED, None),
        (LINK, Meeting(MeetingState.REMOVED), "meeting.removed"),
        (Meeting(MeetingState.REMOVED), Meeting(MeetingState.REMOVED), None),
        (LINK, Meeting(MeetingState.NONE, reason="location_not_video"), "meeting.removed"),
        (None, Meeting(MeetingState.NONE, reason="not_connected"), None),
        (LINK, Meeting(MeetingState.PENDING), None),
    ],
)
def test_a_change_that_matters_to_the_caller_is_an_event(
    before: Meeting | None, after: Meeting, event_type: str | None
) -> None:
    old = Settlement(revision=1, meeting=before) if before else None
    assert meeting_change(old, Settlement(revision=1, meeting=after)) == event_type


def test_the_same_failure_of_a_newer_revision_is_another_event() -> None:
    before, after = Settlement(revision=1, meeting=FAILED), Settlement(revision=2, meeting=FAILED)
    assert meeting_change(before, after) == "meeting.failed"


def test_a_connection_is_made_ends_once_and_is_replaced() -> None:
    ended, other = CONNECTION.ended(Reason.DISCONNECTED, NOW), replace(CONNECTION, grant_id="zoom#b")

    def changes(before: Connection | None, after: Connection | None) -> list[tuple[str, str | None]]:
        return [(str(kind), reason) for kind, _, reason in connection_changes(before, after)]

    made, gone = ("connection.created", None), ("connection.removed", "disconnected")
    assert changes(None, CONNECTION) == changes(ended, CONNECTION) == [made]
    assert changes(CONNECTION, replace(CONNECTION, user_name="New Name")) == []
    assert changes(CONNECTION, None) == changes(CONNECTION, ended) == [gone]
    assert changes(ended, None) == changes(None, None) == []
    assert changes(CONNECTION, other) == [("connection.removed", "replaced"), made]
    pending = replace(CONNECTION, confirmed=False)
    assert changes(pending, pending) == changes(CONNECTION, CONNECTION) == []
    assert changes(pending, CONNECTION) == [("connection.confirmed", None)]
    assert changes(None, pending) == [("connection.created", "not_confirmed")]


def test_the_event_of_a_deauthorized_account_has_nothing_personal() -> None:
    ((_, told, reason),) = connection_changes(CONNECTION, CONNECTION.ended(Reason.DEAUTHORIZED, NOW))
    assert (told.account, reason) == (Account("", ""), "deauthorized")


@given(st.lists(st.text(st.characters(codec="utf-8"))), st.lists(st.text(st.characters(codec="utf-8"))))
def test_an_event_id_depends_only_on_the_cause(one: list[str], other: list[str]) -> None:
    assert event_id(*one) == event_id(*one)
    if "\0" not in "".join(one + other) and one != other and [*one, ""] != [*other, ""]:
        assert (event_id(*one) == event_id(*other)) == ("\0".join(one) == "\0".join(other))


@given(st.text())
def test_the_body_of_every_event_is_json(text: str) -> None:
    body = Event("ws-1", "evt_1", "meeting.failed", NOW, {"meeting": {"detail": text}}).body()
    assert json.loads(body.decode("utf-8"))["timestamp"] == "2026-12-01T09:30:00.000Z"


@given(st.integers(0, 2**32))
def test_a_delivery_is_tried_about_eleven_times_within_a_day_and_then_given_up(seed: int) -> None:
    random, now, tries = Random(seed), NOW, 0
    key = DeliveryKey("ws-1", "e-1", "n")
    while True:
        tries += 1
        following = next_attempt(Delivery(key, "evt_1", "t", b"", NOW, NOW, attempts=tries), now, random)
        if following is None:
            break
        assert following > now
        now = following
    assert 10 <= tries <= 13
    assert now - NOW <= timedelta(days=1)


def test_a_slow_endpoint_is_paused_after_each_five_slow_answers_for_at_most_15_minutes() -> None:
    pauses = {n: pause - NOW for n in range(200) if (pause := pause_after_slow_answers(n, NOW))}
    assert list(pauses)[:3] == [5, 10, 15]
    assert list(pauses.values())[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert max(pauses.values()) == timedelta(minutes=15)


def test_an_endpoint_is_paused_from_its_second_failure_in_a_row_for_at_most_an_hour() -> None:
    assert pause_after(1, NOW) is None
    pauses = [(pause_after(n, NOW) or NOW) - NOW for n in range(2, 200)]
    assert pauses[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert max(pauses) == timedelta(hours=1)
