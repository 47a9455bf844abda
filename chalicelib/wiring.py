"""Builds the objects and hands each its collaborators: the only place that knows them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any

from chalicelib import settings as environment
from chalicelib.settings import Settings
from chalicelib.store import tables
from chalicelib.store.bookings import BookingStore, Record
from chalicelib.store.connections import ConnectionStore, GrantStore
from chalicelib.store.documents import CalendarStore, EphemeralStore, WorkspaceStore

if TYPE_CHECKING:
    import httpx

    from chalicelib.providers.base import Provider
    from chalicelib.store.secrets import Secrets
    from chalicelib.store.vault import Vault
    from chalicelib.usecases.book import Booker
    from chalicelib.usecases.calendars import CalendarKeeper
    from chalicelib.usecases.connect import Connector
    from chalicelib.usecases.grants import GrantKeeper
    from chalicelib.usecases.notify import Postman
    from chalicelib.usecases.preflight import Preflight
    from chalicelib.usecases.sessions import Sessions
    from chalicelib.usecases.settle import Settler
    from chalicelib.usecases.tokens import TokenKeeper

HOLD = timedelta(minutes=15)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """Everything a route or handler may use; each part is made, and its libraries loaded, when first asked for.

    `transport`, `clock`, `random` and `mailer` are given by tests.
    """

    settings: Settings
    transport: httpx.BaseTransport | None = None
    clock: Callable[[], datetime] = _now
    random: Random = field(default_factory=SystemRandom)
    given_mailer: Postman | None = None

    @cached_property
    def bookings(self) -> BookingStore:
        return BookingStore()

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
    def ephemeral(self) -> EphemeralStore:
        return EphemeralStore()

    @cached_property
    def secrets(self) -> Secrets:
        from chalicelib.store.secrets import Secrets

        return Secrets(self.settings, lambda: _client("secretsmanager"), self.clock)

    @cached_property
    def vault(self) -> Vault:
        from chalicelib.store.vault import Vault

        return Vault(_client("kms"), self.settings.kms_key_id, self.clock)

    @cached_property
    def providers(self) -> dict[str, Provider]:
        import httpx

        from chalicelib.providers.catalogue import PROVIDERS
        from chalicelib.providers.http import Http

        http = Http(httpx.Client(transport=self.transport))
        return {
            name: kind(
                http,
                self.clock,
                oauth_url=self.settings.address(name, "OAUTH", kind.oauth_url),
                api_url=self.settings.address(name, "API", kind.api_url),
            )
            for name, kind in PROVIDERS.items()
        }

    @cached_property
    def tokens(self) -> TokenKeeper:
        from chalicelib.usecases.tokens import TokenKeeper

        return TokenKeeper(self.grants, self.vault, self.providers, self.secrets, self.clock)

    @cached_property
    def booker(self) -> Booker:
        from chalicelib.usecases.book import Booker

        return Booker(self.bookings, self.calendars, self.connections, self.clock)

    @cached_property
    def sessions(self) -> Sessions:
        from chalicelib.usecases.sessions import Sessions

        return Sessions(self.ephemeral, self.clock)

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
            self.clock,
        )

    @cached_property
    def preflight(self) -> Preflight:
        from chalicelib.usecases.preflight import Preflight

        return Preflight(self.connections, self.grants, self.tokens, self.providers, self.clock)

    @cached_property
    def calendar_keeper(self) -> CalendarKeeper:
        from chalicelib.usecases.calendars import CalendarKeeper

        return CalendarKeeper(self.calendars, self.connector.status, self.clock)

    @cached_property
    def grant_keeper(self) -> GrantKeeper:
        from chalicelib.usecases.grants import GrantKeeper
        from chalicelib.usecases.notify import Notifier

        notifier = Notifier(
            self.mailer,
            self.workspaces,
            self.calendars,
            lambda visitor, life: self.sessions.make_link(visitor, life)[0],
            lambda name: self.providers[name].display_name,
        )
        return GrantKeeper(
            self.connections,
            self.grants,
            self.bookings,
            self.tokens,
            notifier,
            self.providers,
            self.secrets,
            self.clock,
        )

    @cached_property
    def mailer(self) -> Postman:
        from chalicelib.mail.sender import Sender
        from chalicelib.mail.ses import SesMailer

        if self.given_mailer is not None:
            return self.given_mailer
        sender = Sender(self.settings.mail_from, self.settings.mail_name)
        # SES has no idempotency: a retry by the client could mail twice.
        return SesMailer(_client("sesv2", attempts=1), sender, self.settings.mail_configuration_set)

    @cached_property
    def settler(self) -> Settler:
        from chalicelib.usecases.invite import Inviter
        from chalicelib.usecases.meet import Meetings
        from chalicelib.usecases.settle import Settler

        meetings = Meetings(
            self.bookings,
            self.connections,
            self.tokens,
            self.providers,
            self.secrets.tag_secret,
            self.clock,
            self.random,
        )
        inviter = Inviter(self.bookings, self.mailer, self.clock, domain_name=self._mail_domain, hold=HOLD)
        return Settler(self.bookings, meetings, inviter, self.clock)

    def calendar_file(self, record: Record) -> bytes:
        """The booking's calendar object (RFC 5545), as the host last got it or would get it now."""
        from chalicelib.mail.calendar import calendar_object
        from chalicelib.usecases.invite import current_invite

        return calendar_object(current_invite(record, self._mail_domain, self.clock()), self.settings.mail_from)

    @property
    def _mail_domain(self) -> str:
        return self.settings.mail_from.rpartition("@")[2] or "localhost"


@lru_cache(maxsize=1)
def services() -> Services:
    """This process's services, from its environment."""
    return build(environment.from_environment())


def build(settings: Settings, **given: Any) -> Services:
    """Services for one deployment; `given` are collaborators that tests bring."""
    tables.bind(settings.table_prefix)
    return Services(settings, **given)


def _client(name: str, *, attempts: int = 3) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": attempts})
    return boto3.client(name, config=config)
