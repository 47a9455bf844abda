"""Settings that a deployment must not be able to make."""

from __future__ import annotations

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
