"""What accepting a booking computes, against the least a Chalice app can do: one route, one PutItem.

Both are called as Lambda calls them, with API Gateway's event, and talk to the same stub over HTTP. The product reads
the workspace, checks the key, validates the body, finds calendar and connection, writes and renders the booking.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from benchmarks.measure import Line, alternate, compare
from benchmarks.stub import stub_dynamodb

_PATTERN = "/v1/bookings/{booking_id}"


def run(rounds: int = 40, batch: int = 25) -> Iterator[Line]:
    """The line of this benchmark."""
    with stub_dynamodb() as endpoint, _environment(endpoint):
        product = _product()
        _cpu_ms(product, 5)
        for against, bare, aim in (
            ("Chalice + PutItem", _bare(), 2.0),
            ("Chalice + BatchGetItem + PutItem", _bare(reads=True), 1.15),
        ):
            _cpu_ms(bare, 5)
            ours, theirs = alternate(lambda: _cpu_ms(product, batch), partial(_cpu_ms, bare, batch), rounds)
            yield compare("accepting a booking", ours, against, theirs, "CPU ms", aim=aim)


def http_event(method: str, booking_id: str, headers: dict[str, str], body: str) -> dict[str, Any]:
    """A request as API Gateway gives it to Lambda."""
    return {
        "resource": _PATTERN,
        "path": f"/v1/bookings/{booking_id}",
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "multiValueQueryStringParameters": None,
        "pathParameters": {"booking_id": booking_id},
        "stageVariables": None,
        "requestContext": {"httpMethod": method, "resourcePath": _PATTERN, "requestId": "r-1", "identity": {}},
        "body": body,
        "isBase64Encoded": False,
    }


def body(days: int = 7) -> dict[str, Any]:
    """A usual booking, so many days ahead."""
    starts_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    return {
        "calendar_id": "c-1",
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(minutes=30)).isoformat(),
        "time_zone": "Europe/Berlin",
        "title": "Introductory call",
        "description": "We will look at your questions.",
        "guests": [{"name": "Demo Guest", "email": "guest@example.com", "time_zone": "America/New_York"}],
    }


def _product() -> Callable[[int], int]:
    from chalice import Chalice

    from chalicelib import api
    from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
    from chalicelib.domain.connection import Account, Connection
    from chalicelib.handlers import operations
    from chalicelib.settings import from_environment
    from chalicelib.store.connections import connection_item
    from chalicelib.wiring import build

    services = build(from_environment(dict(os.environ)))
    made = operations.run({"do": "create-workspace", "workspace_id": "ws-1"}, services)
    now, host = datetime.now(UTC), Host("u-1", "Demo Host", "host@example.com")
    calendar = Calendar("ws-1", "c-1", "Introduction", host, Location(LocationType.VIDEO), now, now)
    services.calendar_store.put(calendar)
    account = Account("a-1", "host@example.com")
    connection_item(Connection("ws-1", "u-1", "zoom", "zoom#a-1", account, now)).save()
    app = Chalice(app_name="product")
    api.register(app, lambda: services)
    headers = {"Authorization": f"Bearer {made['api_key']}", "Content-Type": "application/json"}
    text = json.dumps(body())

    def call(number: int) -> int:
        return int(app(http_event("PUT", f"b-{number}", headers, text), None)["statusCode"])

    return call


def _bare(*, reads: bool = False) -> Callable[[int], int]:
    import botocore.session
    from chalice import Chalice, Response

    app = Chalice(app_name="bare")
    dynamo = botocore.session.get_session().create_client("dynamodb")

    @app.route(_PATTERN, methods=["PUT"])
    def put(booking_id: str) -> Response:
        if reads:
            key = {"workspace_id": {"S": "ws-1"}}
            tables = ("workspaces", "bookings", "calendars", "connections")
            dynamo.batch_get_item(RequestItems={f"bench-accept-{name}": {"Keys": [key]} for name in tables})
        document = json.dumps(app.current_request.json_body)
        item = {"workspace_id": {"S": "ws-1"}, "booking_id": {"S": booking_id}, "desired": {"S": document}}
        dynamo.put_item(TableName="bare", Item=item, ConditionExpression="attribute_not_exists(booking_id)")
        return Response(document, {"Content-Type": "application/json"}, 201)

    headers, text = {"Content-Type": "application/json"}, json.dumps(body())

    def call(number: int) -> int:
        return int(app(http_event("PUT", f"b-{number}", headers, text), None)["statusCode"])

    return call


_numbers = iter(range(10**9))


def _cpu_ms(call: Callable[[int], int], batch: int) -> float:
    """This thread's share of the processor for one call; the stub's thread does not count."""
    begun = time.thread_time()
    statuses = [call(next(_numbers)) for _ in range(batch)]
    took = (time.thread_time() - begun) * 1000 / batch
    assert set(statuses) == {201}, statuses
    return took


@contextmanager
def _environment(endpoint: str) -> Iterator[None]:
    given = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "MEETLINK_TABLE_PREFIX": "bench-accept-",
        "MEETLINK_RATE_BURST": "1000000000",
        "MEETLINK_RATE_PER_SECOND": "1000000",
    }
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
