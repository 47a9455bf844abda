"""Create the queues of `infra/queue.yaml` where CloudFormation is not used: the local stack, tests and benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

_TEMPLATE = Path(__file__).parent / "queue.yaml"


def create_queues(sqs: Any, stage: str) -> dict[str, str]:
    """Create a stage's queues and return their URLs by logical name, such as `Webhooks`. `sqs` is a boto3 client."""
    resources = yaml.safe_load(_TEMPLATE.read_text(encoding="utf-8"))["Resources"]
    urls: dict[str, str] = {}
    for logical_name in sorted(resources, key=lambda name: "RedrivePolicy" in resources[name]["Properties"]):
        properties = dict(resources[logical_name]["Properties"])
        name = properties.pop("QueueName")["Fn::Sub"].replace("${Stage}", stage)
        if "RedrivePolicy" in properties:
            target = properties["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
            properties["RedrivePolicy"] = json.dumps(
                {**properties["RedrivePolicy"], "deadLetterTargetArn": queue_arn(sqs, urls[target])}
            )
        attributes = {key: value if key == "RedrivePolicy" else str(value).lower() for key, value in properties.items()}
        urls[logical_name] = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return urls


def queue_arn(sqs: Any, url: str) -> str:
    """Return the ARN of the queue with this URL."""
    response = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(response["Attributes"]["QueueArn"])
