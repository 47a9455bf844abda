"""Build the objects of a process and give each its collaborators."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from random import Random, SystemRandom
from threading import Lock
from typing import TYPE_CHECKING, Any

from chalicelib import settings as environment
from chalicelib.observability import count_for
from chalicelib.settings import Settings
from chalicelib.store import tables
from chalicelib.store.booking_reads import BookingReader
from chalicelib.store.bookings import BookingStore
from chalicelib.store.calendars import CalendarStore
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.dynamodb import POOL
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.grants import GrantStore
from chalicelib.store.suppressions import SuppressionStore
from chalicelib.store.workspaces import RecentWorkspaces, WorkspaceStore

if TYPE_CHECKING:
    import httpx

    from chalicelib.providers.base import Provider
    from chalicelib.store.audit import AuditStore
    from chalicelib.store.booking_leases import BookingLeases
    from chalicelib.store.deployment_secrets import DeploymentSecrets
    from chalicelib.store.encryption import Encryption
    from chalicelib.usecases.access_tokens import AccessTokens
    from chalicelib.usecases.audit import AuditTrail
    from chalicelib.usecases.booking_events import BookingEvents
    from chalicelib.usecases.bookings import Bookings
    from chalicelib.usecases.bounces import Bounces
    from chalicelib.usecases.calendars import CalendarService
    from chalicelib.usecases.connect_links import ConnectLinks
    from chalicelib.usecases.connection_check import ConnectionCheck
    from chalicelib.usecases.connection_setup import ConnectionSetup
    from chalicelib.usecases.connections import Connections
    from chalicelib.usecases.grant_upkeep import GrantUpkeep
    from chalicelib.usecases.join_links import JoinLinks, JoinTickets
    from chalicelib.usecases.key_connections import KeyConnections
    from chalicelib.usecases.mail_circuit import GuardedMailer, Postman
    from chalicelib.usecases.oauth_flow import OAuthFlow
    from chalicelib.usecases.offered_providers import OfferedProviders
    from chalicelib.usecases.rate_limit import RateLimit
    from chalicelib.usecases.settling import Settling
    from chalicelib.usecases.waiting_calls import WaitingCalls
    from chalicelib.webhooks.delivery import WebhookDeliveries
    from chalicelib.webhooks.endpoints import WebhookEndpoints
    from chalicelib.webhooks.http_sender import Post
    from chalicelib.webhooks.outbox import Outbox
    from chalicelib.webhooks.signing_secrets import WebhookSecrets
    from chalicelib.webhooks.store import DeliveryStore, EndpointStore


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """Everything that routes and handlers use. Each part is built, and its libraries imported, on first use.

    Tests replace the fields that have defaults.
    """

    settings: Settings
    transport: httpx.BaseTransport | None = None
    """For requests to providers."""
    clock: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep
    random: Random = field(default_factory=SystemRandom)
    workers: Callable[[int], Executor] = ThreadPoolExecutor
    """Makes an executor with this many workers."""
    mail_transport: Postman | None = None
    """Sends emails; None: SES."""
    webhook_transport: Post | None = None
    """Sends webhooks; None: HTTP."""
    accepted_keys: set[bytes] = field(default_factory=set)
    """Digests of API keys that this process has accepted."""

    @cached_property
    def booking_store(self) -> BookingStore:
        return BookingStore()

    @cached_property
    def booking_leases(self) -> BookingLeases:
        from chalicelib.domain import give_up
        from chalicelib.store.booking_leases import BookingLeases

        days = self.settings.retention_days
        return BookingLeases(timedelta(days=days) if days else None, give_up.pause)

    @cached_property
    def calendar_store(self) -> CalendarStore:
        return CalendarStore()

    @cached_property
    def connection_store(self) -> ConnectionStore:
        return ConnectionStore()

    @cached_property
    def grant_store(self) -> GrantStore:
        return GrantStore()

    @cached_property
    def workspace_store(self) -> WorkspaceStore:
        return WorkspaceStore()

    @cached_property
    def booking_reader(self) -> BookingReader:
        return BookingReader(self.booking_store, self.calendar_store, self.connection_store)

    @cached_property
    def suppression_store(self) -> SuppressionStore:
        return SuppressionStore()

    @cached_property
    def audit_store(self) -> AuditStore:
        from chalicelib.store.audit import AuditStore

        return AuditStore()

    @cached_property
    def audit(self) -> AuditTrail:
        from chalicelib.usecases.audit import AuditTrail

        return AuditTrail(self.audit_store, self.clock)

    @cached_property
    def ephemeral_store(self) -> EphemeralStore:
        return EphemeralStore()

    @cached_property
    def deployment_secrets(self) -> DeploymentSecrets:
        from chalicelib.store.deployment_secrets import DeploymentSecrets

        return DeploymentSecrets(self.settings, _Client("secretsmanager"), self.clock)

    @cached_property
    def encryption(self) -> Encryption:
        from chalicelib.store.encryption import Encryption

        return Encryption(_Client("kms"), self.settings.kms_key_id, self.clock)

    @cached_property
    def providers(self) -> dict[str, Provider]:
        import httpx

        from chalicelib.providers.base import OAuthProvider
        from chalicelib.providers.google_meet_open import OpenGoogleMeet
        from chalicelib.providers.http_client import HttpClient
        from chalicelib.providers.registry import PROVIDERS

        # httpx logs whole addresses, and query strings must not be logged.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        http = HttpClient(httpx.Client(transport=self.transport))
        classes = PROVIDERS | ({"google_meet": OpenGoogleMeet} if self.settings.has_open_google_meet else {})
        enabled = self.settings.enabled_providers or classes.keys()
        providers = {
            name: cls(http, self.clock, self.settings.provider_urls(name, cls.urls))
            for name, cls in classes.items()
            if name in enabled
        }
        for name, provider in providers.items():
            if isinstance(provider, OAuthProvider):
                provider.may_use_pkce = name not in self.settings.providers_without_pkce
        return providers

    @cached_property
    def offered_providers(self) -> OfferedProviders:
        from chalicelib.usecases.offered_providers import OfferedProviders

        return OfferedProviders(self.providers, self.deployment_secrets)

    @cached_property
    def access_tokens(self) -> AccessTokens:
        from chalicelib.usecases.access_tokens import AccessTokens

        return AccessTokens(self.grant_store, self.encryption, self.offered_providers, self.clock, self.sleep)

    @cached_property
    def bookings(self) -> Bookings:
        from chalicelib.usecases.bookings import Bookings

        return Bookings(self.booking_store, self.booking_reader, self.clock)

    @cached_property
    def connect_links(self) -> ConnectLinks:
        from chalicelib.usecases.connect_links import ConnectLinks

        return ConnectLinks(self.ephemeral_store, self.workspace_store, self.clock)

    @cached_property
    def rate_limit(self) -> RateLimit:
        from chalicelib.usecases.rate_limit import RateLimit

        return RateLimit(self.ephemeral_store, self.settings.rate_per_second, self.settings.rate_burst, self.clock)

    @cached_property
    def waiting_calls(self) -> WaitingCalls:
        from chalicelib.usecases.waiting_calls import WaitingCalls

        return WaitingCalls(self.ephemeral_store, self.settings.max_waiting_calls, self.clock)

    @cached_property
    def connections(self) -> Connections:
        from chalicelib.usecases.connections import Connections

        return Connections(
            self.connection_store,
            self.grant_store,
            self.bookings,
            self.connect_links,
            self.access_tokens,
            self.offered_providers,
            self.clock,
        )

    @cached_property
    def connection_setup(self) -> ConnectionSetup:
        from chalicelib.usecases.connection_setup import ConnectionSetup

        return ConnectionSetup(
            self.connection_store,
            self.grant_store,
            self.workspace_store,
            self.access_tokens,
            self.connect_links,
            self.bookings,
            self.clock,
        )

    @cached_property
    def oauth_flow(self) -> OAuthFlow:
        from chalicelib.usecases.oauth_flow import OAuthFlow

        return OAuthFlow(self.ephemeral_store, self.offered_providers, self.connection_setup, self.clock)

    @cached_property
    def key_connections(self) -> KeyConnections:
        from chalicelib.usecases.key_connections import KeyConnections

        return KeyConnections(self.offered_providers, self.connection_setup)

    @cached_property
    def connection_check(self) -> ConnectionCheck:
        from chalicelib.usecases.circuit_breaker import CircuitBreaker
        from chalicelib.usecases.connection_check import ConnectionCheck
        from chalicelib.usecases.provider_calls import ProviderCalls

        # With its own circuit breaker: a check must call the provider even if settling has stopped calling it.
        calls = ProviderCalls(self.access_tokens, self.providers, CircuitBreaker(self.clock))
        return ConnectionCheck(
            self.connection_store,
            self.grant_store,
            self.ephemeral_store,
            self.access_tokens,
            calls,
            self.providers,
            self.clock,
        )

    @cached_property
    def calendars(self) -> CalendarService:
        from chalicelib.usecases.calendars import CalendarService

        return CalendarService(self.calendar_store, self.connections.status, self.clock)

    @cached_property
    def grant_upkeep(self) -> GrantUpkeep:
        from chalicelib.usecases.broken_grants import BrokenGrants
        from chalicelib.usecases.grant_upkeep import GrantUpkeep
        from chalicelib.usecases.notices import ReconnectNotices

        notices = ReconnectNotices(
            self.mailer,
            self.workspace_store,
            self.calendar_store,
            self.suppression_store,
            lambda visitor, life: self.connect_links.create_link(visitor, life)[0],
            lambda name: self.providers[name].display_name,
            self.settings.public_base_url,
        )
        return GrantUpkeep(
            self.connection_store,
            self.grant_store,
            self.bookings,
            self.access_tokens,
            self.offered_providers,
            BrokenGrants(self.grant_store, notices, self.outbox, self.clock),
            self.clock,
        )

    @cached_property
    def mailer(self) -> GuardedMailer:
        from chalicelib.usecases.mail_circuit import GuardedMailer, MailCircuit

        circuit = MailCircuit(self.ephemeral_store, self.clock, self.random)
        return GuardedMailer(self.mail_transport or self.ses, circuit, self.settings.mail_from)

    @cached_property
    def ses(self) -> Postman:
        from chalicelib.mail.addresses import SenderAddress
        from chalicelib.mail.send_rate import SendRate, read_account_rate
        from chalicelib.mail.ses import SesMailer

        sender = SenderAddress(self.settings.mail_from, self.settings.mail_name)
        client = _Client("sesv2", attempts=1)  # SES has no idempotency: a retry by the client could mail twice.
        pace = SendRate(lambda: read_account_rate(client), sleep=self.sleep)
        return SesMailer(client, sender, self.settings.mail_configuration_set, pace)

    @cached_property
    def join_tickets(self) -> JoinTickets:
        from chalicelib.usecases.join_links import JoinTickets

        return JoinTickets(self.deployment_secrets.link_keys, self.settings.public_base_url)

    @cached_property
    def join_links(self) -> JoinLinks:
        from chalicelib.usecases.join_links import JoinLinks

        return JoinLinks(
            self.join_tickets,
            self.booking_store,
            self.connection_store,
            self.access_tokens,
            self.providers,
            self.ephemeral_store,
            self.clock,
        )

    @cached_property
    def settling(self) -> Settling:
        from chalicelib.usecases.circuit_breaker import CircuitBreaker
        from chalicelib.usecases.invitations import Invitations
        from chalicelib.usecases.meetings import Meetings
        from chalicelib.usecases.provider_calls import ProviderCalls
        from chalicelib.usecases.settling import Settling
        from chalicelib.usecases.tell import FailureNotices

        meetings = Meetings(
            self.booking_leases,
            self.connection_store,
            ProviderCalls(self.access_tokens, self.providers, CircuitBreaker(self.clock)),
            self.deployment_secrets.tag_secret,
            self.join_tickets,
            self.clock,
            self.random,
        )
        inviter = Invitations(
            self.booking_leases,
            self.mailer,
            RecentWorkspaces(self.workspace_store, self.clock),
            self.suppression_store,
            self.clock,
            personal_link=self.join_tickets.personal_link,
            mail_from=self.settings.mail_from,
        )
        teller = FailureNotices(self.booking_leases, self.mailer, self.suppression_store, self.clock)
        return Settling(self.booking_leases, meetings, inviter, teller, self.clock, self.sleep)

    @cached_property
    def bounces(self) -> Bounces:
        from chalicelib.usecases.bounces import Bounces

        return Bounces(
            self.booking_store,
            self.suppression_store,
            self.ephemeral_store,
            self.workspace_store,
            self.mailer,
            self.outbox,
            self.clock,
        )

    @cached_property
    def endpoint_store(self) -> EndpointStore:
        from chalicelib.webhooks.store import EndpointStore

        return EndpointStore()

    @cached_property
    def delivery_store(self) -> DeliveryStore:
        from chalicelib.webhooks.store import DeliveryStore

        return DeliveryStore()

    @cached_property
    def outbox(self) -> Outbox:
        from chalicelib.webhooks.outbox import Outbox

        return Outbox(self.endpoint_store, self.delivery_store, self.clock)

    @cached_property
    def webhook_deliveries(self) -> WebhookDeliveries:
        from chalicelib.webhooks.delivery import WebhookDeliveries
        from chalicelib.webhooks.http_sender import WebhookSender

        post = self.webhook_transport or WebhookSender(to_loopback=self.settings.allows_loopback_webhooks)
        return WebhookDeliveries(
            self.endpoint_store, self.delivery_store, self.encryption, post, self.clock, self.random
        )

    @cached_property
    def webhook_endpoints(self) -> WebhookEndpoints:
        from chalicelib.webhooks.endpoints import WebhookEndpoints

        return WebhookEndpoints(
            self.endpoint_store, self.delivery_store, self.webhook_deliveries, self.encryption, self.clock
        )

    @cached_property
    def webhook_secrets(self) -> WebhookSecrets:
        from chalicelib.webhooks.signing_secrets import WebhookSecrets

        return WebhookSecrets(self.workspace_store, self.encryption, self.clock)

    @cached_property
    def booking_events(self) -> BookingEvents:
        from chalicelib.usecases.booking_events import BookingEvents

        return BookingEvents(self.bookings, self.ephemeral_store, self.clock)


@lru_cache(maxsize=1)
def services() -> Services:
    """Return the services of this process, configured by its environment."""
    settings = environment.from_environment()
    if settings.is_on_lambda:
        count_for(settings.stage)
    return build(settings)


def build(settings: Settings, **replacements: Any) -> Services:
    """Build the services of a deployment. `replacements` are fields of `Services`, for tests."""
    tables.bind(settings.table_prefix)
    return Services(settings, **replacements)


class _Client:
    """A boto3 client that is created by its first call: most functions need few of them, and each takes 50 ms."""

    def __init__(self, service: str, *, attempts: int = 3) -> None:
        self._service = service
        self._attempts = attempts
        self._lock = Lock()

    def __getattr__(self, operation: str) -> Any:
        with self._lock:
            return getattr(self._client, operation)

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        retries = {"mode": "standard", "total_max_attempts": self._attempts}
        config = Config(connect_timeout=2, read_timeout=5, max_pool_connections=POOL, retries=retries)
        # boto3.client uses the default session, which is not thread-safe.
        return boto3.Session().client(self._service, config=config)
