"""The default address of the API (`….execute-api.….amazonaws.com`) beside the stage's domain: open, or closed.

The domain's stack remembers which: `chalice deploy` imports the API again, and the import opens the address.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from chalicelib.usecases.join_links import CLOSES_AFTER
from infra.deploy import gateway, settings, stacks
from infra.deploy.findings import Finding, problem
from infra.deploy.stage import DeployError, Stage
from infra.operate.rows import Row, Tables

PARAMETER = "DefaultAddress"
"""Of the domain's stack."""
LOOKS_BACK = timedelta(days=7)
_PROGRESS_EVERY = 1000
_NAMED = 3
"""How many bookings and routes a refusal names."""
_PUBLIC = {"/", "/health", "/docs", "/openapi.json"}
_KEEP = "Nothing was changed."


def is_closed(parameters: Mapping[str, str]) -> bool:
    """Whether the domain's stack, by its parameters, says that the default address is closed."""
    return parameters.get(PARAMETER) == "closed"


def bring(stage: Stage, api_id: str, *, closed: bool) -> None:
    """Close or open the address of the deployed API, unless it is so already."""
    client = gateway.client_of(stage)
    if _is_disabled(client, api_id) == closed:
        return
    operation = {"op": "replace", "path": "/disableExecuteApiEndpoint", "value": str(closed)}
    client.update_rest_api(restApiId=api_id, patchOperations=[operation])
    # It takes effect with a deployment.
    client.create_deployment(restApiId=api_id, stageName=settings.api_stage(stage))


def check(stage: Stage, api_id: str) -> Iterator[Finding]:
    """Report an address that is not as the last deployment wanted it."""
    parameters = stacks.parameters(stage, "domain")
    disabled = _is_disabled(gateway.client_of(stage), api_id)
    if disabled and not parameters.get("Domain"):
        yield problem("The API's default address is closed, and it has no other one. Deploy again.")
    elif disabled != is_closed(parameters):
        state, wanted = ("closed", "open") if disabled else ("open", "closed")
        yield problem(f"The API's default address is {state} and should be {wanted}. Deploy again.")


def describe(stage: Stage, api_id: str) -> str | None:
    """Return one line about the address; None for a stage without a domain, which has no other one."""
    domain = stacks.parameters(stage, "domain").get("Domain")
    if not domain or not api_id:
        return None
    if _is_disabled(gateway.client_of(stage), api_id):
        return f"Default address: closed. The API answers at {settings.address_at(domain)} alone."
    return f"Default address: open, beside {settings.address_at(domain)}. --close-default-address closes it."


def require_unused(stage: Stage, default_url: str, now: datetime, say: Callable[[str], None]) -> None:
    """Raise `DeployError` while upcoming bookings have links to the default address, or someone uses it."""
    host = urlsplit(default_url).hostname or ""
    client = stage.client("dynamodb")
    tables, name = Tables(client, stage.table_prefix), f"{stage.table_prefix}bookings"
    total = client.describe_table(TableName=name)["Table"].get("ItemCount", 0)
    say(f"default address: looking at about {total} bookings ...")
    found: list[str] = []
    for number, row in enumerate(tables.rows("bookings"), 1):
        if number % _PROGRESS_EVERY == 0:
            say(f"default address: {number} of about {total} bookings ...")
        if _needs_address(row, host, now):
            found.append(f"{row.key['workspace_id']}/{row.key['booking_id']}")
    if found:
        raise DeployError(
            f"{_counted(len(found), 'upcoming booking')} would lose join links that begin with https://{host}, such as "
            f"{', '.join(found[:_NAMED])}. Mail new links, which begin with the domain: python -m infra.operate "
            f'--stage {stage.name} replay --state ready --yes (docs/operators.md, "The default address"). {_KEEP}'
        )
    say(f"default address: looking at its requests of the last {LOOKS_BACK.days} days ...")
    uses = _uses(stage, host, now)
    if uses:
        named = ", ".join(f"{route} ({times})" for route, times in uses.most_common(_NAMED))
        raise DeployError(
            f"The default address https://{host} was used in the last {LOOKS_BACK.days} days: {named}. Give callers, "
            "booking systems and the provider's app (webhooks and redirects) the domain's address. The "
            f"address can be closed when it was not used for {LOOKS_BACK.days} days. {_KEEP}"
        )


def _needs_address(row: Row, host: str, now: datetime) -> bool:
    """Whether a booking that is not over has a link to `host`, or new links that may not have been mailed yet."""
    desired, meeting = row.content["desired"], (row.content.get("observed") or {}).get("meeting", {})
    ends_at = datetime.fromisoformat(desired["appointment"]["ends_at"])
    links = [meeting.get(name) for name in ("join_url", "host_url")]
    if desired.get("status") == "cancelled" or ends_at + CLOSES_AFTER <= now or not any(links):
        return False
    is_settled = row.content.get("settled_revision", 0) >= row.content["revision"]
    return any(urlsplit(link).hostname == host for link in links if link) or (bool(links[1]) and not is_settled)


def _uses(stage: Stage, host: str, now: datetime) -> Counter[str]:
    """How often each route was requested with success at `host`, by the access log."""
    client, group = stage.client("logs"), f"/aws/apigateway/meetlink-{stage.name}"
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=group,
        startTime=int((now - LOOKS_BACK).astimezone(UTC).timestamp() * 1000),
        filterPattern=f'{{ $.host = "{host}" }}',
    )
    uses: Counter[str] = Counter()
    for page in pages:
        for event in page["events"]:
            request = json.loads(event["message"])
            # Refused requests and those for public pages come from anyone.
            if int(request["status"]) < HTTPStatus.BAD_REQUEST and request["route"] not in _PUBLIC:
                uses[f"{request['method']} {request['route']}"] += 1
    return uses


def _is_disabled(client: Any, api_id: str) -> bool:
    return bool(client.get_rest_api(restApiId=api_id).get("disableExecuteApiEndpoint"))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number > 1)}"
