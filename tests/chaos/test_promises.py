"""The promises of the design, section 2, under any interleaving of what users and callers do: against a small model."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chalicelib.domain.meeting import MeetingState
from tests.chaos.world import WORKSPACE, new_world
from tests.support.clock import START
from tests.support.examples import examples

USERS = {"u-1": "zoom", "u-2": "zoom", "u-3": "rooms"}
BOOKINGS = st.sampled_from([f"b-{number}" for number in range(5)])
HOSTS = st.sampled_from(sorted(USERS))


@dataclass
class Expected:
    """What the model knows of a booking. `link` is None until there is one."""

    host: str
    wants_link: bool
    hour: int
    link: str | None = None
    is_cancelled: bool = False


class Promises(RuleBasedStateMachine):
    """Hosts connect and leave, callers book, move and cancel; after each the world comes to rest."""

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self.parts = ExitStack()
        self.world = self.parts.enter_context(new_world(seed))
        self.connected = set(USERS)
        self.expected: dict[str, Expected] = {}

    @rule(booking_id=BOOKINGS, host=HOSTS, hour=st.integers(1, 5))
    def put(self, booking_id: str, host: str, hour: int) -> None:
        known = self.expected.get(booking_id)
        if known is not None and known.is_cancelled:
            return
        starts_at = START + timedelta(days=35, hours=hour)
        self.world.put(booking_id, calendar_id=host.replace("u", "c"), starts_at=starts_at)
        if known is None or known.host != host:
            self.expected[booking_id] = Expected(host, host in self.connected, hour)
        else:
            known.hour = hour
        self.world.rest()

    @rule(booking_id=BOOKINGS)
    def cancel(self, booking_id: str) -> None:
        if booking_id in self.expected:
            self.expected[booking_id].is_cancelled = True
            self.world.cancel(booking_id)
            self.world.rest()

    @rule(host=HOSTS)
    def disconnect(self, host: str) -> None:
        self.connected.discard(host)
        self.world.process("api").services.connections.disconnect(WORKSPACE, host)
        self.world.run(180)

    @precondition(lambda self: len(self.connected) < len(USERS))
    @rule(host=HOSTS)
    def connect(self, host: str) -> None:
        if host in self.connected:
            return
        self.connected.add(host)
        self.world.connect(self.world.process("api").services, host)
        self.world.run(60)

    @invariant()
    def every_promise_is_kept(self) -> None:
        links: list[str] = []
        for record in self.world.records():
            expected, meeting = self.expected[record.booking.booking_id], record.settlement.meeting
            assert record.is_settled
            if expected.is_cancelled:
                assert meeting.state in (MeetingState.REMOVED, MeetingState.NONE)
                assert meeting.join_url is None
            elif expected.wants_link:
                assert (meeting.state, meeting.user_id) == (MeetingState.READY, expected.host)
                assert expected.link in (None, meeting.join_url)
                expected.link = meeting.join_url
                links.append(str(meeting.join_url))
            else:
                assert (meeting.state, meeting.join_url) == (MeetingState.NONE, None)
        assert len(links) == len(set(links))

    def teardown(self) -> None:
        if hasattr(self, "parts"):
            self.parts.close()


Promises.TestCase.settings = examples(30, stateful_step_count=20)
TestPromises = Promises.TestCase
