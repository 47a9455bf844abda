"""What settling does and does not do, watched at the provider and in the mail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import httpx
import pytest

from chalicelib.domain.booking import Guest
from chalicelib.domain.invitation import Method
from chalicelib.domain.meeting import Meeting, MeetingState
from tests.chaos import faults, invariants
from tests.chaos.faults import CREATE, trouble, while_it_lasts
from tests.chaos.scenarios import LATER
from tests.chaos.world import WORKSPACE, Conditions, Stream, World, new_world
from tests.support.clock import START


@pytest.fixture
def world() -> Iterator[World]:
    """One with a booking that is settled."""
    with new_world() as world:
        world.put()
        world.rest()
        world.network.points.clear()
        world.post.mails.clear()
        yield world


def meeting(world: World, booking_id: str = "b-1") -> Meeting:
    return world.record(booking_id).settlement.meeting


def calls(world: World) -> list[str]:
    """Calls about meetings since the fixture, in short."""
    points = (point for point in world.network.points if point.startswith("http") and "/oauth/" not in point)
    return [point.removeprefix("http ").partition(" ")[0] for point in points]


def starts_at_zoom(world: World) -> list[datetime]:
    return [held.start_time for held in world.zoom.held.by_id.values()]


def test_rescheduling_keeps_meeting_and_link(world: World) -> None:
    before = meeting(world)
    world.put(starts_at=LATER)
    world.rest()
    assert (meeting(world).id, meeting(world).join_url) == (before.id, before.join_url)
    assert calls(world) == ["PATCH"]
    assert invariants.broken_promises(world) == []


def test_a_meeting_that_is_gone_when_rescheduled_is_made_anew_and_invited_again(world: World) -> None:
    before = meeting(world)
    world.zoom.held.by_id.clear()
    world.put(starts_at=LATER)
    world.rest()
    assert meeting(world).join_url != before.join_url
    assert {mail.invite.join_url for mail in world.post.mails} == {meeting(world).join_url}
    assert invariants.broken_promises(world) == []


def test_another_host_gets_another_meeting_and_the_old_one_goes(world: World) -> None:
    world.put(calendar_id="c-2")
    world.rest()
    assert calls(world) == ["DELETE", "POST"]
    assert invariants.broken_promises(world) == []


def test_a_change_of_guests_costs_no_call_and_of_the_title_one(world: World) -> None:
    world.put(guests=(Guest("Demo Guest", "guest@example.com"), Guest("Second Guest", "second@example.com")))
    world.rest()
    assert calls(world) == []
    world.put(title="Second call")
    world.rest()
    assert calls(world) == ["PATCH"]


def test_a_change_whose_answer_was_lost_and_that_is_taken_back_is_undone_at_the_provider(world: World) -> None:
    before = world.record().booking.appointment
    world.network.troubles.append(trouble("PATCH", faults.lost_after(world)))
    world.put(starts_at=LATER)
    world.run(10)
    world.put(starts_at=before.starts_at)
    world.rest()
    assert calls(world) == ["PATCH", "PATCH"]
    assert starts_at_zoom(world) == [before.starts_at]


def test_neither_does_a_crash_leave_behind_what_was_taken_back(world: World) -> None:
    before = world.record().booking.appointment

    def dies(point: str, perform: Callable[[], object]) -> object:
        perform()
        world.network.crash(point)

    world.network.troubles.append(trouble("PATCH", dies))
    world.put(starts_at=LATER)
    world.run(10)
    world.put(starts_at=before.starts_at)
    world.rest()
    assert calls(world) == ["PATCH", "PATCH"]
    assert starts_at_zoom(world) == [before.starts_at]


def test_the_same_content_again_costs_nothing(world: World) -> None:
    world.put()
    world.rest()
    assert calls(world) == []
    assert world.post.mails == []


def test_cancelling_removes_the_meeting_also_if_it_is_gone_already(world: World) -> None:
    world.zoom.held.by_id.clear()
    world.cancel()
    world.rest()
    assert meeting(world).state is MeetingState.REMOVED
    assert {mail.invite.method for mail in world.post.mails} == {Method.CANCEL}


def test_nothing_is_made_for_a_booking_that_has_begun(world: World) -> None:
    world.put("b-2", starts_at=START - timedelta(minutes=5))
    world.rest()
    assert (meeting(world, "b-2").state, meeting(world, "b-2").reason) == (MeetingState.FAILED, "start_passed")
    assert calls(world) == []


def test_a_create_without_an_answer_is_still_found_after_the_start(world: World) -> None:
    world.network.troubles.append(trouble(CREATE, faults.lost_after(world)))
    world.put("b-2", starts_at=world.simulation.now + timedelta(seconds=40))
    world.rest()
    assert meeting(world, "b-2").state is MeetingState.READY
    assert calls(world).count("POST") == 1


def test_a_refused_meeting_is_visible_told_once_and_can_be_retried(world: World) -> None:
    def refuse(point: str, perform: object) -> httpx.Response:
        return httpx.Response(400, json={"code": 3161, "message": "no licence"})

    world.network.troubles.append(trouble(CREATE, refuse, times=2))
    world.put("b-2")
    world.rest()
    failed = meeting(world, "b-2")
    assert (failed.state, failed.reason) == (MeetingState.FAILED, "provider_rejected")
    assert "licence" in str(failed.detail)
    assert [notice.to for notice in world.post.notices] == ["u-1@host.example.com"]
    world.call(lambda booker: booker.retry(WORKSPACE, "b-2"))
    world.rest()
    assert meeting(world, "b-2").state is MeetingState.FAILED
    assert len(world.post.notices) == 1
    world.call(lambda booker: booker.retry(WORKSPACE, "b-2"))
    world.rest()
    assert meeting(world, "b-2").state is MeetingState.READY


def test_waiting_tells_when_it_goes_on(world: World) -> None:
    world.network.troubles.append(trouble(CREATE, faults.retry_after(world, "seconds", 3600)))
    world.put("b-2")
    world.run(90)
    waiting = meeting(world, "b-2")
    assert (waiting.state, waiting.reason, waiting.attempts) == (MeetingState.WAITING, "rate_limited", 1)
    assert waiting.next_attempt_at is not None
    assert timedelta(minutes=50) < waiting.next_attempt_at - world.simulation.now < timedelta(minutes=60)


def test_an_outage_neither_burns_attempts_nor_delays_another_provider(world: World) -> None:
    until = world.simulation.seconds + 3600
    lost = faults.lost_before(world)
    world.network.troubles.append(while_it_lasts("zoom.us", lost, lambda: world.simulation.seconds < until))
    for number in range(16):
        world.put(f"b-out-{number}", delay=200.0 * number)
        world.put(f"b-well-{number}", delay=200.0 * number, calendar_id="c-3")
    begun = world.simulation.seconds
    world.run(3590)
    waiting = [meeting(world, f"b-out-{number}") for number in range(16)]
    assert {meeting.state for meeting in waiting} == {MeetingState.WAITING}
    assert sum(meeting.attempts for meeting in waiting) <= 8
    assert len([point for point in world.network.points if "zoom.us" in point]) < 250
    delays = [world.settled_at[f"b-well-{number}"] - begun - 200.0 * number for number in range(16)]
    assert max(delays) < 5
    world.rest()
    assert max(world.settled_at.values()) - until <= 122  # Two ticks, and what the second one takes.


def test_a_second_meeting_that_came_late_is_deleted() -> None:
    with new_world() as world:
        world.network.troubles.append(trouble(CREATE, faults.late(world, 300)))
        world.put()
        world.run(400)
        assert len(world.zoom.held.by_id) == 2
        world.rest()
        assert len(world.zoom.held.by_id) == 1
        assert invariants.broken_promises(world) == []


def test_a_meeting_deleted_by_hand_is_noticed_before_the_start_and_made_anew(world: World) -> None:
    before = meeting(world)
    world.zoom.held.by_id.clear()
    world.rest(quiet_seconds=86400.0 * 40)
    assert meeting(world).join_url != before.join_url
    assert {mail.invite.join_url for mail in world.post.mails} == {meeting(world).join_url}
    assert invariants.broken_promises(world) == []


def test_looking_at_a_meeting_costs_two_readings_each_time_and_no_more(world: World) -> None:
    world.rest(quiet_seconds=86400.0 * 40)
    assert calls(world) == ["GET"] * 4
    assert [mail.invite.is_reminder for mail in world.post.mails] == [True]


def test_everything_settles_within_two_ticks_without_the_stream() -> None:
    with new_world(conditions=Conditions(Stream(drop=1.0))) as world:
        for number in range(30):
            world.put(f"b-{number}")
        world.rest()
        assert max(world.settled_at.values()) <= 120
        assert invariants.broken_promises(world) == []
