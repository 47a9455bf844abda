"""A create whose answer was lost is not forgotten, whatever comes next: in the end no meeting is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from chalicelib.domain.meeting import MeetingState
from tests.chaos import faults, invariants
from tests.chaos.faults import CREATE, Act, trouble
from tests.chaos.world import WORKSPACE, World, new_world

FOUND_AGAIN = ("zoom", "google_meet", "microsoft_teams", "webex", "daily")
SIGNED_IN = ("zoom", "google_meet", "microsoft_teams", "webex")


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """One with the provider that the test names."""
    with new_world(3, provider=request.param) as world:
        yield world


def refuses(point: str, perform: Callable[[], object]) -> httpx.Response:
    """The account may not make meetings any more."""
    return httpx.Response(403, json={})


def begin(world: World, *acts: Act, seconds: float) -> None:
    """A booking whose first creates meet with `acts`, one after the other."""
    world.network.troubles += [trouble(CREATE, act) for act in acts]
    world.put()
    world.run(seconds)


def state(world: World) -> MeetingState:
    return world.record().settlement.meeting.state


def nothing_is_left(world: World) -> bool:
    """And no promise was broken on the way there."""
    world.rest()
    return (world.place.held(), invariants.broken_promises(world)) == ([], [])


@pytest.mark.parametrize("world", ["google_meet", "microsoft_teams", "daily"], indirect=True)
def test_a_booking_whose_repeated_create_is_refused_leaves_nothing_when_cancelled(world: World) -> None:
    begin(world, faults.lost_after(world), refuses, seconds=200)
    assert (state(world), len(world.place.held())) == (MeetingState.FAILED, 1)
    world.cancel()
    assert nothing_is_left(world)


@pytest.mark.parametrize("world", ["google_meet", "microsoft_teams", "daily"], indirect=True)
def test_when_it_is_retried_the_meeting_that_was_made_unseen_is_taken(world: World) -> None:
    begin(world, faults.lost_after(world), refuses, seconds=200)
    (made,) = world.place.held()
    world.call(lambda booker: booker.retry(WORKSPACE, "b-1"))
    world.rest()
    assert (state(world), world.record().settlement.meeting.id) == (MeetingState.READY, made.id)
    assert invariants.broken_promises(world) == []


@pytest.mark.parametrize("cancelled_at", [16, 30, 50])
@pytest.mark.parametrize("world", FOUND_AGAIN, indirect=True)
def test_a_create_that_comes_late_makes_nothing_for_a_booking_that_was_cancelled_meanwhile(
    world: World, cancelled_at: float
) -> None:
    begin(world, faults.late(world, 55), seconds=cancelled_at)
    world.cancel()
    assert nothing_is_left(world)


@pytest.mark.parametrize("world", FOUND_AGAIN, indirect=True)
def test_neither_does_one_for_a_host_who_was_replaced(world: World) -> None:
    begin(world, faults.late(world, 55), seconds=30)
    world.put(calendar_id="c-2")
    world.rest()
    assert len(world.place.held()) == 1
    assert invariants.broken_promises(world) == []


@pytest.mark.parametrize("world", SIGNED_IN, indirect=True)
def test_the_doubt_outlives_a_dead_grant(world: World) -> None:
    begin(world, faults.lost_after(world), seconds=10)
    world.place.end_grants()
    world.run(100)
    world.cancel()
    world.run(100)
    assert (state(world), len(world.place.held())) == (MeetingState.WAITING, 1)
    world.connect(world.process("setup").services, "u-1")
    assert nothing_is_left(world)


def test_a_look_that_makes_a_meeting_too_late_makes_none_that_stays() -> None:
    """Microsoft Graph finds by making; seed 2 asks again before the first look comes to be done."""
    with new_world(2, provider="microsoft_teams") as world:
        begin(world, faults.lost_before(world), faults.late(world, 55), seconds=1)
        world.cancel()
        assert nothing_is_left(world)


def test_a_new_meeting_whose_second_call_finds_the_token_dead_is_not_forgotten() -> None:
    """Teams takes letters outside of ASCII by a second call only."""
    with new_world(provider="microsoft_teams") as world:

        def ends_grants(point: str, perform: Callable[[], object]) -> object:
            world.place.end_grants()
            return perform()

        world.network.troubles.append(trouble("PATCH", ends_grants))
        world.put()
        world.run(30)
        assert len(world.place.held()) == 1
        world.cancel()
        world.run(100)
        world.connect(world.process("setup").services, "u-1")
        assert nothing_is_left(world)
