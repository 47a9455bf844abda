"""Events of a provider arrive more than once, in any order, and while processes die: nothing is lost or doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random

import msgspec
import pytest

from chalicelib.domain.attendance import Attendance
from chalicelib.domain.meeting_report import MeetingReport, ReportKind
from chalicelib.domain.settlement import current_attendance
from chalicelib.webhooks.model import Endpoint
from tests.chaos import invariants
from tests.chaos.network import When
from tests.chaos.scenarios import LATER
from tests.chaos.world import WORKSPACE, World, new_world
from tests.support.clock import START
from tests.support.examples import sample

Act = Callable[[World], None]
STARTS_AT = START + timedelta(minutes=8)
DUE_WITHIN = 7200.0
"""Seconds: the decision about who came is due within this time."""


def report(world: World, kind: ReportKind, participant: str = "", *, is_host: bool = False) -> MeetingReport:
    meeting = world.record().settlement.meeting
    account, organization = "zoom-u-1", "org-u-1"
    at = world.simulation.now
    return MeetingReport(kind, str(meeting.id), at, account, organization, "session-1", participant, is_host)


def delete_by_hand(world: World) -> None:
    """The host deletes the meeting at Zoom, which reports it twice."""
    deleted = report(world, ReportKind.DELETED)
    world.zoom.held.by_id.pop(int(deleted.meeting_id))
    world.report(deleted)
    world.report(deleted, delay=0.05)


def delete_by_hand_during_reschedule(world: World) -> None:
    world.put(starts_at=LATER)
    deleted = report(world, ReportKind.DELETED)
    world.zoom.held.by_id.pop(int(deleted.meeting_id))
    world.report(deleted, delay=0.1)


def cancel_while_deleted_by_hand(world: World) -> None:
    delete_by_hand(world)
    world.cancel(delay=0.05)


CHANGES = (delete_by_hand, delete_by_hand_during_reschedule, cancel_while_deleted_by_hand)


def change(act: Act, crashes: dict[int, When], seed: int) -> tuple[list[str], int]:
    """What is wrong after it, and how many I/O calls it took."""
    with new_world(seed) as world:
        world.put()
        world.rest()
        world.network.points.clear()
        act(world)
        world.network.crashes.update(crashes)
        world.rest()
        wrong = invariants.broken_promises(world) + [f"twins: {world.most_twins}"] * (world.most_twins > 0)
        return wrong + [str(mail) for mail in invariants.duplicate_mails(world)], len(world.network.points)


def every_crash(act: Act, seed: int) -> Iterator[dict[int, When]]:
    _, points = change(act, {}, seed)
    for number in range(points):
        for when in When:
            yield {number: when}


@pytest.mark.parametrize("act", CHANGES)
def test_a_change_by_hand_is_made_good_whatever_dies(act: Act) -> None:
    wrong = {str(crash): change(act, crash, 3)[0] for crash in sample(every_crash(act, 3), 3)}
    assert {crash: found for crash, found in wrong.items() if found} == {}


def test_a_meeting_deleted_by_hand_is_replaced_within_seconds() -> None:
    with new_world() as world:
        world.put()
        world.rest()
        delete_by_hand(world)
        deleted_at = world.simulation.seconds
        world.rest()
        assert world.settled_at["b-1"] - deleted_at < 5
        assert len(world.zoom.held.by_id) == 1


def meet(world: World, order: Random) -> None:
    """Host and guest come and go. Each event arrives twice, in any order."""
    events = [
        report(world, ReportKind.STARTED),
        report(world, ReportKind.JOINED, "p-1", is_host=True),
        report(world, ReportKind.JOINED, "p-2"),
        report(world, ReportKind.LEFT, "p-2"),
        report(world, ReportKind.LEFT, "p-1", is_host=True),
        report(world, ReportKind.ENDED),
    ]
    for event in order.sample(events * 2, len(events) * 2):
        world.report(event, delay=order.uniform(0, 2))


def meeting_takes_place(seed: int, crashes: dict[int, When]) -> tuple[list[str], int]:
    """What is wrong after it, and how many I/O calls its events took."""
    with new_world(seed) as world:
        endpoint = Endpoint(WORKSPACE, "e-1", "https://receiver.example", tuple(WEBHOOKS), (), START, START)
        world.process("setup").services.endpoint_store.put(endpoint)
        world.put(starts_at=STARTS_AT)
        world.rest()
        world.run((STARTS_AT - world.simulation.now).total_seconds() + 60)
        world.network.points.clear()
        calls, mails = world.provider_calls(), len(world.post.mails)
        meet(world, Random(seed))
        world.network.crashes.update(crashes)
        world.run(60)
        points = len(world.network.points)
        world.rest(quiet_seconds=DUE_WITHIN)
        wrong = invariants.broken_promises(world)
        if (world.provider_calls(), len(world.post.mails)) != (calls, mails):
            wrong.append("a provider was called, or an email sent")
        return wrong + wrong_about_people(world), points


def wrong_about_people(world: World) -> list[str]:
    record, wrong = world.record(), []
    came = current_attendance(record.booking, record.settlement)
    if came is not Attendance.BOTH:
        wrong.append(f"the attendance is {came}")
    sent = Counter(msgspec.json.decode(item["document"]["S"])["type"] for item in world.db.items("deliveries"))
    if sent != WEBHOOKS:
        wrong.append(f"webhooks: {dict(sent)}")
    if len(world.db.items("provider_events")) != 6:
        wrong.append(f"{len(world.db.items('provider_events'))} events are stored")
    if any("due_shard" in item for item in world.db.items("bookings")):
        wrong.append("the booking is still due")
    return wrong


WEBHOOKS = Counter({"meeting.started": 1, "meeting.joined": 2, "meeting.ended": 1})


@pytest.mark.parametrize("seed", range(5))
def test_a_meeting_is_reported_once_in_whatever_order_its_events_arrive(seed: int) -> None:
    assert meeting_takes_place(seed, {})[0] == []


def test_a_crash_at_any_point_loses_no_event_and_doubles_none() -> None:
    _, points = meeting_takes_place(7, {})
    crashes = sample(({number: when} for number in range(points) for when in When), 5)
    wrong = {str(crash): meeting_takes_place(7, crash)[0] for crash in crashes}
    assert {crash: found for crash, found in wrong.items() if found} == {}
