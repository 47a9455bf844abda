"""Decode DynamoDB stream records (docs.aws.amazon.com/lambda/latest/dg/with-ddb.html) into changes of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from chalicelib.decoding import decode_json
from chalicelib.domain.answers import Answers
from chalicelib.domain.booking import Booking
from chalicelib.domain.connection import Connection
from chalicelib.domain.settlement import Settlement
from chalicelib.observability import log
from chalicelib.store.booking_records import decode_answers
from chalicelib.store.tables import BookingItem

Image = dict[str, Any]
T = TypeVar("T")


class BookingRow(Struct, frozen=True, dict=True):
    """A row of the bookings table as the stream carries it."""

    revision: int
    settled_revision: int
    due_at: datetime | None
    desired: str
    """The booking as stored."""
    observed: str | None
    """The settlement as stored. None: no settler has written yet."""
    answers_text: str | None = None
    """The answers as stored. None: no one has answered."""

    @cached_property
    def booking(self) -> Booking:
        return decode_json(self.desired, Booking)

    @cached_property
    def settlement(self) -> Settlement | None:
        return decode_json(self.observed, Settlement) if self.observed else None

    @cached_property
    def answers(self) -> Answers:
        return decode_answers(self.answers_text)


class BookingChange(Struct, frozen=True):
    """One write to the bookings table."""

    workspace_id: str
    booking_id: str
    sequence_number: str
    """Identifies the record in its shard. It is the same each time the record is delivered."""
    written_at: datetime
    """When the row was written, in whole seconds. It is the same each time the record is delivered."""
    before: BookingRow | None
    """None: the row was created."""
    after: BookingRow | None
    """None: the row was deleted."""

    @property
    def has_new_settlement(self) -> bool:
        """Return whether the write changed the settlement."""
        if self.after is None or self.after.observed is None:
            return False
        return self.before is None or self.after.observed != self.before.observed

    @property
    def has_new_answers(self) -> bool:
        """Return whether the write recorded an answer."""
        if self.after is None or self.after.answers_text is None:
            return False
        return self.before is None or self.after.answers_text != self.before.answers_text

    def needs_settling(self, now: datetime) -> bool:
        """Return whether there is work for a settler.

        A settler's own writes do not raise the revision, and leave the row settled or due later. A settled row that is
        due was woken by something other than a caller's change, such as an answer or an event of the provider.
        """
        if self.after is None:
            return False
        is_due = self.after.due_at is not None and self.after.due_at <= now
        if self.after.settled_revision >= self.after.revision:
            return is_due
        is_raised = self.before is None or self.after.revision > self.before.revision
        return is_raised or self.after.due_at is None or is_due


class ConnectionChange(Struct, frozen=True):
    """One write to the connections table."""

    sequence_number: str
    """Identifies the record in its shard. It is the same each time the record is delivered."""
    written_at: datetime
    """When the row was written, in whole seconds. It is the same each time the record is delivered."""
    before: Connection | None
    """None: the row was created."""
    after: Connection | None
    """None: the row was deleted."""


def booking_changes(event: dict[str, Any], *, with_documents: bool = False) -> Iterator[BookingChange]:
    """Decode a batch of the bookings stream. Records that cannot be decoded are logged and skipped.

    With `with_documents` the documents of a record with a new settlement or answer are decoded too. Settling reads the
    row itself, and must not skip a record because of a field that only another release can read.
    """
    return _decode_all(event, _complete_booking_change if with_documents else _booking_change)


def connection_changes(event: dict[str, Any]) -> Iterator[ConnectionChange]:
    """Decode a batch of the connections stream. Records that cannot be decoded are logged and skipped."""
    return _decode_all(event, _connection_change)


def _decode_all(event: dict[str, Any], decode: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    for record in event.get("Records", []):
        try:
            change = decode(record["dynamodb"])
        except (msgspec.MsgspecError, KeyError, ValueError, TypeError, AttributeError) as error:
            # An error would block the shard until the record expires, a day later.
            log.failure("stream record could not be decoded", error)
            continue
        yield change


def _booking_change(change: dict[str, Any]) -> BookingChange:
    keys = change.get("NewImage") or change["OldImage"]
    return BookingChange(
        workspace_id=keys["workspace_id"]["S"],
        booking_id=keys["booking_id"]["S"],
        sequence_number=change["SequenceNumber"],
        written_at=_written_at(change),
        before=_booking_row(change.get("OldImage")),
        after=_booking_row(change.get("NewImage")),
    )


def _complete_booking_change(change: dict[str, Any]) -> BookingChange:
    decoded = _booking_change(change)
    if decoded.has_new_settlement or decoded.has_new_answers:
        for row in (decoded.before, decoded.after):
            _ = row and (row.booking, row.settlement, row.answers)  # Kept in the row. Raises if they cannot be decoded.
    return decoded


def _booking_row(image: Image | None) -> BookingRow | None:
    if not image:
        return None
    due_at, observed, answers = image.get("due_at"), image.get("observed"), image.get("answers")
    return BookingRow(
        revision=int(image["revision"]["N"]),
        settled_revision=int(image["settled_revision"]["N"]),
        due_at=BookingItem.due_at.deserialize(due_at["N"]) if due_at else None,
        desired=image["desired"]["S"],
        observed=observed["S"] if observed else None,
        answers_text=answers["S"] if answers else None,
    )


def _connection_change(change: dict[str, Any]) -> ConnectionChange:
    return ConnectionChange(
        sequence_number=change["SequenceNumber"],
        written_at=_written_at(change),
        before=_connection(change.get("OldImage")),
        after=_connection(change.get("NewImage")),
    )


def _connection(image: Image | None) -> Connection | None:
    return decode_json(image["document"]["S"], Connection) if image else None


def _written_at(change: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(float(change["ApproximateCreationDateTime"]), UTC)
