"""Which account and region a command works on, and whether that is where the stage is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

from infra.deploy import chalice_cli, settings
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
"""Variables that botocore prefers to `AWS_PROFILE`, though not to a profile that the code names."""
_ARN_VARIABLES = ("MEETLINK_BOOKINGS_STREAM_ARN", "MEETLINK_CONNECTIONS_STREAM_ARN", "MEETLINK_MAIL_EVENTS_TOPIC")


def enter(profile: str | None, region: str | None) -> None:
    """Make this process, and each one that it starts, use the profile and the region. Arguments that are None change
    nothing."""
    if profile:
        for name in _OTHER_CREDENTIALS:
            os.environ.pop(name, None)
        os.environ["AWS_PROFILE"] = profile
    if region:
        os.environ["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"] = region


def check(stage: Stage) -> None:
    """Raise `DeployError` if the stage is in another account or region than the session, or cannot be in this one.

    Roles, `.chalice/config.json` and `.chalice/deployed` have one name for all regions: a deployment to the wrong
    region would point the running functions' roles to tables that are not there.
    """
    session = stage.session
    if stage.region not in _regions(session, "sesv2") and stage.region in _regions(session, "lambda"):
        raise DeployError(f"Amazon SES does not exist in {stage.region}: choose another region for the stage.")
    here = stage.region, stage.account()
    elsewhere = sorted({place for place in _places(stage) if place != here})
    if elsewhere:
        raise DeployError(
            f"Stage {stage.name} is in {_text(elsewhere[0])}, and these credentials are for {_text(here)}. Nothing was "
            "changed. Give the stage's --region and --profile, or deploy under another stage name. If that stage is "
            f"gone, remove its part of .chalice/config.json and .chalice/deployed/{stage.name}.json."
        )


def _regions(session: Any, service: str) -> list[str]:
    regions: list[str] = session.get_available_regions(service, session.get_partition_for_region(session.region_name))
    return regions


def _places(stage: Stage) -> Iterator[Place]:
    """Where the project's files say that the stage is. If they do not know it, where its roles say so."""
    variables = settings.known(stage)
    arns = [variables.get(name, "") for name in _ARN_VARIABLES]
    arns += [str(resource.get("lambda_arn", "")) for resource in chalice_cli.resources(stage).values()]
    known = [(parts[3], parts[4]) for arn in arns if len(parts := arn.split(":")) > 5]
    yield from known or _places_of_roles(stage)


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
