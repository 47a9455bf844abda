"""docs/cost.md says what the code does: its counts are those of a booking's life, its sums follow from them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from benchmarks.sim_scale import Setup, simulate
from chalicelib.handlers import booking_stream, webhook_streams
from infra.deploy import triggers
from tests.support.clock import START
from tests.support.meter import Meter, passing
from tests.support.product import LambdaContext, Product, booking
from tests.support.webhooks import Streams

GUIDE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text(encoding="utf-8")
VOLUMES = {"1 k": 1_000, "100 k": 100_000, "10 M": 10_000_000}
Figures = dict[str, float]


class Life:
    """A booking's life, step by step, with what each step costs; caches are warm, as in a busy process."""

    def __init__(self, product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
        self.product = product
        self.steps: dict[str, Figures] = {}
        self.streams = Streams(product)
        product.caller().put("/v1/bookings/b-warm", json=booking("c-1", days=3))
        product.settle()
        product.caller().delete("/v1/bookings/b-warm")
        product.settle()
        self.streams.announce()
        self.meter = Meter(product.aws, monkeypatch)

    def step(self, name: str, act: Callable[[], object], *, without: str = "") -> None:
        """`without` names an earlier step whose cost is no booking's."""
        calls, mails = len(self.product.zoom.faults.calls), len(self.product.mails.sent)
        self.meter.units.clear()
        with self.meter.running():
            act()
        records = self.streams.records(self.product.aws.stream_arn)
        units = dict(self.meter.units)
        idle = self.steps.get(without, {})
        self.steps[name] = {
            "writes": units.get("writes", 0),
            "reads": units.get("reads", 0) - idle.get("reads", 0),
            "Zoom": len(self.product.zoom.faults.calls) - calls,
            "mails": len(self.product.mails.sent) - mails,
            "on_booking": passing(records, triggers.STREAMS["on_booking"].patterns),
            "announce": passing(records, triggers.STREAMS["announce_bookings"].patterns),
        }
        webhook_streams.announce_bookings({"Records": records}, LambdaContext(), self.product.services)


@pytest.fixture
def life(connected: Product, monkeypatch: pytest.MonkeyPatch) -> Life:
    life = Life(connected, monkeypatch)
    product, caller = connected, connected.caller()

    def settle() -> None:
        booking_stream.settle_records({"Records": records}, LambdaContext(), product.services)

    def tick() -> None:
        booking_stream.settle_due(LambdaContext(), product.services)

    life.step("a minute without work", tick)
    life.step("PUT, a new booking", lambda: caller.put("/v1/bookings/b-1", json=booking(days=3)))
    records = product.stream_records()
    life.step("settled: a meeting, two invitations", settle)
    life.step("PUT, a new time", lambda: caller.put("/v1/bookings/b-1", json=booking(days=3.2)))
    records = product.stream_records()[-1:]
    life.step("settled: the meeting moved, two updates", settle)
    product.stream_records()
    hour = 1 / 24
    for name, days in (
        ("looked at, a day before", 2.2),
        ("reminded, an hour before", 3.2 - hour - 4.6 / 1440),
        ("looked at, an hour before", 3.2 - hour),
    ):
        # Grants are looked at daily and tokens renewed hourly, for all bookings of an account.
        product.clock.advance((START + timedelta(days=days, minutes=-2) - product.clock()).total_seconds())
        product.tick()
        grant = product.services.grant_store.get("zoom#zoom-user-1")
        assert grant is not None
        product.services.access_tokens.access_token(grant)
        product.clock.advance(180)
        life.step(name, tick, without="a minute without work")
    life.step("GET", lambda: caller.get("/v1/bookings/b-1"))
    life.step("DELETE", lambda: caller.delete("/v1/bookings/b-1"))
    records = product.stream_records()[-1:]
    product.services.mailer.check()  # Read once a minute, for all bookings of a process.
    life.step("settled: the meeting removed, two cancellations", settle)
    _report_meeting(life)
    return life


def _report_meeting(life: Life) -> None:
    """Add the steps of an account whose events are subscribed to."""
    product, zoom = life.product, life.product.zoom
    product.caller().put("/v1/bookings/b-2", json=booking(days=0.02, start=product.clock()))
    product.settle()
    zoom.webhook_url = f"{product.base_url}/v1/webhooks/providers/zoom"
    zoom.webhook_transport = product.browser()._transport
    (meeting,) = zoom.meetings
    for is_host in (True, False):  # The first event of an account on a day, and of a host or guest, write more.
        zoom.sessions.join(meeting, is_host=is_host)
    product.stream_records()
    life.streams.records(product.aws.stream_arn)
    life.step("event: someone joins", lambda: zoom.sessions.join(meeting))
    product.clock.advance(0.02 * 86_400 + 46 * 60)
    grant = product.services.grant_store.get("zoom#zoom-user-1")
    assert grant is not None
    product.services.access_tokens.access_token(grant)
    tick = partial(booking_stream.settle_due, LambdaContext(), product.services)
    life.step("event: who came is decided", tick, without="a minute without work")


def test_the_counts_are_those_of_a_bookings_life(life: Life) -> None:
    told = {name: {k: float(v) for k, v in row.items()} for name, row in table("step").items()}
    assert {name: {k: float(v) for k, v in row.items()} for name, row in life.steps.items()} == told


def test_the_sums_follow_from_counts_prices_and_assumptions() -> None:
    told = {name: {k: float(v.replace(",", "")) for k, v in row.items()} for name, row in table("US$ a month").items()}
    counted = {name: {volume: cost(name, n) for volume, n in VOLUMES.items()} for name in told}
    assert {n: {v: pytest.approx(x, rel=0.02, abs=0.006) for v, x in row.items()} for n, row in counted.items()} == told


def test_the_metrics_that_alarms_are_billed_for_are_those_of_the_template() -> None:
    """An alarm on metric math is billed for each metric in it."""
    template = yaml.safe_load((Path(__file__).parents[2] / "infra" / "alarms.yaml").read_text(encoding="utf-8"))
    alarms = [r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::CloudWatch::Alarm"]
    watched = [sum("MetricStat" in metric for metric in alarm.get("Metrics", [])) or 1 for alarm in alarms]
    row = table("assumption")["metrics that alarms watch"]
    assert int(row["figure"]) == sum(watched)
    assert f"the {len(alarms)} alarms" in row["from"]


@pytest.mark.parametrize("shards", [2, 4])
def test_the_simulation_still_says_so(shards: int) -> None:
    rows = re.findall(rf"^\| {shards} \| 512 MB \| ([\d.]+) s \| ([\d.]+) s \| (\d+) \|", GUIDE, re.MULTILINE)
    result = simulate(Setup(shards, 512, 400))
    assert rows == [(f"{result.p50:.1f}", f"{result.p99:.1f}", str(result.left))]


def cost(what: str, bookings: int) -> float:
    """US$ a month, as the guide says it is reckoned."""
    steps = {name: {k: float(v) for k, v in row.items()} for name, row in table("step").items()}
    price = {name: float(row["US$"]) for name, row in table("price").items()}
    assumed = {name: float(row["figure"]) for name, row in table("assumption").items()}
    often = {name: assumed.get(name, 1.0) for name in steps if name != "a minute without work"}
    often |= dict.fromkeys((n for n in steps if n.startswith("event")), 0.0)
    often |= dict.fromkeys((n for n in steps if "moved" in n), assumed["PUT, a new time"])
    often |= dict.fromkeys((n for n in steps if "removed" in n), assumed["DELETE"])
    each = {unit: sum(often[n] * steps[n][unit] for n in often) for unit in steps["GET"]}
    calls = sum(often[n] for n in often if n.startswith(("PUT", "GET", "DELETE")))
    settlings = sum(often[n] for n in often if n.startswith("settled"))
    looks = sum(often[n] for n in often if n.startswith("looked"))
    reminders = sum(often[n] for n in often if n.startswith("reminded"))
    minutes = 30 * 24 * 60
    records = each["on_booking"] + each["announce"]
    runs = calls + records
    gb = 0.5
    seconds = (
        calls * assumed["ms of a call"] + settlings * assumed["ms of settling"] + looks * assumed["ms of a look"]
        + reminders * assumed["ms of a reminder"] + records * assumed["ms of a record with nothing to do"]
    ) / 1000  # fmt: skip
    idle = 2 * assumed["ms of a schedule without work"] / 1000
    match what:
        case "DynamoDB":
            units = bookings * each["writes"] * price["write unit"] + bookings * each["reads"] * price["read unit"]
            idle_reads = steps["a minute without work"]["reads"] + 4  # The schedule of webhooks makes 8 queries.
            clock = minutes * idle_reads * price["read unit"]
            kept = bookings * 12 * assumed["kB of a row"] / 1e6  # A year's bookings, in GB.
            return (units + clock) / 1e6 + kept * (price["GB stored"] + price["GB recoverable"])
        case "Lambda":
            spent = (bookings * seconds + minutes * idle) * gb
            return (bookings * runs + minutes * 2) / 1e6 * price["invocation"] + spent * price["GB-second"]
        case "API Gateway":
            return bookings * calls / 1e6 * price["call"]
        case "SES":
            return (
                bookings * each["mails"] / 1e3 * price["mail"] + bookings * each["mails"] * 14e-6 * price["GB mailed"]
            )
        case "SQS":
            return minutes * assumed["polls of idle queues a minute"] / 1e6 * price["queue request"]
        case "Logs":
            lines = calls + settlings + looks + reminders
            kb = runs * assumed["kB logged a run"] + lines * assumed["kB of a log line"]
            return bookings * kb / 1e6 * price["GB logged"]
        case "Fixed":
            alarms = price["alarm"] * assumed["metrics that alarms watch"] + price["metric"] * assumed["metrics"]
            return alarms + price["key"] + price["secret"] * 2 + price["dashboard"]
    return sum(cost(part, bookings) for part in ("DynamoDB", "Lambda", "API Gateway", "SES", "SQS", "Logs", "Fixed"))


def table(first: str) -> dict[str, dict[str, str]]:
    """A table of the guide by the head of its first column: rows by name, cells by column."""
    lines = GUIDE.partition(f"| {first} |")[2].splitlines()
    heads = [head.strip() for head in lines[0].split("|")[:-1]]
    rows = {}
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        name, *cells = [re.sub(r"[*`]", "", cell).strip() for cell in line.strip("|").split("|")]
        rows[name] = dict(zip(heads, cells, strict=True))
    return rows
