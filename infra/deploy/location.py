"""Select the account and region of a command, and check that the stage is there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

from infra.deploy import chalice_cli, chalice_config
from infra.deploy.stage import APP, DeployError, Stage

Place = tuple[str, str]
"""A region and an account."""

_OTHER_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_DEFAULT_PROFILE",
)
"""Variables that botocore prefers to `AWS_PROFILE`, but not to a profile that the code passes."""
_ARN_VARIABLES = (
    "MEETLINK_BOOKINGS_STREAM_ARN",
    "MEETLINK_CONNECTIONS_STREAM_ARN",
    "MEETLINK_MAIL_EVENTS_TOPIC",
    "MEETLINK_REPLIES_TOPIC",
)


def select(profile: str | None, region: str | None) -> None:
    """Use the profile and the region in this process and its subprocesses. None leaves the environment's choice."""
    if profile:
        for name in _OTHER_CREDENTIALS:
            os.environ.pop(name, None)
        os.environ["AWS_PROFILE"] = profile
    if region:
        os.environ["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"] = region


def require_match(stage: Stage) -> None:
    """Raise `DeployError` if the stage is in another account or region than the session, or cannot be in this one.

    Roles, `.chalice/config.json` and `.chalice/deployed` have the same names in all regions: a deployment to the wrong
    region would point the running functions' roles to tables that do not exist there.
    """
    session = stage.session
    if stage.region not in _regions(session, "sesv2") and stage.region in _regions(session, "lambda"):
        raise DeployError(f"Amazon SES is not available in {stage.region}: choose another region for the stage.")
    here = stage.region, stage.account()
    elsewhere = sorted({place for place in _places(stage) if place != here})
    if elsewhere:
        raise DeployError(
            f"Stage {stage.name} is in {_text(elsewhere[0])}, and these credentials are for {_text(here)}. Nothing was "
            "changed. Pass the stage's --region and --profile, or choose another stage name. If that stage was "
            f"deleted, remove it from .chalice/config.json and delete .chalice/deployed/{stage.name}.json."
        )


def _regions(session: Any, service: str) -> list[str]:
    regions: list[str] = session.get_available_regions(service, session.get_partition_for_region(session.region_name))
    return regions


def _places(stage: Stage) -> Iterator[Place]:
    """Yield where the stage is by the project's files, or by its roles if the files do not name it."""
    variables = chalice_config.environment(stage)
    arns = [variables.get(name, "") for name in _ARN_VARIABLES]
    arns += [str(resource.get("lambda_arn", "")) for resource in chalice_cli.resources(stage).values()]
    places = [(parts[3], parts[4]) for arn in arns if len(parts := arn.split(":")) > 5]
    yield from places or _places_of_roles(stage)


def _places_of_roles(stage: Stage) -> Iterator[Place]:
    client, role = stage.client("iam"), f"{APP}-{stage.name}-on_booking"
    try:
        policies = client.list_role_policies(RoleName=role)["PolicyNames"]
    except client.exceptions.NoSuchEntityException:
        return
    for policy in policies:
        document = json.dumps(client.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"])
        yield from re.findall(rf":dynamodb:([a-z0-9-]+):(\d{{12}}):table/{stage.table_prefix}", document)


def _text(place: Place) -> str:
    return f"{place[0]} of account {place[1]}"
