"""The effect that decides who came to a meeting. It calls no provider and sends no email."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from msgspec.structs import replace

from chalicelib.domain import attendance
from chalicelib.domain.attendance import Decision, Sighting
from chalicelib.domain.deadline import Deadline
from chalicelib.store.booking_leases import Lease
from chalicelib.store.grants import GrantStore
from chalicelib.usecases.effects import EffectResult


class AttendanceDecisions:
    """Decides the attendance of bookings whose provider reports meetings, some minutes after their end."""

    def __init__(self, grants: GrantStore, reporting: Collection[str], clock: Callable[[], datetime]) -> None:
        """`reporting` are the providers that send events."""
        self._grants = grants
        self._reporting = reporting
        self._clock = clock

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        """Decide if it is time. Otherwise the booking is due then, if its account delivers events."""
        booking, meeting, now = lease.booking, lease.settlement.meeting, self._clock()
        if booking.is_cancelled or not meeting.exists or meeting.provider not in self._reporting:
            return EffectResult(lease)
        sightings, due_at = attendance.read_sightings(booking, lease.sightings), attendance.decided_at(booking)
        if now < due_at:
            return EffectResult(lease, due_at=due_at if self._is_known(sightings, meeting.grant_id, now) else None)
        if attendance.is_final(lease.settlement.attendance, booking, sightings):
            return EffectResult(lease)
        is_timely = now - due_at <= attendance.LATEST_ABSENCE
        is_known = is_timely and self._is_known(sightings, meeting.grant_id, now)
        verdict = attendance.decide(sightings, is_reporting=is_known)
        settlement = replace(lease.settlement, attendance=Decision(verdict, booking.appointment.ends_at))
        return EffectResult(replace(lease, settlement=settlement))

    def _is_known(self, sightings: Collection[Sighting], grant_id: str | None, now: datetime) -> bool:
        """Return whether the provider reports meetings of this account."""
        if sightings:
            return True
        grant = self._grants.get(grant_id) if grant_id else None
        return grant is not None and attendance.is_reporting(grant.reported_at, now)
