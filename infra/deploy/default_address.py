"""Open or close the API's default address (`….execute-api.….amazonaws.com`) when the stage has a domain.

A parameter of the domain's stack stores the choice, because `chalice deploy` imports the API again and thereby opens
the address.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from chalicelib.usecases.join_links import CLOSES_AFTER
from infra.deploy import chalice_config, gateway, stacks
from infra.deploy.check_results import CheckResult, problem
from infra.deploy.stage import DeployError, Say, Stage
from infra.operate.rows import Row, Tables
from infra.progress import Progress

PARAMETER = "DefaultAddress"
"""The parameter of the domain's stack."""
LOOKBACK = timedelta(days=7)
_MAX_EXAMPLES = 3
"""How many bookings and routes an error names."""
_PUBLIC_ROUTES = {"/", "/health", "/docs", "/openapi.json"}
_UNCHANGED = "Nothing was changed."


def is_closed(parameters: Mapping[str, str]) -> bool:
    """Return whether the parameters of the domain's stack close the default address."""
    return parameters.get(PARAMETER) == "closed"


def set_closed(stage: Stage, api_id: str, *, closed: bool) -> None:
    """Close or open the address of the deployed API, if that changes anything."""
    client = gateway.create_client(stage)
    if _is_disabled(client, api_id) == closed:
        return
    operation = {"op": "replace", "path": "/disableExecuteApiEndpoint", "value": str(closed)}
    client.update_rest_api(restApiId=api_id, patchOperations=[operation])
    # The change takes effect with a deployment.
    client.create_deployment(restApiId=api_id, stageName=chalice_config.api_stage(stage))


def check(stage: Stage, api_id: str) -> Iterator[CheckResult]:
    """Report an address whose state differs from the last deployment's choice."""
    parameters = stacks.parameters(stage, "domain")
    disabled = _is_disabled(gateway.create_client(stage), api_id)
    if disabled and not parameters.get("Domain"):
        yield problem("The API's default address is closed, and it has no other address. Deploy again.")
    elif disabled != is_closed(parameters):
        state, expected = ("closed", "open") if disabled else ("open", "closed")
        yield problem(f"The API's default address is {state} and should be {expected}. Deploy again.")


def describe(stage: Stage, api_id: str) -> str | None:
    """Return one line about the address, or None for a stage without a domain."""
    domain = stacks.parameters(stage, "domain").get("Domain")
    if not domain or not api_id:
        return None
    if _is_disabled(gateway.create_client(stage), api_id):
        return f"Default address: closed. The API responds at {chalice_config.base_url(domain)} only."
    return (
        f"Default address: open, in addition to {chalice_config.base_url(domain)}. --close-default-address closes it."
    )


def require_unused(stage: Stage, default_url: str, now: datetime, say: Say) -> None:
    """Raise `DeployError` if upcoming bookings have links to the default address, or requests used it recently."""
    host = urlsplit(default_url).hostname or ""
    say("default address: looking for upcoming bookings with links to it ...")
    _require_no_links(stage, host, now)
    say(f"default address: looking for requests of the last {LOOKBACK.days} days ...")
    _require_no_requests(stage, host, now)


def _require_no_links(stage: Stage, host: str, now: datetime) -> None:
    tables = Tables(stage.client("dynamodb"), stage.table_prefix)
    with Progress("bookings checked", tables.estimate_size("bookings"), qualifier="about") as progress:
        affected = [
            f"{row.key['workspace_id']}/{row.key['booking_id']}"
            for row in progress.track(tables.rows("bookings"))
            if _needs_address(row, host, now)
        ]
    if affected:
        raise DeployError(
            f"{_counted(len(affected), 'upcoming booking')} would lose join links that begin with https://{host}, such "
            f"as {', '.join(affected[:_MAX_EXAMPLES])}. Send new links, which begin with the domain: "
            f"python -m infra.operate --stage {stage.name} booking retry --state ready --yes "
            '(docs/operators.md, "The default address"). '
            f"{_UNCHANGED}"
        )


def _require_no_requests(stage: Stage, host: str, now: datetime) -> None:
    requests = _count_requests(stage, host, now)
    if requests:
        routes = ", ".join(f"{route} ({count})" for route, count in requests.most_common(_MAX_EXAMPLES))
        raise DeployError(
            f"The default address https://{host} was used in the last {LOOKBACK.days} days: {routes}. Give callers, "
            "booking systems and the provider's app (webhooks and redirects) the domain's address. You can close the "
            f"default address after {LOOKBACK.days} days without such requests. {_UNCHANGED}"
        )


def _needs_address(row: Row, host: str, now: datetime) -> bool:
    """Return whether a booking that is not over has links to `host`, or new links that may not have been sent yet."""
    desired, meeting = row.content["desired"], (row.content.get("observed") or {}).get("meeting", {})
    ends_at = datetime.fromisoformat(desired["appointment"]["ends_at"])
    links = [meeting.get(name) for name in ("join_url", "host_url")]
    if desired.get("status") == "cancelled" or ends_at + CLOSES_AFTER <= now or not any(links):
        return False
    is_settled = row.content.get("settled_revision", 0) >= row.content["revision"]
    return any(urlsplit(link).hostname == host for link in links if link) or (bool(links[1]) and not is_settled)


def _count_requests(stage: Stage, host: str, now: datetime) -> Counter[str]:
    """Count the successful requests of each route at `host` in the access log."""
    client, group = stage.client("logs"), f"/aws/apigateway/meetlink-{stage.name}"
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=group,
        startTime=int((now - LOOKBACK).astimezone(UTC).timestamp() * 1000),
        filterPattern=f'{{ $.host = "{host}" }}',
    )
    counts: Counter[str] = Counter()
    for page in pages:
        for event in page["events"]:
            request = json.loads(event["message"])
            # Refused requests and requests of public pages can come from any client.
            if int(request["status"]) < HTTPStatus.BAD_REQUEST and request["route"] not in _PUBLIC_ROUTES:
                counts[f"{request['method']} {request['route']}"] += 1
    return counts


def _is_disabled(client: Any, api_id: str) -> bool:
    return bool(client.get_rest_api(restApiId=api_id).get("disableExecuteApiEndpoint"))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number > 1)}"
