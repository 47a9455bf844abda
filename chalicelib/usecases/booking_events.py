"""What booking systems tell of bookings: the same effect as the API's own calls, in any order and any number of times.

No record of webhook ids is kept. An event is idempotent by its content and its version: a replay finds its own effect
(or a newer one) and changes nothing, which also holds where a sender repeats an event under another id.
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

REMEMBERED = timedelta(days=30)
"""How long a cancellation waits for the creation that it overtook; senders retry for days, not for weeks."""


class Happened(IntEnum):
    """In the order in which these can happen to one booking."""

    CREATED = 0
    RESCHEDULED = 1
    CANCELLED = 2


class BookingEvent(Struct, frozen=True):
    """One event. Without `appointment` it is a cancellation that tells nothing but the id."""

    happened: Happened
    booking_id: str
    version: int
    appointment: Appointment | None = None


class _Cancelled(Struct, frozen=True):
    version: int


class BookingEvents:
    """Applies events of one workspace's booking system."""

    def __init__(self, booker: Bookings, ephemeral: EphemeralStore, clock: Callable[[], datetime]) -> None:
        self._booker = booker
        self._ephemeral = ephemeral
        self._clock = clock

    def apply(self, workspace_id: str, event: BookingEvent) -> None:
        """Raises `CallerError` as the API's own calls do; a late event is no error."""
        if event.happened is Happened.CANCELLED:
            self._cancel(workspace_id, event)
        elif event.appointment is not None:
            self._put(workspace_id, event, event.appointment)

    def _put(self, workspace_id: str, event: BookingEvent, appointment: Appointment) -> None:
        key = _key(workspace_id, event.booking_id)
        if self._ephemeral.get(key, _Cancelled, self._clock()) is None:
            try:
                self._booker.put(workspace_id, event.booking_id, appointment, version=event.version)
            except Conflict as error:
                # What was created once and is cancelled now needs no second creation, under whichever version.
                if event.happened is not Happened.CREATED or error.reason != "booking_cancelled":
                    raise
        # Looked at again after the write: a cancellation at the same moment writes its word before it looks for the
        # booking, so one of the two sees the other.
        cancelled = self._ephemeral.get(key, _Cancelled, self._clock())
        if cancelled is not None:
            version = max(cancelled.version, event.version)
            self._booker.put_cancelled(workspace_id, event.booking_id, appointment, version=version)

    def _cancel(self, workspace_id: str, event: BookingEvent) -> None:
        if event.appointment is not None:
            try:
                version = event.version
                self._booker.put_cancelled(workspace_id, event.booking_id, event.appointment, version=version)
                return
            except InvalidInput:
                pass  # Of an unknown booking on an unknown calendar only the id can be remembered.
        try:
            self._booker.cancel(workspace_id, event.booking_id, version=event.version)
        except NotFound:
            self._remember(workspace_id, event)

    def _remember(self, workspace_id: str, event: BookingEvent) -> None:
        """The cancellation came first: GET stays 404, and the creation will make a cancelled booking."""
        word = _Cancelled(event.version)
        with suppress(LostRace):  # Remembered before.
            self._ephemeral.put(_key(workspace_id, event.booking_id), word, self._clock() + REMEMBERED)
        with suppress(NotFound):
            self._booker.cancel(workspace_id, event.booking_id, version=event.version)


def _key(workspace_id: str, booking_id: str) -> str:
    return f"cancelled#{workspace_id}#{booking_id}"
