"""SQS, as far as the product uses it: messages wait in memory, and the network may do to them what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from random import Random
from types import SimpleNamespace
from typing import Any

from tests.chaos.network import Network
from tests.chaos.simulation import Actor, Crash

ARN = "arn:aws:sqs:us-east-1:123456789012:emails"
_VISIBLE_AGAIN_SECONDS = 360.0
_RECEIVES = 5
Invoke = Callable[[dict[str, Any]], Actor]


@dataclass(frozen=True)
class Queue:
    """How messages reach the function: each on its own, after `delay_seconds`, so that they overtake one another.

    `here` is how many emails a run that settles a booking sends itself, `part` how many the other function sends.
    """

    delay_seconds: tuple[float, float] = (0.01, 0.1)
    drop: float = 0.0
    duplicate: float = 0.0
    here: int = 0
    part: int = 1


class Sqs:
    """Stands for a boto3 client. What a function does not finish becomes visible again."""

    meta = SimpleNamespace(endpoint_url="https://sqs.example")

    def __init__(self, network: Network, queue: Queue, random: Random, invoke: Invoke) -> None:
        self._network = network
        self._queue = queue
        self._random = random
        self._invoke = invoke
        self._sent = 0
        self._waiting: dict[str, dict[str, Any]] = {}
        self._received: dict[str, dict[str, Any]] = {}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        def accept() -> dict[str, Any]:
            for entry in Entries:
                self._accept(entry["MessageBody"])
            return {}

        return self._network.call(f"sqs SendMessageBatch {QueueUrl.rpartition('/')[2]}", accept)

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int) -> dict[str, Any]:  # noqa: N803
        records = self._network.call(
            f"sqs ReceiveMessage {QueueUrl.rpartition('/')[2]}", lambda: self._receive(MaxNumberOfMessages)
        )
        return {"Messages": [{"Body": one["body"], "ReceiptHandle": one["messageId"]} for one in records]}

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        def delete() -> dict[str, Any]:
            for entry in Entries:
                self._received.pop(entry["ReceiptHandle"], None)
            return {}

        return self._network.call(f"sqs DeleteMessageBatch {QueueUrl.rpartition('/')[2]}", delete)

    def _receive(self, limit: int) -> list[dict[str, Any]]:
        """A short poll asks some of the servers."""
        near = [message_id for message_id in self._waiting if self._random.random() < 0.5]
        records = [self._waiting.pop(message_id) for message_id in islice(near, limit)]
        for record in records:
            self._received[record["messageId"]] = record
            reappear = partial(self._reappear, record)
            self._network.simulation.spawn("queue", reappear, delay=_VISIBLE_AGAIN_SECONDS)
        return records

    def _reappear(self, record: dict[str, Any]) -> None:
        if self._received.pop(record["messageId"], None):
            self._waiting[record["messageId"]] = record
            self._deliver(record)

    def _accept(self, body: str) -> None:
        if self._random.random() < self._queue.drop:
            self._network.last_trouble_at = self._network.simulation.seconds
            return
        for _ in range(2 if self._random.random() < self._queue.duplicate else 1):
            self._sent += 1
            record = {"messageId": f"m-{self._sent}", "body": body}
            self._waiting[record["messageId"]] = record
            delay = self._random.uniform(*self._queue.delay_seconds)
            self._network.simulation.spawn("queue", partial(self._deliver, record), delay=delay)

    def _deliver(self, record: dict[str, Any]) -> None:
        if self._waiting.pop(record["messageId"], None) is None:
            return  # A function that was running has received it.
        for _ in range(_RECEIVES):
            invocation = self._invoke({"Records": [record]})
            self._network.simulation.wait_for([invocation])
            if invocation.error is None and not invocation.result["batchItemFailures"]:
                return
            if invocation.error is not None and not isinstance(invocation.error, Crash):
                raise invocation.error
            self._network.simulation.sleep(_VISIBLE_AGAIN_SECONDS)
