"""Settle a booking: make the outside world (meeting, invitations, reminders, notices) match its newest revision."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from chalicelib.domain.daily_counts import note_outcome
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.give_up import should_give_up
from chalicelib.domain.meeting import MeetingReason
from chalicelib.domain.meeting_states import fail_internal
from chalicelib.domain.reminder_plan import next_due_at
from chalicelib.domain.row_size import without_texts
from chalicelib.errors import LostRace, RowTooLarge, StoreUnavailable
from chalicelib.observability import count, log
from chalicelib.store.booking_leases import BookingLeases, Lease
from chalicelib.usecases.effects import Effect, EffectResult

_STORE_PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0)


class Settling:
    """Settles one booking at a time. Safe to call for any booking, any number of times, from anywhere."""

    def __init__(
        self,
        leases: BookingLeases,
        effects: Sequence[Effect],
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
        hand_over: Callable[[str, str], None] = lambda workspace_id, booking_id: None,
    ) -> None:
        """`hand_over` wakes the function that continues with a booking's emails."""
        self._leases = leases
        self._effects = effects
        self._clock = clock
        self._sleep = sleep
        self._hand_over = hand_over

    def settle(self, workspace_id: str, booking_id: str, deadline: Deadline) -> datetime | None:
        """Do what can be done now. Return when to continue.

        None: nothing is left, another settler has the lease, or another function was woken to continue.

        Failures outside are recorded on the booking. Raises `StoreUnavailable`. Any other error is a bug: it is raised
        and counted on the booking, which is given up after some crashes in a row.
        """
        started_at = self._clock()
        lease = first_lease = self._leases.acquire(workspace_id, booking_id, started_at)
        if first_lease is None:
            return None
        continue_at = None
        try:
            if should_give_up(killed_runs=first_lease.killed_runs, crashed_runs=first_lease.crashed_runs):
                lease = self._give_up(first_lease)
            while lease is not None:
                lease, continue_at = self._apply_effects(lease, deadline, started_at)
        except LostRace:
            return None  # Another settler took over after this lease ended. It has read what was stored.
        except Exception as error:
            self._record_end(first_lease, crashed=not isinstance(error, StoreUnavailable))
            raise
        return continue_at

    def _apply_effects(
        self, lease: Lease, deadline: Deadline, started_at: datetime
    ) -> tuple[Lease | None, datetime | None]:
        """Apply all effects once. Return a lease if the booking changed meanwhile, and when to continue."""
        results, wakes = [], lease.wakes
        for effect in self._effects:
            result = effect.apply(lease, deadline)
            lease = result.lease
            if lease.booking.revision != lease.settlement.revision:
                return lease, None  # The booking changed. Start again with its new revision.
            results.append(result)
        # An effect that ran before the booking was woken has not seen why: then the release is refused.
        lease = replace(lease, wakes=wakes)
        continue_at, now = _earliest(result.continue_at for result in results), self._clock()
        due_at = _earliest((continue_at, *(result.due_at for result in results)))
        if continue_at is None or due_at is None:
            remaining = self._leases.finish(lease, lease.settlement, now, due_at=due_at)
        else:
            remaining = self._leases.defer(lease, lease.settlement, due_at, now)
        if remaining is None:
            self._log(lease, results, started_at)
            if any(result.is_handed_over for result in results):
                # After the lease is released: its holder would be in the way of the function that continues.
                self._hand_over(lease.booking.workspace_id, lease.booking.booking_id)
                return None, None
            # The schedule continues with emails over the allowance. A process that waited would delay its neighbours.
            continue_at = _earliest(result.continue_at for result in results if not result.is_over_allowance)
        return remaining, continue_at

    def _record_end(self, lease: Lease, *, crashed: bool) -> None:
        """Record that a run ended early, so that it does not count as killed. The caller raises the error."""
        for pause_seconds in _STORE_PAUSES_SECONDS:
            try:
                self._leases.record_early_end(lease, crashed=crashed)
            except StoreUnavailable:
                self._sleep(pause_seconds)
            except LostRace:
                break  # Another settler took over and counts its own runs.
            else:
                break

    def _give_up(self, lease: Lease) -> Lease | None:
        """Mark the meeting as failed, so that emails can still be sent; return None if that was tried before."""
        booking, settlement, now = lease.booking, lease.settlement, self._clock()
        log.warning(
            "booking given up",
            workspace_id=booking.workspace_id,
            booking_id=booking.booking_id,
            killed_runs=lease.killed_runs,
            crashed_runs=lease.crashed_runs,
        )
        count("BookingsGivenUp")
        meeting = settlement.meeting
        # What is due now may be what fails. Reminders that are due later are kept.
        finish = partial(self._leases.finish, due_at=next_due_at(booking, settlement, now))
        if lease.is_settled and settlement.next_attempt_at(now) is None:
            # Only a verification or a reminder was due. The meeting and the emails stay valid.
            return finish(lease, replace(settlement, meeting=replace(meeting, verify_at=None)), now)
        was_given_up = meeting.reason == MeetingReason.INTERNAL_ERROR and settlement.revision == booking.revision
        failed = replace(settlement, meeting=fail_internal(meeting), revision=booking.revision)
        settlement = note_outcome(booking, settlement, failed, now)
        write = finish if was_given_up else self._leases.save
        try:
            return write(lease, settlement, now)
        except RowTooLarge:
            return write(lease, without_texts(settlement), now)

    def _log(self, lease: Lease, results: Sequence[EffectResult], started_at: datetime) -> None:
        """Log one line for each run that finishes, in any state of the booking."""
        meeting = lease.settlement.meeting
        log.info(
            "settled",
            workspace_id=lease.booking.workspace_id,
            booking_id=lease.booking.booking_id,
            state=meeting.state.value,
            reason=meeting.reason,
            provider=meeting.provider,
            mail=_mail_state(results),
            took_ms=round((self._clock() - started_at).total_seconds() * 1000),
        )


def _mail_state(results: Sequence[EffectResult]) -> str:
    if any(result.is_mail_parked for result in results):
        return "parked"
    if any(result.is_over_allowance for result in results):
        return "over allowance"
    return "handed over" if any(result.is_handed_over for result in results) else "done"


def _earliest(times: Iterable[datetime | None]) -> datetime | None:
    return min((time for time in times if time is not None), default=None)
