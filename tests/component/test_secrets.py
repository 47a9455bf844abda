"""Deployment secrets: from the environment, else from Secrets Manager; cached; never in an error."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.session import Session

from chalicelib.errors import InvalidInput, StoreUnavailable
from chalicelib.settings import from_environment
from chalicelib.store.deployment_secrets import LIFE, Credentials, DeploymentSecrets
from chalicelib.wiring import build
from infra.operate.link_keys import rotate
from tests.support.aws import Aws
from tests.support.clock import FakeClock

STORED = {"client_id": "stored-id", "client_secret": "stored-secret", "webhook_secret": "stored-webhook"}
GIVEN = {"ZOOM_CLIENT_ID": "given-id", "ZOOM_CLIENT_SECRET": "given-secret", "ZOOM_WEBHOOK_SECRET": "given-webhook"}
Make = Callable[..., DeploymentSecrets]


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

    def secrets(environment: dict[str, str] | None = None, *errors: Exception) -> DeploymentSecrets:
        configured = from_environment({"MEETLINK_STAGE": "test"} | (environment or {}))
        return DeploymentSecrets(configured, Failing(moto_aws.client("secretsmanager"), *errors), clock)

    return secrets


@pytest.fixture
def store(moto_aws: Aws) -> Callable[[str, Any], Any]:
    """Store a secret; the answer is the client."""

    def put(name: str, value: Any) -> Any:
        kind = {"SecretBinary": value} if isinstance(value, bytes) else {"SecretString": value}
        client = moto_aws.client("secretsmanager")
        client.create_secret(Name=f"meetlink/test/{name}", **kind)
        return client

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

        def client(_: Session, service: str, **__: Any) -> Any:
            made.append(service)
            return moto_aws.client(service)

        monkeypatch.setattr("botocore.session.get_session", Session)
        monkeypatch.setattr(Session, "create_client", client)
        secrets = build(from_environment({"MEETLINK_TABLE_PREFIX": moto_aws.table_prefix})).deployment_secrets
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


class TestLinkKeys:
    def test_a_deployment_has_one_without_a_rotation_and_it_is_not_the_tag_secret(self, make: Make, store: Any) -> None:
        store("deployment", json.dumps({"tag_secret": "stored-tag"}))
        (key,) = make().link_keys()
        assert (key.key_id, len(key.key)) == ("1", 64)
        assert b"stored-tag" not in key.key

    def test_a_rotation_adds_a_key_that_is_used_later_and_keeps_the_one_before(
        self, make: Make, store: Any, clock: FakeClock
    ) -> None:
        client = store("deployment", json.dumps({"tag_secret": "stored-tag"}))
        secrets = make()
        (first,) = secrets.link_keys()
        result = rotate(client, "meetlink/test/deployment", clock(), apply=False)
        assert (result["accepted"], result["done"]) == (["2", "1"], False)
        assert "link_keys" not in client.get_secret_value(SecretId="meetlink/test/deployment")["SecretString"]
        rotate(client, "meetlink/test/deployment", clock(), apply=True)
        assert secrets.link_keys() == (first,)
        clock.advance(301)
        new, old = reversed(secrets.link_keys())
        assert (new.key_id, old) == ("2", first)
        with pytest.raises(InvalidInput, match="not in use yet"):
            rotate(client, "meetlink/test/deployment", clock(), apply=True)
        clock.advance(300)
        assert secrets.link_keys() == (new, first)
        assert rotate(client, "meetlink/test/deployment", clock(), apply=True)["retired"] == ["1"]
        clock.advance(600)
        assert [key.key_id for key in secrets.link_keys()] == ["3", "2"]
        assert secrets.tag_secret() == b"stored-tag"

    @pytest.mark.parametrize("keys", ["canary", [{"id": "1"}], [{"id": "1", "key": "Y2FuYXJ5", "used_from": "canary"}]])
    def test_keys_that_cannot_be_read_are_an_outage_and_not_shown(self, make: Make, store: Any, keys: Any) -> None:
        store("deployment", json.dumps({"tag_secret": "stored-tag", "link_keys": keys}))
        with pytest.raises(StoreUnavailable, match="link_keys") as caught:
            make().link_keys()
        assert "canary" not in str(caught.value)
