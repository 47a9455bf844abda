"""A clock that only the scheduler advances, and actors that run strictly one at a time, in an order that a seed fixes.

An actor is a greenlet: it runs until it waits. Every wait takes at least an instant of simulated time, so what else
happens at that moment can come between any two I/O calls.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

from tests.support.clock import START

T = TypeVar("T")
_TOO_MANY_STEPS = 200_000


class Crash(BaseException):
    """The process of this actor is gone. No `except Exception` of the product may survive it."""


class Endless(Exception):
    """The simulation does not come to rest."""


@dataclass
class Sandbox:
    """One process: what it knows in memory dies with it. `ends_at` is its Lambda's timeout in simulated seconds."""

    ends_at: float = float("inf")
    is_dead: bool = False


@dataclass
class Actor:
    """Something that happens in the world. After it, `result` or `error` tells how it ended."""

    name: str
    sandbox: Sandbox
    body: greenlet
    result: Any = None
    error: BaseException | None = None
    waiting: greenlet | None = None


@dataclass(order=True)
class _Turn:
    at: float
    tie: float
    actor: Actor = field(compare=False)


class Simulation:
    """Runs actors on a simulated clock."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.seconds = 0.0
        self.last_death_at = 0.0
        self._turns: list[_Turn] = []
        self._actors: dict[greenlet, Actor] = {}
        self._hub = getcurrent()

    def clock(self, skew_seconds: float = 0.0) -> Callable[[], datetime]:
        """A clock of one machine, which may disagree with the others'."""
        return lambda: START + timedelta(seconds=self.seconds + skew_seconds)

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    @property
    def actor(self) -> Actor | None:
        """Who runs now; None outside of actors, where nothing is simulated."""
        return self._actors.get(getcurrent())

    @property
    def is_idle(self) -> bool:
        return not self._turns

    @property
    def next_turn_at(self) -> float:
        return self._turns[0].at if self._turns else float("inf")

    def spawn(self, name: str, work: Callable[[], Any], *, sandbox: Sandbox | None = None, delay: float = 0.0) -> Actor:
        """Have `work` begin after `delay` seconds."""
        actor = Actor(name, sandbox or Sandbox(), greenlet(lambda: self._live(actor, work), self._hub))
        self._actors[actor.body] = actor
        self._push(actor, delay)
        return actor

    def sleep(self, seconds: float) -> None:
        """Wait, if this is an actor. Raises `Crash` when its process ended meanwhile."""
        actor = self.actor
        if actor is None:
            return
        self._push(actor, min(seconds, max(0.0, actor.sandbox.ends_at - self.seconds)))
        self._hub.switch()
        if actor.sandbox.is_dead or self.seconds >= actor.sandbox.ends_at:
            actor.sandbox.is_dead = True
            self.last_death_at = self.seconds
            raise Crash

    def wait_for(self, others: list[Actor]) -> None:
        """Wait until these have ended: looked at ever more rarely, for some take a quarter of a minute."""
        pause = 0.01
        while any(not other.body.dead for other in others):
            self.sleep(pause)
            pause = min(1.3 * pause, 0.2)

    def wait_for_any(
        self, futures: list[Future[T]], *, timeout: float, return_when: str
    ) -> tuple[list[Future[T]], list[Future[T]]]:
        """As `concurrent.futures.wait` for the first that ends."""
        ends = self.seconds + timeout
        while not (done := [future for future in futures if future.done()]) and self.seconds < ends:
            self.sleep(min(0.05, ends - self.seconds))
        return done, [future for future in futures if not future.done()]

    def run(self, until: float) -> None:
        """Let everything happen that happens before `until`, in simulated seconds."""
        steps = 0
        while self._turns and self._turns[0].at <= until:
            turn = heapq.heappop(self._turns)
            self.seconds = max(self.seconds, turn.at)
            turn.actor.body.switch()
            steps += 1
            if steps > _TOO_MANY_STEPS:
                raise Endless(f"{turn.actor.name} at {self.seconds:.0f} s")
        if until != float("inf"):
            self.seconds = max(self.seconds, until)

    def _push(self, actor: Actor, delay: float) -> None:
        heapq.heappush(self._turns, _Turn(self.seconds + delay, self.random.random(), actor))

    def _live(self, actor: Actor, work: Callable[[], Any]) -> None:
        try:
            actor.result = work()
        except Crash as error:
            actor.error = error
        except Exception as error:
            actor.error = error
        finally:
            del self._actors[actor.body]


class SideBySide(Executor):
    """Stands for a thread pool inside an actor: each task is an actor of the same process."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """As `Executor.submit`; a crash of the task leaves the future without a result."""
        future: Future[T] = Future()
        sandbox = self._simulation.actor.sandbox if self._simulation.actor else None

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:
                future.set_exception(error)

        self._simulation.spawn("task", work, sandbox=sandbox)
        return future

    def __init__(self, simulation: Simulation, max_workers: int) -> None:
        self._simulation = simulation
        self._workers = max_workers

    def map(self, fn: Callable[..., T], *iterables: Iterable[Any], **_: Any) -> Iterator[T]:
        """As `Executor.map`; a crash of one task is the end of the process."""
        simulation, me = self._simulation, self._simulation.actor
        tasks = list(zip(*iterables, strict=True))
        if me is None or len(tasks) < 2:
            return iter([fn(*task) for task in tasks])
        results: list[Any] = [None] * len(tasks)
        todo = iter(range(len(tasks)))

        def work() -> None:
            for i in todo:
                results[i] = fn(*tasks[i])

        workers = [
            simulation.spawn(f"{me.name}/{i}", work, sandbox=me.sandbox) for i in range(min(self._workers, len(tasks)))
        ]
        simulation.wait_for(workers)
        for worker in workers:
            if worker.error is not None:
                raise worker.error
        return iter(results)
