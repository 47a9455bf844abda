"""Answers of calendars arrive late, twice, in any order, and while processes die: the newest counts, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.answers import AnswerSource, Choice
from chalicelib.domain.invitation import Invite
from chalicelib.errors import MailUnavailable, StoreUnavailable
from chalicelib.handlers import received_replies
from chalicelib.store.mail_bucket import MailBucket
from chalicelib.store.references import uid_key
from chalicelib.wiring import Services
from infra.local.calendar_replies import PROGRAMS, Answer
from infra.local.console.mail_view import Attendee, Event
from infra.local.inbound_mail import as_received, notification
from tests.chaos import faults, invariants
from tests.chaos.classes import FAULTS
from tests.chaos.network import Trouble, When
from tests.chaos.scenarios import LATER
from tests.chaos.simulation import Crash
from tests.chaos.world import World, new_world
from tests.support.clock import START
from tests.support.examples import sample

BUCKET, GUEST = "meetlink-ci-mail", "guest@example.com"
PARTSTATS = {Choice.ACCEPTED: "ACCEPTED", Choice.TENTATIVE: "TENTATIVE", Choice.DECLINED: "DECLINED"}
LAMBDAS_TRIES = 3
LAMBDA_WAITS_SECONDS = 60.0


class Inbound(MailBucket):
    """SES's bucket, and the function that is invoked for each email. One for each world."""

    def __init__(self) -> None:
        super().__init__(None, BUCKET)
        self.world: World | None = None
        self.emails: dict[str, bytes] = {}

    def read(self, key: str, *, max_bytes: int) -> bytes | None:
        assert self.world is not None
        return self.world.network.call("s3 GetObject", lambda: self.emails[key])

    def furnish(self, services: Services) -> None:
        object.__setattr__(services, "settings", replace(services.settings, replies_bucket=BUCKET))
        vars(services)["mail_bucket"] = self

    def send(
        self, choice: Choice, invite: Invite, *, delays: tuple[float, ...] = (0.0,), days: int | None = None
    ) -> None:
        """The guest's calendar answers an email; with `days` it proposes another day. SNS notifies once a delay."""
        world = self.world
        assert world is not None
        proposed = None if days is None else invite.starts_at + timedelta(days=days)
        answer = Answer(event_of(invite), GUEST, PARTSTATS[choice], world.simulation.now, proposed)
        key = f"mail-{len(self.emails)}"
        self.emails[key] = as_received(PROGRAMS["gmail"].write(answer), GUEST)
        if proposed is None:
            world.answered.setdefault("b-1", []).append(choice)
        message = notification(BUCKET, key, world.simulation.now)
        for delay in delays:
            world.simulation.spawn("ses", partial(self._deliver, world, message), delay=delay)

    def _deliver(self, world: World, message: str) -> None:
        for _ in range(LAMBDAS_TRIES):
            process = world.process("replies")
            work = partial(received_replies.receive_reply, message, process.services)
            attempt = world.simulation.spawn("reply", work, sandbox=process.sandbox)
            world.simulation.wait_for([attempt])
            if attempt.error is None:
                return
            if not isinstance(attempt.error, Crash | StoreUnavailable | MailUnavailable):
                world.failures.append(repr(attempt.error))
            world.simulation.sleep(LAMBDA_WAITS_SECONDS)
        world.failures.append("an answer became a dead letter")


def event_of(invite: Invite) -> Event:
    organizer = Attendee("Demo Host", "invitations@meet.example.net")
    times = (invite.starts_at, invite.ends_at)
    return Event("REQUEST", invite.sequence, "CONFIRMED", "Call", *times, organizer, (), "", "", "", invite.uid)


def newest(world: World) -> Invite:
    return [mail.invite for mail in world.post.mails if mail.invite.recipient.email == GUEST][-1]


class Run:
    """A world that receives email, with a booking whose guest is invited."""

    def __init__(self, seed: int = 5) -> None:
        self.inbound = Inbound()
        self._context = new_world(seed, alter=self.inbound.furnish)

    def __enter__(self) -> World:
        world = self._context.__enter__()
        self.inbound.world = world
        world.put()
        world.rest()
        world.network.points.clear()
        return world

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(None, None, None)


def decline(world: World, inbound: Inbound) -> None:
    inbound.send(Choice.DECLINED, newest(world))


def decline_twice_over(world: World, inbound: Inbound) -> None:
    inbound.send(Choice.DECLINED, newest(world), delays=(0.0, 0.01, 5.0))


def decline_during_reschedule(world: World, inbound: Inbound) -> None:
    world.put(starts_at=LATER)
    inbound.send(Choice.DECLINED, newest(world), delays=(0.1,))


def propose(world: World, inbound: Inbound) -> None:
    inbound.send(Choice.TENTATIVE, newest(world), delays=(0.0, 0.01), days=1)


Act = Callable[[World, Inbound], None]
ACTS: tuple[Act, ...] = (decline, decline_twice_over, decline_during_reschedule, propose)


def outcome(act: Act, crashes: dict[int, When]) -> tuple[list[str], int]:
    """What is wrong afterwards, and how many I/O calls there were."""
    run = Run()
    with run as world:
        act(world, run.inbound)
        world.network.crashes.update(crashes)
        world.rest()
        wrong = invariants.broken_promises(world) + [str(mail) for mail in invariants.duplicate_mails(world)]
        proposals = [notice for notice in world.post.notices if "another time" in notice.subject]
        certain = [notice for notice in proposals if not notice.may_be_repeated]
        if act is propose and (len(certain) > 1 or not proposals):
            wrong.append(f"{len(proposals)} emails about one proposal")
        return wrong, len(world.network.points)


@pytest.mark.parametrize("act", ACTS)
def test_an_answer_is_recorded_once_whatever_dies(act: Act) -> None:
    points = outcome(act, {})[1]
    crashes: Iterator[dict[int, When]] = ({number: when} for number in range(points) for when in When)
    wrong = {str(crash): outcome(act, crash)[0] for crash in sample(crashes, 3)}
    assert {crash: what for crash, what in wrong.items() if what} == {}


def test_an_invitation_has_its_reference_whatever_dies() -> None:
    def change(crashes: dict[int, When]) -> tuple[list[str], int]:
        inbound = Inbound()
        with new_world(3, alter=inbound.furnish) as world:
            inbound.world = world
            world.put()
            world.network.crashes.update(crashes)
            world.rest()
            rows = {item["key"]["S"] for item in world.db.items("references")}
            missing = [mail.invite.uid for mail in world.post.mails if uid_key(mail.invite.uid) not in rows]
            return invariants.broken_promises(world) + missing, len(world.network.points)

    crashes = [{number: when} for number in range(change({})[1]) for when in When]
    wrong = {str(crash): change(crash)[0] for crash in sample(crashes, 4)}
    assert {crash: what for crash, what in wrong.items() if what} == {}


@pytest.mark.parametrize("at", ["s3 GetObject", "dynamodb GetItem references", "dynamodb UpdateItem bookings"])
def test_an_outage_delays_an_answer_and_loses_none(at: str) -> None:
    run = Run()
    with run as world:
        refuse = faults.dynamo_says(world, "InternalServerError") if at.startswith("dynamodb") else _no_s3
        world.network.troubles.append(Trouble(at, refuse, times=2))
        decline(world, run.inbound)
        world.rest()
        assert invariants.broken_promises(world) == []
        assert world.network.strikes > 0


def _no_s3(point: str, perform: Callable[[], object]) -> object:
    raise StoreUnavailable("S3: SlowDown")


STEPS = st.lists(
    st.tuples(st.sampled_from(["mail", "late mail", "link", "move"]), st.sampled_from(Choice), st.floats(2.0, 90.0)),
    max_size=6,
)


@settings(max_examples=20)
@given(STEPS, st.booleans(), st.booleans(), st.integers(0, 99))
def test_answers_by_email_and_link_moves_and_cancellations_converge(
    steps: list[tuple[str, Choice, float]], cancels: bool, is_rough: bool, seed: int
) -> None:
    rough = FAULTS["stream: duplicated, split, late, reordered"].variants["rough"]
    inbound = Inbound()
    with new_world(seed, rough.conditions if is_rough else None, inbound.furnish) as world:
        inbound.world = world
        world.put()
        world.rest()
        for number, (step, choice, pause) in enumerate(steps):
            match step:
                case "mail":
                    inbound.send(choice, newest(world), delays=(0.0, 1.0))
                case "late mail":
                    inbound.send(choice, newest(world), delays=(100.0, 300.0))
                case "link":
                    world.answer(choice)
                case "move":
                    world.put(starts_at=START + timedelta(days=35 + number % 2))
            world.run(pause)
        world.rest()
        world.run(600.0)
        if cancels:
            world.cancel()
        world.rest()
        assert invariants.broken_promises(world) == []
        assert invariants.duplicate_mails(world) == []
        choices = world.answered.get("b-1", [])
        stored = list(world.record().answers.values())
        assert [answer.choice for answer in stored] == choices[-1:]
        assert {answer.source for answer in stored} <= set(AnswerSource)
