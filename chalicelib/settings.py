"""The settings of a deployment. No other module reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct

_LAMBDA_VARIABLE = "AWS_LAMBDA_FUNCTION_NAME"
_HANDLER_VARIABLE = "_HANDLER"
"""The handler of this process: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html."""
_HTTP_HANDLER = "app.app"
_FALLBACKS = {"TOKEN": "OAUTH", "USERINFO": "API", "MEET": "API"}


class Settings(Struct, frozen=True):
    """One deployment's settings. `docs/operators.md` describes every variable."""

    stage: str
    table_prefix: str
    bookings_stream_arn: str
    connections_stream_arn: str
    emails_queue_arn: str | None
    """None: the run that settles a booking sends all of its emails."""
    webhooks_queue_arn: str | None
    """None: the functions that read the streams deliver webhooks."""
    kms_key_id: str
    secrets_prefix: str
    mail_from: str
    mail_name: str
    product_name: str
    """The name on pages of no known workspace, and in notices."""
    mail_configuration_set: str | None
    """The SES configuration set, which publishes bounces and complaints."""
    mail_events_topic: str
    replies_topic: str
    """Where SES reports the emails that it received."""
    replies_bucket: str | None
    """Where SES stores the emails that it received at `mail_from`; None: it receives none."""
    public_base_url: str | None
    """Address of the deployment, without a trailing slash; None: that of the request."""
    rate_per_second: float
    """Requests of a workspace per second."""
    rate_burst: int
    """Requests of a workspace at once."""
    mails_per_minute: int
    """Emails of a workspace, 0: any number."""
    mails_per_day: int
    """Emails of a workspace, 0: any number."""
    max_waiting_calls: int
    """API calls that may wait for a link at the same time."""
    allows_loopback_webhooks: bool
    enabled_providers: frozenset[str]
    """Names of providers; empty: all of them."""
    providers_without_pkce: frozenset[str]
    has_open_google_meet: bool
    """Whether guests of Google Meet enter without knocking."""
    retention_days: int
    """How long bookings are stored after their end; 0: forever."""
    environment: Mapping[str, str]
    """For the variables that contain a provider's name: its addresses and credentials."""

    def __repr__(self) -> str:
        return f"<Settings of {self.stage}>"  # The environment may hold secrets.

    @property
    def handler(self) -> str:
        """The handler of this Lambda function, as `app.on_booking`."""
        return self.environment.get(_HANDLER_VARIABLE, _HTTP_HANDLER)

    @property
    def serves_http(self) -> bool:
        """Whether this process needs the routes: the Lambda functions of streams, queues and schedules do not."""
        return self.handler == _HTTP_HANDLER

    @property
    def is_on_lambda(self) -> bool:
        """Whether this process runs on AWS Lambda."""
        return _LAMBDA_VARIABLE in self.environment

    def provider_urls(self, provider: str, defaults: Mapping[str, str]) -> dict[str, str]:
        """Return a provider's addresses by kind, without trailing slashes: `ZOOM_API_URL` sets the kind `API`.

        `OAUTH` and `API` also set the kinds that fall back to them, unless those have variables of their own.
        """
        names = (*defaults, "OAUTH", "API")
        variables = {kind: self.environment.get(f"{provider.upper()}_{kind}_URL") for kind in names}
        urls = {
            kind: variables[kind] or variables.get(_FALLBACKS.get(kind, kind)) or default
            for kind, default in defaults.items()
        }
        return {kind: url.rstrip("/") for kind, url in urls.items()}

    def direct_secret(self, name: str) -> str | None:
        """Return a secret from the environment, as the local stack sets it; deployments use Secrets Manager."""
        return self.environment.get(name) or None


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environment`, by default the environment of the process."""
    env = dict(os.environ if environment is None else environment)
    stage = env.get("MEETLINK_STAGE", "dev")
    mail_name = env.get("MEETLINK_MAIL_NAME", "meetlink")
    return Settings(
        stage=stage,
        table_prefix=env.get("MEETLINK_TABLE_PREFIX", f"meetlink-{stage}-"),
        bookings_stream_arn=env.get("MEETLINK_BOOKINGS_STREAM_ARN", ""),
        connections_stream_arn=env.get("MEETLINK_CONNECTIONS_STREAM_ARN", ""),
        emails_queue_arn=env.get("MEETLINK_EMAILS_QUEUE_ARN") or None,
        webhooks_queue_arn=env.get("MEETLINK_WEBHOOKS_QUEUE_ARN") or None,
        kms_key_id=env.get("MEETLINK_KMS_KEY_ID", f"alias/meetlink-{stage}"),
        secrets_prefix=env.get("MEETLINK_SECRETS_PREFIX", f"meetlink/{stage}/"),
        mail_from=env.get("MEETLINK_MAIL_FROM", ""),
        mail_name=mail_name,
        product_name=env.get("MEETLINK_PRODUCT_NAME") or mail_name,
        mail_configuration_set=env.get("MEETLINK_MAIL_CONFIGURATION_SET") or None,
        mail_events_topic=env.get("MEETLINK_MAIL_EVENTS_TOPIC") or f"meetlink-{stage}-mail-events",
        replies_topic=env.get("MEETLINK_REPLIES_TOPIC") or f"meetlink-{stage}-replies",
        replies_bucket=env.get("MEETLINK_REPLIES_BUCKET") or None,
        public_base_url=(env.get("PUBLIC_BASE_URL") or "").rstrip("/") or None,
        rate_per_second=max(0.1, float(env.get("MEETLINK_RATE_PER_SECOND", "50"))),
        rate_burst=max(1, int(env.get("MEETLINK_RATE_BURST", "100"))),
        mails_per_minute=max(0, int(env.get("MEETLINK_MAILS_PER_MINUTE", "600"))),
        mails_per_day=max(0, int(env.get("MEETLINK_MAILS_PER_DAY", "20000"))),
        max_waiting_calls=max(0, int(env.get("MEETLINK_MAX_WAITING_CALLS") or _default_waiting_calls(env))),
        retention_days=max(0, int(env.get("MEETLINK_RETENTION_DAYS", "365"))),
        # On Lambda, loopback is the address of the runtime API, which webhooks must never reach.
        allows_loopback_webhooks=env.get("MEETLINK_WEBHOOKS_TO_LOOPBACK") == "1" and _LAMBDA_VARIABLE not in env,
        enabled_providers=_names(env.get("MEETLINK_PROVIDERS", "")),
        providers_without_pkce=_names(env.get("MEETLINK_WITHOUT_PKCE", "")),
        has_open_google_meet=env.get("MEETLINK_GOOGLE_MEET_OPEN") == "1",
        environment=env,
    )


def _names(text: str) -> frozenset[str]:
    """Read names that are separated by commas or spaces."""
    return frozenset(text.replace(",", " ").split())


def _default_waiting_calls(env: Mapping[str, str]) -> int:
    """Return the default of `max_waiting_calls`: each waiting call occupies one of the account's Lambda processes."""
    return 20 if int(env.get("MEETLINK_LAMBDA_CONCURRENCY") or 1000) >= 200 else 2
