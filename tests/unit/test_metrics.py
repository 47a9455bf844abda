"""Metrics are lines of the log, in the form that CloudWatch reads."""

from __future__ import annotations

import json

import pytest

from chalicelib import observability


@pytest.fixture(autouse=True)
def outside_of_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observability, "_dimensions", {})


def test_nothing_is_counted_outside_of_lambda(capsys: pytest.CaptureFixture[str]) -> None:
    observability.count("Bookings")
    assert capsys.readouterr().out == ""


def test_a_count_is_one_line_that_names_stage_and_unit(capsys: pytest.CaptureFixture[str]) -> None:
    observability.count_for("prod")
    observability.count("TimeToLink", 1234.5, "Milliseconds")
    line = json.loads(capsys.readouterr().out)
    (told,) = line["_aws"]["CloudWatchMetrics"]
    assert (told["Namespace"], told["Dimensions"]) == ("meetlink", [["service", "stage"]])
    assert told["Metrics"] == [{"Name": "TimeToLink", "Unit": "Milliseconds"}]
    assert (line["service"], line["stage"], line["TimeToLink"]) == ("meetlink", "prod", [1234.5])
