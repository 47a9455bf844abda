"""What Chalice cannot say about triggers. Chalice's later deploys leave it alone.

The app stays correct without: this limits how far one bad record, or a bug, is felt, and how often code runs for
nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.deploy.stage import DeployError, Stage

_PATIENCE_SECONDS = 180.0
_POLL_SECONDS = 1.0
_HOUR_SECONDS = 3600
STARTS_AT = "TRIM_HORIZON"
"""As app.py has it: the oldest record of the stream, at most a day old."""


@dataclass(frozen=True)
class Stream:
    """How a function reads its stream. Without `tries` Lambda tries until the records are too old."""

    wanted: tuple[dict[str, Any], ...]
    """Patterns of records that are for it; none: every record is."""
    age_seconds: int
    tries: int = -1
    variable: str = "MEETLINK_BOOKINGS_STREAM_ARN"
    """The setting that names the stream."""


STREAMS = {
    # Settled bookings leave the index of due work, so only writes pass that leave something to do. What is given up
    # here the schedule settles.
    "on_booking": Stream(({"dynamodb": {"NewImage": {"due_shard": {"S": [{"exists": True}]}}}},), _HOUR_SECONDS, 5),
    # New bookings are counted, and what settlers wrote is told. Nothing else would find what is given up here.
    "announce_bookings": Stream(
        ({"eventName": ["INSERT"]}, {"dynamodb": {"NewImage": {"observed": {"S": [{"exists": True}]}}}}),
        6 * _HOUR_SECONDS,
    ),
    "announce_connections": Stream((), 6 * _HOUR_SECONDS, variable="MEETLINK_CONNECTIONS_STREAM_ARN"),
}

SCHEDULES = ("on_schedule", "deliver_webhooks")

ASYNCHRONOUS = {
    # The next minute does it all.
    **{name: {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60} for name in SCHEDULES},
    "on_mail_event": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": _HOUR_SECONDS},
}
"""Functions that events are handed to, and how often Lambda tries again."""


def mapping_options(function: str, queue_arn: str) -> dict[str, Any]:
    """How a function's stream is read, as `update_event_source_mapping` takes it."""
    stream = STREAMS[function]
    return {
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": stream.tries,
        "MaximumRecordAgeInSeconds": stream.age_seconds,
        "ParallelizationFactor": 10,
        "DestinationConfig": {"OnFailure": {"Destination": queue_arn}},
        "FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in stream.wanted]},
    }


def tune(stage: Stage, queue_arn: str) -> None:
    """Bring every trigger to what stands above; what is so already is not touched."""
    client = stage.client("lambda")
    for function in STREAMS:
        wanted = mapping_options(function, queue_arn)
        for mapping in _settled(client, stage.function(function)):
            if differing(mapping, wanted):
                client.update_event_source_mapping(UUID=mapping["UUID"], **wanted)
        _settled(client, stage.function(function))
    for function, options in ASYNCHRONOUS.items():
        client.put_function_event_invoke_config(
            FunctionName=stage.function(function),
            DestinationConfig={"OnFailure": {"Destination": queue_arn}},
            **options,
        )


def remove_stale(stage: Stage, variables: Mapping[str, str]) -> list[str]:
    """Delete the mappings that the deployment has to create again, and return their functions.

    Lambda can change neither the stream of a mapping, which is another one once a table was restored or its stream was
    switched off and on, nor where in the stream it starts.
    """
    client, removed = stage.client("lambda"), []
    for function, stream in STREAMS.items():
        name = stage.function(function)
        for mapping in _settled(client, name):
            starts_at = mapping.get("StartingPosition", STARTS_AT)
            if (mapping["EventSourceArn"], starts_at) != (variables[stream.variable], STARTS_AT):
                client.delete_event_source_mapping(UUID=mapping["UUID"])
                removed.append(function)
        _settled(client, name)
    return removed


def mappings(client: Any, function: str) -> list[dict[str, Any]]:
    """The event source mappings of a function at Lambda; none if there is no such function."""
    pages = client.get_paginator("list_event_source_mappings").paginate(FunctionName=function)
    try:
        return [mapping for page in pages for mapping in page["EventSourceMappings"]]
    except client.exceptions.ResourceNotFoundException:
        return []


def differing(mapping: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """The options of a mapping that are not as wanted."""
    return [name for name, value in wanted.items() if (_plain(mapping.get(name)) or None) != (_plain(value) or None)]


def _settled(client: Any, function: str) -> Iterable[dict[str, Any]]:
    """The mappings, once none is being changed: Lambda refuses changes meanwhile."""
    ends = time.monotonic() + _PATIENCE_SECONDS
    while True:
        found = mappings(client, function)
        if not any(mapping["State"].endswith("ing") for mapping in found):
            return found
        if time.monotonic() > ends:
            raise DeployError(f"Lambda is still changing the triggers of {function}; run this again later.")
        time.sleep(_POLL_SECONDS)


def _plain(value: Any) -> Any:
    """Patterns are JSON in a string, where spaces are no difference. Lambda adds empty parts, or leaves them out."""
    if isinstance(value, dict):
        return {
            key: json.loads(part) if key == "Pattern" else _plain(part)
            for key, part in value.items()
            if part not in ({}, [])
        }
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value
