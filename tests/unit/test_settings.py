"""Settings that a deployment must not be able to make."""

from __future__ import annotations

from chalicelib.settings import from_environment


def test_webhooks_never_go_to_loopback_on_lambda() -> None:
    wanted = {"MEETLINK_WEBHOOKS_TO_LOOPBACK": "1"}
    assert from_environment(wanted).webhooks_to_loopback
    assert not from_environment(wanted | {"AWS_LAMBDA_FUNCTION_NAME": "meetlink-prod"}).webhooks_to_loopback
