"""Queues that wake functions: SQS standard queues, fair between workspaces.

A message only names a row. What to do is decided from the row, so a message that is lost, doubled, late or out of order
does no harm: the row stays due, and the schedule sends a message for whatever is due.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import msgspec

from chalicelib.decoding import decode_json
from chalicelib.observability import count, log

WakeUp = tuple[str, ...]
"""Names a row: first its workspace, then what else identifies it. It contains no personal data."""
K = TypeVar("K", bound=WakeUp)
MAX_BATCH = 10
"""SQS accepts and returns at most this many messages in a request."""


class WorkQueue:
    """Sends and receives wake-ups. `client` is a botocore client of SQS, `arn` the queue's."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        *_, self._account, self._name = arn.split(":")

    def send(self, wake_ups: Iterable[K]) -> list[K]:
        """Send a message for each row. The workspace is the message group: SQS serves groups fairly.

        Return the rows whose message the queue refused. A failure is logged and counted, and not raised: the row is
        due, and the schedule sends its message again. After a request that accepts nothing, no other is sent: with
        thousands of rows, the timeouts of an outage would take the whole invocation.
        docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
        """
        remaining, refused = iter(wake_ups), list[K]()
        while batch := list(islice(remaining, MAX_BATCH)):
            failed = self._send(batch)
            refused += failed
            if len(failed) == len(batch):
                return refused + self._give_up(list(remaining))
        return refused

    def receive(self, limit: int) -> list[WakeUp]:
        """Return at most `limit` wake-ups and delete their messages. Return none if the queue is unavailable."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            response = self._client.receive_message(QueueUrl=self._url(), MaxNumberOfMessages=min(limit, MAX_BATCH))
            messages = response.get("Messages", [])
            if messages:
                entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)]
                self._client.delete_message_batch(QueueUrl=self._url(), Entries=entries)
        except (BotoCoreError, ClientError) as error:
            log.failure("queue could not be read", error, queue=self._name)
            return []
        wake_ups = (read_wake_up(message["Body"]) for message in messages)
        return [wake_up for wake_up in wake_ups if wake_up is not None]

    def _send(self, batch: list[K]) -> list[K]:
        from botocore.exceptions import BotoCoreError, ClientError

        entries = [
            {"Id": str(i), "MessageBody": msgspec.json.encode(wake_up).decode(), "MessageGroupId": wake_up[0]}
            for i, wake_up in enumerate(batch)
        ]
        try:
            response = self._client.send_message_batch(QueueUrl=self._url(), Entries=entries)
        except (BotoCoreError, ClientError) as error:
            log.failure("queue unavailable", error, queue=self._name)
            count("WakeUpsRefused", len(batch))
            return batch
        if refused := response.get("Failed", []):
            log.warning("queue refused messages", queue=self._name, refused=len(refused), code=refused[0].get("Code"))
            count("WakeUpsRefused", len(refused))
        return [batch[int(failure["Id"])] for failure in refused]

    def _give_up(self, unsent: list[K]) -> list[K]:
        if unsent:
            log.warning("queue accepts no messages, others are not sent", queue=self._name, unsent=len(unsent))
            count("WakeUpsRefused", len(unsent))
        return unsent

    def _url(self) -> str:
        return f"{self._client.meta.endpoint_url}/{self._account}/{self._name}"


def read_messages(event: dict[str, Any]) -> Iterator[tuple[str, WakeUp | None]]:
    """Yield the id and the wake-up of each message of a Lambda event; None if it cannot be read."""
    for record in event.get("Records", []):
        yield record["messageId"], read_wake_up(record["body"])


def read_wake_up(body: str) -> WakeUp | None:
    """Decode a message's body. Return None, and log it, if this release cannot."""
    try:
        wake_up = decode_json(body, WakeUp)
    except msgspec.MsgspecError as error:
        log.failure("message could not be decoded", error)
        return None
    return wake_up or None
