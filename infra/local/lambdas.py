"""Lambda's triggers on this machine: event source mappings of streams and queues, and the schedule."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.stream_records import lambda_record

Handler = Callable[[dict[str, Any], Any], Any]
LAMBDA_TIMEOUT_SECONDS = 60
_BATCH_SIZE = 25
_MAX_PARALLEL_BATCHES = 10
_MAX_ATTEMPTS = 5
_POLL_SECONDS = 0.05
_LONG_POLL_SECONDS = 1
_SCHEDULE_SECONDS = 60.0


class Context:
    """The context that Lambda passes to a function."""

    def __init__(self, name: str) -> None:
        self.function_name = name
        self.memory_limit_in_mb = 512
        self.aws_request_id = str(uuid.uuid4())
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        self._deadline = time.monotonic() + LAMBDA_TIMEOUT_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        return int(max(0.0, self._deadline - time.monotonic()) * 1000)


class _Trigger:
    """A thread that invokes a function until it is stopped. Subclasses define `_run`."""

    def __init__(self, function: str, handler: Handler, *, parallel: int = 1) -> None:
        self._function = function
        self._handler = handler
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix=function)
        self._thread = threading.Thread(target=self._run, name=function, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        raise NotImplementedError


class StreamPump(_Trigger):
    """Read a DynamoDB stream and invoke a function, as an event source mapping of Lambda does.

    It invokes with batches of up to 25 records, ten batches in parallel, and retries the failed part of a batch up to
    five times. It does not keep the order of a booking's records; settling does not need it, because it takes a lease
    and reads the current state.
    """

    def __init__(
        self,
        streams: Any,
        stream_arn: str,
        function: str,
        handler: Handler,
        skipped: Callable[[], timedelta] = timedelta,
    ) -> None:
        """`skipped` returns by how much the stack's clock is ahead of the clock of the records."""
        super().__init__(function, handler, parallel=_MAX_PARALLEL_BATCHES)
        self._streams = streams
        self._skipped = skipped
        self._arn = stream_arn
        self._iterators: dict[str, str | None] = {}

    def start(self) -> None:
        """Start reading. When this returns, every later record will be read."""
        self._find_shards()
        super().start()

    def _run(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            try:
                self._find_shards()
                for shard, iterator in list(self._iterators.items()):
                    if iterator is not None:
                        self._iterators[shard] = self._read(iterator)
            except Exception as error:
                # As in Lambda, an error does not end the mapping. The schedule processes what the stream misses.
                if not self._stopping.is_set():
                    print(f"{self._function}: reading the stream failed: {type(error).__name__}", flush=True)
                    self._stopping.wait(1)

    def _find_shards(self) -> None:
        description = self._streams.describe_stream(StreamArn=self._arn)["StreamDescription"]
        for shard in description["Shards"]:
            if shard["ShardId"] not in self._iterators:
                self._iterators[shard["ShardId"]] = self._streams.get_shard_iterator(
                    StreamArn=self._arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
                )["ShardIterator"]

    def _read(self, iterator: str) -> str | None:
        response = self._streams.get_records(ShardIterator=iterator, Limit=_BATCH_SIZE)
        records = [lambda_record(record, self._arn) for record in response["Records"]]
        for record in records:
            record["dynamodb"]["ApproximateCreationDateTime"] += self._skipped().total_seconds()
        if records:
            self._pool.submit(self._invoke, records)
        next_iterator: str | None = response.get("NextShardIterator")
        return next_iterator

    def _invoke(self, records: list[dict[str, Any]]) -> None:
        for _ in range(_MAX_ATTEMPTS):
            try:
                result = self._handler({"Records": records}, Context(self._function)) or {}
            except Exception as error:
                print(f"{self._function} failed: {type(error).__name__}", flush=True)
                result = {"batchItemFailures": [{"itemIdentifier": records[0]["dynamodb"]["SequenceNumber"]}]}
            failures = {failure["itemIdentifier"] for failure in result.get("batchItemFailures", [])}
            if not failures or self._stopping.wait(0.5):
                return
            first = next(i for i, r in enumerate(records) if r["dynamodb"]["SequenceNumber"] in failures)
            records = records[first:]


class QueuePump(_Trigger):
    """Read an SQS queue and invoke a function, as an event source mapping of Lambda does.

    Messages that the function does not report as failed are deleted. The others come back later.
    """

    def __init__(self, sqs: Any, queue_url: str, function: str, handler: Handler, *, batch_size: int) -> None:
        super().__init__(function, handler, parallel=_MAX_PARALLEL_BATCHES)
        self._sqs = sqs
        self._url = queue_url
        self._batch_size = batch_size
        self._free = threading.Semaphore(_MAX_PARALLEL_BATCHES)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._free.acquire()
            try:
                response = self._sqs.receive_message(
                    QueueUrl=self._url, MaxNumberOfMessages=self._batch_size, WaitTimeSeconds=_LONG_POLL_SECONDS
                )
                messages = response.get("Messages", [])
            except Exception as error:
                messages = []
                if not self._stopping.is_set():
                    print(f"{self._function}: reading the queue failed: {type(error).__name__}", flush=True)
                    self._stopping.wait(1)
            if messages and not self._stopping.is_set():
                self._pool.submit(self._invoke, messages)
            else:
                self._free.release()

    def _invoke(self, messages: list[dict[str, Any]]) -> None:
        try:
            records = [lambda_message(message) for message in messages]
            result = self._handler({"Records": records}, Context(self._function)) or {}
            failed = {failure["itemIdentifier"] for failure in result.get("batchItemFailures", [])}
            for message in messages:
                if message["MessageId"] not in failed:
                    self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        except Exception as error:
            print(f"{self._function} failed: {type(error).__name__}", flush=True)
        finally:
            self._free.release()


def lambda_message(message: dict[str, Any]) -> dict[str, Any]:
    """Return a received message in the form in which Lambda passes it to functions."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }


class Schedule(_Trigger):
    """Invoke a function every minute."""

    def tick(self) -> Any:
        """Invoke the function now."""
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "000000000000",
            "time": datetime.now(UTC).isoformat(),
            "region": "us-east-1",
            "resources": [],
            "detail": {},
        }
        return self._handler(event, Context(self._function))

    def _run(self) -> None:
        while not self._stopping.wait(_SCHEDULE_SECONDS):
            try:
                self.tick()
            except Exception as error:
                print(f"{self._function} failed: {type(error).__name__}", flush=True)
