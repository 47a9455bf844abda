"""What Lambda gave up: handed to its functions again, as far as that is needed and still possible."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from infra.stream_records import lambda_record

Invoke = Callable[[str, dict[str, Any]], bool]
"""Runs the function of that ARN on an event; whether it went well."""
_DONE_BY_THE_SCHEDULE = ("on_booking", "on_schedule", "deliver_webhooks")
"""What these left undone is in an index of due work: the next minute did it."""
_BATCH = 25
_HIDDEN_SECONDS = 300
_MOST_EMPTY_PAGES = 1000
"""Pages of a stream hold records only here and there."""


class Lost(Exception):
    """The stream does not have the records any more: it keeps them for a day."""


@dataclass
class Redriven:
    """How many messages were handed over again, needed no more, are lost for good or failed again."""

    done: int = 0
    needless: int = 0
    lost: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Redriver:
    """`sqs` and `streams` are boto3 clients."""

    sqs: Any
    streams: Any
    invoke: Invoke

    def redrive(self, queue_url: str) -> Redriven:
        """Go through the queue once. What could not be redriven stays in it, hidden for five minutes."""
        outcome = Redriven()
        while messages := self._receive(queue_url):
            for message in messages:
                if self._redrive(json.loads(message["Body"]), outcome):
                    self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return outcome

    def _receive(self, queue_url: str) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=_HIDDEN_SECONDS, WaitTimeSeconds=1
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _redrive(self, letter: dict[str, Any], outcome: Redriven) -> bool:
        arn = str(letter["requestContext"]["functionArn"]).removesuffix(":$LATEST")
        function = arn.rpartition("-")[2]
        if function in _DONE_BY_THE_SCHEDULE:
            outcome.needless += 1
            return True
        try:
            events = list(self._events(letter))
        except Lost:
            outcome.lost.append(function)
            return False
        if not all(self.invoke(arn, event) for event in events):
            outcome.failed.append(function)
            return False
        outcome.done += 1
        return True

    def _events(self, letter: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if "DDBStreamBatchInfo" not in letter:
            yield letter["requestPayload"]
            return
        records = list(self._records(letter["DDBStreamBatchInfo"]))
        for start in range(0, len(records), _BATCH):
            yield {"Records": records[start : start + _BATCH]}

    def _records(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The records from the first to the last number of the batch, as Lambda gives them to functions."""
        arn, last = batch["streamArn"], int(batch["endSequenceNumber"])
        try:
            iterator = self.streams.get_shard_iterator(
                StreamArn=arn,
                ShardId=batch["shardId"],
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                SequenceNumber=batch["startSequenceNumber"],
            )["ShardIterator"]
            for _ in range(_MOST_EMPTY_PAGES):
                answer = self.streams.get_records(ShardIterator=iterator)
                for record in answer["Records"]:
                    number = int(record["dynamodb"]["SequenceNumber"])
                    if number <= last:
                        yield lambda_record(record, arn)
                    if number >= last:
                        return
                iterator = answer.get("NextShardIterator")
                if iterator is None:
                    return
        except ClientError as error:
            if error.response["Error"]["Code"] in ("TrimmedDataAccessException", "ResourceNotFoundException"):
                raise Lost from error
            raise
