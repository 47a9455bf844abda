"""Standard Webhooks (standardwebhooks.com) with our own events: `booking.created`, `.rescheduled`, `.cancelled`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from chalicelib.api import json_body as bodies
from chalicelib.api import schema
from chalicelib.domain import webhook_signing
from chalicelib.errors import InvalidInput
from chalicelib.usecases.booking_events import BookingEvent, EventKind
from chalicelib.validation import convert


class BookingEventData(schema.BookingBody, kw_only=True):
    """The booking as `PUT /v1/bookings/{booking_id}` takes it, with its id."""

    booking_id: schema.Id


class BookingEventBody(Struct):
    """A signed event of your booking system. Of a cancellation, `data` may hold `booking_id` alone."""

    type: Literal["booking.created", "booking.rescheduled", "booking.cancelled"]
    timestamp: schema.Moment
    data: BookingEventData


class CancelledData(Struct):
    booking_id: schema.Id
    version: schema.Version | None = None


class CancellationBody(Struct):
    """A cancellation that does not say everything about the booking."""

    timestamp: schema.Moment
    data: CancelledData


_HAPPENED = {
    "booking.created": EventKind.CREATED,
    "booking.rescheduled": EventKind.RESCHEDULED,
    "booking.cancelled": EventKind.CANCELLED,
}


class StandardSource:
    """The default source, and so far the only one."""

    def may_be_signed(self, headers: Mapping[str, str], now: datetime) -> bool:
        return webhook_signing.is_timely(headers, now)

    def is_signed(self, keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        return webhook_signing.verify(keys, headers, body, now)

    def read(self, body: bytes) -> BookingEvent | None:
        value = bodies.parse(body)
        kind = value.get("type") if isinstance(value, dict) else None
        if isinstance(kind, str) and kind not in _HAPPENED:
            return None  # A sender may have more to tell than we want to hear, and must not try it again for a day.
        try:
            return _event(convert(value, BookingEventBody))
        except InvalidInput:
            if kind != "booking.cancelled":
                raise
        cancelled = convert(value, CancellationBody)
        version = _version(cancelled.timestamp, EventKind.CANCELLED, cancelled.data.version)
        return BookingEvent(EventKind.CANCELLED, cancelled.data.booking_id, version)


def _event(event: BookingEventBody) -> BookingEvent:
    happened, data = _HAPPENED[event.type], event.data
    version = _version(event.timestamp, happened, data.version)
    return BookingEvent(happened, data.booking_id, version, schema.appointment(data))


def _version(at: datetime, happened: EventKind, counted: int | None) -> int:
    """The sender's own version; without one, later events win, in whatever order they arrive.

    Milliseconds, then what happened: a creation and a cancellation may bear the same time. Stays below 2⁵³ for ever.
    """
    return int(at.timestamp() * 1000) * len(EventKind) + happened if counted is None else counted
