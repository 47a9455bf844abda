"""What settling does next: the whole table of decisions."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.calendar import Location, LocationType
from chalicelib.domain.connection import Account, Grant
from chalicelib.domain.grant_access import AccessState, GrantAccess, grant_access
from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingRequest, MeetingState, ProviderMeeting
from chalicelib.domain.meeting_plan import (
    Action,
    CreateSemantics,
    after_deadline,
    after_failure,
    after_lookup,
    choose_meeting,
    must_wait,
    plan_removal,
    plan_wanted,
)
from chalicelib.domain.meeting_states import (
    SETTLE_WINDOW,
    await_lookup,
    await_reconnect,
    fail_internal,
    record_intent,
    retry_later,
)
from chalicelib.domain.retry_delays import LONGEST_BACKOFF
from chalicelib.errors import (
    Ambiguous,
    CircuitOpen,
    FailedCall,
    ProviderError,
    ProviderUnavailable,
    ReconnectNeeded,
    Rejected,
)
from tests.support.clock import START
from tests.unit.test_booking import APPOINTMENT, booked, connection

GRANT = Grant("zoom", Account("a-1", "host@example.com"), 1, b"sealed")
BOOKING = booked(connection())
REQUEST = MeetingRequest("tag", "Title", "", APPOINTMENT.starts_at, APPOINTMENT.ends_at, "Europe/Berlin")
MADE = Meeting(
    state=MeetingState.READY,
    provider="zoom",
    user_id="u-1",
    grant_id="zoom#a-1",
    id="1",
    join_url="https://zoom.us/j/1",
    fingerprint=REQUEST.fingerprint,
)
LATER = START + timedelta(days=35)
OUTDATED = replace(MADE, fingerprint="old")
NONE_YET = Meeting()
DOUBTFUL = Meeting(intent_at=START)
OPEN, BROKEN, ENDED = (
    GrantAccess(access, GRANT) for access in (AccessState.OPEN, AccessState.BROKEN, AccessState.ENDED)
)
WINDOW_OVER = START + SETTLE_WINDOW
STARTED = APPOINTMENT.starts_at
OVER = APPOINTMENT.ends_at


def said(step: Meeting | Action) -> Any:
    """A step in short: an action, or the state and its reason."""
    return (step.state.value, step.reason) if isinstance(step, Meeting) else step


@pytest.mark.parametrize(
    ("meeting", "target", "now", "expected"),
    [
        (NONE_YET, OPEN, START, Action.CREATE),
        (NONE_YET, BROKEN, START, ("waiting", "reconnect_needed")),
        (NONE_YET, ENDED, START, ("none", "disconnected")),
        (NONE_YET, OPEN, STARTED, ("failed", "start_passed")),
        (NONE_YET, BROKEN, STARTED, ("failed", "start_passed")),
        (NONE_YET, ENDED, STARTED, ("none", "disconnected")),
        (DOUBTFUL, OPEN, START, ("pending", None)),
        (DOUBTFUL, OPEN, WINDOW_OVER, Action.LOOK_UP),
        (DOUBTFUL, BROKEN, START, ("waiting", "reconnect_needed")),
        (DOUBTFUL, ENDED, START, ("none", "disconnected")),
        (MADE, OPEN, START, ("ready", None)),
        (MADE, BROKEN, START, ("ready", None)),
        (MADE, ENDED, START, ("ready", None)),
        (MADE, OPEN, OVER, ("ready", None)),
        (OUTDATED, OPEN, START, Action.UPDATE),
        (OUTDATED, BROKEN, START, ("waiting", "reconnect_needed")),
        (OUTDATED, ENDED, START, ("ready", "not_updatable")),
        (OUTDATED, OPEN, STARTED, ("ready", None)),
    ],
)
def test_a_booking_that_wants_a_meeting(meeting: Meeting, target: GrantAccess, now: Any, expected: Any) -> None:
    assert said(plan_wanted(BOOKING, meeting, target, REQUEST, now)) == expected


IDEMPOTENT = CreateSemantics(idempotent=True)
KEEPS_TAGS = CreateSemantics(idempotent=True, keeps_tags=True)
LOOKUP_CREATES = CreateSemantics(lookup_creates=True)


@pytest.mark.parametrize(
    ("semantics", "now", "expected"),
    [
        (CreateSemantics(), START, ("pending", None)),
        (CreateSemantics(), WINDOW_OVER, Action.LOOK_UP),
        (CreateSemantics(), STARTED, Action.LOOK_UP),
        (IDEMPOTENT, START, ("pending", None)),
        (IDEMPOTENT, WINDOW_OVER, Action.CREATE),
        (IDEMPOTENT, STARTED, Action.LOOK_UP),
        (KEEPS_TAGS, START, Action.CREATE),
        (KEEPS_TAGS, STARTED, Action.LOOK_UP),
        (LOOKUP_CREATES, WINDOW_OVER, Action.LOOK_UP),
        (LOOKUP_CREATES, STARTED, ("failed", "start_passed")),
    ],
)
def test_a_create_in_doubt_is_repeated_only_where_that_is_safe(
    semantics: CreateSemantics, now: Any, expected: Any
) -> None:
    assert said(plan_wanted(BOOKING, DOUBTFUL, OPEN, REQUEST, now, semantics)) == expected


CANCELLED = replace(BOOKING, status="cancelled")
BY_PHONE = replace(BOOKING, location=Location(LocationType.PHONE), eligibility=None)
NOT_ELIGIBLE = replace(BOOKING, eligibility=None)


@pytest.mark.parametrize(
    ("booking", "meeting", "held", "now", "expected"),
    [
        (CANCELLED, NONE_YET, ENDED, START, ("removed", None)),
        (CANCELLED, MADE, OPEN, START, Action.DELETE),
        (CANCELLED, MADE, BROKEN, START, ("waiting", "reconnect_needed")),
        (CANCELLED, MADE, ENDED, START, ("removed", "left_at_provider")),
        (CANCELLED, MADE, OPEN, OVER, ("removed", "left_at_provider")),
        (CANCELLED, DOUBTFUL, OPEN, START, ("pending", None)),
        (CANCELLED, DOUBTFUL, OPEN, WINDOW_OVER, Action.LOOK_UP),
        (CANCELLED, DOUBTFUL, ENDED, START, ("removed", None)),
        (BY_PHONE, NONE_YET, ENDED, START, ("none", "location_not_video")),
        (BY_PHONE, MADE, OPEN, START, Action.DELETE),
        (BY_PHONE, MADE, ENDED, START, ("none", "location_not_video")),
        (NOT_ELIGIBLE, NONE_YET, ENDED, START, ("none", "not_connected")),
        (NOT_ELIGIBLE, MADE, OPEN, START, Action.DELETE),
    ],
)
def test_a_booking_that_wants_none(booking: Any, meeting: Meeting, held: GrantAccess, now: Any, expected: Any) -> None:
    assert said(plan_removal(booking, meeting, held, now)) == expected


def test_a_meeting_that_is_kept_keeps_its_link() -> None:
    for target in (OPEN, BROKEN, ENDED):
        for meeting in (MADE, OUTDATED):
            step = plan_wanted(BOOKING, meeting, target, REQUEST, START)
            assert not isinstance(step, Meeting) or step.join_url == MADE.join_url


@pytest.mark.parametrize(
    ("of", "grant", "since", "expected"),
    [
        (None, GRANT, START, (AccessState.ENDED, "disconnected")),
        (connection("a-2"), GRANT, START, (AccessState.ENDED, "disconnected")),
        (connection(since=START + timedelta(1)), GRANT, START, (AccessState.ENDED, "disconnected")),
        (connection(since=START + timedelta(1)), GRANT, None, (AccessState.OPEN, "disconnected")),
        (connection(ended_reason="deauthorized"), GRANT, None, (AccessState.ENDED, "deauthorized")),
        (connection(), replace(GRANT, broken_reason="reconnect_needed"), START, (AccessState.BROKEN, "disconnected")),
        (connection(), replace(GRANT, sealed_tokens=None), START, (AccessState.BROKEN, "disconnected")),
        (connection(), None, START, (AccessState.BROKEN, "disconnected")),
        (connection(), GRANT, START, (AccessState.OPEN, "disconnected")),
    ],
)
def test_what_a_booking_can_reach(of: Any, grant: Grant | None, since: Any, expected: Any) -> None:
    found = grant_access(of, grant, "zoom#a-1", since)
    assert (found.state, found.reason) == expected


def test_an_error_of_our_own_forgets_nothing_that_may_be_at_the_provider() -> None:
    given_up = fail_internal(replace(DOUBTFUL, next_attempt_at=START, attempts=2))
    assert (given_up.state, given_up.reason) == (MeetingState.FAILED, MeetingReason.INTERNAL_ERROR)
    assert (given_up.intent_at, given_up.next_attempt_at) == (START, None)
    assert "on our side" in str(given_up.detail)
    kept = fail_internal(MADE)
    assert (kept.id, kept.join_url, kept.fingerprint) == (MADE.id, MADE.join_url, MADE.fingerprint)


UNREACHABLE = Ambiguous(FailedCall("zoom", "no response", is_unreachable=True))
UNAVAILABLE = ProviderUnavailable(FailedCall("zoom", "HTTP 503", status=503))
LIMITED = ProviderUnavailable(
    FailedCall("zoom", "HTTP 429", status=429), retry_at=START + timedelta(hours=8), reason="rate_limited"
)
REVOKED = ReconnectNeeded(FailedCall("zoom", "HTTP 401", status=401))
REJECTED = Rejected(FailedCall("zoom", "HTTP 400", status=400), advice="Buy a license.")
PAUSED = CircuitOpen(FailedCall("zoom", "HTTP 503", status=503), START + timedelta(seconds=40))
PAUSED_IN_DOUBT = CircuitOpen(FailedCall("zoom", "no response"), START + timedelta(seconds=40), may_be_done=True)
EARLIER = START - timedelta(seconds=90)


@pytest.mark.parametrize(
    ("action", "meeting", "error", "expected", "intent_at"),
    [
        (Action.CREATE, DOUBTFUL, UNREACHABLE, ("pending", "provider_unavailable"), START),
        (Action.CREATE, DOUBTFUL, UNAVAILABLE, ("pending", "provider_unavailable"), EARLIER),
        (Action.CREATE, DOUBTFUL, LIMITED, ("waiting", "rate_limited"), EARLIER),
        (Action.CREATE, DOUBTFUL, REVOKED, ("waiting", "reconnect_needed"), EARLIER),
        (Action.CREATE, DOUBTFUL, REJECTED, ("failed", "provider_rejected"), EARLIER),
        (Action.CREATE, DOUBTFUL, PAUSED, ("waiting", "provider_unavailable"), EARLIER),
        (Action.CREATE, DOUBTFUL, PAUSED_IN_DOUBT, ("waiting", "provider_unavailable"), START),
        (Action.LOOK_UP, DOUBTFUL, UNREACHABLE, ("pending", "provider_unavailable"), START),
        (Action.LOOK_UP, DOUBTFUL, REJECTED, ("failed", "provider_rejected"), START),
        (Action.LOOK_UP, MADE, UNREACHABLE, ("ready", None), None),
        (Action.LOOK_UP, MADE, REVOKED, ("ready", None), None),
        (Action.UPDATE, OUTDATED, UNREACHABLE, ("pending", "provider_unavailable"), None),
        (Action.UPDATE, OUTDATED, PAUSED, ("waiting", "provider_unavailable"), None),
        (Action.DELETE, MADE, REVOKED, ("waiting", "reconnect_needed"), None),
    ],
)
def test_after_a_failed_call(
    action: Action, meeting: Meeting, error: ProviderError, expected: Any, intent_at: Any
) -> None:
    after = after_failure(
        meeting, action, error, CreateSemantics(), START, Random(0), starts_at=LATER, earlier_intent_at=EARLIER
    )
    assert (said(after), after.intent_at) == (expected, intent_at)
    assert (after.id, after.join_url) == (meeting.id, meeting.join_url)


def test_a_create_that_can_be_repeated_does_not_wait_for_the_settle_window() -> None:
    def next_attempt(create: CreateSemantics) -> timedelta:
        after = after_failure(
            DOUBTFUL, Action.CREATE, UNREACHABLE, create, START, Random(0), starts_at=LATER, earlier_intent_at=None
        )
        assert after.next_attempt_at is not None
        return after.next_attempt_at - START

    assert next_attempt(KEEPS_TAGS) <= timedelta(seconds=15)
    assert next_attempt(IDEMPOTENT) == next_attempt(CreateSemantics()) == SETTLE_WINDOW


def test_a_refusal_tells_the_host_what_to_do() -> None:
    def detail(error: Rejected) -> str | None:
        return after_failure(
            NONE_YET, Action.CREATE, error, KEEPS_TAGS, START, Random(0), starts_at=LATER, earlier_intent_at=None
        ).detail

    assert detail(REJECTED) == "Buy a license."
    assert detail(Rejected(FailedCall("zoom", "HTTP 400", code="300"))) == (
        "zoom refuses the meeting (HTTP 400, code 300)."
    )


@pytest.mark.parametrize(
    ("action", "meeting", "expected", "intent_at"),
    [
        (Action.CREATE, DOUBTFUL, ("pending", None), EARLIER),
        (Action.LOOK_UP, DOUBTFUL, ("pending", None), START),
        (Action.LOOK_UP, MADE, ("ready", None), None),
        (Action.UPDATE, OUTDATED, ("pending", None), None),
    ],
)
def test_when_there_is_no_time_for_a_call(action: Action, meeting: Meeting, expected: Any, intent_at: Any) -> None:
    after = after_deadline(meeting, action, START, earlier_intent_at=EARLIER)
    assert (said(after), after.intent_at) == (expected, intent_at)


FIRST, SECOND = ProviderMeeting("1", "https://zoom.us/j/1"), ProviderMeeting("2", "https://zoom.us/j/2")


@pytest.mark.parametrize(
    ("meeting", "candidates", "chosen"),
    [
        (DOUBTFUL, [], None),
        (DOUBTFUL, [SECOND, FIRST], SECOND),
        (MADE, [SECOND, FIRST], FIRST),
        (MADE, [SECOND], None),
    ],
)
def test_which_of_several_meetings_is_kept(meeting: Meeting, candidates: Any, chosen: Any) -> None:
    assert choose_meeting(meeting, candidates) == chosen


@pytest.mark.parametrize(
    ("meeting", "chosen", "expected"),
    [
        (DOUBTFUL, FIRST, ("1", "ready", None)),
        (DOUBTFUL, None, (None, "pending", None)),
        (MADE, FIRST, ("1", "ready", MADE.fingerprint)),
        (MADE, None, ("1", "ready", None)),
    ],
)
def test_after_a_lookup(meeting: Meeting, chosen: ProviderMeeting | None, expected: Any) -> None:
    after = after_lookup(meeting, chosen, REQUEST, START)
    assert (after.id, after.state.value, after.fingerprint) == expected
    assert after.intent_at is None


class TestWaiting:
    def test_the_first_try_again_comes_within_15_seconds_and_the_caller_sees_pending(self) -> None:
        for seed in range(50):
            waits = retry_later(NONE_YET, "provider_unavailable", None, START, Random(seed), starts_at=LATER)
            assert waits.next_attempt_at is not None
            assert 5 <= (waits.next_attempt_at - START).total_seconds() <= 15
            assert (waits.state, waits.reason, waits.attempts) == (MeetingState.PENDING, "provider_unavailable", 1)

    @given(st.integers(0, 1000), st.integers(0, 2**32))
    def test_no_wait_is_longer_than_15_minutes(self, attempts: int, seed: int) -> None:
        waits = retry_later(
            replace(NONE_YET, attempts=attempts), "rate_limited", None, START, Random(seed), starts_at=LATER
        )
        assert waits.next_attempt_at is not None
        assert timedelta(seconds=5) <= waits.next_attempt_at - START <= LONGEST_BACKOFF

    def test_what_the_provider_says_counts_and_a_long_wait_is_shown(self) -> None:
        waits = retry_later(NONE_YET, "rate_limited", START + timedelta(hours=8), START, Random(0), starts_at=LATER)
        assert (waits.state, waits.reason) == (MeetingState.WAITING, MeetingReason.RATE_LIMITED)
        assert waits.next_attempt_at == START + timedelta(hours=8)

    @pytest.mark.parametrize("seconds", [-60, 0, 4])
    def test_a_provider_that_says_at_once_is_not_taken_at_its_word(self, seconds: float) -> None:
        at = START + timedelta(seconds=seconds)
        waits = retry_later(replace(NONE_YET, attempts=6), "rate_limited", at, START, Random(1), starts_at=LATER)
        assert waits.next_attempt_at is not None
        assert waits.next_attempt_at - START > timedelta(seconds=5)

    def test_a_provider_that_makes_nothing_before_the_start_is_not_waited_for(self) -> None:
        soon, later = START + timedelta(hours=1), START + timedelta(hours=8)
        fails = retry_later(NONE_YET, "rate_limited", later, START, Random(0), starts_at=soon)
        assert (fails.state, fails.reason) == (MeetingState.FAILED, MeetingReason.START_PASSED)
        for kept in (MADE, DOUBTFUL):
            assert retry_later(kept, "rate_limited", later, START, Random(0), starts_at=soon).next_attempt_at == later

    def test_no_wait_of_our_own_goes_beyond_the_start(self) -> None:
        soon = START + timedelta(seconds=20)
        for seed in range(50):
            tired = retry_later(
                replace(NONE_YET, attempts=9), "provider_unavailable", None, START, Random(seed), starts_at=soon
            )
            assert tired.next_attempt_at is not None and tired.next_attempt_at <= soon
        assert await_reconnect(NONE_YET, START, soon).next_attempt_at == soon

    def test_after_a_create_without_an_answer_the_look_comes_after_the_settle_window(self) -> None:
        waits = await_lookup(replace(NONE_YET, intent_at=START, attempts=1))
        assert (waits.next_attempt_at, waits.intent_at) == (START + SETTLE_WINDOW, START)
        assert (waits.state, waits.reason) == (MeetingState.PENDING, MeetingReason.PROVIDER_UNAVAILABLE)
        assert await_lookup(DOUBTFUL).reason is None  # Nothing has failed yet that anyone knows of.

    @pytest.mark.parametrize(
        ("before", "expected"),
        [
            (NONE_YET, ("pending", None)),
            (Meeting(MeetingState.NONE, reason="disconnected"), ("pending", None)),
            (Meeting(reason="provider_unavailable", attempts=1), ("pending", "provider_unavailable")),
            (Meeting(MeetingState.WAITING, reason="rate_limited"), ("waiting", "rate_limited")),
        ],
    )
    def test_a_create_that_is_about_to_be_sent_shows_what_came_before(self, before: Meeting, expected: Any) -> None:
        after = record_intent(before, START)
        assert (said(after), after.intent_at) == (expected, START)

    def test_a_provider_is_left_alone_until_the_time_has_come(self) -> None:
        waits = retry_later(NONE_YET, "rate_limited", START + timedelta(seconds=60), START, Random(0), starts_at=LATER)
        assert must_wait(waits, START + timedelta(seconds=59))
        assert not must_wait(waits, START + timedelta(seconds=60))

    def test_a_failure_rests_for_good_and_a_wait_for_reconnecting_never_does(self) -> None:
        assert must_wait(Meeting(state=MeetingState.FAILED), START + timedelta(days=999))
        assert not must_wait(await_reconnect(NONE_YET, START, LATER), START)

    def test_what_is_ready_does_not_rest(self) -> None:
        assert not must_wait(MADE, START)
