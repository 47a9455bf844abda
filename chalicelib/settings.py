"""Everything that a deployment can choose. The only module that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct

_FOLLOWS = {"TOKEN": "OAUTH", "USERINFO": "API", "MEET": "API"}


class Settings(Struct, frozen=True):
    """One deployment's choices; `docs/operators.md` lists every variable.

    `environment` is kept for the addresses and credentials that providers name themselves.
    """

    stage: str
    table_prefix: str
    bookings_stream_arn: str
    connections_stream_arn: str
    kms_key_id: str
    secrets_prefix: str
    mail_from: str
    mail_name: str
    mail_configuration_set: str | None
    mail_events_topic: str
    public_base_url: str | None
    rate_per_second: float
    rate_burst: int
    max_waiting_calls: int
    webhooks_to_loopback: bool
    offers: frozenset[str]
    without_pkce: frozenset[str]
    opens_google_meet: bool
    retention_days: int
    environment: Mapping[str, str]

    def __repr__(self) -> str:
        return f"<Settings of {self.stage}>"  # The environment may hold secrets.

    @property
    def on_lambda(self) -> bool:
        return "AWS_LAMBDA_FUNCTION_NAME" in self.environment

    def addresses(self, provider: str, defaults: Mapping[str, str]) -> dict[str, str]:
        """A provider's addresses by kind, without trailing slashes: `ZOOM_API_URL` sets the kind `API`.

        Whoever moves `OAUTH` or `API` and says nothing of the provider's other kinds moves those along.
        """
        given = {kind: self.environment.get(f"{provider.upper()}_{kind}_URL") for kind in (*defaults, "OAUTH", "API")}
        found = {k: given[k] or given.get(_FOLLOWS.get(k, k)) or default for k, default in defaults.items()}
        return {kind: address.rstrip("/") for kind, address in found.items()}

    def secret(self, name: str) -> str | None:
        """A secret given directly, as the local stack does; deployments keep them in Secrets Manager."""
        return self.environment.get(name) or None


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environment`, by default the process's own."""
    env = dict(os.environ if environment is None else environment)
    stage = env.get("MEETLINK_STAGE", "dev")
    return Settings(
        stage=stage,
        table_prefix=env.get("MEETLINK_TABLE_PREFIX", f"meetlink-{stage}-"),
        bookings_stream_arn=env.get("MEETLINK_BOOKINGS_STREAM_ARN", ""),
        connections_stream_arn=env.get("MEETLINK_CONNECTIONS_STREAM_ARN", ""),
        kms_key_id=env.get("MEETLINK_KMS_KEY_ID", f"alias/meetlink-{stage}"),
        secrets_prefix=env.get("MEETLINK_SECRETS_PREFIX", f"meetlink/{stage}/"),
        mail_from=env.get("MEETLINK_MAIL_FROM", ""),
        mail_name=env.get("MEETLINK_MAIL_NAME", "meetlink"),
        mail_configuration_set=env.get("MEETLINK_MAIL_CONFIGURATION_SET") or None,
        mail_events_topic=env.get("MEETLINK_MAIL_EVENTS_TOPIC") or f"meetlink-{stage}-mail-events",
        public_base_url=(env.get("PUBLIC_BASE_URL") or "").rstrip("/") or None,
        rate_per_second=max(0.1, float(env.get("MEETLINK_RATE_PER_SECOND", "50"))),
        rate_burst=max(1, int(env.get("MEETLINK_RATE_BURST", "100"))),
        max_waiting_calls=max(0, int(env.get("MEETLINK_MAX_WAITING_CALLS") or _waiting_calls(env))),
        retention_days=max(0, int(env.get("MEETLINK_RETENTION_DAYS", "365"))),
        # On Lambda that would be the address of the runtime API: not even an operator can want it.
        webhooks_to_loopback=env.get("MEETLINK_WEBHOOKS_TO_LOOPBACK") == "1" and "AWS_LAMBDA_FUNCTION_NAME" not in env,
        offers=frozenset(env.get("MEETLINK_PROVIDERS", "").replace(",", " ").split()),
        without_pkce=frozenset(env.get("MEETLINK_WITHOUT_PKCE", "").replace(",", " ").split()),
        opens_google_meet=env.get("MEETLINK_GOOGLE_MEET_OPEN") == "1",
        environment=env,
    )


def _waiting_calls(env: Mapping[str, str]) -> int:
    """The waiting calls that a stage allows unless it is set: a waiting call occupies one of the account's Lambdas."""
    return 20 if int(env.get("MEETLINK_LAMBDA_CONCURRENCY") or 1000) >= 200 else 2
