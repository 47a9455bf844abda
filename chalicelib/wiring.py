"""Builds the objects and hands each its collaborators: the only place that knows them all."""

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
from chalicelib.store.booking_reads import SightStore
from chalicelib.store.bookings import BookingStore, Record
from chalicelib.store.connections import ConnectionStore, GrantStore
from chalicelib.store.documents import CalendarStore, EphemeralStore, RecentWorkspaces, WorkspaceStore
from chalicelib.store.suppressions import SuppressionStore

if TYPE_CHECKING:
    import httpx

    from chalicelib.providers.base import Provider
    from chalicelib.store.audit import AuditStore
    from chalicelib.store.deployment_secrets import Secrets
    from chalicelib.store.encryption import Vault
    from chalicelib.usecases.access_tokens import TokenKeeper
    from chalicelib.usecases.audit import Auditor
    from chalicelib.usecases.booking_events import BookingEvents
    from chalicelib.usecases.bookings import Booker
    from chalicelib.usecases.bounces import Undelivered
    from chalicelib.usecases.calendars import CalendarKeeper
    from chalicelib.usecases.connect import Connector
    from chalicelib.usecases.connect_links import Sessions
    from chalicelib.usecases.connection_check import Preflight
    from chalicelib.usecases.grant_upkeep import GrantKeeper
    from chalicelib.usecases.join_links import Door, Tickets
    from chalicelib.usecases.mail_circuit import GuardedMailer, Postman
    from chalicelib.usecases.rate_limit import RateLimit
    from chalicelib.usecases.settling import Settler
    from chalicelib.usecases.waiting_calls import WaitingCalls
    from chalicelib.webhooks.delivery import Deliverer
    from chalicelib.webhooks.delivery_store import DeliveryStore
    from chalicelib.webhooks.endpoint_store import EndpointStore
    from chalicelib.webhooks.endpoints import EndpointKeeper
    from chalicelib.webhooks.http_sender import Post
    from chalicelib.webhooks.outbox import Announcer
    from chalicelib.webhooks.signing_secrets import InboundSecrets


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """Everything a route or handler may use; each part is made, and its libraries loaded, when first asked for.

    `transport`, `clock`, `sleep`, `random`, `workers` (so many side by side), `given_mailer` and
    `given_post` (of webhooks) are given by tests.
    """

    settings: Settings
    transport: httpx.BaseTransport | None = None
    clock: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep
    random: Random = field(default_factory=SystemRandom)
    workers: Callable[[int], Executor] = ThreadPoolExecutor
    given_mailer: Postman | None = None
    given_post: Post | None = None
    known_keys: set[bytes] = field(default_factory=set)
    """Digests of API keys that this process has accepted."""

    @cached_property
    def bookings(self) -> BookingStore:
        days = self.settings.retention_days
        return BookingStore(timedelta(days=days) if days else None)

    @cached_property
    def calendars(self) -> CalendarStore:
        return CalendarStore()

    @cached_property
    def connections(self) -> ConnectionStore:
        return ConnectionStore()

    @cached_property
    def grants(self) -> GrantStore:
        return GrantStore()

    @cached_property
    def workspaces(self) -> WorkspaceStore:
        return WorkspaceStore()

    @cached_property
    def sights(self) -> SightStore:
        return SightStore()

    @cached_property
    def suppressions(self) -> SuppressionStore:
        return SuppressionStore()

    @cached_property
    def audit_log(self) -> AuditStore:
        from chalicelib.store.audit import AuditStore

        return AuditStore()

    @cached_property
    def audit(self) -> Auditor:
        from chalicelib.usecases.audit import Auditor

        return Auditor(self.audit_log, self.clock)

    @cached_property
    def ephemeral(self) -> EphemeralStore:
        return EphemeralStore()

    @cached_property
    def secrets(self) -> Secrets:
        from chalicelib.store.deployment_secrets import Secrets

        return Secrets(self.settings, _Client("secretsmanager"), self.clock)

    @cached_property
    def vault(self) -> Vault:
        from chalicelib.store.encryption import Vault

        return Vault(_Client("kms"), self.settings.kms_key_id, self.clock)

    @cached_property
    def providers(self) -> dict[str, Provider]:
        import httpx

        from chalicelib.providers.base import OAuthProvider
        from chalicelib.providers.google_meet_open import OpenGoogleMeet
        from chalicelib.providers.http_client import Http
        from chalicelib.providers.registry import PROVIDERS

        # It logs whole addresses, and query strings must not reach a log.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        http = Http(httpx.Client(transport=self.transport))
        known = PROVIDERS | ({"google_meet": OpenGoogleMeet} if self.settings.opens_google_meet else {})
        providers = {
            name: kind(http, self.clock, self.settings.addresses(name, kind.urls))
            for name, kind in known.items()
            if not self.settings.offers or name in self.settings.offers
        }
        for name, provider in providers.items():
            if isinstance(provider, OAuthProvider):
                provider.may_use_pkce = name not in self.settings.without_pkce
        return providers

    @cached_property
    def tokens(self) -> TokenKeeper:
        from chalicelib.usecases.access_tokens import TokenKeeper

        return TokenKeeper(self.grants, self.vault, self.providers, self.secrets, self.clock, self.sleep)

    @cached_property
    def booker(self) -> Booker:
        from chalicelib.usecases.bookings import Booker

        return Booker(self.bookings, self.calendars, self.connections, self.clock)

    @cached_property
    def sessions(self) -> Sessions:
        from chalicelib.usecases.connect_links import Sessions

        return Sessions(self.ephemeral, self.workspaces, self.clock)

    @cached_property
    def rate_limit(self) -> RateLimit:
        from chalicelib.usecases.rate_limit import RateLimit

        return RateLimit(self.ephemeral, self.settings.rate_per_second, self.settings.rate_burst, self.clock)

    @cached_property
    def waiting_calls(self) -> WaitingCalls:
        from chalicelib.usecases.waiting_calls import WaitingCalls

        return WaitingCalls(self.ephemeral, self.settings.max_waiting_calls, self.clock)

    @cached_property
    def connector(self) -> Connector:
        from chalicelib.usecases.connect import Connector

        return Connector(
            self.ephemeral,
            self.connections,
            self.grants,
            self.bookings,
            self.booker,
            self.workspaces,
            self.tokens,
            self.providers,
            self.secrets,
            self.sessions,
            self.clock,
        )

    @cached_property
    def preflight(self) -> Preflight:
        from chalicelib.usecases.circuit_breaker import Breaker
        from chalicelib.usecases.connection_check import Preflight
        from chalicelib.usecases.provider_calls import Caller

        # With a breaker of its own: whoever checks wants the provider asked, whatever settling found.
        caller = Caller(self.tokens, self.providers, Breaker(self.clock))
        return Preflight(self.connections, self.grants, self.ephemeral, self.tokens, caller, self.providers, self.clock)

    @cached_property
    def calendar_keeper(self) -> CalendarKeeper:
        from chalicelib.usecases.calendars import CalendarKeeper

        return CalendarKeeper(self.calendars, self.connector.status, self.clock)

    @cached_property
    def grant_keeper(self) -> GrantKeeper:
        from chalicelib.usecases.grant_upkeep import GrantKeeper
        from chalicelib.usecases.notices import Notifier

        notifier = Notifier(
            self.mailer,
            self.workspaces,
            self.calendars,
            self.suppressions,
            lambda visitor, life: self.sessions.make_link(visitor, life)[0],
            lambda name: self.providers[name].display_name,
            self.settings.public_base_url,
        )
        return GrantKeeper(
            self.connections,
            self.grants,
            self.bookings,
            self.tokens,
            notifier,
            self.announcer,
            self.providers,
            self.secrets,
            self.clock,
        )

    @cached_property
    def mailer(self) -> GuardedMailer:
        from chalicelib.usecases.mail_circuit import GuardedMailer, MailCircuit

        circuit = MailCircuit(self.ephemeral, self.clock, self.random)
        return GuardedMailer(self.given_mailer or self.ses, circuit, self.settings.mail_from)

    @cached_property
    def ses(self) -> Postman:
        from chalicelib.mail.send_rate import Pace, account_limit
        from chalicelib.mail.sender import Sender
        from chalicelib.mail.ses import SesMailer

        sender = Sender(self.settings.mail_from, self.settings.mail_name)
        client = _Client("sesv2", attempts=1)  # SES has no idempotency: a retry by the client could mail twice.
        pace = Pace(lambda: account_limit(client), sleep=self.sleep)
        return SesMailer(client, sender, self.settings.mail_configuration_set, pace)

    @cached_property
    def tickets(self) -> Tickets:
        from chalicelib.usecases.join_links import Tickets

        return Tickets(self.secrets.link_keys, self.settings.public_base_url)

    @cached_property
    def door(self) -> Door:
        from chalicelib.usecases.join_links import Door

        return Door(
            self.tickets, self.bookings, self.connections, self.tokens, self.providers, self.ephemeral, self.clock
        )

    @cached_property
    def settler(self) -> Settler:
        from chalicelib.usecases.circuit_breaker import Breaker
        from chalicelib.usecases.invitations import Inviter
        from chalicelib.usecases.meetings import Meetings
        from chalicelib.usecases.provider_calls import Caller
        from chalicelib.usecases.settling import Settler
        from chalicelib.usecases.tell import Teller

        meetings = Meetings(
            self.bookings,
            self.connections,
            Caller(self.tokens, self.providers, Breaker(self.clock)),
            self.secrets.tag_secret,
            self.tickets,
            self.clock,
            self.random,
        )
        inviter = Inviter(
            self.bookings,
            self.mailer,
            RecentWorkspaces(self.workspaces, self.clock),
            self.suppressions,
            self.clock,
            personal_link=self.tickets.personal_link,
            mail_from=self.settings.mail_from,
        )
        teller = Teller(self.bookings, self.mailer, self.suppressions, self.clock)
        return Settler(self.bookings, meetings, inviter, teller, self.clock, self.sleep)

    @cached_property
    def undelivered(self) -> Undelivered:
        from chalicelib.usecases.bounces import Undelivered

        return Undelivered(
            self.bookings,
            self.suppressions,
            self.ephemeral,
            self.workspaces,
            self.mailer,
            self.announcer,
            self.clock,
        )

    @cached_property
    def endpoints(self) -> EndpointStore:
        from chalicelib.webhooks.endpoint_store import EndpointStore

        return EndpointStore()

    @cached_property
    def deliveries(self) -> DeliveryStore:
        from chalicelib.webhooks.delivery_store import DeliveryStore

        return DeliveryStore()

    @cached_property
    def announcer(self) -> Announcer:
        from chalicelib.webhooks.outbox import Announcer

        return Announcer(self.endpoints, self.deliveries, self.clock)

    @cached_property
    def deliverer(self) -> Deliverer:
        from chalicelib.webhooks.delivery import Deliverer
        from chalicelib.webhooks.http_sender import Sender

        post = self.given_post or Sender(to_loopback=self.settings.webhooks_to_loopback)
        return Deliverer(self.endpoints, self.deliveries, self.vault, post, self.clock, self.random)

    @cached_property
    def endpoint_keeper(self) -> EndpointKeeper:
        from chalicelib.webhooks.endpoints import EndpointKeeper

        return EndpointKeeper(self.endpoints, self.deliveries, self.deliverer, self.vault, self.clock)

    @cached_property
    def inbound_secrets(self) -> InboundSecrets:
        from chalicelib.webhooks.signing_secrets import InboundSecrets

        return InboundSecrets(self.workspaces, self.vault, self.clock)

    @cached_property
    def booking_events(self) -> BookingEvents:
        from chalicelib.usecases.booking_events import BookingEvents

        return BookingEvents(self.booker, self.ephemeral, self.clock)

    def calendar_file(self, record: Record) -> bytes:
        """The booking's calendar object (RFC 5545), as the host last got it or would get it now."""
        from chalicelib.mail.icalendar_object import calendar_object
        from chalicelib.usecases.invitations import current_invite, in_style

        workspace = self.workspaces.get(record.booking.workspace_id)
        mail_from = (workspace and workspace.brand.sender) or self.settings.mail_from
        return calendar_object(in_style(current_invite(record, mail_from, self.clock()), workspace), mail_from)


@lru_cache(maxsize=1)
def services() -> Services:
    """This process's services, from its environment."""
    settings = environment.from_environment()
    if settings.on_lambda:
        count_for(settings.stage)
    return build(settings)


def build(settings: Settings, **given: Any) -> Services:
    """Services for one deployment; `given` are collaborators that tests bring."""
    tables.bind(settings.table_prefix)
    return Services(settings, **given)


class _Client:
    """A boto3 client that is made by its first call: most functions need few of them, and each takes 50 ms."""

    def __init__(self, service: str, *, attempts: int = 3) -> None:
        self._service = service
        self._attempts = attempts
        self._lock = Lock()

    def __getattr__(self, operation: str) -> Any:
        with self._lock:
            return getattr(self._made, operation)

    @cached_property
    def _made(self) -> Any:
        import boto3
        from botocore.config import Config

        retries = {"mode": "standard", "total_max_attempts": self._attempts}
        config = Config(connect_timeout=2, read_timeout=5, max_pool_connections=tables.POOL, retries=retries)
        return boto3.Session().client(self._service, config=config)  # The default session is not for threads.
