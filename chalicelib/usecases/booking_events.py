"""Apply the events of booking systems, which may be repeated and come in any order.

Events have the same effect as calls of the API. No webhook ids are stored: an event is idempotent by its content and
version, so a repeated event changes nothing, even if the sender repeats it under another id.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import IntEnum

from msgspec import Struct

from chalicelib.domain.booking import Appointment
from chalicelib.errors import Conflict, InvalidInput, LostRace, NotFound
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.usecases.bookings import Bookings

CANCELLATION_LIFE = timedelta(days=30)
"""How long a cancellation waits for the creation that it overtook. Senders retry for days, not for weeks."""


class EventKind(IntEnum):
    """What happened, in the order in which it can happen to one booking."""

    CREATED = 0
    RESCHEDULED = 1
    CANCELLED = 2


class BookingEvent(Struct, frozen=True):
    """One event of a booking."""

    kind: EventKind
    booking_id: str
    version: int
    appointment: Appointment | None = None
    """None for a cancellation that contains only the id."""


class _Cancellation(Struct, frozen=True):
    """A cancellation of a booking that does not exist yet."""

    version: int


class BookingEvents:
    """Events of the booking systems of all workspaces."""

    def __init__(self, bookings: Bookings, ephemeral: EphemeralStore, clock: Callable[[], datetime]) -> None:
        self._bookings = bookings
        self._ephemeral = ephemeral
        self._clock = clock

    def apply(self, workspace_id: str, event: BookingEvent, *, base_url: str | None = None) -> None:
        """Apply one event. Raises `CallerError` as the API does; a late event is not an error."""
        if event.kind is EventKind.CANCELLED:
            self._cancel(workspace_id, event)
        elif event.appointment is not None:
            self._put(workspace_id, event, event.appointment, base_url)

    def _put(self, workspace_id: str, event: BookingEvent, appointment: Appointment, base_url: str | None) -> None:
        key = _key(workspace_id, event.booking_id)
        if self._ephemeral.get(key, _Cancellation, self._clock()) is None:
            try:
                version = event.version
                self._bookings.put(workspace_id, event.booking_id, appointment, version=version, base_url=base_url)
            except Conflict as error:
                # A repeated creation of a booking that is cancelled by now changes nothing, under any version.
                if event.kind is not EventKind.CREATED or error.reason != "booking_cancelled":
                    raise
        # Read again after the write: a cancellation at the same time is stored before it looks for the booking, so one
        # of the two finds the other.
        cancellation = self._ephemeral.get(key, _Cancellation, self._clock())
        if cancellation is not None:
            version = max(cancellation.version, event.version)
            self._bookings.put_cancelled(workspace_id, event.booking_id, appointment, version=version)

    def _cancel(self, workspace_id: str, event: BookingEvent) -> None:
        if event.appointment is not None:
            try:
                version = event.version
                self._bookings.put_cancelled(workspace_id, event.booking_id, event.appointment, version=version)
                return
            except InvalidInput:
                pass  # The booking and its calendar are unknown, so only the id can be stored.
        try:
            self._bookings.cancel(workspace_id, event.booking_id, version=event.version)
        except NotFound:
            self._store_cancellation(workspace_id, event)

    def _store_cancellation(self, workspace_id: str, event: BookingEvent) -> None:
        """Store a cancellation that came before the creation. GET stays 404; the creation will be cancelled."""
        cancellation = _Cancellation(event.version)
        with suppress(LostRace):  # Stored before.
            self._ephemeral.put(_key(workspace_id, event.booking_id), cancellation, self._clock() + CANCELLATION_LIFE)
        with suppress(NotFound):
            self._bookings.cancel(workspace_id, event.booking_id, version=event.version)


def _key(workspace_id: str, booking_id: str) -> str:
    return f"cancelled#{workspace_id}#{booking_id}"
