"""Metrics are lines of the log, in the form that CloudWatch reads."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import httpx
import pytest
from aws_lambda_powertools.metrics.base import SingleMetric

from chalicelib import observability
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.zoom import Zoom
from infra.local.standins.faults import Action, Fault
from tests.support.clock import FakeClock
from tests.support.product import Product, booking
from tests.support.webhooks import Streams
from tests.unit.test_zoom_errors import REQUEST


@pytest.fixture(autouse=True)
def outside_of_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observability, "_dimensions", {})


def test_nothing_is_counted_outside_of_lambda(capsys: pytest.CaptureFixture[str]) -> None:
    observability.count("Bookings")
    assert capsys.readouterr().out == ""


def test_a_count_is_one_line_that_names_stage_and_unit(capsys: pytest.CaptureFixture[str]) -> None:
    observability.enable_metrics("prod")
    observability.count("TimeToLink", 1234.5, "Milliseconds")
    line = json.loads(capsys.readouterr().out)
    (told,) = line["_aws"]["CloudWatchMetrics"]
    assert (told["Namespace"], told["Dimensions"]) == ("meetlink", [["service", "stage"]])
    assert told["Metrics"] == [{"Name": "TimeToLink", "Unit": "Milliseconds"}]
    assert (line["service"], line["stage"], line["TimeToLink"]) == ("meetlink", "prod", [1234.5])


@pytest.mark.parametrize("dimensions", [{}, {"provider": "zoom", "kind": "429"}])
def test_a_line_is_the_one_that_powertools_writes(
    dimensions: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    observability.enable_metrics("prod")
    observability.count("TimeToLink", 1234.5, "Milliseconds", **dimensions)
    ours = json.loads(capsys.readouterr().out)
    names = {"service": "meetlink", "stage": "prod", **dimensions}
    metric = SingleMetric(namespace="meetlink", dimension_set=names)
    metric.add_metric("TimeToLink", "Milliseconds", 1234.5)
    theirs = metric.serialize_metric_set()
    assert 0 <= theirs["_aws"].pop("Timestamp") - ours["_aws"].pop("Timestamp") < 60_000
    assert ours == theirs


def test_no_metric_is_negative(capsys: pytest.CaptureFixture[str]) -> None:
    """The two ends of a duration may come from clocks that differ."""
    observability.enable_metrics("prod")
    observability.count("TimeToLink", -350.0, "Milliseconds")
    assert counted(capsys) == {"TimeToLink": [0]}


def test_a_dimension_of_its_own_stands_beside_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    observability.enable_metrics("prod")
    observability.count("ProviderErrors", provider="zoom", kind="429")
    line = json.loads(capsys.readouterr().out)
    (told,) = line["_aws"]["CloudWatchMetrics"]
    assert sorted(told["Dimensions"][0]) == ["kind", "provider", "service", "stage"]
    observability.count("Bookings")
    assert json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "stage"]]


def test_each_count_is_written_whole_though_many_workers_count_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda's own stdout flushes at each write: of two writes for a line, another thread's may come between."""
    stdout = Unbuffered()
    monkeypatch.setattr(sys, "stdout", stdout)
    observability.enable_metrics("prod")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(observability.count, ["Bookings"] * 200))
    assert len(stdout.writes) == 200
    assert all(text.endswith("\n") and json.loads(text)["Bookings"] == [1] for text in stdout.writes)


def test_a_booking_counts_its_times_and_its_providers_errors(
    connected: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    streams = Streams(connected)
    streams.announce()
    observability.enable_metrics("prod")
    connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=429))
    connected.caller().put("/v1/bookings/b-1", json=booking())
    connected.settle()
    connected.tick(20)
    streams.announce()
    connected.caller().put("/v1/bookings/b-1", json=booking(days=40))
    connected.tick()
    streams.announce()
    found = counted(capsys)
    assert len(found.pop("TimeToLink")) == 1  # Its end is the stream's time, which no test moves.
    assert found == {
        "Bookings": [1],
        "MeetingsReady": [1],
        "MeetingsWaitingNow": [0, 0],
        "ProviderErrors": [1],
        "TimeToMail": [20_000, 20_000],
        "DailyLimitUsed": [1, 2],
    }


def test_each_run_of_the_schedule_reports_how_many_meetings_wait_now(
    connected: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    observability.enable_metrics("prod")
    connected.tick()
    outage = Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=503, times=1_000)
    connected.zoom.faults.add(outage)
    for number in range(3):
        connected.caller().put(f"/v1/bookings/b-{number}", json=booking())
    connected.settle()
    connected.tick()
    connected.tick()
    assert counted(capsys)["MeetingsWaitingNow"][-1] == 3
    connected.zoom.faults.clear()
    for _ in range(10):
        connected.tick()
    assert counted(capsys)["MeetingsWaitingNow"][-1] == 0


def test_a_host_whose_day_is_used_up_counts_as_such(connected: Product, capsys: pytest.CaptureFixture[str]) -> None:
    connected.zoom.limits.daily_limit = 2
    observability.enable_metrics("prod")
    for number in range(3):
        connected.caller().put(f"/v1/bookings/b-{number}", json=booking())
    connected.settle()
    assert counted(capsys)["DailyLimitUsed"] == [50, 100, 100]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-RateLimit-Limit": "100"},
        {"X-RateLimit-Limit": "0", "X-RateLimit-Remaining": "0"},
        {"X-RateLimit-Limit": "many", "X-RateLimit-Remaining": "-1"},
        {"X-RateLimit-Limit": "80", "X-RateLimit-Remaining": "79", "X-RateLimit-Type": "QPS"},
    ],
)
def test_what_says_nothing_of_the_day_is_not_counted(
    headers: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    observability.enable_metrics("prod")
    answer = httpx.Response(204, headers=headers)
    zoom = Zoom(HttpClient(lambda: httpx.Client(transport=httpx.MockTransport(lambda _: answer))), FakeClock())
    zoom.update("token", "1", REQUEST)
    assert counted(capsys) == {}


class Unbuffered(StringIO):
    """Keeps the writes apart, as a reader of the log gets them."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)


def counted(capsys: pytest.CaptureFixture[str]) -> dict[str, list[float]]:
    """What the log says was counted, by metric."""
    found: dict[str, list[float]] = {}
    for line in capsys.readouterr().out.splitlines():
        told = json.loads(line) if line.startswith("{") else {}
        for part in told.get("_aws", {}).get("CloudWatchMetrics", []):
            for metric in part["Metrics"]:
                found.setdefault(metric["Name"], []).extend(told[metric["Name"]])
    return found
