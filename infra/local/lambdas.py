"""Lambda's triggers on this machine: the stream's event source mapping and the schedule."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

Handler = Callable[[dict[str, Any], Any], Any]
LAMBDA_TIMEOUT_SECONDS = 60
_BATCH = 25
_PARALLEL = 10
_TRIES = 5
_POLL_SECONDS = 0.05
_TICK_SECONDS = 60.0


class Context:
    """What Lambda gives a handler beside the event."""

    def __init__(self, name: str) -> None:
        self.function_name = name
        self.memory_limit_in_mb = 512
        self.aws_request_id = str(uuid.uuid4())
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        self._ends = time.monotonic() + LAMBDA_TIMEOUT_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        return int(max(0.0, self._ends - time.monotonic()) * 1000)


class StreamPump:
    """Reads a DynamoDB stream and invokes a handler, as a tuned event source mapping does.

    Batches of 25, ten at a time, partial batch responses, five tries. Order within a booking is the settler's own
    matter: it takes a lease and reads the newest state.
    """

    def __init__(self, streams: Any, stream_arn: str, handler: Handler) -> None:
        self._streams = streams
        self._arn = stream_arn
        self._handler = handler
        self._iterators: dict[str, str | None] = {}
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="stream")
        self._thread = threading.Thread(target=self._run, name="stream-pump", daemon=True)

    def start(self) -> None:
        """Come back when the stream is being read: what is written from now on is seen."""
        self._find_shards()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            try:
                self._find_shards()
                for shard, iterator in list(self._iterators.items()):
                    if iterator is not None:
                        self._iterators[shard] = self._read(iterator)
            except Exception as error:
                # As Lambda: the mapping outlives whatever happens; the schedule finds what it misses.
                if not self._stopping.is_set():
                    print(f"stream: {type(error).__name__}", flush=True)
                    self._stopping.wait(1)

    def _find_shards(self) -> None:
        description = self._streams.describe_stream(StreamArn=self._arn)["StreamDescription"]
        for shard in description["Shards"]:
            if shard["ShardId"] not in self._iterators:
                self._iterators[shard["ShardId"]] = self._streams.get_shard_iterator(
                    StreamArn=self._arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
                )["ShardIterator"]

    def _read(self, iterator: str) -> str | None:
        answer = self._streams.get_records(ShardIterator=iterator, Limit=_BATCH)
        records = [_event_record(record, self._arn) for record in answer["Records"]]
        if records:
            self._pool.submit(self._invoke, records)
        following: str | None = answer.get("NextShardIterator")
        return following

    def _invoke(self, records: list[dict[str, Any]]) -> None:
        for _ in range(_TRIES):
            try:
                answer = self._handler({"Records": records}, Context("on_booking")) or {}
            except Exception as error:
                print(f"on_booking: {type(error).__name__}", flush=True)
                answer = {"batchItemFailures": [{"itemIdentifier": records[0]["dynamodb"]["SequenceNumber"]}]}
            failures = {failure["itemIdentifier"] for failure in answer.get("batchItemFailures", [])}
            if not failures or self._stopping.wait(0.5):
                return
            first = next(i for i, r in enumerate(records) if r["dynamodb"]["SequenceNumber"] in failures)
            records = records[first:]


class Schedule:
    """Invokes a handler every minute."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedule", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    def tick(self) -> Any:
        """Invoke now."""
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
        return self._handler(event, Context("on_schedule"))

    def _run(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            try:
                self.tick()
            except Exception as error:
                print(f"on_schedule: {type(error).__name__}", flush=True)


def _event_record(record: dict[str, Any], arn: str) -> dict[str, Any]:
    """A record as Lambda gives it to functions: times as numbers, and where it comes from."""
    change = dict(record["dynamodb"])
    created = change.get("ApproximateCreationDateTime")
    if isinstance(created, datetime):
        change["ApproximateCreationDateTime"] = created.timestamp()
    return {**record, "dynamodb": change, "eventSource": "aws:dynamodb", "eventSourceARN": arn}
