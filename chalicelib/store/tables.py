"""The DynamoDB tables as pynamodb models; `infra/tables.yaml` creates them, and a test holds the two together.

Each row keeps its keys, and what conditions and indexes need, as attributes; the rest is one JSON document.
`format` is the document's version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from zlib import crc32

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.connection import Connection, TableConnection
from pynamodb.connection.base import BOTOCORE_EXCEPTIONS
from pynamodb.exceptions import GetError, PynamoDBConnectionError, TransactGetError, TransactWriteError
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection
from pynamodb.models import Model

from chalicelib.errors import LostRace, StoreError, StoreUnavailable

FORMAT = 1
DUE_SHARDS = 8
"""Partitions of the index of due work: enough for 8,000 writes a second."""
POOL = 25
"""Connections of a client: one for each of the workers that settle or deliver side by side."""


_connecting = Lock()


class Connecting:
    """pynamodb's settings of the client, for every model's `Meta`: the first one that connects makes it for all.

    Together less than API Gateway's 29 s, also if the first request meets a socket that died while Lambda was frozen.
    """

    connect_timeout_seconds = 1
    read_timeout_seconds = 3
    max_retry_attempts = 3
    max_pool_connections = POOL


class Table(Model):
    """A model that shares its client with the others: each would make its own, and that takes 50 ms."""

    @classmethod
    def _get_connection(cls) -> TableConnection:
        with _connecting:  # The first calls of a batch come side by side, and each thread would make a client.
            known = cls._connection
            table = super()._get_connection()
            if table is not known:
                _share(cls, table)
            return table


class DueIndex(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """Sparse: only rows with work due are in it."""

    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = NumberAttribute(range_key=True)


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


class BookingItem(Table):
    """Callers write `desired` under a condition on `revision`; settlers write `observed` under one on `fence`.

    So neither undoes the other's work, and a link that was made is recorded even if the booking changed meanwhile.
    What is heard of mails comes at any time, from a third: `mail_troubles` only ever grows.
    `silent_runs` counts leases in a row of whose end nothing was heard, `crashed_runs` those that an error ended.

    A row has either `due_shard` or, with nothing left to do, `expires_at` (seconds since the epoch, the TTL attribute).
    """

    class Meta(Connecting):
        table_name = "bookings"

    workspace_id = UnicodeAttribute(hash_key=True)
    booking_id = UnicodeAttribute(range_key=True)
    format = NumberAttribute(default=FORMAT)
    revision = NumberAttribute()
    settled_revision = NumberAttribute(default=0)
    status = UnicodeAttribute()
    calendar_id = UnicodeAttribute()
    start_key = UnicodeAttribute()
    host_key = UnicodeAttribute()
    desired = UnicodeAttribute()
    observed = UnicodeAttribute(null=True)
    mail_troubles = UnicodeSetAttribute(null=True)
    fence = NumberAttribute(default=0)
    silent_runs = NumberAttribute(null=True)
    crashed_runs = NumberAttribute(null=True)
    lease_until = NumberAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    due_at = NumberAttribute(null=True)
    expires_at = NumberAttribute(null=True)

    due = DueIndex()
    by_start = StartIndex()
    by_host = HostIndex()


class GrantIndex(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "by_grant"
        projection = KeysOnlyProjection()

    grant_id = UnicodeAttribute(hash_key=True)


class ConnectionItem(Table):
    class Meta(Connecting):
        table_name = "connections"

    workspace_id = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute(range_key=True)
    format = NumberAttribute(default=FORMAT)
    grant_id = UnicodeAttribute()
    document = UnicodeAttribute()
    last_meeting_at = NumberAttribute(null=True)

    by_grant = GrantIndex()


class GrantItem(Table):
    """`version` fences token writes; `lease_until` lets one refresher in at a time."""

    class Meta(Connecting):
        table_name = "grants"

    grant_id = UnicodeAttribute(hash_key=True)
    format = NumberAttribute(default=FORMAT)
    version = NumberAttribute()
    document = UnicodeAttribute()
    tokens = BinaryAttribute(null=True, legacy_encoding=False)
    lease_until = NumberAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    due_at = NumberAttribute(null=True)

    due = DueIndex()


class CalendarItem(Table):
    class Meta(Connecting):
        table_name = "calendars"

    workspace_id = UnicodeAttribute(hash_key=True)
    calendar_id = UnicodeAttribute(range_key=True)
    format = NumberAttribute(default=FORMAT)
    document = UnicodeAttribute()


class WorkspaceItem(Table):
    class Meta(Connecting):
        table_name = "workspaces"

    workspace_id = UnicodeAttribute(hash_key=True)
    format = NumberAttribute(default=FORMAT)
    version = NumberAttribute(default=0)
    document = UnicodeAttribute()


class EphemeralItem(Table):
    """Links, flows, sessions and rate counts.

    `expires_at` is the TTL attribute: DynamoDB deletes late, so code checks it too.
    """

    class Meta(Connecting):
        table_name = "ephemeral"

    key = UnicodeAttribute(hash_key=True)
    format = NumberAttribute(default=FORMAT)
    document = UnicodeAttribute()
    counted = NumberAttribute(null=True)
    expires_at = NumberAttribute()


class EndpointItem(Table):
    """`version` guards what its workspace sets; the rest is what deliveries found out, written without regard to it."""

    class Meta(Connecting):
        table_name = "endpoints"

    workspace_id = UnicodeAttribute(hash_key=True)
    endpoint_id = UnicodeAttribute(range_key=True)
    format = NumberAttribute(default=FORMAT)
    version = NumberAttribute()
    document = UnicodeAttribute()
    disabled_at = NumberAttribute(null=True)
    disabled_reason = UnicodeAttribute(null=True)
    failures = NumberAttribute(default=0)
    paused_until = NumberAttribute(null=True)


class DeliveryItem(Table):
    """What is owed to endpoints and what came of it. In the index of due work as long as it is owed."""

    class Meta(Connecting):
        table_name = "deliveries"

    endpoint_key = UnicodeAttribute(hash_key=True)
    delivery_name = UnicodeAttribute(range_key=True)
    format = NumberAttribute(default=FORMAT)
    document = UnicodeAttribute()
    state = UnicodeAttribute()
    attempts = NumberAttribute(default=0)
    status = NumberAttribute(null=True)
    error = UnicodeAttribute(null=True)
    last_attempt_at = NumberAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    due_at = NumberAttribute(null=True)
    expires_at = NumberAttribute()

    due = DueIndex()


class AuditItem(Table):
    """Administrative actions. `entry_name` is the time and a random part."""

    class Meta:
        table_name = "audit"

    workspace_id = UnicodeAttribute(hash_key=True)
    entry_name = UnicodeAttribute(range_key=True)
    format = NumberAttribute(default=FORMAT)
    document = UnicodeAttribute()
    expires_at = NumberAttribute()


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
)
_NAMES = {model: model.Meta.table_name for model in MODELS}


def bind(table_prefix: str) -> None:
    """Point the models at one deployment's tables. pynamodb keeps the name on the class, so this is per process."""
    for model, name in _NAMES.items():
        model.Meta.table_name = table_prefix + name


def dynamo() -> Connection:
    """The models' own, for what spans several tables."""
    return ConnectionItem._get_connection().connection


def read_together(keys: Iterable[tuple[type[Table], str, str | None]]) -> dict[type[Table], Any]:
    """The rows of these (hash, range) keys, at most one a table, read consistently in one call; those that exist."""
    wanted = {model.Meta.table_name: (model, first, second) for model, first, second in keys}
    request = {
        name: {"Keys": [model.get_operation_kwargs_from_class(first, second)["Key"]], "ConsistentRead": True}
        for name, (model, first, second) in wanted.items()
    }
    found: dict[type[Table], Any] = {}
    with translated():
        try:
            answer = dynamo().dispatch("BatchGetItem", {"RequestItems": request})
        except BOTOCORE_EXCEPTIONS as error:
            raise GetError("rows of several tables could not be read", error) from error
        for name, rows in answer["Responses"].items():
            model, *_ = wanted[name]
            found.update((model, model.from_raw_data(row)) for row in rows)
        for name in answer.get("UnprocessedKeys") or {}:  # Throttled: asked for alone, a row is asked for again.
            model, first, second = wanted[name]
            with suppress(model.DoesNotExist):
                found[model] = model.get(first, second, consistent_read=True)
    return found


def _share(model: type[Model], table: TableConnection) -> None:
    """Have a newly connected model use the client of one that is bound to the same deployment's tables."""
    for other in MODELS:
        known = other._connection
        if other is not model and known is not None and known.table_name == other.Meta.table_name:
            with suppress(ValueError):  # It knows the table, from an earlier binding.
                known.connection.add_meta_table(table.get_meta_table())
            table.connection = known.connection
            return
    _ = table.connection.client  # Made now, under the lock.


@contextmanager
def translated() -> Iterator[None]:
    """pynamodb's errors as ours: a lost race is told from an outage, as only the former is decided by reading again."""
    try:
        yield
    except (TransactWriteError, TransactGetError) as error:
        codes = {reason.code for reason in error.cancellation_reasons if reason}
        if codes & {"ConditionalCheckFailed", "TransactionConflict"}:
            raise LostRace(str(codes)) from error
        raise StoreUnavailable(error.cause_response_code or "no answer") from error
    except PynamoDBConnectionError as error:
        if error.cause_response_code in ("ConditionalCheckFailedException", "TransactionConflictException"):
            raise LostRace(error.cause_response_code) from error
        if error.cause_response_code == "ValidationException":
            raise StoreError(error.cause_response_code) from error  # The request is wrong: no outage, waiting is vain.
        raise StoreUnavailable(error.cause_response_code or "no answer") from error


def due_shard(*key: str) -> str:
    """The partition of the due index that a row belongs to."""
    return str(crc32("\0".join(key).encode()) % DUE_SHARDS)


def milliseconds(moment: datetime) -> int:
    """Since the Unix epoch: how tables keep times that conditions compare."""
    return int(moment.timestamp() * 1000)


def from_milliseconds(value: float) -> datetime:
    return datetime.fromtimestamp(value / 1000, UTC)
