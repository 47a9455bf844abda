"""Options of triggers that Chalice does not support. Later runs of `chalice deploy` do not change them.

The app is correct without them. They limit the effect of a bad record or a bug, and avoid needless invocations.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.deploy.stage import DeployError, Stage

_TIMEOUT_SECONDS = 180.0
_POLL_SECONDS = 1.0
_HOUR_SECONDS = 3600
STARTS_AT = "TRIM_HORIZON"
"""As in app.py: start at the oldest record of the stream, at most a day old."""


@dataclass(frozen=True)
class Stream:
    """How a function reads its stream."""

    patterns: tuple[dict[str, Any], ...]
    """Filters of the records that invoke the function; empty: every record does."""
    max_age_seconds: int
    """Lambda gives up records that are older."""
    max_retries: int = -1
    """-1: retry until the records are too old."""
    variable: str = "MEETLINK_BOOKINGS_STREAM_ARN"
    """The environment variable that contains the stream's ARN."""


STREAMS = {
    # Settled bookings leave the index of due work, so the filter passes only writes that leave work. The schedule
    # settles bookings of records that Lambda gives up.
    "on_booking": Stream(({"dynamodb": {"NewImage": {"due_shard": {"S": [{"exists": True}]}}}},), _HOUR_SECONDS, 5),
    # New bookings are counted, and settlers' writes become events. Records that Lambda gives up need `redrive`.
    "announce_bookings": Stream(
        ({"eventName": ["INSERT"]}, {"dynamodb": {"NewImage": {"observed": {"S": [{"exists": True}]}}}}),
        6 * _HOUR_SECONDS,
    ),
    "announce_connections": Stream((), 6 * _HOUR_SECONDS, variable="MEETLINK_CONNECTIONS_STREAM_ARN"),
}


@dataclass(frozen=True)
class Queue:
    """How a function is woken by a queue. Messages that fail five times become dead letters."""

    variable: str
    """The environment variable that contains the queue's ARN."""
    concurrency: int = 40
    """Invocations at once: as many as a bookings stream of four shards has readers.

    Without a limit, a flood of messages could use up the executions that all functions of the account share.
    """


QUEUES = {
    "send_emails": Queue("MEETLINK_EMAILS_QUEUE_ARN"),
    "send_webhooks": Queue("MEETLINK_WEBHOOKS_QUEUE_ARN"),
}
SOURCES: dict[str, Stream | Queue] = {**STREAMS, **QUEUES}
"""Functions with an event source mapping."""

SCHEDULES = ("on_schedule", "deliver_webhooks")

TOPICS = {"on_mail_event": "MEETLINK_MAIL_EVENTS_TOPIC", "on_reply": "MEETLINK_REPLIES_TOPIC"}
"""The environment variable that contains the topic's ARN, for each function that reads one."""

ASYNCHRONOUS = {
    # The next minute's run does all due work.
    **{name: {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60} for name in SCHEDULES},
    **{name: {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": _HOUR_SECONDS} for name in TOPICS},
}
"""Functions that Lambda invokes asynchronously, with their retry options."""


def mapping_options(function: str, queue_arn: str) -> dict[str, Any]:
    """Return the options of a function's stream or queue as arguments of `update_event_source_mapping`.

    `queue_arn` is that of the queue of dead letters. A work queue has its own redrive policy.
    """
    if queue := QUEUES.get(function):
        scaling = {"MaximumConcurrency": queue.concurrency}
        return {"FunctionResponseTypes": ["ReportBatchItemFailures"], "ScalingConfig": scaling}
    stream = STREAMS[function]
    return {
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": stream.max_retries,
        "MaximumRecordAgeInSeconds": stream.max_age_seconds,
        "ParallelizationFactor": 10,
        "DestinationConfig": {"OnFailure": {"Destination": queue_arn}},
        "FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in stream.patterns]},
    }


def configure(stage: Stage, queue_arn: str) -> None:
    """Apply the options to every trigger. Change only triggers that differ."""
    client = stage.client("lambda")
    for function in SOURCES:
        options = mapping_options(function, queue_arn)
        for mapping in _wait_for_mappings(client, stage.function(function)):
            if differing(mapping, options):
                client.update_event_source_mapping(UUID=mapping["UUID"], **options)
        _wait_for_mappings(client, stage.function(function))
    for function, retries in ASYNCHRONOUS.items():
        client.put_function_event_invoke_config(
            FunctionName=stage.function(function),
            DestinationConfig={"OnFailure": {"Destination": queue_arn}},
            **retries,
        )


def remove_stale(stage: Stage, variables: Mapping[str, str]) -> list[str]:
    """Delete the mappings that the deployment must create again, and return their functions.

    Lambda can change neither a mapping's stream nor its starting position. A table has a new stream after it was
    restored, or after its stream was switched off and on.
    """
    client, removed = stage.client("lambda"), []
    for function, source in SOURCES.items():
        name = stage.function(function)
        for mapping in _wait_for_mappings(client, name):
            # A queue has no position.
            starts_elsewhere = isinstance(source, Stream) and mapping.get("StartingPosition", STARTS_AT) != STARTS_AT
            if mapping["EventSourceArn"] != variables[source.variable] or starts_elsewhere:
                client.delete_event_source_mapping(UUID=mapping["UUID"])
                removed.append(function)
        _wait_for_mappings(client, name)
    return removed


def mappings(client: Any, function: str) -> list[dict[str, Any]]:
    """Return a function's event source mappings; empty if the function does not exist."""
    pages = client.get_paginator("list_event_source_mappings").paginate(FunctionName=function)
    try:
        return [mapping for page in pages for mapping in page["EventSourceMappings"]]
    except client.exceptions.ResourceNotFoundException:
        return []


def differing(mapping: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """Return the names of the options that the mapping does not have."""
    return [
        name
        for name, value in options.items()
        if (_normalize(mapping.get(name)) or None) != (_normalize(value) or None)
    ]


def _wait_for_mappings(client: Any, function: str) -> Iterable[dict[str, Any]]:
    """Return the mappings as soon as Lambda is not changing any: until then it refuses changes."""
    ends = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        current = mappings(client, function)
        if not any(mapping["State"].endswith("ing") for mapping in current):
            return current
        if time.monotonic() > ends:
            raise DeployError(f"Lambda is still changing the triggers of {function}; run this again later.")
        time.sleep(_POLL_SECONDS)


def _normalize(value: Any) -> Any:
    """Parse patterns, which are JSON in a string, and drop empty parts: Lambda adds or omits them."""
    if isinstance(value, dict):
        return {
            key: json.loads(part) if key == "Pattern" else _normalize(part)
            for key, part in value.items()
            if part not in ({}, [])
        }
    if isinstance(value, list):
        return [_normalize(part) for part in value]
    return value
