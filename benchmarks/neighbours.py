"""A workspace floods the service, and another one must not notice: simulated time, the real handlers and stores.

    python -m benchmarks.neighbours

Two processes per function. DynamoDB is in memory and takes 2 to 20 ms, a provider's call 300 ms, SES and the victim's
receivers 100 ms. SQS is a model of its fair queues: of the workspaces that wait, the one with the
fewest messages in work is served first. A run that settles a booking also occupies its process for the CPU time of
`CPU_SECONDS`; what other code needs is not simulated.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from statistics import median
from types import SimpleNamespace
from typing import Any

from chalicelib.domain.booking import Guest
from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
from chalicelib.domain.connection import Account, Connection, Grant, Tokens
from chalicelib.domain.deadline import Deadline
from chalicelib.handlers import booking_stream, email_queue, webhook_queue, webhook_streams
from chalicelib.store.work_queue import WorkQueue
from chalicelib.usecases.sending_shares import FirstRunShare, send_part
from chalicelib.usecases.settling import Settling
from chalicelib.webhooks.http_sender import Outcome
from chalicelib.wiring import Services
from tests.chaos import queues
from tests.chaos.dynamo import Change, answering
from tests.chaos.network import Trouble
from tests.chaos.world import BASE_URL, WORKSPACE, Conditions, World
from tests.support.clock import START

ATTACKER = "ws-attacker"
PROCESSES = 2
CPU_SECONDS = 0.086
"""A booking that is settled: 25 ms (docs/cost.md) on the 29 % of a core that 512 MB get."""
_FAIL_ONCE = ("v-0", "v-10")
"""Bookings of the victim whose first webhook to a second receiver fails."""
_PER_SECOND = 50
"""Requests of a workspace, which the rate limit allows."""


@dataclass
class FairQueue:
    """A work queue and the processes that it invokes. Also stands for the boto3 client."""

    world: World
    kind: str
    handler: Callable[..., Any]
    batch_size: int
    meta: Any = field(default_factory=lambda: SimpleNamespace(endpoint_url="https://sqs.example"))
    waiting: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    in_work: Counter[str] = field(default_factory=Counter)
    busy: int = 0
    sent: int = 0

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        return self.world.network.call(f"sqs SendMessageBatch {self.kind}", partial(self._accept, Entries))

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int) -> dict[str, Any]:  # noqa: N803
        messages = self.world.network.call(f"sqs ReceiveMessage {self.kind}", lambda: self._take(MaxNumberOfMessages))
        return {
            "Messages": [{"Body": m["body"], "ReceiptHandle": m["messageId"], "group": m["group"]} for m in messages]
        }

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> None:  # noqa: N803
        self.world.network.call(f"sqs DeleteMessageBatch {self.kind}", lambda: None)

    def _accept(self, entries: list[dict[str, str]]) -> dict[str, Any]:
        for entry in entries:
            self.sent += 1
            message = {"messageId": f"m-{self.sent}", "body": entry["MessageBody"], "group": entry["MessageGroupId"]}
            self.waiting.setdefault(message["group"], []).append(message)
        while self.busy < PROCESSES and any(self.waiting.values()):
            self.busy += 1
            self.world.simulation.spawn(f"{self.kind}-poller", self._poll, delay=0.02)
        return {}

    def _take(self, limit: int) -> list[dict[str, Any]]:
        taken: list[dict[str, Any]] = []
        while len(taken) < limit and (groups := [group for group, messages in self.waiting.items() if messages]):
            at_work = self.in_work + Counter(message["group"] for message in taken)
            taken.append(self.waiting[min(groups, key=lambda group: at_work[group])].pop(0))
        return taken

    def _poll(self) -> None:
        while messages := self._take(self.batch_size):
            groups = Counter(message["group"] for message in messages)
            self.in_work += groups
            invocation = self.world._invoke(self.kind, self.handler, {"Records": messages})
            self.world.simulation.wait_for([invocation])
            self.in_work -= groups
            if invocation.error is not None:
                raise invocation.error
        self.busy -= 1


@dataclass(frozen=True)
class Waits:
    """Seconds that the victim waited, from its request: for each booking."""

    link: list[float]
    emails: list[float]
    first_try: list[float]
    retry: list[float]
    """From the first try. It is due after a minute, and the schedule runs every minute."""
    attackers_emails: int
    """Emails of the attacker that were sent. Its allowance is 600 at once and in each minute."""


@dataclass
class _Processor:
    """The settling of one process, whose processor does one thing at a time."""

    world: World
    settling: Settling
    free_at: float = 0.0

    def settle(self, workspace_id: str, booking_id: str, deadline: Deadline) -> datetime | None:
        now = self.world.simulation.seconds
        self.free_at = max(now, self.free_at) + CPU_SECONDS
        self.world.simulation.sleep(self.free_at - now)
        return self.settling.settle(workspace_id, booking_id, deadline)


class BusyWorld(World):
    """A world with two processes for each function, both readers of the stream, and the work queues."""

    def __init__(self, seed: int) -> None:
        self.batches: dict[str, list[dict[str, Any]]] = {"settle": [], "announce": []}
        self.busy: Counter[str] = Counter()
        self.receivers: dict[str, float] = {}
        self.mailed_at: list[float] = []
        self.arrived: list[tuple[float, str, str]] = []
        self.linked_at: dict[tuple[str, str], float] = {}
        self.emails = FairQueue(self, "emails", email_queue.send_emails, 1)
        self.webhooks = FairQueue(self, "webhooks", webhook_queue.deliver_messages, 10)
        super().__init__(seed, Conditions(mails_per_minute=600))
        self.network.troubles += [
            Trouble("http ", self._after(0.3), times=float("inf")),
            Trouble("ses ", self._mail, times=float("inf")),
        ]

    def _after(self, seconds: float) -> Callable[[str, Callable[[], Any]], Any]:
        def act(point: str, perform: Callable[[], Any]) -> Any:
            self.simulation.sleep(seconds)
            return perform()

        return act

    def _mail(self, point: str, perform: Callable[[], Any]) -> Any:
        self.simulation.sleep(0.1)
        result = perform()
        self.mailed_at.append(self.simulation.seconds)
        return result

    def _services(self, clock: Any) -> Services:
        services = super()._services(clock)
        object.__setattr__(services, "sample", self.random.random)
        object.__setattr__(services, "webhook_transport", self._post)
        vars(services)["email_queue"] = WorkQueue(self.emails, queues.ARN)
        vars(services)["settling"] = _Processor(self, services.settling_with(FirstRunShare(clock)))
        vars(services)["email_settling"] = _Processor(self, services.settling_with(send_part))
        vars(services)["webhook_queue"] = WorkQueue(self.webhooks, queues.ARN)
        return services

    def _post(self, url: str, headers: Any, body: bytes) -> Outcome:
        name = str(json.loads(body)["data"]["booking_id"])
        self.arrived.append((self.simulation.seconds, url, name))
        self.simulation.sleep(self.receivers[url])
        fails = url.endswith("/flaky") and name in _FAIL_ONCE and len(self.tries(url, name)) == 1
        return Outcome(503, "bad_status") if fails else Outcome(200)

    def tries(self, url: str, name: str) -> list[float]:
        """When a webhook about a booking was sent to a receiver."""
        return [at for at, *called in self.arrived if called == [url, name]]

    def waits(self, begins: dict[str, float], good: str, flaky: str) -> Waits:
        """Return how long the victim waited for what it booked at these times."""
        emailed_at: dict[str, float] = {}
        for at, mail in zip(self.mailed_at, self.post.mails, strict=True):
            emailed_at[mail.invite.booking_id] = at
        link = {name: self.linked_at[WORKSPACE, name] - at for name, at in begins.items()}
        tried = {name: self.tries(flaky, name) for name in _FAIL_ONCE}
        return Waits(
            list(link.values()),
            [emailed_at[name] - at for name, at in begins.items()],
            [self.tries(good, name)[0] - self.linked_at[WORKSPACE, name] for name in begins],
            [second - first for first, second, *_ in tried.values()],
            sum(mail.invite.workspace_id == ATTACKER for mail in self.post.mails),
        )

    def _changed(self, change: Change) -> None:
        if change.new is None:
            return
        key = change.new["workspace_id"]["S"], change.new["booking_id"]["S"]
        if '"state":"ready"' in change.new.get("observed", {}).get("S", ""):
            self.linked_at.setdefault(key, self.simulation.seconds)
        record = {
            "ApproximateCreationDateTime": int(self.simulation.seconds),
            "NewImage": change.new,
            "SequenceNumber": str(len(self.network.points)),
            **({"OldImage": change.old} if change.old is not None else {}),
        }
        # As the filters of the deployment's triggers (infra/deploy/triggers.py).
        if "due_shard" in change.new:
            self._read("settle", {"dynamodb": record})
        if change.old is None or "observed" in change.new:
            self._read("announce", {"dynamodb": record})

    def _read(self, kind: str, record: dict[str, Any]) -> None:
        self.batches[kind].append(record)
        if self.busy[kind] < PROCESSES:
            self.busy[kind] += 1
            self.simulation.spawn(f"{kind}-reader", partial(self._read_batches, kind), delay=0.1)

    def _read_batches(self, kind: str) -> None:
        handler = {"settle": booking_stream.settle_records, "announce": webhook_streams.announce_bookings}[kind]
        while batch := self.batches[kind][:25]:
            del self.batches[kind][:25]
            invocation = self._invoke(kind, handler, {"Records": batch})
            self.simulation.wait_for([invocation])
            if invocation.error is not None:
                raise invocation.error
        self.busy[kind] -= 1

    def _tick(self) -> None:
        super()._tick()
        self._invoke("deliver", webhook_streams.deliver_due)

    def book(self, workspace_id: str, booking_id: str, guests: int, delay: float) -> None:
        """Have a caller book after `delay` seconds."""
        people = tuple(Guest(f"Guest {n}", f"guest-{n}@{workspace_id}.example.com") for n in range(guests))
        appointment = self.appointment(guests=people)
        self.call(lambda bookings: bookings.put(workspace_id, booking_id, appointment), delay=delay)

    def let_in_attacker(self) -> None:
        """Another workspace with a connected account and a video calendar."""
        services, now = self.process("setup").services, self.simulation.now
        account = Account("rooms-u-9", "u-9@host.example.com")
        grant = Grant("rooms", account, version=1, sealed_tokens=None)
        tokens = Tokens("canary-rooms-u-9", None, now + timedelta(days=365))
        services.ephemeral_store.put("flow-u-9", {}, now + timedelta(minutes=10))
        connection = Connection(ATTACKER, "u-9", "rooms", grant.id, account, now, base_url=BASE_URL)
        services.connection_store.establish(connection, services.access_tokens.seal(grant, tokens), flow_key="flow-u-9")
        host = Host("u-9", "Attacker", "u-9@host.example.com")
        services.calendar_store.put(
            Calendar(ATTACKER, "c-1", "Calls", host, Location(LocationType.VIDEO), START, START)
        )

    def add_endpoint(self, workspace_id: str, name: str, seconds: float) -> str:
        """Add a receiver that takes so many seconds. Return its URL."""
        url = f"https://{workspace_id}.example/{name}"
        self.receivers[url] = seconds
        self.process("setup").services.webhook_endpoints.put(workspace_id, name, url, ("meeting.ready",))
        return url


def measure(*, bookings: int, guests: int, slow_endpoints: int, victims: int, seconds: float) -> Waits:
    """Attack with so many bookings, and book as the victim every three seconds meanwhile."""
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")
    world = BusyWorld(1)
    with answering(world.handle_dynamo):
        world.furnish()
        world.let_in_attacker()
        good = world.add_endpoint(WORKSPACE, "good", 0.1)
        flaky = world.add_endpoint(WORKSPACE, "flaky", 0.1)
        for number in range(slow_endpoints):
            world.add_endpoint(ATTACKER, f"slow-{number}", 9.5)
        for number in range(bookings):
            world.book(ATTACKER, f"a-{number}", guests, delay=5 + number / _PER_SECOND)
        begins = {f"v-{number}": 6.0 + 3 * number for number in range(victims)}
        for number, (booking_id, at) in enumerate(begins.items()):
            world.book(WORKSPACE, booking_id, 1 if number % 2 else 9, delay=at)
        world.run(seconds)
        return world.waits(begins, good, flaky)


SCENARIOS: dict[str, dict[str, Any]] = {
    "none": {"bookings": 0, "guests": 1, "slow_endpoints": 0},
    "600 bookings of 50 guests": {"bookings": 600, "guests": 50, "slow_endpoints": 0},
    "10,000 guests in 200 bookings": {"bookings": 200, "guests": 50, "slow_endpoints": 0},
    "600 bookings, ten receivers of 9.5 s": {"bookings": 600, "guests": 1, "slow_endpoints": 10},
}


def main() -> int:
    """Print the table of docs/reliability.md."""
    logging.disable(logging.CRITICAL)
    heads = "attack", "link", "emails", "webhook, first try", "its retry, after the first try", "attacker's emails"
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, attack in SCENARIOS.items():
        waits = measure(**attack, victims=20, seconds=300.0)
        columns = (waits.link, waits.emails, waits.first_try, waits.retry)
        print(
            f"| {name} |",
            " | ".join(f"{median(c):.1f} s, {max(c):.1f} s" if c else "none" for c in columns),
            f"| {waits.attackers_emails:,} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
