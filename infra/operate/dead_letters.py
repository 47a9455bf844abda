"""Redrive dead letters: invoke functions again with events that Lambda gave up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from infra.progress import Progress
from infra.stream_records import lambda_record

Invoke = Callable[[str, dict[str, Any]], bool]
"""Invokes the function with that ARN on an event, and returns whether it succeeded."""
_COVERED_BY_SCHEDULE = ("on_booking", "on_schedule", "deliver_webhooks")
"""Work that these functions did not finish stays in an index of due work, and the next minute's run does it."""
_BATCH_SIZE = 25
_HIDDEN_SECONDS = 300
_MAX_PAGES = 1000
"""A limit for the search in a stream: many pages are empty."""


class Lost(Exception):
    """The stream no longer has the records: it keeps them for a day."""


@dataclass
class Redriven:
    """The outcome of a redrive."""

    done: int = 0
    """Messages that were processed again."""
    needless: int = 0
    """Messages that the schedule has already processed."""
    lost: list[str] = field(default_factory=list)
    """The functions of messages whose records are no longer in the stream."""
    failed: list[str] = field(default_factory=list)
    """The functions of messages that failed again."""


@dataclass(frozen=True)
class Redriver:
    """Redrives the messages of a queue of dead letters."""

    sqs: Any
    """A boto3 client of SQS."""
    streams: Any
    """A boto3 client of DynamoDB Streams."""
    invoke: Invoke

    def redrive(self, queue_url: str) -> Redriven:
        """Process the queue once. Messages that fail stay in it, invisible for five minutes."""
        outcome = Redriven()
        with Progress("dead letters", self._count(queue_url), qualifier="about") as progress:
            while messages := self._receive(queue_url):
                for message in messages:
                    if self._redrive(json.loads(message["Body"]), outcome):
                        self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
                    progress.advance(note=f"{len(outcome.failed)} failed" if outcome.failed else "")
        return outcome

    def _count(self, queue_url: str) -> int:
        names = ["ApproximateNumberOfMessages"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"])

    def _receive(self, queue_url: str) -> list[dict[str, Any]]:
        response = self.sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=_HIDDEN_SECONDS, WaitTimeSeconds=1
        )
        messages: list[dict[str, Any]] = response.get("Messages", [])
        return messages

    def _redrive(self, letter: dict[str, Any] | list[str], outcome: Redriven) -> bool:
        if isinstance(letter, list):  # A message of a work queue. The schedule finds the row that it names.
            outcome.needless += 1
            return True
        arn = str(letter["requestContext"]["functionArn"]).removesuffix(":$LATEST")
        function = arn.rpartition("-")[2]
        if function in _COVERED_BY_SCHEDULE:
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
        for start in range(0, len(records), _BATCH_SIZE):
            yield {"Records": records[start : start + _BATCH_SIZE]}

    def _records(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the batch's records from the stream, in the form in which Lambda passes them to functions."""
        arn, last = batch["streamArn"], int(batch["endSequenceNumber"])
        try:
            iterator = self.streams.get_shard_iterator(
                StreamArn=arn,
                ShardId=batch["shardId"],
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                SequenceNumber=batch["startSequenceNumber"],
            )["ShardIterator"]
            for _ in range(_MAX_PAGES):
                response = self.streams.get_records(ShardIterator=iterator)
                for record in response["Records"]:
                    number = int(record["dynamodb"]["SequenceNumber"])
                    if number <= last:
                        yield lambda_record(record, arn)
                    if number >= last:
                        return
                iterator = response.get("NextShardIterator")
                if iterator is None:
                    return
        except ClientError as error:
            if error.response["Error"]["Code"] in ("TrimmedDataAccessException", "ResourceNotFoundException"):
                raise Lost from error
            raise
