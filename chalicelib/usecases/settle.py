"""Settle a booking: make the outside world (meeting, invitations) match its newest revision."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.errors import LostRace
from chalicelib.store.bookings import BookingStore, Claim
from chalicelib.usecases.invite import Inviter
from chalicelib.usecases.meet import Meetings
from chalicelib.usecases.tell import Teller


class Settler:
    """One booking at a time. Safe to call for any booking, any number of times, from anywhere."""

    def __init__(
        self,
        bookings: BookingStore,
        meetings: Meetings,
        inviter: Inviter,
        teller: Teller,
        clock: Callable[[], datetime],
    ) -> None:
        self._bookings = bookings
        self._meetings = meetings
        self._inviter = inviter
        self._teller = teller
        self._clock = clock

    def settle(self, workspace_id: str, booking_id: str, remaining_seconds: Callable[[], float]) -> datetime | None:
        """Do what can be done now; the answer is when to go on, None when nothing is left or somebody else is at it.

        Raises `StoreUnavailable` only: whatever else goes wrong is written on the booking.
        """
        claim = self._bookings.lease(workspace_id, booking_id, self._clock())
        try:
            while claim is not None:
                claim, again_at = self._pass(claim, remaining_seconds)
                if claim is None:
                    return again_at
        except LostRace:
            return None  # Another settler took over after our lease ended; it knows what we wrote.
        return None

    def _pass(self, claim: Claim, remaining_seconds: Callable[[], float]) -> tuple[Claim | None, datetime | None]:
        """One round for the claim's revision: a claim to go on with, or when to come back."""
        claim = self._meetings.advance(claim, remaining_seconds)
        if claim.booking.revision != claim.settlement.revision:
            return claim, None
        revision = claim.booking.revision
        delivery = self._inviter.deliver(claim)
        claim = delivery.claim
        if claim.booking.revision != revision:
            return claim, None
        notice = self._teller.tell(claim)
        claim = notice.claim
        if claim.booking.revision != revision:
            return claim, None
        next_attempt = _next_attempt(claim.settlement.meeting, self._clock())
        again_at = _earliest(next_attempt, delivery.again_at, notice.again_at)
        if again_at is None:
            look_at = _next_look(claim, self._clock())
            return self._bookings.settle(claim, claim.settlement, self._clock(), look_at=look_at), None
        return self._bookings.park(claim, claim.settlement, again_at, self._clock()), again_at


def _next_attempt(meeting: Meeting, now: datetime) -> datetime | None:
    if meeting.state not in (MeetingState.PENDING, MeetingState.WAITING):
        return None
    return meeting.next_attempt_at or now


def _next_look(claim: Claim, now: datetime) -> datetime | None:
    """When the settled booking's meeting is to be looked at again."""
    look_at = claim.settlement.meeting.look_at
    coming = look_at is not None and now < look_at < claim.booking.appointment.starts_at
    return look_at if coming else None


def _earliest(*moments: datetime | None) -> datetime | None:
    known = [moment for moment in moments if moment is not None]
    return min(known) if known else None
