"""Settle a booking: make the outside world (meeting, invitations) match its newest revision."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from chalicelib.domain import give_up, meeting_plan
from chalicelib.domain.meeting import Meeting, MeetingReason
from chalicelib.errors import LostRace, StoreUnavailable
from chalicelib.observability import count, log
from chalicelib.store.bookings import BookingStore, Claim
from chalicelib.usecases.invitations import Inviter
from chalicelib.usecases.meetings import Meetings
from chalicelib.usecases.tell import Teller

_STORE_PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0)


class Settler:
    """One booking at a time. Safe to call for any booking, any number of times, from anywhere."""

    def __init__(
        self,
        bookings: BookingStore,
        meetings: Meetings,
        inviter: Inviter,
        teller: Teller,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._bookings = bookings
        self._meetings = meetings
        self._inviter = inviter
        self._teller = teller
        self._clock = clock
        self._sleep = sleep

    def settle(self, workspace_id: str, booking_id: str, remaining_seconds: Callable[[], float]) -> datetime | None:
        """Do what can be done now; the answer is when to go on, None when nothing is left or somebody else is at it.

        Whatever goes wrong outside is written on the booking, but for `StoreUnavailable`. Any other error is a bug of
        ours: it is raised, and counted on the booking, which is given up if that goes on.
        """
        begun_at = self._clock()
        claim = held = self._bookings.lease(workspace_id, booking_id, begun_at)
        try:
            if held is not None and give_up.are_hopeless(silent=held.silent_runs, crashed=held.crashed_runs):
                claim = self._give_up(held)
            while claim is not None:
                claim, again_at = self._pass(claim, remaining_seconds, begun_at)
                if claim is None:
                    return again_at
        except LostRace:
            return None  # Another settler took over after our lease ended; it knows what we wrote.
        except Exception as error:
            if held is not None:
                self._note_end(held, crashed=not isinstance(error, StoreUnavailable))
            raise
        return None

    def _note_end(self, claim: Claim, *, crashed: bool) -> None:
        """Tell a run that ended early from one that died. Raises nothing: the caller raises what ended it."""
        for pause_seconds in _STORE_PAUSES_SECONDS:
            try:
                self._bookings.note_end(claim, crashed=crashed)
            except StoreUnavailable:
                self._sleep(pause_seconds)
            except LostRace:
                break  # Another settler took over, and counts for itself.
            else:
                break

    def _give_up(self, claim: Claim) -> Claim | None:
        """The claim with its meeting judged as failed, so that mails can still go; None if even they were tried."""
        booking, settlement, now = claim.booking, claim.settlement, self._clock()
        log.warning(
            "a booking is given up",
            workspace_id=booking.workspace_id,
            booking_id=booking.booking_id,
            silent_runs=claim.silent_runs,
            crashed_runs=claim.crashed_runs,
        )
        count("BookingsGivenUp")
        meeting = settlement.meeting
        if claim.is_settled:  # It was only to be looked at; what its people have stays good.
            return self._bookings.settle(claim, replace(settlement, meeting=replace(meeting, look_at=None)), now)
        again = meeting.reason == MeetingReason.INTERNAL_ERROR and settlement.revision == booking.revision
        settlement = replace(settlement, meeting=meeting_plan.broken_down(meeting), revision=booking.revision)
        act = self._bookings.settle if again else self._bookings.save
        return act(claim, settlement, now)

    def _pass(
        self, claim: Claim, remaining_seconds: Callable[[], float], begun_at: datetime
    ) -> tuple[Claim | None, datetime | None]:
        """One round for the claim's revision: a claim to go on with, or when to come back."""
        claim = self._meetings.advance(claim, remaining_seconds)
        if claim.booking.revision != claim.settlement.revision:
            return claim, None
        revision = claim.booking.revision
        delivery = self._inviter.deliver(claim, remaining_seconds)
        claim = delivery.claim
        if claim.booking.revision != revision:
            return claim, None
        notice = self._teller.tell(claim)
        claim = notice.claim
        if claim.booking.revision != revision:
            return claim, None
        meetings = (claim.settlement.meeting, *claim.settlement.leftovers)
        next_attempts = [_next_attempt(meeting, self._clock()) for meeting in meetings]
        again_at = _earliest(*next_attempts, delivery.again_at, notice.again_at)
        settlement, now = claim.settlement, self._clock()
        if again_at is None:
            left = self._bookings.settle(claim, settlement, now, look_at=_next_look(claim, now))
        else:
            left = self._bookings.park(claim, settlement, again_at, now)
        if left is None:
            self._log(claim, begun_at, is_mail_parked=delivery.is_parked or notice.is_parked)
        return left, again_at

    def _log(self, claim: Claim, begun_at: datetime, *, is_mail_parked: bool) -> None:
        """One line for each run that comes to its end, whatever became of the booking."""
        meeting = claim.settlement.meeting
        log.info(
            "settled",
            workspace_id=claim.booking.workspace_id,
            booking_id=claim.booking.booking_id,
            state=meeting.state.value,
            reason=meeting.reason,
            provider=meeting.provider,
            mail="parked" if is_mail_parked else "done",
            took_ms=round((self._clock() - begun_at).total_seconds() * 1000),
        )


def _next_attempt(meeting: Meeting, now: datetime) -> datetime | None:
    return (meeting.next_attempt_at or now) if meeting.is_under_way else None


def _next_look(claim: Claim, now: datetime) -> datetime | None:
    """When the settled booking's meeting is to be looked at again."""
    look_at = claim.settlement.meeting.look_at
    coming = look_at is not None and now < look_at < claim.booking.appointment.starts_at
    return look_at if coming else None


def _earliest(*moments: datetime | None) -> datetime | None:
    known = [moment for moment in moments if moment is not None]
    return min(known) if known else None
