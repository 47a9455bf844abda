"""Commands for webhooks: list deliveries, send events again, process dead letters."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import msgspec

from chalicelib import wiring
from chalicelib.api.schemas.webhooks import format_delivery
from chalicelib.errors import InvalidInput
from chalicelib.webhooks.delivery_lists import DeliveryQuery
from chalicelib.webhooks.endpoints import WebhookEndpoints
from chalicelib.webhooks.events import EventType
from chalicelib.webhooks.model import DeliveryKey, DeliveryState
from infra.operate.booking_commands import expected_bookings, ranges
from infra.operate.command import (
    Command,
    Options,
    Recorded,
    add_limit,
    add_start_range,
    add_workspace,
    add_yes,
    moment,
)
from infra.operate.dead_letters import Redriver
from infra.operate.replay import announce_again
from infra.operate.stage_access import client
from infra.progress import Progress

_PAGE_SIZE = 100


def _list(options: Options, services: wiring.Services) -> dict[str, Any]:
    query, items = _query(options, options.state), list[Any]()
    after: str | None = None
    with Progress("deliveries listed", options.limit, qualifier="at most") as progress:
        while len(items) < options.limit:
            size = min(_PAGE_SIZE, options.limit - len(items))
            deliveries, after = services.webhook_endpoints.list_deliveries(query, limit=size, after=after)
            items += [msgspec.to_builtins(format_delivery(delivery)) for delivery in deliveries]
            progress.advance(len(deliveries))
            if after is None:
                break
    return {"items": items} | ({"more": True} if after else {})


def _resend(options: Options, services: wiring.Services) -> dict[str, Any]:
    """Send one event again, or all that failed."""
    endpoints = services.webhook_endpoints
    if bool(options.delivery) == options.failed:
        raise InvalidInput("Pass a delivery's id, from delivery list, or --failed for all failed events.")
    if options.delivery:
        key = DeliveryKey(options.workspace_id, options.endpoint, options.delivery)
        delivery = endpoints.resend(key) if options.yes else endpoints.get_delivery(key)
        return {"id": delivery.event_id, "state": delivery.state.value, "done": options.yes}
    query = _query(options, DeliveryState.FAILED)
    found = _count_pages("failed events found", None, partial(_read_page, endpoints, query))
    if not options.yes:
        return {"events": found, "done": False}
    resend = partial(endpoints.resend_failed, query, limit=_PAGE_SIZE)
    return {"events": _count_pages("failed events sent", found, resend), "done": True}


def _count_pages(label: str, total: int | None, read: Callable[..., tuple[int, str | None]]) -> int:
    """Call `read` for each page, and return the sum of what it returns. Show the progress."""
    number, after = 0, None
    with Progress(label, total, qualifier="about") as progress:
        while True:
            count, after = read(after=after)
            number += count
            progress.advance(count)
            if after is None:
                return number


def _read_page(endpoints: WebhookEndpoints, query: DeliveryQuery, *, after: str | None) -> tuple[int, str | None]:
    deliveries, rest = endpoints.list_deliveries(query, limit=_PAGE_SIZE, after=after)
    return len(deliveries), rest


def _query(options: Options, state: str | None) -> DeliveryQuery:
    wanted = DeliveryState(state) if state else None
    return DeliveryQuery(
        options.workspace_id, options.endpoint, wanted, options.type, options.starts_from, options.starts_before
    )


def _announce_again(options: Options, services: wiring.Services) -> dict[str, Any]:
    """Send events that endpoints have not received."""
    expected = expected_bookings(options, services)
    events = announce_again(services, ranges(options, services), apply=options.yes, expected_bookings=expected)
    return {"events": events, "done": options.yes}


def _redrive(_: Options, services: wiring.Services) -> dict[str, Any]:
    """Process events again that Lambda gave up."""
    lambda_, sqs = client("lambda"), client("sqs")

    def invoke(arn: str, event: dict[str, Any]) -> bool:
        response = lambda_.invoke(FunctionName=arn, Payload=json.dumps(event).encode())
        return "FunctionError" not in response

    url = sqs.get_queue_url(QueueName=f"meetlink-{services.settings.stage}-dead-letters")["QueueUrl"]
    return asdict(Redriver(sqs, client("dynamodbstreams"), invoke).redrive(url))


def _add_endpoint(parser: argparse.ArgumentParser) -> None:
    add_workspace(parser)
    parser.add_argument("--endpoint", metavar="ID", required=True, help="the webhook endpoint's id")
    parser.add_argument("--type", choices=list(EventType), help="the type of the event")
    parser.add_argument("--from", dest="starts_from", type=moment, help="events at this time or later")
    parser.add_argument("--to", dest="starts_before", type=moment, help="events before this time")


def _add_list(parser: argparse.ArgumentParser) -> None:
    _add_endpoint(parser)
    parser.add_argument("--state", choices=list(DeliveryState))
    add_limit(parser)


def _add_resend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("delivery", nargs="?", help="one delivery's id, from delivery list")
    parser.add_argument("--failed", action="store_true", help="all failed events")
    _add_endpoint(parser)
    add_yes(parser)


def _add_announce(parser: argparse.ArgumentParser) -> None:
    add_workspace(parser, required=False)
    add_start_range(parser)
    add_yes(parser)


def _add_nothing(_: argparse.ArgumentParser) -> None:
    pass


COMMANDS = (
    Command(
        "delivery list",
        "list the webhooks to an endpoint, newest first",
        _list,
        _add_list,
        columns=("delivery_id", "type", "state", "attempts", "status", "error", "next_attempt_at"),
    ),
    Command("delivery resend", "send events to an endpoint again", _resend, _add_resend, Recorded.APPLIED),
    Command(
        "delivery announce-again",
        "send events about the current state that endpoints have not received",
        _announce_again,
        _add_announce,
        Recorded.APPLIED,
    ),
    Command(
        "dead-letters redrive", "process events again that Lambda gave up", _redrive, _add_nothing, Recorded.ALWAYS
    ),
)
