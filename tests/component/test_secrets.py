"""Deployment secrets: from the environment, else from Secrets Manager; cached; never in an error."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from chalicelib.errors import StoreUnavailable
from chalicelib.settings import from_environment
from chalicelib.store.secrets import LIFE, Credentials, Secrets
from chalicelib.wiring import build
from tests.support.aws import Aws
from tests.support.clock import FakeClock

STORED = {"client_id": "stored-id", "client_secret": "stored-secret", "webhook_secret": "stored-webhook"}
GIVEN = {"ZOOM_CLIENT_ID": "given-id", "ZOOM_CLIENT_SECRET": "given-secret", "ZOOM_WEBHOOK_SECRET": "given-webhook"}
Make = Callable[..., Secrets]


class Failing:
    """A client whose first calls end in these errors."""

    def __init__(self, client: Any, *errors: Exception) -> None:
        self._client = client
        self._errors = list(errors)

    def get_secret_value(self, **asked: Any) -> Any:
        if self._errors:
            raise self._errors.pop(0)
        return self._client.get_secret_value(**asked)


@pytest.fixture
def make(moto_aws: Aws, clock: FakeClock) -> Make:
    """Secrets of the stage `test` with this environment, whose first calls to AWS end in these errors."""

    def secrets(environment: dict[str, str] | None = None, *errors: Exception) -> Secrets:
        configured = from_environment({"MEETLINK_STAGE": "test"} | (environment or {}))
        return Secrets(configured, Failing(moto_aws.client("secretsmanager"), *errors), clock)

    return secrets


@pytest.fixture
def store(moto_aws: Aws) -> Callable[[str, Any], None]:
    def put(name: str, value: Any) -> None:
        kind = {"SecretBinary": value} if isinstance(value, bytes) else {"SecretString": value}
        moto_aws.client("secretsmanager").create_secret(Name=f"meetlink/test/{name}", **kind)

    return put


class TestCredentials:
    def test_the_stored_ones_are_used(self, make: Make, store: Any) -> None:
        store("providers/zoom", json.dumps(STORED))
        assert make().credentials("zoom") == Credentials("stored-id", "stored-secret", "stored-webhook")

    def test_the_environment_wins_and_nothing_is_fetched(self, make: Make) -> None:
        secrets = make(GIVEN, AssertionError("fetched"))
        assert secrets.credentials("zoom") == Credentials("given-id", "given-secret", "given-webhook")

    def test_a_provider_without_any_is_absent(self, make: Make) -> None:
        assert make().credentials("zoom") is None

    @pytest.mark.parametrize("missing", ["client_id", "client_secret"])
    def test_half_of_them_are_none(self, make: Make, store: Any, missing: str) -> None:
        store("providers/zoom", json.dumps({name: value for name, value in STORED.items() if name != missing}))
        assert make().credentials("zoom") is None

    def test_the_webhook_secret_may_be_missing(self, make: Make, store: Any) -> None:
        store("providers/zoom", json.dumps({"client_id": "id", "client_secret": "secret"}))
        assert make().credentials("zoom").webhook_secret is None

    def test_printing_them_shows_no_secret(self, make: Make) -> None:
        assert repr(make(GIVEN).credentials("zoom")) == "<Credentials>"


class TestCaching:
    def test_a_rotated_secret_is_used_after_five_minutes(
        self, make: Make, store: Any, moto_aws: Aws, clock: FakeClock
    ) -> None:
        store("providers/zoom", json.dumps(STORED))
        secrets = make()
        secrets.credentials("zoom")
        rotated = json.dumps(STORED | {"client_secret": "rotated"})
        moto_aws.client("secretsmanager").put_secret_value(
            SecretId="meetlink/test/providers/zoom", SecretString=rotated
        )
        clock.advance(LIFE.total_seconds() - 1)
        assert secrets.credentials("zoom").client_secret == "stored-secret"
        clock.advance(1)
        assert secrets.credentials("zoom").client_secret == "rotated"

    def test_an_outage_is_not_remembered(self, make: Make, store: Any) -> None:
        store("providers/zoom", json.dumps(STORED))
        secrets = make(None, EndpointConnectionError(endpoint_url="https://secretsmanager.invalid"))
        with pytest.raises(StoreUnavailable):
            secrets.credentials("zoom")
        assert secrets.credentials("zoom") is not None

    def test_one_client_fetches_them_all(self, moto_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[str] = []

        def client(_: boto3.Session, service: str, **__: Any) -> Any:
            made.append(service)
            return moto_aws.client(service)

        monkeypatch.setattr(boto3.Session, "client", client)
        secrets = build(from_environment({"MEETLINK_TABLE_PREFIX": moto_aws.table_prefix})).secrets
        assert [secrets.credentials("zoom"), secrets.credentials("daily")] == [None, None]
        assert made == ["secretsmanager"]


class TestFailures:
    @pytest.mark.parametrize(
        "error",
        [
            ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue"),
            EndpointConnectionError(endpoint_url="https://secretsmanager.invalid"),
        ],
        ids=["refused", "no connection"],
    )
    def test_an_outage_is_not_taken_for_a_missing_provider(self, make: Make, error: Exception) -> None:
        with pytest.raises(StoreUnavailable):
            make(None, error).credentials("zoom")

    @pytest.mark.parametrize(
        "value", ["canary-secret", '["canary-secret"]', '{"client_id": canary-secret', b"canary-secret"]
    )
    def test_an_unreadable_secret_is_named_and_not_shown(self, make: Make, store: Any, value: Any) -> None:
        store("providers/zoom", value)
        with pytest.raises(StoreUnavailable, match="meetlink/test/providers/zoom") as caught:
            make().credentials("zoom")
        assert "canary" not in "".join(traceback.format_exception(caught.value))


class TestTagSecret:
    def test_the_stored_one_is_used(self, make: Make, store: Any) -> None:
        store("deployment", json.dumps({"tag_secret": "stored-tag"}))
        assert make().tag_secret() == b"stored-tag"

    def test_the_environment_wins(self, make: Make) -> None:
        assert make({"MEETLINK_TAG_SECRET": "given-tag"}).tag_secret() == b"given-tag"

    def test_without_one_nothing_is_made_up(self, make: Make) -> None:
        with pytest.raises(StoreUnavailable, match="tag_secret"):
            make().tag_secret()
