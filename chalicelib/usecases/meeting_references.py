"""The effect that stores which booking a meeting belongs to: events of a provider name the meeting only."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from msgspec.structs import replace

from chalicelib.domain.deadline import Deadline
from chalicelib.errors import StoreUnavailable
from chalicelib.observability import log
from chalicelib.store.booking_leases import Lease
from chalicelib.store.references import ReferenceStore, meeting_key
from chalicelib.usecases.effects import EffectResult

_RETRY_AFTER = timedelta(minutes=1)


class MeetingReferences:
    """Stores a reference for each meeting, and again when the booking's end moves: the reference lives as long.

    The settlement records it after the write. After a crash between the two the same row is written again.
    """

    def __init__(
        self,
        references: ReferenceStore,
        reporting: Collection[str],
        retention: timedelta | None,
        clock: Callable[[], datetime],
    ) -> None:
        """`reporting` are the providers that send events. `retention`: as for `BookingLeases`."""
        self._references = references
        self._reporting = reporting
        self._retention = retention
        self._clock = clock

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        """Store the reference if it is missing. After an outage of its table, the booking is due again soon."""
        meeting, ends_at = lease.settlement.meeting, lease.booking.appointment.ends_at
        provider = meeting.provider or ""
        if not meeting.exists or provider not in self._reporting or meeting.referenced_for == ends_at:
            return EffectResult(lease)
        booking, key = lease.booking, meeting_key(provider, str(meeting.id))
        expires_at = None if self._retention is None else ends_at + self._retention
        try:
            self._references.put(key, booking.workspace_id, booking.booking_id, expires_at)
        except StoreUnavailable as error:
            # The link and the emails must not wait for it.
            log.failure("the meeting's reference was not stored", error, workspace_id=booking.workspace_id)
            return EffectResult(lease, continue_at=self._clock() + _RETRY_AFTER)
        settlement = replace(lease.settlement, meeting=replace(meeting, referenced_for=ends_at))
        return EffectResult(replace(lease, settlement=settlement))
