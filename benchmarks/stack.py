"""The whole product on the local stack: from a booking to its mails, and two hundred callers at once.

The floor of the way is the sum of the unavoidable hops, measured one by one on the same stack in the same round:
an HTTP request to the app, a write, its way through the stream, a call to the provider, and a mail for each of both
parties.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from statistics import median, quantiles
from typing import Any

import httpx

from benchmarks.accept import body
from benchmarks.measure import Line, alternate, compare
from chalicelib.handlers import operations
from chalicelib.wiring import services
from infra.local.demo import DemoSteps
from infra.local.lambdas import StreamPump
from infra.local.stack import CALENDAR_ID, HOST_EMAIL, HOST_NAME, USER_ID, LocalStack, Ports

_WAIT_SECONDS = 30
_PROVIDER_SECONDS = 0.3
_WORKSPACES = 8
"""The emails of one that books ten times a minute are handed over to the fair queue."""


def run(rounds: int = 15, callers: int = 200, each: int = 2) -> Iterator[Line]:
    """The lines of this benchmark."""
    before = dict(os.environ)
    os.environ |= {"MEETLINK_RATE_BURST": "1000000000", "MEETLINK_RATE_PER_SECOND": "1000000"}
    try:
        with redirect_stdout(StringIO()), LocalStack(Ports()) as stack:
            apis = [_workspace(stack, number) for number in range(_WORKSPACES)]
            way = _Way(stack, apis)
            for _ in apis:  # The first booking of a workspace takes three more calls.
                way.book()
            yield from _to_link_and_mails(stack, way, "", rounds)
            way.slow_down()
            yield from _to_link_and_mails(stack, way, f", provider {_PROVIDER_SECONDS * 1000:.0f} ms", rounds)
            way.close()
            _put_calendar(apis[0], "phone")  # Zoom lets a host have 100 meetings a day.
            yield _together(stack, apis[0], callers, each)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _to_link_and_mails(stack: LocalStack, way: _Way, beside: str, rounds: int) -> Iterator[Line]:
    for name, ours, floor in (("its link", way.link, partial(way.hops, mails=0)), ("both mails", way.book, way.hops)):
        took, hops = alternate(ours, floor, rounds)
        yield compare(
            f"from booking to {name}{beside}", took, "unavoidable hops", hops, "s", aim=1.15 if beside else 1.3
        )
        _settle_down(stack)


def _workspace(stack: LocalStack, number: int) -> httpx.Client:
    """A new workspace with a connected host and a video calendar; a client with its key."""
    made = operations.run({"do": "create-workspace", "workspace_id": f"bench-{number}"}, services())
    steps = DemoSteps(stack)
    steps.api.headers["Authorization"] = f"Bearer {made['api_key']}"
    steps.connect()
    _put_calendar(steps.api, "video")
    return steps.api


def _put_calendar(api: httpx.Client, location: str) -> None:
    host = {"user_id": USER_ID, "name": HOST_NAME, "email": HOST_EMAIL}
    calendar = {"name": "Introduction", "host": host, "location": {"type": location}}
    api.put(f"/v1/calendars/{CALENDAR_ID}", json=calendar).raise_for_status()


class _Way:
    """One booking's way, and the bare hops of it. The workspaces book in turn."""

    def __init__(self, stack: LocalStack, apis: list[httpx.Client]) -> None:
        import boto3

        self._stack = stack
        self._apis = apis
        self._number = 0
        self._plain = httpx.Client()
        self._dynamo = boto3.client("dynamodb")
        self._mail = boto3.client("sesv2")
        schema = [{"AttributeName": "id", "KeyType": "HASH"}]
        made = self._dynamo.create_table(
            TableName="bench-hop",
            KeySchema=schema,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self._heard = threading.Event()
        arn = made["TableDescription"]["LatestStreamArn"]
        self._pump = StreamPump(boto3.client("dynamodbstreams"), arn, "bench_hop", self._hear)
        self._pump.start()

    def close(self) -> None:
        self._pump.stop()

    def slow_down(self) -> None:
        """From now on the provider takes as long as one on the internet."""
        fault = {"path": "/v2/users/me/meetings", "method": "POST", "delay_seconds": _PROVIDER_SECONDS, "times": None}
        self._plain.post(f"{self._stack.provider_url}/_admin/faults", json=fault).raise_for_status()

    def book(self) -> float:
        """From the request to the moment at which both mails are in the mailbox."""
        seen, begun = len(self._stack.mailbox.mails()), time.perf_counter()
        self._put()
        self._await_mails(seen + 2, begun)
        return time.perf_counter() - begun

    def link(self) -> float:
        """From the request to the moment at which the booking has its link. A read of its row disturbs it least."""
        seen, begun = len(self._stack.mailbox.mails()), time.perf_counter()
        self._put()
        row = {
            "TableName": "meetlink-local-bookings",
            "Key": {"workspace_id": {"S": self._workspace_id}, "booking_id": {"S": f"way-{self._number}"}},
        }
        while '"ready"' not in self._dynamo.get_item(**row)["Item"].get("observed", {}).get("S", ""):
            assert time.perf_counter() - begun < _WAIT_SECONDS, "the link does not come"
            time.sleep(0.005)
        took = time.perf_counter() - begun
        self._await_mails(seen + 2, begun)  # They would slow the next round.
        return took

    def _put(self) -> None:
        self._number += 1
        number = self._number % len(self._apis)
        self._workspace_id = f"bench-{number}"
        content = body(days=7 + self._number) | {"calendar_id": CALENDAR_ID}
        answer = self._apis[number].put(f"/v1/bookings/way-{self._number}", json=content)
        assert answer.status_code == 201, answer.text

    def _await_mails(self, count: int, begun: float) -> None:
        while len(self._stack.mailbox.mails()) < count:
            assert time.perf_counter() - begun < _WAIT_SECONDS, "the mails do not come"
            time.sleep(0.002)

    def hops(self, mails: int = 2) -> float:
        """The sum: HTTP, write and stream, provider, mails."""
        self._number += 1
        raw = next(mail.source for mail in self._stack.mailbox.mails())
        begun = time.perf_counter()
        self._plain.get(f"{self._stack.app_url}/no-such-route")
        self._heard.clear()
        self._dynamo.put_item(TableName="bench-hop", Item={"id": {"S": str(self._number)}})
        assert self._heard.wait(_WAIT_SECONDS), "the stream is silent"
        self._plain.post(f"{self._stack.provider_url}/v2/users/me/meetings", json=body())
        for _ in range(mails):
            self._mail.send_email(
                FromEmailAddress=next(iter(self._stack.demo.verified_senders)),
                Destination={"ToAddresses": [HOST_EMAIL]},
                Content={"Raw": {"Data": raw}},
            )
        return time.perf_counter() - begun

    def _hear(self, event: dict[str, Any], context: Any) -> None:
        self._heard.set()


def _settle_down(stack: LocalStack) -> None:
    """Let the stack mail what it still owes: it would complain of being stopped meanwhile."""
    ends, seen = time.monotonic() + _WAIT_SECONDS, -1
    while seen < (seen := len(stack.mailbox.mails())) and time.monotonic() < ends:
        time.sleep(1.5)


def _together(stack: LocalStack, api: httpx.Client, callers: int, each: int) -> Line:
    """A hundred callers book at once; the slowest of a hundred against the middle one. An error ends the benchmark."""
    headers = {"Authorization": api.headers["Authorization"]}
    start = threading.Barrier(callers)

    def caller(number: int) -> list[float]:
        with httpx.Client(base_url=stack.app_url, headers=headers, timeout=60) as client:
            start.wait()
            times = []
            for one in range(each):
                begun = time.perf_counter()
                answer = client.put(f"/v1/bookings/t-{number}-{one}", json=body() | {"calendar_id": CALENDAR_ID})
                times.append(time.perf_counter() - begun)
                assert answer.status_code == 201, answer.text
        return times

    with ThreadPoolExecutor(callers) as pool:
        times = [one for found in pool.map(caller, range(callers)) for one in found]
    _settle_down(stack)
    slowest = quantiles(times, n=100)[98]
    return compare(f"{callers} callers at once: p99", [slowest], "p50", [median(times)], "s", aim=5.0)
