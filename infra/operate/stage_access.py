"""The stage that commands work on, and AWS with the terminal's own permissions."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import NoRegionError

from chalicelib import wiring
from chalicelib.errors import InvalidInput
from infra.deploy import chalice_config, location
from infra.deploy.stage import Stage
from infra.operate.rows import Tables

_LAMBDA_TIMEOUT_SECONDS = 90
"""Longer than any function's timeout."""


def use_stage(name: str, region: str | None, profile: str | None) -> None:
    """Load the stage's settings into the environment, as its functions have them."""
    location.select(profile, region)
    session = boto3.Session()
    if not session.region_name:
        raise InvalidInput("No region is configured: pass --region, such as eu-central-1.")
    stage = Stage(name, session)
    variables = chalice_config.environment(stage)
    if not variables:
        raise InvalidInput(f"There is no stage {name} in .chalice/config.json.")
    location.require_match(stage)
    os.environ.update(variables)


def caller() -> str:
    """Return the ARN of this terminal's user, for the audit trail."""
    if boto3.Session().region_name is None:
        raise NoRegionError  # STS alone would work without a region.
    return str(client("sts").get_caller_identity()["Arn"])


def client(service: str) -> Any:
    """Return a boto3 client of a service."""
    # Without retries: after a timeout, a retry would run the function twice.
    config = Config(read_timeout=_LAMBDA_TIMEOUT_SECONDS, retries={"total_max_attempts": 1})
    return boto3.client(service, config=config if service == "lambda" else None)


def tables(services: wiring.Services) -> Tables:
    """Return the raw rows of the stage's tables."""
    return Tables(client("dynamodb"), services.settings.table_prefix)
