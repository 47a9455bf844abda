"""Records of DynamoDB streams in the form in which Lambda passes them to functions."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def lambda_record(record: dict[str, Any], stream_arn: str) -> dict[str, Any]:
    """Convert a record of `GetRecords`: times become numbers, and the source is added."""
    change = dict(record["dynamodb"])
    created_at = change.get("ApproximateCreationDateTime")
    if isinstance(created_at, datetime):
        change["ApproximateCreationDateTime"] = created_at.timestamp()
    return {**record, "dynamodb": change, "eventSource": "aws:dynamodb", "eventSourceARN": stream_arn}
