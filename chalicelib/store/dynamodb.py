"""What the tables share: one client, timestamps, reads by key, and the translation of pynamodb's errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Self

from pynamodb.attributes import Attribute
from pynamodb.connection import Connection, TableConnection
from pynamodb.connection.base import BOTOCORE_EXCEPTIONS
from pynamodb.constants import NUMBER
from pynamodb.exceptions import GetError, PynamoDBConnectionError, TransactGetError, TransactWriteError
from pynamodb.models import Model

from chalicelib.errors import IndexUnavailable, LostRace, RowTooLarge, StoreError, StoreUnavailable

POOL = 25
"""Connections of a client: one for each worker that settles or delivers in parallel."""
USER_AGENT = "meetlink"
"""Of requests to AWS. botocore composes its own for each request, which takes a seventh of a call's CPU time."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_connecting = Lock()
_INDEX_UNAVAILABLE = ("does not have the specified index", "backfilling global secondary index", "Invalid index: ")
"""In DynamoDB's messages for a missing index and for one that it still fills; the last in those of an emulator."""


class ClientSettings:
    """pynamodb's settings of the client, inherited by the `Meta` of every model.

    All tries together take less than API Gateway's 29 s, even if the first one meets a socket that died while Lambda
    was frozen.
    """

    connect_timeout_seconds = 1
    read_timeout_seconds = 3
    max_retry_attempts = 3
    max_pool_connections = POOL


class TimestampAttribute(Attribute[datetime]):
    """An aware datetime, stored as a number of milliseconds since the Unix epoch, so that conditions can compare it."""

    attr_type = NUMBER
    unit = timedelta(milliseconds=1)

    def serialize(self, value: datetime) -> str:
        return str((value - _EPOCH) // self.unit)

    def deserialize(self, value: str) -> datetime:
        return _EPOCH + int(value) * self.unit


class ExpiryAttribute(TimestampAttribute):
    """The same in seconds, as DynamoDB's TTL requires. DynamoDB deletes late, so readers compare it too."""

    unit = timedelta(seconds=1)


class Table(Model):
    """A model that shares its client with the other models: creating a client takes 50 ms."""

    @classmethod
    def find(
        cls, hash_key: str, range_key: str | None = None, *, attributes: Sequence[str] | None = None
    ) -> Self | None:
        """Read a row consistently. Return None if it does not exist."""
        with translated_errors():
            try:
                return cls.get(hash_key, range_key, consistent_read=True, attributes_to_get=attributes)
            except cls.DoesNotExist:
                return None

    @classmethod
    def shared_connection(cls) -> Connection:
        """Return the models' connection, for requests that span tables."""
        return cls._get_connection().connection

    @classmethod
    def _get_connection(cls) -> TableConnection:
        with _connecting:  # The first calls of a batch are concurrent, and each thread would create a client.
            before = cls._connection
            table = super()._get_connection()
            if table is not before:
                _share_client(cls, table)
            return table


def read_together(
    keys: Iterable[tuple[type[Table], str, str | None]], *, optional: type[Table] | None = None
) -> dict[type[Table], Any]:
    """Read the rows of these (model, hash, range) keys consistently in one call: at most one per table.

    Return those that exist, without the one of the model `optional` if its table is throttled.
    """
    by_table = {model.Meta.table_name: (model, hash_key, range_key) for model, hash_key, range_key in keys}
    request = {
        name: {"Keys": [model.get_operation_kwargs_from_class(hash_key, range_key)["Key"]], "ConsistentRead": True}
        for name, (model, hash_key, range_key) in by_table.items()
    }
    rows: dict[type[Table], Any] = {}
    response = _batch_get(next(model for model, *_ in by_table.values()).shared_connection(), request)
    for name, items in response["Responses"].items():
        model, *_ = by_table[name]
        rows.update((model, model.from_raw_data(item)) for item in items)
    for name in response.get("UnprocessedKeys") or {}:  # Throttled; pynamodb retries the read of a single row.
        model, hash_key, range_key = by_table[name]
        if model is not optional and (row := model.find(hash_key, range_key)):
            rows[model] = row
    return rows


def _batch_get(connection: Connection, request: dict[str, Any]) -> dict[str, Any]:
    with translated_errors():
        try:
            response: dict[str, Any] = connection.dispatch("BatchGetItem", {"RequestItems": request})
        except BOTOCORE_EXCEPTIONS as error:
            raise GetError("rows of several tables could not be read", error) from error
    return response


def _share_client(model: type[Table], table: TableConnection) -> None:
    """Make a newly connected model use the client of a model that is bound to the same deployment's tables."""
    from botocore.config import Config

    for other in Table.__subclasses__():
        connected = other._connection
        if other is not model and connected is not None and connected.table_name == other.Meta.table_name:
            with suppress(ValueError):  # Raised if an earlier binding has added the table.
                connected.connection.add_meta_table(table.get_meta_table())
            table.connection = connected.connection
            return
    table.connection.session.set_default_client_config(Config(user_agent=USER_AGENT))
    _ = table.connection.client  # Create it now, under the lock.


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate pynamodb's errors.

    `LostRace` can be decided by reading again, `StoreUnavailable` by a later retry.
    """
    try:
        yield
    except (TransactWriteError, TransactGetError) as error:
        codes = {reason.code for reason in error.cancellation_reasons if reason}
        if codes & {"ConditionalCheckFailed", "TransactionConflict"}:
            raise LostRace(str(codes)) from error
        raise StoreUnavailable(error.cause_response_code or "no response") from error
    except PynamoDBConnectionError as error:
        if error.cause_response_code in ("ConditionalCheckFailedException", "TransactionConflictException"):
            raise LostRace(error.cause_response_code) from error
        if any(phrase in (error.cause_response_message or "") for phrase in _INDEX_UNAVAILABLE):
            raise IndexUnavailable(error.cause_response_message) from error
        if "Item size" in (error.cause_response_message or ""):
            raise RowTooLarge(error.cause_response_message) from error
        if error.cause_response_code == "ValidationException":
            raise StoreError(error.cause_response_code) from error  # The request is invalid: a retry cannot help.
        raise StoreUnavailable(error.cause_response_code or "no response") from error
