"""Settle a booking: make the outside world (meeting, invitations) match its newest revision."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from chalicelib.domain import give_up, meeting_plan
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.meeting import Meeting, MeetingReason
from chalicelib.errors import LostRace, StoreUnavailable
from chalicelib.observability import count, log
from chalicelib.store.booking_leases import BookingLeases, Lease
from chalicelib.usecases.invitations import Invitations
from chalicelib.usecases.meetings import Meetings
from chalicelib.usecases.tell import FailureNotices

_STORE_PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0)


class Settling:
    """One booking at a time. Safe to call for any booking, any number of times, from anywhere."""

    def __init__(
        self,
        leases: BookingLeases,
        meetings: Meetings,
        inviter: Invitations,
        teller: FailureNotices,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._leases = leases
        self._meetings = meetings
        self._inviter = inviter
        self._teller = teller
        self._clock = clock
        self._sleep = sleep

    def settle(self, workspace_id: str, booking_id: str, deadline: Deadline) -> datetime | None:
        """Do what can be done now; the answer is when to go on, None when nothing is left or somebody else is at it.

        Whatever goes wrong outside is written on the booking, but for `StoreUnavailable`. Any other error is a bug of
        ours: it is raised, and counted on the booking, which is given up if that goes on.
        """
        begun_at = self._clock()
        lease = held = self._leases.acquire(workspace_id, booking_id, begun_at)
        try:
            if held is not None and give_up.are_hopeless(silent=held.killed_runs, crashed=held.crashed_runs):
                lease = self._give_up(held)
            while lease is not None:
                lease, again_at = self._pass(lease, deadline, begun_at)
                if lease is None:
                    return again_at
        except LostRace:
            return None  # Another settler took over after our lease ended; it knows what we wrote.
        except Exception as error:
            if held is not None:
                self._note_end(held, crashed=not isinstance(error, StoreUnavailable))
            raise
        return None

    def _note_end(self, lease: Lease, *, crashed: bool) -> None:
        """Tell a run that ended early from one that died. Raises nothing: the caller raises what ended it."""
        for pause_seconds in _STORE_PAUSES_SECONDS:
            try:
                self._leases.record_early_end(lease, crashed=crashed)
            except StoreUnavailable:
                self._sleep(pause_seconds)
            except LostRace:
                break  # Another settler took over, and counts for itself.
            else:
                break

    def _give_up(self, lease: Lease) -> Lease | None:
        """The claim with its meeting judged as failed, so that mails can still go; None if even they were tried."""
        booking, settlement, now = lease.booking, lease.settlement, self._clock()
        log.warning(
            "a booking is given up",
            workspace_id=booking.workspace_id,
            booking_id=booking.booking_id,
            killed_runs=lease.killed_runs,
            crashed_runs=lease.crashed_runs,
        )
        count("BookingsGivenUp")
        meeting = settlement.meeting
        if lease.is_settled:  # It was only to be looked at; what its people have stays good.
            return self._leases.finish(lease, replace(settlement, meeting=replace(meeting, look_at=None)), now)
        again = meeting.reason == MeetingReason.INTERNAL_ERROR and settlement.revision == booking.revision
        settlement = replace(settlement, meeting=meeting_plan.broken_down(meeting), revision=booking.revision)
        act = self._leases.finish if again else self._leases.save
        return act(lease, settlement, now)

    def _pass(self, lease: Lease, deadline: Deadline, begun_at: datetime) -> tuple[Lease | None, datetime | None]:
        """One round for the claim's revision: a claim to go on with, or when to come back."""
        lease = self._meetings.advance(lease, deadline)
        if lease.booking.revision != lease.settlement.revision:
            return lease, None
        revision = lease.booking.revision
        delivery = self._inviter.deliver(lease, deadline)
        lease = delivery.lease
        if lease.booking.revision != revision:
            return lease, None
        notice = self._teller.tell(lease)
        lease = notice.lease
        if lease.booking.revision != revision:
            return lease, None
        meetings = (lease.settlement.meeting, *lease.settlement.leftovers)
        next_attempts = [_next_attempt(meeting, self._clock()) for meeting in meetings]
        again_at = _earliest(*next_attempts, delivery.again_at, notice.again_at)
        settlement, now = lease.settlement, self._clock()
        if again_at is None:
            left = self._leases.finish(lease, settlement, now, verify_at=_next_look(lease, now))
        else:
            left = self._leases.defer(lease, settlement, again_at, now)
        if left is None:
            self._log(lease, begun_at, is_mail_parked=delivery.is_parked or notice.is_parked)
        return left, again_at

    def _log(self, lease: Lease, begun_at: datetime, *, is_mail_parked: bool) -> None:
        """One line for each run that comes to its end, whatever became of the booking."""
        meeting = lease.settlement.meeting
        log.info(
            "settled",
            workspace_id=lease.booking.workspace_id,
            booking_id=lease.booking.booking_id,
            state=meeting.state.value,
            reason=meeting.reason,
            provider=meeting.provider,
            mail="parked" if is_mail_parked else "done",
            took_ms=round((self._clock() - begun_at).total_seconds() * 1000),
        )


def _next_attempt(meeting: Meeting, now: datetime) -> datetime | None:
    return (meeting.next_attempt_at or now) if meeting.is_under_way else None


def _next_look(lease: Lease, now: datetime) -> datetime | None:
    """When the settled booking's meeting is to be looked at again."""
    look_at = lease.settlement.meeting.look_at
    coming = look_at is not None and now < look_at < lease.booking.appointment.starts_at
    return look_at if coming else None


def _earliest(*moments: datetime | None) -> datetime | None:
    known = [moment for moment in moments if moment is not None]
    return min(known) if known else None
