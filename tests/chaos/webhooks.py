"""The webhooks of a settled booking: announced from the stream, woken by a queue, delivered to two receivers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, partial
from typing import Any

from chalicelib.domain.answers import Choice
from chalicelib.handlers import webhook_queue, webhook_streams
from chalicelib.store.work_queue import WorkQueue
from chalicelib.webhooks.http_sender import Outcome
from chalicelib.wiring import Services
from tests.chaos import faults
from tests.chaos.dynamo import Change
from tests.chaos.faults import while_it_lasts
from tests.chaos.network import When
from tests.chaos.queues import Queue, Sqs
from tests.chaos.simulation import Crash, Sandbox
from tests.chaos.world import WORKSPACE, Conditions, World, furnished

ARN = "arn:aws:sqs:us-east-1:123456789012:webhooks"
EVENTS = ("invitation.answered", "meeting.ready", "meeting.removed")
STEADY, FLAKY = "https://receiver.example/steady", "https://receiver.example/flaky"
_SLOW_SECONDS = 0.8
"""Long enough for the free workers to look for other deliveries."""
_REPEATS = 10
_SETTLING = "dynamodb .* (bookings|grants)"
Alter = Callable[[Services], None]


@dataclass(frozen=True)
class WebhookCase:
    """A seed, and what happens to the webhooks' queue. `refused_seconds`: for how long SQS refuses every request.

    `readers` is how many processes get each batch of the stream, and how many schedules run at once.
    """

    seed: int = 0
    queue: Queue = field(default_factory=lambda: Queue((0.0, 3.0)))
    refused_seconds: float = 0.0
    readers: int = 1
    crash: tuple[int, When] | None = None


@dataclass(frozen=True)
class Receipt:
    """What the receivers accepted: the types of events by URL, and each event as its URL and `webhook-id`.

    `repeated` were accepted again because a process died before their mark was written, `doubled` for another reason.
    """

    types: tuple[tuple[str, str], ...]
    accepted: frozenset[tuple[str, str]]
    repeated: int
    doubled: int
    points: tuple[str, ...]


class WebhookWorld(World):
    """Settles its bookings in peace, and then announces what their stream contains."""

    def __init__(self, case: WebhookCase, alter: Alter | None = None) -> None:
        self.case = case
        self.records: list[dict[str, Any]] = []
        self.is_announcing = False
        self.tries: set[tuple[str, str]] = set()
        self.accepted: dict[tuple[str, str], list[Sandbox]] = {}
        self.types: list[tuple[str, str]] = []
        self.repeated = self.doubled = 0
        super().__init__(case.seed, Conditions(), alter)
        invoke = partial(self._invoke, "webhooks", webhook_queue.deliver_messages)
        self.sqs = Sqs(self.network, case.queue, self.random, invoke)

    def settle(self) -> None:
        """Two bookings: the guest of one answers, the other is cancelled."""
        self.put("b-1")
        self.put("b-2")
        self.rest()
        self.answer(Choice.ACCEPTED, "b-1")
        self.cancel("b-2")
        self.rest()
        for url in (STEADY, FLAKY):
            self.process("setup").services.webhook_endpoints.put(WORKSPACE, _endpoint_of(url), url, EVENTS)

    def announce(self) -> None:
        """Let the stream's readers and the schedule work, in the conditions of the case, until nothing is due."""
        self.is_announcing = True
        self.network.points.clear()
        self.network.crashes.update([self.case.crash] if self.case.crash else [])
        until = self.simulation.seconds + self.case.refused_seconds
        refused = faults.sqs_says("ThrottlingException")
        self.network.troubles.append(while_it_lasts("sqs", refused, lambda: self.simulation.seconds < until))
        for _ in range(self.case.readers):
            self.simulation.spawn("reader", self._read)
        self.rest()

    def _read(self) -> None:
        """A batch is delivered again until it succeeds."""
        for start in range(0, len(self.records), 5):
            batch = {"Records": self.records[start : start + 5]}
            for _ in range(_REPEATS):
                invocation = self._invoke("announce", webhook_streams.announce_bookings, batch)
                self.simulation.wait_for([invocation])
                if invocation.error is None:
                    break
                if not isinstance(invocation.error, Crash):
                    raise invocation.error
                self.simulation.sleep(1.0)

    def _changed(self, change: Change) -> None:
        """Settle, and keep the record for the readers of webhooks."""
        super()._changed(change)
        images = {"OldImage": change.old, "NewImage": change.new}
        record = {name: image for name, image in images.items() if image is not None}
        written_at, number = int(self.simulation.now.timestamp()), str(len(self.network.points))
        self.records.append(
            {"dynamodb": {**record, "ApproximateCreationDateTime": written_at, "SequenceNumber": number}}
        )

    def _tick(self) -> None:
        super()._tick()
        for _ in range(self.case.readers if self.is_announcing else 0):
            self._invoke("deliver", webhook_streams.deliver_due)

    def _seconds_until_work(self) -> float:
        due = [int(item["due_at"]["N"]) / 1000 for item in self.db.items("deliveries") if "due_at" in item]
        return min([super()._seconds_until_work(), *(at - self.simulation.now.timestamp() for at in due)])

    def _services(self, clock: Callable[[], datetime]) -> Services:
        services = super()._services(clock)
        vars(services).update(webhook_queue=WorkQueue(self.sqs, ARN), webhook_transport=self._post)
        return services

    def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        self.simulation.sleep(_SLOW_SECONDS)
        event = url, headers["webhook-id"]
        return self.network.call(f"http POST {url}", partial(self._receive, event, json.loads(body)["type"]))

    def _receive(self, event: tuple[str, str], event_type: str) -> Outcome:
        """The flaky receiver refuses each event once."""
        url, _ = event
        if url == FLAKY and event not in self.tries:
            self.tries.add(event)
            return Outcome(503, "bad_status")
        before = self.accepted.setdefault(event, [])
        if not before:
            self.types.append((url, event_type))
        elif all(sandbox.is_dead for sandbox in before) and not self._is_marked(event):
            self.repeated += 1
        else:
            self.doubled += 1
        actor = self.simulation.actor
        before.extend([actor.sandbox] if actor else [])
        return Outcome(200)

    def _is_marked(self, event: tuple[str, str]) -> bool:
        url, event_id = event
        rows = [row for row in self.db.items("deliveries") if row["delivery_name"]["S"].endswith(event_id)]
        key = f"{WORKSPACE}#{_endpoint_of(url)}"
        return any(row["endpoint_key"]["S"] == key and row["state"]["S"] == "delivered" for row in rows)


def run(case: WebhookCase, alter: Alter | None = None) -> Receipt:
    """Run one case from its seed."""
    with furnished(WebhookWorld(case, alter)) as world:
        world.settle()
        world.announce()
        points = tuple(world.network.points)
        return Receipt(tuple(sorted(world.types)), frozenset(world.accepted), world.repeated, world.doubled, points)


def crashes(calm: WebhookCase) -> Iterator[WebhookCase]:
    """A crash before and after every I/O call for webhooks."""
    for number, point in enumerate(run(calm).points):
        if not re.search(_SETTLING, point):
            yield from (replace(calm, crash=(number, when)) for when in When)


def problems(case: WebhookCase, alter: Alter | None = None) -> list[str]:
    """What is wrong after a case: nothing, or the case with its losses and duplicates."""
    receipt = run(case, alter)
    lost = _all_events(case.seed) - receipt.accepted
    is_sound = not lost and not receipt.doubled and (case.crash is not None or not receipt.repeated)
    return [] if is_sound else [f"{case}: {len(lost)} lost, {receipt.repeated} repeated, {receipt.doubled} doubled"]


@cache
def _all_events(seed: int) -> frozenset[tuple[str, str]]:
    return run(WebhookCase(seed)).accepted


def _endpoint_of(url: str) -> str:
    return url.rpartition("/")[2]
