"""Settings, stores and AWS clients: what all other parts are built on."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random, SystemRandom
from threading import Lock
from typing import TYPE_CHECKING, Any

from chalicelib.settings import Settings
from chalicelib.store.booking_reads import BookingReader
from chalicelib.store.bookings import BookingStore
from chalicelib.store.calendars import CalendarStore
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.dynamodb import POOL, USER_AGENT
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.grants import GrantStore
from chalicelib.store.references import ReferenceStore
from chalicelib.store.suppressions import SuppressionStore
from chalicelib.store.workspaces import RecentWorkspaces, WorkspaceStore

if TYPE_CHECKING:
    import httpx

    from chalicelib.store.audit import AuditStore
    from chalicelib.store.booking_leases import BookingLeases
    from chalicelib.store.daily_counts import DailyCountStore
    from chalicelib.store.deployment_secrets import DeploymentSecrets
    from chalicelib.store.encryption import Encryption
    from chalicelib.store.mail_bucket import MailBucket
    from chalicelib.store.work_queue import WorkQueue
    from chalicelib.usecases.audit import AuditTrail
    from chalicelib.usecases.key_uses import KeyUses
    from chalicelib.usecases.mail_circuit import Mailer
    from chalicelib.usecases.rate_limit import RateLimit
    from chalicelib.usecases.waiting_calls import WaitingCalls
    from chalicelib.webhooks.http_sender import Post
    from chalicelib.webhooks.store import DeliveryStore, EndpointStore


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Foundation:
    """The fields that configure a process, and the parts that need no others. Each part is built, and its libraries
    imported, on first use.

    Tests replace the fields that have defaults.
    """

    settings: Settings
    transport: httpx.BaseTransport | None = None
    """For requests to providers."""
    clock: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep
    random: Random = field(default_factory=SystemRandom)
    sample: Callable[[], float] = SystemRandom().random
    """Returns a random number from 0 to 1 that decides which requests the shared usage counts."""
    workers: Callable[[int], Executor] = ThreadPoolExecutor
    """Makes an executor with this many workers."""
    wait: Callable[..., Any] = wait
    """Waits for the executor's futures, as `concurrent.futures.wait`."""
    mail_transport: Mailer | None = None
    """Sends emails; None: SES."""
    webhook_transport: Post | None = None
    """Sends webhooks; None: HTTP."""
    accepted_keys: set[bytes] = field(default_factory=set)
    """Digests of API keys that this process has accepted."""

    @cached_property
    def aws_session(self) -> AwsSession:
        return AwsSession()

    @cached_property
    def booking_store(self) -> BookingStore:
        return BookingStore()

    @cached_property
    def booking_leases(self) -> BookingLeases:
        from chalicelib.domain import retry_delays
        from chalicelib.domain.guest_key import first_guest_key
        from chalicelib.store.booking_leases import BookingLeases

        return BookingLeases(
            self.retention,
            retry_delays.after_killed_run,
            lambda booking: first_guest_key(self.deployment_secrets.tag_secret(), booking),
        )

    @property
    def retention(self) -> timedelta | None:
        """How long bookings are kept after their end; None: forever."""
        days = self.settings.retention_days
        return timedelta(days=days) if days else None

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
    def reference_store(self) -> ReferenceStore:
        return ReferenceStore()

    @cached_property
    def recent_workspaces(self) -> RecentWorkspaces:
        return RecentWorkspaces(self.workspace_store, self.clock)

    @cached_property
    def booking_reader(self) -> BookingReader:
        return BookingReader(self.booking_store, self.calendar_store, self.connection_store, self.workspace_store)

    @cached_property
    def suppression_store(self) -> SuppressionStore:
        return SuppressionStore(self.recent_workspaces.get)

    @cached_property
    def audit_store(self) -> AuditStore:
        from chalicelib.store.audit import AuditStore

        return AuditStore()

    @cached_property
    def audit(self) -> AuditTrail:
        from chalicelib.usecases.audit import AuditTrail

        return AuditTrail(self.audit_store, self.clock)

    @cached_property
    def daily_count_store(self) -> DailyCountStore:
        from chalicelib.store.daily_counts import DailyCountStore

        return DailyCountStore()

    @cached_property
    def ephemeral_store(self) -> EphemeralStore:
        return EphemeralStore()

    @cached_property
    def deployment_secrets(self) -> DeploymentSecrets:
        from chalicelib.store.deployment_secrets import DeploymentSecrets

        return DeploymentSecrets(self.settings, AwsClient(self.aws_session, "secretsmanager"), self.clock)

    @cached_property
    def encryption(self) -> Encryption:
        from chalicelib.store.encryption import Encryption

        return Encryption(AwsClient(self.aws_session, "kms"), self.settings.kms_key_id, self.clock)

    @cached_property
    def rate_limit(self) -> RateLimit:
        from chalicelib.usecases.rate_limit import RateLimit

        rate, burst = self.settings.rate_per_second, self.settings.rate_burst
        return RateLimit(self.ephemeral_store, rate, burst, self.clock, self.sample)

    @cached_property
    def key_uses(self) -> KeyUses:
        from chalicelib.usecases.key_uses import KeyUses

        return KeyUses(self.ephemeral_store, self.clock)

    @cached_property
    def waiting_calls(self) -> WaitingCalls:
        from chalicelib.usecases.waiting_calls import WaitingCalls

        return WaitingCalls(self.ephemeral_store, self.settings.max_waiting_calls, self.clock)

    @cached_property
    def endpoint_store(self) -> EndpointStore:
        from chalicelib.webhooks.store import EndpointStore

        return EndpointStore()

    @cached_property
    def email_queue(self) -> WorkQueue | None:
        """Wakes the function that sends the emails of bookings with many recipients."""
        return self._queue(self.settings.emails_queue_arn)

    @cached_property
    def webhook_queue(self) -> WorkQueue | None:
        """Wakes the function that delivers webhooks."""
        return self._queue(self.settings.webhooks_queue_arn)

    def _queue(self, arn: str | None) -> WorkQueue | None:
        from chalicelib.store.work_queue import WorkQueue

        return WorkQueue(AwsClient(self.aws_session, "sqs", attempts=2), arn) if arn else None

    @cached_property
    def mail_bucket(self) -> MailBucket | None:
        """Where SES stores received emails; None if it receives none."""
        from chalicelib.store.mail_bucket import MailBucket

        name = self.settings.replies_bucket
        return MailBucket(AwsClient(self.aws_session, "s3"), name) if name else None

    @cached_property
    def delivery_store(self) -> DeliveryStore:
        from chalicelib.webhooks.store import DeliveryStore

        return DeliveryStore()


class AwsSession:
    """botocore's session, which the clients of a process share: each reads the services' models with it.

    boto3 would only add its resources, and 25 ms for its import.
    """

    def __init__(self) -> None:
        self._lock = Lock()

    def create_client(self, service: str, attempts: int) -> Any:
        from botocore.config import Config

        retries = {"mode": "standard", "total_max_attempts": attempts}
        config = Config(
            connect_timeout=2, read_timeout=5, max_pool_connections=POOL, retries=retries, user_agent=USER_AGENT
        )
        with self._lock:  # A session is not thread-safe.
            return self._session.create_client(service, config=config)

    @cached_property
    def _session(self) -> Any:
        import botocore.session

        return botocore.session.get_session()


class AwsClient:
    """A client that is created by its first call: most functions need few of them, and each takes 10 ms or more."""

    def __init__(self, session: AwsSession, service: str, *, attempts: int = 3) -> None:
        self._session = session
        self._service = service
        self._attempts = attempts
        self._lock = Lock()

    def __getattr__(self, operation: str) -> Any:
        with self._lock:
            return getattr(self._client, operation)

    @cached_property
    def _client(self) -> Any:
        return self._session.create_client(self._service, self._attempts)
