"""What callers do to one booking while things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from msgspec.structs import replace

from chalicelib.domain.answers import Choice
from chalicelib.domain.calendar import Fallback, Host
from chalicelib.domain.emails import Emails
from chalicelib.domain.reminder import Addressees, Reminder
from tests.chaos.world import WORKSPACE, World
from tests.support.clock import START

LATER = START + timedelta(days=36)
FIRST_COHOST, SECOND_COHOST = (
    Host(f"u-{name}", "Demo Co-host", f"{name}@host.example.com") for name in ("cohost-1", "cohost-2")
)
FALLBACK = "https://rooms.example.com/plan-b"
ACCEPTED = 5
"""I/O calls of a caller's PUT: from here on the booking exists."""


@dataclass(frozen=True)
class Scenario:
    """`prepare` happens in peace; then `act`; and `meanwhile` at the I/O call that a run chooses."""

    name: str
    act: Callable[[World], object]
    prepare: Callable[[World], object] | None = None
    meanwhile: Callable[[World], object] | None = None

    def begin(self, world: World, meanwhile_at: int) -> None:
        """Bring the world to where faults begin, and start what callers do."""
        if self.prepare is not None:
            self.prepare(world)
            world.rest()
            world.network.points.clear()
        if self.meanwhile is not None:
            meanwhile = self.meanwhile
            world.network.at_point[ACCEPTED + meanwhile_at] = lambda: ignore(meanwhile(world))
        self.act(world)


def ignore(_: object) -> None:
    """The actor that was started lives on by itself."""


def _create(world: World) -> object:
    return world.put()


def _decline(world: World) -> object:
    return world.answer(Choice.DECLINED)


def _create_with_cohost(world: World) -> object:
    return world.put(cohosts=(FIRST_COHOST,))


def _have_fallback(world: World) -> None:
    """The calendar has a link for outages of ten minutes."""
    store = world.process("setup").services.calendar_store
    calendar = store.get(WORKSPACE, "c-1")
    assert calendar is not None
    store.put(replace(calendar, fallback=Fallback(FALLBACK, after_minutes=10, before_start_minutes=10)))


def _create_without_guests_emails(world: World) -> object:
    return world.put(emails=Emails(guests=False))


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("create", _create),
        Scenario("reschedule", lambda w: w.put(starts_at=LATER), _create),
        Scenario("host change", lambda w: w.put(calendar_id="c-2"), _create),
        Scenario("provider change", lambda w: w.put(calendar_id="c-3"), _create),
        Scenario("co-host change", lambda w: w.put(cohosts=(SECOND_COHOST,)), _create_with_cohost),
        Scenario("plan B", _create, _have_fallback),
        Scenario("cancel", lambda w: w.cancel(), _create),
        Scenario("emails off", lambda w: w.put(starts_at=LATER, emails=Emails(guests=False)), _create),
        Scenario("emails on", lambda w: w.put(emails=Emails(guests=True)), _create_without_guests_emails),
        Scenario("cancel during create", _create, meanwhile=lambda w: w.cancel()),
        Scenario("reschedule during create", _create, meanwhile=lambda w: w.put(starts_at=LATER)),
        Scenario("decline", _decline, _create),
        Scenario("decline during reschedule", lambda w: w.put(starts_at=LATER), _create, meanwhile=_decline),
    )
}


SOON = START + timedelta(hours=3)
_REMINDERS = (Reminder(60, Addressees.ALL), Reminder(30, Addressees.GUESTS))


def _create_with_reminders(world: World) -> object:
    store = world.process("setup").services.calendar_store
    calendar = store.get(WORKSPACE, "c-1")
    assert calendar is not None
    store.put(replace(calendar, reminders=_REMINDERS))
    return world.put(starts_at=SOON)


def _wait_for_reminders(world: World) -> None:
    """Until just before the first reminder can be due. There is nothing to do before.

    The token is refreshed in peace: a crash at that moment can end a grant, which is another limit (reliability.md).
    """
    world.simulation.run(until=(SOON - START - timedelta(minutes=66)).total_seconds())
    services = world.process("setup").services
    grant = services.grant_store.get(f"{world.place.name}#{world.place.name}-u-1")
    if grant is not None and world.place.has_tokens:
        services.access_tokens.access_token(grant)


REMINDING = {
    scenario.name: scenario
    for scenario in (
        Scenario("reminders", _wait_for_reminders, _create_with_reminders),
        Scenario("cancel at a reminder", _wait_for_reminders, _create_with_reminders, lambda w: w.cancel()),
        Scenario(
            "reschedule at a reminder",
            _wait_for_reminders,
            _create_with_reminders,
            lambda w: w.put(starts_at=SOON + timedelta(minutes=30)),
        ),
    )
}
"""What happens when reminders come due. They are not run with every fault: an hour's outage drops reminders."""
