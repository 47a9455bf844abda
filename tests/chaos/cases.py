"""One run: a scenario, a fault and a seed; its outcome; and every case that there is to run."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.wiring import Services
from tests.chaos import invariants
from tests.chaos.classes import FAULTS, REMINDERS, Fault
from tests.chaos.network import When
from tests.chaos.scenarios import ACCEPTED, REMINDING, SCENARIOS
from tests.chaos.world import TICK_SECONDS, World, new_world

Crashes = tuple[tuple[int, When], ...]
Alter = Callable[[Services], None]
SINGLE, PAIR = "crash at one point", "crash at two points"
_ALL = SCENARIOS | REMINDING


@dataclass(frozen=True)
class Case:
    """`text` replays it. `variant` is one of the fault class's; `meanwhile_at` the I/O call of the second request.

    `provider` stands in Zoom's place.
    """

    fault: str
    scenario: str
    variant: str = "-"
    seed: int = 0
    meanwhile_at: int = 0
    crashes: Crashes = ()
    provider: str = "zoom"

    @property
    def text(self) -> str:
        crashes = ",".join(f"{when.value}:{number}" for number, when in self.crashes) or "-"
        parts = (self.fault, self.scenario, self.variant, str(self.seed), str(self.meanwhile_at), crashes)
        return "/".join(parts if self.provider == "zoom" else (*parts, self.provider))

    @classmethod
    def read(cls, text: str) -> Case:
        """The case that `text` names."""
        fault, scenario, variant, seed, meanwhile_at, crashes, *provider = text.split("/")
        pairs = [one.split(":") for one in crashes.split(",")] if crashes != "-" else []
        points = tuple((int(number), When(when)) for when, number in pairs)
        return cls(fault, scenario, variant, int(seed), int(meanwhile_at), points, *provider)


@dataclass(frozen=True)
class Outcome:
    """What became of a run. `ticks` went by from the last fault, or change if that was later, until all was settled.

    `orphans` are meetings at the provider that belong to no booking: wrong, but where a provider has a stated bound.
    """

    case: Case
    wrong: list[str] = field(default_factory=list)
    lost: int = 0
    duplicate_meetings: int = 0
    duplicate_mails: int = 0
    orphans: int = 0
    ticks: float = 0.0
    points: tuple[str, ...] = ()
    used_fallback: bool = False

    @property
    def survived(self) -> bool:
        return not (self.wrong or self.lost or self.duplicate_meetings or self.duplicate_mails)


def run(case: Case, alter: Alter | None = None) -> Outcome:
    """Run one case from its seed."""
    fault = FAULTS.get(case.fault, Fault(case.fault))
    variant = fault.variants[case.variant] if case.variant != "-" else None
    with new_world(case.seed, variant.conditions if variant else None, alter, case.provider) as world:
        try:
            _ALL[case.scenario].begin(world, case.meanwhile_at)
            world.network.crashes.update(dict(case.crashes))
            lasts_until = 0.0
            if variant is not None:
                lasts_until = world.simulation.seconds + variant.lasts_seconds
                variant.arm(world)
            world.rest()
        except Exception:
            return Outcome(case, [traceback.format_exc(limit=-3)], lost=invariants.lost(world))
        troubles = (world.network.last_trouble_at, world.simulation.last_death_at, lasts_until)
        ended_at = max(*troubles, world.changed_at)
        settled_at = max(world.settled_at.values(), default=0.0)
        return _outcome(case, world, max(0.0, settled_at - ended_at) / TICK_SECONDS)


def single_crashes(scenario: str, seed: int = 0, provider: str = "zoom") -> Iterator[Case]:
    """A crash before and after every I/O call; the second request, if there is one, at every I/O call as well."""
    for calm in _calm(scenario, seed, provider):
        for number in range(len(run(calm).points)):
            for when in When:
                yield replace(calm, fault=SINGLE, crashes=((number, when),))


def crashes_of(fault: str, scenario: str, seed: int = 0) -> Iterator[Case]:
    """A crash before and after every I/O call, in the conditions of a class's variant `calm`."""
    calm = Case(fault, scenario, "calm", seed)
    for number in range(len(run(calm).points)):
        for when in When:
            yield replace(calm, crashes=((number, when),))


def reminder_crashes(scenario: str, seed: int = 0, *, every: int = 1) -> Iterator[Case]:
    """A crash before and after every I/O call around reminders; the second request at every such call as well.

    With `every`, the second request comes at some of the calls only. It takes a run to know the calls after each.
    """
    for variant in ("two schedules", "queue"):
        calm = Case(REMINDERS, scenario, variant, seed)
        alone = [number - ACCEPTED for number in _calls_at_work(replace(calm, scenario="reminders"))]
        for at in alone[::every] if REMINDING[scenario].meanwhile else [0]:
            case = replace(calm, meanwhile_at=at)
            for number in _calls_at_work(case):
                yield from (replace(case, crashes=((number, when),)) for when in When)


def _calls_at_work(case: Case) -> list[int]:
    """The numbers of a run's I/O calls, without the schedule's many queries that find nothing."""
    return [number for number, point in enumerate(run(case).points) if not point.startswith("dynamodb Query")]


def paired_crashes(first: Case, outcome: Outcome) -> Iterator[Case]:
    """Every second crash after a first one."""
    ((number, _),) = first.crashes
    for second in range(number + 1, len(outcome.points)):
        for when in When:
            yield replace(first, fault=PAIR, crashes=(*first.crashes, (second, when)))


def faulty(fault: str, seeds: range, provider: str = "zoom") -> Iterator[Case]:
    """A fault class: each variant in each scenario, from each seed."""
    for seed in seeds:
        for variant in FAULTS[fault].variants:
            for number, scenario in enumerate(REMINDING if fault == REMINDERS else SCENARIOS):
                meanwhile_at = (seed * 7 + number) % 12
                yield Case(fault, scenario, variant, seed * 1000 + number, meanwhile_at, provider=provider)


def _calm(scenario: str, seed: int, provider: str) -> Iterator[Case]:
    calm = Case("nothing", scenario, seed=seed, provider=provider)
    if SCENARIOS[scenario].meanwhile is None:
        yield calm
        return
    undisturbed = len(run(replace(calm, scenario="create")).points)
    for meanwhile_at in range(undisturbed - 4):
        yield replace(calm, meanwhile_at=meanwhile_at)


def _outcome(case: Case, world: World, ticks: float) -> Outcome:
    known: dict[str, Any] = {"case": case, "ticks": ticks, "points": tuple(world.network.points)}
    return Outcome(
        **known,
        wrong=invariants.broken_promises(world),
        lost=invariants.lost(world) + len(invariants.lost_reminders(world)),
        duplicate_meetings=world.most_twins,
        duplicate_mails=len(invariants.duplicate_mails(world)),
        orphans=len(invariants.orphans(world)),
        used_fallback=any(record.settlement.meeting.is_fallback for record in world.records()),
    )
