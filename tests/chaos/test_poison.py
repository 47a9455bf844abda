"""A bug that fails for one booking: it ends visibly and delays no other. An outage is never treated as a bug."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chalicelib.domain.give_up import MAX_KILLED_RUNS
from chalicelib.domain.meeting import Meeting, MeetingState
from tests.chaos import faults, invariants
from tests.chaos.faults import CREATE, Act, while_it_lasts
from tests.chaos.network import Trouble
from tests.chaos.world import WORKSPACE, World, new_world

HOUR = 3600.0
POISON = "PUT api.rooms.example"
"""Calls about the bookings of calendar c-3 alone."""
FAILED = (MeetingState.FAILED, "internal_error")
READY = (MeetingState.READY, None)


@pytest.fixture
def world() -> Iterator[World]:
    with new_world() as world:
        yield world


def kills(world: World) -> Act:
    def act(point: str, perform: Callable[[], object]) -> object:
        world.network.crash(point)

    return act


def always(world: World, at: str, act: Act) -> Trouble:
    lasting = while_it_lasts(at, act, lambda: True)
    world.network.troubles.append(lasting)
    return lasting


def meeting(world: World, booking_id: str) -> Meeting:
    return world.record(booking_id).settlement.meeting


def state(world: World, booking_id: str) -> tuple[MeetingState, str | None]:
    return meeting(world, booking_id).state, meeting(world, booking_id).reason


def retry(world: World, booking_id: str) -> None:
    world.network.troubles.clear()
    world.call(lambda booker: booker.retry(WORKSPACE, booking_id))
    world.rest()


def test_a_booking_that_a_bug_keeps_from_settling_fails_within_minutes_and_says_so(world: World) -> None:
    always(world, POISON, faults.our_own(world))
    world.put("b-poison", calendar_id="c-3")
    world.run(600)
    assert state(world, "b-poison") == FAILED
    assert "on our side" in str(meeting(world, "b-poison").detail)
    world.rest()
    assert world.record("b-poison").is_settled
    assert [notice.to for notice in world.post.notices] == ["u-3@host.example.com"]
    assert [mail.invite.join_url for mail in world.post.mails] == [None, None]
    calls = world.provider_calls()
    world.rest(quiet_seconds=86400.0)
    assert (calls, world.provider_calls()) == (5, 5)


def test_a_retry_settles_it_when_the_bug_is_mended(world: World) -> None:
    always(world, POISON, faults.our_own(world))
    world.put("b-poison", calendar_id="c-3")
    world.rest()
    retry(world, "b-poison")
    assert state(world, "b-poison") == READY
    assert invariants.broken_promises(world) == []


def test_it_holds_up_no_one_else_in_its_batch(world: World) -> None:
    always(world, POISON, faults.our_own(world))
    for number in range(10):
        world.put(f"b-{number}")
        world.put(f"b-poison-{number}", calendar_id="c-3")
    world.run(5)
    assert len(world.settled_at) == 10


def test_a_bug_after_the_create_makes_no_second_meeting_and_a_retry_finds_the_first(world: World) -> None:
    always(world, CREATE, faults.our_own(world, after=True))
    always(world, "GET api.zoom.us", faults.our_own(world))
    world.put("b-poison")
    world.rest()
    assert state(world, "b-poison") == FAILED
    assert len(world.zoom.held.by_id) == 1
    retry(world, "b-poison")
    assert state(world, "b-poison") == READY
    assert world.most_twins == 0
    assert invariants.broken_promises(world) == []


def test_cancelling_it_removes_what_was_made_unseen(world: World) -> None:
    always(world, CREATE, faults.our_own(world, after=True))
    always(world, "GET api.zoom.us", faults.our_own(world))
    world.put("b-poison")
    world.rest()
    world.network.troubles.clear()
    world.cancel("b-poison")
    world.rest()
    assert invariants.broken_promises(world) == []


def test_a_bug_in_the_mails_is_visible_too_and_leaves_the_link(world: World) -> None:
    always(world, "ses SendEmail", faults.our_own(world))
    world.put("b-poison")
    world.rest()
    assert state(world, "b-poison") == FAILED
    assert meeting(world, "b-poison").join_url
    assert world.record("b-poison").is_settled
    retry(world, "b-poison")
    assert state(world, "b-poison") == READY
    assert invariants.broken_promises(world) == []


def test_a_bug_in_a_later_look_leaves_a_settled_booking_as_it_is(world: World) -> None:
    world.put("b-1")
    world.rest()
    always(world, "GET api.zoom.us", faults.our_own(world))
    world.rest(quiet_seconds=86400.0 * 40)
    assert state(world, "b-1") == READY
    assert world.post.notices == []
    assert invariants.broken_promises(world) == []


def test_a_booking_that_kills_its_process_is_tried_ever_more_rarely_and_ends_as_failed(world: World) -> None:
    always(world, POISON, kills(world))
    world.put("b-poison", calendar_id="c-3")
    world.run(2 * HOUR)
    assert state(world, "b-poison")[0] is MeetingState.PENDING
    assert 6 <= world.provider_calls() <= 10
    world.rest(quiet_seconds=2 * HOUR)
    assert state(world, "b-poison") == FAILED
    assert world.record("b-poison").is_settled
    assert world.provider_calls() == 12
    assert len(world.post.notices) == 1


def test_one_whose_mails_kill_the_process_ends_as_failed_too(world: World) -> None:
    always(world, "ses SendEmail", kills(world))
    world.put("b-poison")
    world.rest(quiet_seconds=2 * HOUR)
    assert state(world, "b-poison") == FAILED
    assert world.record("b-poison").is_settled


def test_those_who_shared_its_process_get_their_links_and_are_never_given_up(world: World) -> None:
    always(world, POISON, kills(world))
    for number in range(12):
        world.put(f"b-{number}")
    world.put("b-poison", calendar_id="c-3")
    world.run(1000)
    assert {state(world, f"b-{number}") for number in range(12)} == {READY}
    world.rest(quiet_seconds=2 * HOUR)
    assert state(world, "b-poison") == FAILED


OUT: dict[str, Callable[[World], Act]] = {
    "kms": lambda world: faults.kms_says("KMSInternalException"),
    "dynamodb TransactGetItems": lambda world: faults.dynamo_says(world, "InternalServerError"),
    "dynamodb GetItem workspaces": lambda world: faults.dynamo_says(world, "InternalServerError"),
}


@pytest.mark.parametrize("at", OUT)
def test_what_is_out_for_hours_is_no_bug(world: World, at: str) -> None:
    until = world.simulation.seconds + 2 * HOUR

    def is_out() -> bool:
        # Callers' own requests are spared: they would get a 503, and nothing would be left to settle.
        actor = world.simulation.actor
        return world.simulation.seconds < until and (actor is None or actor.name != "request")

    world.network.troubles.append(while_it_lasts(at, OUT[at](world), is_out))
    for number in range(3):
        world.put(f"b-{number}", delay=HOUR / 2 * number)
    world.run(2 * HOUR - 60)
    assert world.settled_at == {}
    for row in world.db.items("bookings"):
        assert int(row["fence"]["N"]) > MAX_KILLED_RUNS
        assert int(row.get("killed_runs", {"N": "0"})["N"]) <= 1
    world.rest()
    assert {state(world, f"b-{number}") for number in range(3)} == {READY}
    assert max(world.settled_at.values()) - until <= 125
    assert invariants.broken_promises(world) == []


def test_neither_is_a_database_that_refuses_most_writes_for_hours(world: World) -> None:
    until = world.simulation.seconds + 2 * HOUR
    throttled = faults.dynamo_says(world, "ProvisionedThroughputExceededException")
    world.network.troubles.append(
        while_it_lasts(
            "dynamodb UpdateItem bookings",
            throttled,
            lambda: world.simulation.seconds < until and world.random.random() < 0.7,
        )
    )
    for number in range(6):
        world.put(f"b-{number}", delay=HOUR / 4 * number)
    world.rest(quiet_seconds=2 * HOUR)
    assert {state(world, f"b-{number}") for number in range(6)} == {READY}
    assert invariants.broken_promises(world) == []
