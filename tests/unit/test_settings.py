"""Settings that a deployment must not be able to make."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chalicelib.settings import from_environment


def test_webhooks_never_go_to_loopback_on_lambda() -> None:
    wanted = {"MEETLINK_WEBHOOKS_TO_LOOPBACK": "1"}
    assert from_environment(wanted).allows_loopback_webhooks
    assert not from_environment(wanted | {"AWS_LAMBDA_FUNCTION_NAME": "meetlink-prod"}).allows_loopback_webhooks


@pytest.mark.parametrize(
    ("environment", "calls"),
    [
        ({}, 20),
        ({"MEETLINK_LAMBDA_CONCURRENCY": "10"}, 2),
        ({"MEETLINK_LAMBDA_CONCURRENCY": "1000"}, 20),
        ({"MEETLINK_LAMBDA_CONCURRENCY": "10", "MEETLINK_MAX_WAITING_CALLS": "5"}, 5),
        ({"MEETLINK_MAX_WAITING_CALLS": "0"}, 0),
    ],
)
def test_few_calls_wait_in_an_account_that_runs_few_functions(environment: dict[str, str], calls: int) -> None:
    assert from_environment(environment).max_waiting_calls == calls


@pytest.mark.parametrize(
    ("handler", "serves_http"), [(None, True), ("app.app", True), ("app.on_booking", False), ("app.operate", False)]
)
def test_only_the_function_of_the_api_registers_the_routes(handler: str | None, serves_http: bool) -> None:
    assert from_environment({"_HANDLER": handler} if handler else {}).serves_http is serves_http


@pytest.mark.parametrize(("handler", "imports_routes"), [("app.app", True), ("app.on_booking", False)])
def test_a_function_without_routes_does_not_import_them(handler: str, imports_routes: bool) -> None:
    script = "import app, sys; print('chalicelib.api.routing' in sys.modules)"
    environment = {"_HANDLER": handler, "MEETLINK_BOOKINGS_STREAM_ARN": "arn", "MEETLINK_CONNECTIONS_STREAM_ARN": "arn"}
    process = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
    )
    assert process.stdout.strip() == str(imports_routes)
