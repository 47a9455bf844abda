"""Answers converge in any order, and count only for the time that they are about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.answers import (
    Answer,
    Answers,
    AnswerSource,
    Choice,
    answer_key,
    every_guest_declined,
    has_declined,
    supersede,
)
from chalicelib.domain.booking import Guest
from tests.support.clock import START
from tests.support.rows import booking

GUEST, OTHER = "guest@example.com", "other@example.com"
BOOKING = booking(guests=(Guest("Demo Guest", GUEST), Guest("Other Guest", OTHER)))
STARTS_AT = BOOKING.appointment.starts_at
ANSWER = Answer(Choice.DECLINED, START, START, 0, STARTS_AT, AnswerSource.LINK)
ANSWERS = st.builds(
    Answer,
    choice=st.sampled_from(Choice),
    answered_at=st.just(START),
    stamped_at=st.integers(0, 3).map(lambda seconds: START + timedelta(seconds=seconds)),
    sequence=st.integers(0, 2),
    starts_at=st.sampled_from([STARTS_AT, STARTS_AT + timedelta(days=1), None]),
    source=st.sampled_from(AnswerSource),
)


def outcome(answers: Sequence[Answer]) -> Answer | None:
    """Return what remains of answers that arrive in this order, one a second."""
    current: Answer | None = None
    for seconds, answer in enumerate(answers):
        arriving = replace(answer, answered_at=START + timedelta(seconds=seconds))
        current = supersede(current, arriving) or current
    return current and replace(current, answered_at=START)


@given(st.lists(ANSWERS, min_size=1, max_size=4))
def test_the_same_answer_remains_in_every_order_however_often_each_arrives(answers: list[Answer]) -> None:
    outcomes = {outcome([*order, *order[:2]]) for order in permutations(answers)}
    assert len(outcomes) == 1
    (remaining,) = outcomes
    assert remaining is not None
    assert remaining.stamped_at == max(answer.stamped_at for answer in answers)


def test_an_older_answer_changes_nothing() -> None:
    later = replace(ANSWER, choice=Choice.ACCEPTED, stamped_at=START + timedelta(seconds=1))
    assert supersede(later, ANSWER) is None
    assert supersede(ANSWER, ANSWER) is None


def test_a_repeated_answer_keeps_the_time_of_the_first() -> None:
    at = START + timedelta(minutes=1)
    repeated = supersede(ANSWER, replace(ANSWER, stamped_at=at, answered_at=at))
    assert repeated == replace(ANSWER, stamped_at=at)
    to_another_time = supersede(
        ANSWER, replace(ANSWER, stamped_at=at, answered_at=at, starts_at=STARTS_AT + timedelta(days=1))
    )
    assert to_another_time is not None
    assert to_another_time.answered_at == at


def test_a_decline_counts_for_its_own_time_only() -> None:
    answers = {answer_key("GUEST@example.com"): ANSWER}
    assert has_declined(BOOKING, answers, GUEST)
    assert not has_declined(BOOKING, answers, OTHER)
    moved = replace(BOOKING, appointment=replace(BOOKING.appointment, starts_at=STARTS_AT + timedelta(hours=1)))
    assert not has_declined(moved, answers, GUEST)
    assert not has_declined(BOOKING, {answer_key(GUEST): replace(ANSWER, starts_at=None)}, GUEST)


@pytest.mark.parametrize("choice", [Choice.ACCEPTED, Choice.TENTATIVE])
def test_every_guest_declined_only_if_none_comes(choice: Choice) -> None:
    first: Answers = {answer_key(GUEST): ANSWER}
    assert not every_guest_declined(BOOKING, {})
    assert not every_guest_declined(BOOKING, first)
    assert not every_guest_declined(BOOKING, {**first, answer_key(OTHER): replace(ANSWER, choice=choice)})
    assert every_guest_declined(BOOKING, {**first, answer_key(OTHER): ANSWER})
    assert not every_guest_declined(booking(guests=()), {})
