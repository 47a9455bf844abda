"""Where every I/O call passes: it may crash the process before or after its effect, fail, be slow, or be lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from tests.chaos.simulation import Crash, Simulation

T = TypeVar("T")
_LATENCY_SECONDS = (0.002, 0.02)


class When(StrEnum):
    """A crash that the outside world did not notice, and one whose response is lost."""

    BEFORE = "before"
    AFTER = "after"


@dataclass
class Trouble:
    """Something that happens to calls whose point matches `at`: the `nth` and the following, `times` of them.

    `act` gets the point and a function that performs the call; what it returns or raises is the outcome. Calls for
    which `when` says no are left in peace.
    """

    at: str
    act: Callable[[str, Callable[[], Any]], Any]
    nth: int = 0
    times: float = 1
    when: Callable[[], bool] = lambda: True
    seen: int = 0

    def strikes(self, point: str) -> bool:
        if re.search(self.at, point) is None:
            return False
        self.seen += 1
        return self.nth < self.seen <= self.nth + self.times and self.when()


@dataclass
class Network:
    """Counts I/O calls and lets trouble happen at them. A call's point reads like `dynamodb UpdateItem bookings`."""

    simulation: Simulation
    crashes: dict[int, When] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    at_point: dict[int, Callable[[], None]] = field(default_factory=dict)
    points: list[str] = field(default_factory=list)
    crashed_at: list[str] = field(default_factory=list)
    strikes: int = 0
    last_trouble_at: float = 0.0

    def call(self, point: str, perform: Callable[[], T]) -> T:
        """Perform one I/O call of the running actor. Outside of actors nothing happens to it."""
        actor = self.simulation.actor
        if actor is None:
            return perform()
        if actor.sandbox.is_dead:
            raise Crash
        number = len(self.points)
        self.points.append(point)
        self.simulation.sleep(self.simulation.random.uniform(*_LATENCY_SECONDS))
        if number in self.at_point:
            self.at_point.pop(number)()
            self.simulation.sleep(0.0)
        crash = self.crashes.get(number)
        if crash is When.BEFORE:
            self.crash(f"before {point}")
        result = self._perform(point, perform)
        if crash is When.AFTER:
            self.crash(f"after {point}")
        self.simulation.sleep(0.0)
        return result

    def _perform(self, point: str, perform: Callable[[], T]) -> T:
        for trouble in self.troubles:
            if trouble.strikes(point):
                self.strikes += 1
                try:
                    result: T = trouble.act(point, perform)
                    return result
                finally:
                    self.last_trouble_at = self.simulation.seconds
        return perform()

    def crash(self, where: str) -> NoReturn:
        """The running actor's process is gone."""
        self.crashed_at.append(where)
        self.strikes += 1
        self.last_trouble_at = self.simulation.seconds
        actor = self.simulation.actor
        if actor is not None:
            actor.sandbox.is_dead = True
        raise Crash
