"""The DynamoDB tables as pynamodb models. `infra/tables.yaml` and `indexes.yaml` create them; a test compares the two.

Each row has its keys, and what conditions and indexes need, as attributes. The rest is one JSON document.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar
from zlib import crc32

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection
from pynamodb.models import Model

from chalicelib.store.dynamodb import ClientSettings, ExpiryAttribute, Table, TimestampAttribute, translated_errors

FORMAT = 1
"""The version of a row's documents."""
DUE_PARTITIONS = tuple(map(str, range(8)))
"""Partitions of the index of due work: enough for 8,000 writes a second."""
WAITING_PARTITIONS = tuple(f"waiting#{number}" for number in range(4))
"""Partitions of deferred bookings with a waiting meeting, which are counted. The schedule reads each every minute."""
GRANT_PARTITIONS = DUE_PARTITIONS[:4]
"""Partitions of the grants' index: an account's tokens are refreshed at most once an hour."""

T = TypeVar("T", bound=Model)


def choose_partition(partitions: Sequence[str], *key: str) -> str:
    """Return the partition of the due index that a row belongs to."""
    return partitions[crc32("\0".join(key).encode()) % len(partitions)]


class DueIndex(GlobalSecondaryIndex[T]):  # type: ignore[no-untyped-call]
    """Sparse: it contains only rows with work due."""

    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = TimestampAttribute(range_key=True)

    def find(self, partition: str, now: datetime, limit: int) -> list[T]:
        """Return at most `limit` rows of a partition that are due, longest overdue first."""
        with translated_errors():
            return list(self.query(partition, DueIndex.due_at <= now, limit=limit))


class StartIndex(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "by_start"
        projection = IncludeProjection(["calendar_id", "status"])

    workspace_id = UnicodeAttribute(hash_key=True)
    start_key = UnicodeAttribute(range_key=True)


class HostIndex(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "by_host"
        projection = IncludeProjection(["calendar_id", "status"])

    host_key = UnicodeAttribute(hash_key=True)
    start_key = UnicodeAttribute(range_key=True)


class TroubleIndex(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """Sparse: it contains only bookings whose meeting waits or failed."""

    class Meta:
        index_name = "by_trouble"
        projection = KeysOnlyProjection()

    trouble_key = UnicodeAttribute(hash_key=True)
    start_key = UnicodeAttribute(range_key=True)


class GuestIndex(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """It contains bookings with a guest that were settled at least once."""

    class Meta:
        index_name = "by_guest"
        projection = KeysOnlyProjection()

    guest_key = UnicodeAttribute(hash_key=True)
    start_key = UnicodeAttribute(range_key=True)


class BookingItem(Table):
    """A booking.

    Callers write `desired` under a condition on `revision`, settlers write `observed` under a condition on `fence`, so
    neither overwrites the other: the link of a created meeting is recorded even if the booking changed meanwhile.
    A row has either `due_shard` or, with nothing left to do, `expires_at`.
    """

    class Meta(ClientSettings):
        table_name = "bookings"

    workspace_id = UnicodeAttribute(hash_key=True)
    booking_id = UnicodeAttribute(range_key=True)
    format = NumberAttribute(default=FORMAT)
    revision = NumberAttribute()
    settled_revision = NumberAttribute(default=0)
    status = UnicodeAttribute()
    calendar_id = UnicodeAttribute()
    start_key = UnicodeAttribute()
    """Start and booking id; sorts bookings by start."""
    host_key = UnicodeAttribute()
    """Workspace and user id of the host."""
    desired = UnicodeAttribute()
    """The `Booking`."""
    observed = UnicodeAttribute(null=True)
    """The `Settlement`."""
    trouble_key = UnicodeAttribute(null=True)
    """Workspace and state of a meeting that waits or failed. Settlers write it together with `observed`."""
    guest_key = UnicodeAttribute(null=True)
    """A keyed digest of workspace and first guest's address. Settlers write it, because callers' writes must not need
    the deployment's secret."""
    mail_troubles = UnicodeSetAttribute(null=True)
    """Bounces and complaints. They arrive at any time: each is added to this set, and settlers remove those about
    emails that newer ones replaced."""
    answers = UnicodeAttribute(null=True)
    """The `Answer` of each person by `answer_key`. Written by the people's answers, never by settlers or callers."""
    wakes = NumberAttribute(null=True)
    """Rises when something other than a caller's change makes the booking due. A settler that has read an earlier
    number does not end its run."""
    sightings = UnicodeSetAttribute(null=True)
    """Who the provider reported in the meeting. Events arrive at any time: each is added to this set."""
    look_requested_at = TimestampAttribute(null=True)
    """When the provider last reported a change of the meeting. A settler looks at it if that is later than the last
    look."""
    fence = NumberAttribute(default=0)
    """Rises with every lease; the writes of an earlier lease are refused."""
    killed_runs = NumberAttribute(null=True)
    """Runs in a row that were killed: their leases ended without a record."""
    crashed_runs = NumberAttribute(null=True)
    """Runs that an internal error ended."""
    lease_until = TimestampAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    due_at = TimestampAttribute(null=True)
    expires_at = ExpiryAttribute(null=True)

    due = DueIndex["BookingItem"]()
    by_start = StartIndex()
    by_host = HostIndex()
    by_trouble = TroubleIndex()
    by_guest = GuestIndex()


class GrantIndex(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "by_grant"
        projection = KeysOnlyProjection()

    grant_id = UnicodeAttribute(hash_key=True)


class ConnectionItem(Table):
    class Meta(ClientSettings):
        table_name = "connections"

    workspace_id = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute(range_key=True)
    format = NumberAttribute(default=FORMAT)
    grant_id = UnicodeAttribute()
    document = UnicodeAttribute()
    last_meeting_at = TimestampAttribute(null=True)

    by_grant = GrantIndex()


class GrantItem(Table):
    """A grant with its encrypted tokens."""

    class Meta(ClientSettings):
        table_name = "grants"

    grant_id = UnicodeAttribute(hash_key=True)
    format = NumberAttribute(default=FORMAT)
    version = NumberAttribute()
    """Rises with every write; a write under an earlier version is refused."""
    document = UnicodeAttribute()
    """The `Grant` without its tokens."""
    tokens = BinaryAttribute(null=True, legacy_encoding=False)
    lease_until = TimestampAttribute(null=True)
    """Until when one process alone may refresh the tokens."""
    reported_at = TimestampAttribute(null=True)
    """When the provider last reported a meeting of the account, exact to a day."""
    due_shard = UnicodeAttribute(null=True)
    due_at = TimestampAttribute(null=True)

    due = DueIndex["GrantItem"]()


class CalendarItem(Table):
    class Meta(ClientSettings):
        table_name = "calendars"

    workspace_id = UnicodeAttribute(hash_key=True)
    calendar_id = UnicodeAttribute(range_key=True)
    format = NumberAttribute(default=FORMAT)
    document = UnicodeAttribute()


class WorkspaceItem(Table):
    class Meta(ClientSettings):
        table_name = "workspaces"

    workspace_id = UnicodeAttribute(hash_key=True)
    format = NumberAttribute(default=FORMAT)
    version = NumberAttribute(default=0)
    document = UnicodeAttribute()


class EphemeralItem(Table):
    """Links, flows, sessions and counters."""

    class Meta(ClientSettings):
        table_name = "ephemeral"

    key = UnicodeAttribute(hash_key=True)
    format = NumberAttribute(default=FORMAT)
    document = UnicodeAttribute()
    counted = NumberAttribute(null=True)
    expires_at = ExpiryAttribute()


class EndpointItem(Table):
    """A webhook endpoint. Only its workspace's writes are conditional on `version`, deliveries' results are not."""

    class Meta(ClientSettings):
        table_name = "endpoints"

    workspace_id = UnicodeAttribute(hash_key=True)
    endpoint_id = UnicodeAttribute(range_key=True)
    format = NumberAttribute(default=FORMAT)
    version = NumberAttribute()
    document = UnicodeAttribute()
    disabled_at = TimestampAttribute(null=True)
    disabled_reason = UnicodeAttribute(null=True)
    failures = NumberAttribute(default=0)
    slow_answers = NumberAttribute(null=True)
    paused_until = TimestampAttribute(null=True)


class DeliveryItem(Table):
    """An event for an endpoint. A pending one is in the index of due work."""

    class Meta(ClientSettings):
        table_name = "deliveries"

    endpoint_key = UnicodeAttribute(hash_key=True)
    """Workspace and endpoint id."""
    delivery_name = UnicodeAttribute(range_key=True)
    """Time and id of the event."""
    format = NumberAttribute(default=FORMAT)
    document = UnicodeAttribute()
    state = UnicodeAttribute()
    attempts = NumberAttribute(default=0)
    status = NumberAttribute(null=True)
    error = UnicodeAttribute(null=True)
    last_attempt_at = TimestampAttribute(null=True)
    attempt_log = UnicodeAttribute(null=True)
    """The last attempts, as JSON."""
    due_shard = UnicodeAttribute(null=True)
    due_at = TimestampAttribute(null=True)
    expires_at = ExpiryAttribute()

    due = DueIndex["DeliveryItem"]()


class AuditItem(Table):
    """An administrative action."""

    class Meta(ClientSettings):
        table_name = "audit"

    workspace_id = UnicodeAttribute(hash_key=True)
    entry_name = UnicodeAttribute(range_key=True)
    """The time and a random part."""
    format = NumberAttribute(default=FORMAT)
    document = UnicodeAttribute()
    expires_at = ExpiryAttribute()


class ReferenceItem(Table):
    """Leads from something outside to what it belongs to: a provider's meeting to its booking, an address to the
    workspaces that it is a member of."""

    class Meta(ClientSettings):
        table_name = "references"

    key = UnicodeAttribute(hash_key=True)
    """What it is, and its name there: `meeting#<provider>#<id>`, `uid#<digest>` of a calendar entry, or
    `member#<digest of the address>`."""
    format = NumberAttribute(default=FORMAT)
    workspace_id = UnicodeAttribute(null=True)
    booking_id = UnicodeAttribute(null=True)
    workspace_ids = UnicodeSetAttribute(null=True)
    """Of a member, instead of the two above."""
    expires_at = ExpiryAttribute(null=True)


class ProviderEventItem(Table):
    """An event of a provider about a meeting."""

    class Meta(ClientSettings):
        table_name = "provider_events"

    meeting_key = UnicodeAttribute(hash_key=True)
    """Provider and its id of the meeting."""
    event_name = UnicodeAttribute(range_key=True)
    """Kind, time and participant."""
    format = NumberAttribute(default=FORMAT)
    workspace_id = UnicodeAttribute()
    booking_id = UnicodeAttribute()
    document = UnicodeAttribute()
    expires_at = ExpiryAttribute()


class DailyCountItem(Table):
    """How many links a workspace's bookings got in a day, and how long that took: see `domain.daily_counts`."""

    class Meta(ClientSettings):
        table_name = "daily_counts"

    workspace_id = UnicodeAttribute(hash_key=True)
    day = UnicodeAttribute(range_key=True)
    """In UTC, as `2026-12-31`."""
    format = NumberAttribute(default=FORMAT)
    links = NumberAttribute(null=True)
    failures = NumberAttribute(null=True)
    # The buckets of the times to link.
    took_0 = NumberAttribute(null=True)
    took_1 = NumberAttribute(null=True)
    took_2 = NumberAttribute(null=True)
    took_3 = NumberAttribute(null=True)
    took_4 = NumberAttribute(null=True)
    took_5 = NumberAttribute(null=True)
    took_6 = NumberAttribute(null=True)
    took_7 = NumberAttribute(null=True)
    took_8 = NumberAttribute(null=True)
    took_9 = NumberAttribute(null=True)
    expires_at = ExpiryAttribute()


MODELS: tuple[type[Model], ...] = (
    BookingItem,
    ConnectionItem,
    GrantItem,
    CalendarItem,
    WorkspaceItem,
    EphemeralItem,
    EndpointItem,
    DeliveryItem,
    AuditItem,
    ReferenceItem,
    ProviderEventItem,
    DailyCountItem,
)
_NAMES = {model: model.Meta.table_name for model in MODELS}


def bind(table_prefix: str) -> None:
    """Point this process's models at one deployment's tables. pynamodb keeps the name on the class."""
    for model, name in _NAMES.items():
        model.Meta.table_name = table_prefix + name
