"""The effect that keeps a booking's meeting at its provider: never two meetings, and none is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from random import Random

from msgspec.structs import replace

from chalicelib.domain import cohost_plan, meeting_plan
from chalicelib.domain.booking import Booking
from chalicelib.domain.daily_counts import note_outcome
from chalicelib.domain.deadline import Deadline, OutOfTime
from chalicelib.domain.fallback import fallback_at, is_fallback_due, is_outdated, use_fallback
from chalicelib.domain.grant_access import AccessState, GrantAccess, grant_access
from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.domain.meeting_plan import Action, CreateSemantics
from chalicelib.domain.meeting_states import mark_leftover, next_generation
from chalicelib.errors import ProviderError
from chalicelib.observability import count, log
from chalicelib.store.booking_leases import Lease
from chalicelib.store.connections import ConnectionStore
from chalicelib.usecases.effects import EffectResult
from chalicelib.usecases.join_tickets import JoinTickets
from chalicelib.usecases.meeting_steps import MeetingSteps, Superseded
from chalicelib.usecases.meeting_work import MeetingWork
from chalicelib.usecases.provider_calls import ProviderCalls


class Meetings:
    """Takes the steps that `domain.meeting_plan` decides."""

    def __init__(
        self,
        connections: ConnectionStore,
        calls: ProviderCalls,
        steps: MeetingSteps,
        tickets: JoinTickets,
        clock: Callable[[], datetime],
        random: Random,
    ) -> None:
        self._connections = connections
        self._calls = calls
        self._steps = steps
        self._tickets = tickets
        self._clock = clock
        self._random = random

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        """Bring the meeting in line with the booking, as far as possible now. Only an intent is stored here."""
        work, booking, now = MeetingWork(lease, deadline), lease.booking, self._clock()
        if meeting_plan.is_look_requested(lease.look_requested_at, lease.settlement.looked_at):
            work.update(meeting=meeting_plan.verify_now(work.meeting, now), looked_at=lease.look_requested_at)
            work.is_look_requested = True
        # A run that died while it replaced the meeting of a settled booking left a meeting that is under way.
        is_under_way = lease.settlement.next_attempt_at(now) is not None
        is_due = meeting_plan.is_verification_due(work.meeting, now) or is_fallback_due(booking, work.meeting, now)
        if lease.is_settled and not is_under_way and not is_due:
            return EffectResult(work.lease, due_at=self._due_at(work))
        if booking.revision > lease.settlement.revision + 1:
            # A settler that was killed may have sent a revision in between, so what the provider has is unknown.
            work.set_meeting(replace(work.meeting, fingerprint=None))
        if lease.booking.revision > lease.settlement.revision:
            self._renew_links(work)
            work.set_meeting(cohost_plan.retry_failed(work.meeting))
        for leftover in work.lease.settlement.leftovers:
            self._delete_leftover(work, leftover)
        self._advance(work)
        booking, now = work.lease.booking, self._clock()
        if work.lease.settlement.revision == booking.revision and is_fallback_due(booking, work.meeting, now):
            self._use_fallback(work)
        now = self._clock()
        settlement = note_outcome(work.lease.booking, lease.settlement, work.lease.settlement, now)
        work.lease = replace(work.lease, settlement=settlement)
        return EffectResult(work.lease, settlement.next_attempt_at(now), self._due_at(work))

    def _due_at(self, work: MeetingWork) -> datetime | None:
        """Return when to verify the meeting, or to use the fallback."""
        booking, meeting, now = work.lease.booking, work.meeting, self._clock()
        times = (meeting_plan.verify_at(booking, meeting, now), fallback_at(booking, meeting))
        return min((at for at in times if at is not None and at > now), default=None)

    def _use_fallback(self, work: MeetingWork) -> None:
        """Replace the attempt by the fallback. A create without a response is looked up, and removed."""
        booking, meeting = work.lease.booking, work.meeting
        log.warning(
            "the fallback link replaces a meeting",
            workspace_id=booking.workspace_id,
            booking_id=booking.booking_id,
            reason=meeting.reason,
        )
        count("FallbacksUsed")
        work.mark_current(use_fallback(booking, meeting))
        if meeting.intent_at is not None:
            leftover = mark_leftover(meeting)
            work.update(leftovers=(*work.lease.settlement.leftovers, leftover))
            self._delete_leftover(work, leftover)

    def _advance(self, work: MeetingWork, *, is_leftover: bool = False) -> None:
        """Take steps until the meeting is current. A leftover is deleted."""
        while not work.is_current:
            booking, meeting = work.lease.booking, work.meeting
            if meeting_plan.must_wait(meeting, self._clock()) and work.lease.settlement.revision == booking.revision:
                return
            is_wanted = meeting_plan.wants_meeting(booking) and not is_leftover
            if is_wanted and is_outdated(booking, meeting):
                work.set_meeting(next_generation(meeting))
                continue
            if is_wanted and meeting_plan.belongs_to_another(booking, meeting):
                self._replace_meeting(work)
                continue
            access = self._access(booking, meeting, is_wanted=is_wanted)
            create = self._calls.create_semantics(access)
            step = self._plan(work, access, create, is_wanted=is_wanted)
            if isinstance(step, Meeting):
                work.mark_current(step)
                return
            try:
                self._steps.by_action[step](work, access)
            except OutOfTime:
                work.mark_current(
                    meeting_plan.after_deadline(work.meeting, step, self._clock(), earlier_intent_at=meeting.intent_at)
                )
            except Superseded:
                work.set_meeting(replace(work.meeting, intent_at=meeting.intent_at))
            except ProviderError as error:
                self._record_failure(work, step, error, create, meeting.intent_at)

    def _plan(
        self, work: MeetingWork, access: GrantAccess, create: CreateSemantics, *, is_wanted: bool
    ) -> Meeting | Action:
        booking, meeting = work.lease.booking, work.meeting
        if not is_wanted:
            return meeting_plan.plan_removal(booking, meeting, access, self._clock())
        request = self._steps.request(work, access)
        return meeting_plan.plan_wanted(booking, meeting, access, request, self._clock(), create)

    def _record_failure(
        self,
        work: MeetingWork,
        action: Action,
        error: ProviderError,
        create: CreateSemantics,
        intent_at: datetime | None,
    ) -> None:
        meeting = meeting_plan.after_failure(
            work.meeting,
            action,
            error,
            create,
            self._clock(),
            self._random,
            starts_at=work.lease.booking.appointment.starts_at,
            earlier_intent_at=intent_at,
        )
        work.mark_current(meeting)

    def _renew_links(self, work: MeetingWork) -> None:
        """Write this deployment's own join links again: its link key or its address may have changed."""
        links = self._tickets.renew_links(work.lease.booking, work.meeting)
        if links is not None:
            work.set_meeting(replace(work.meeting, join_url=links[0], host_url=links[1]))

    def _replace_meeting(self, work: MeetingWork) -> None:
        """Start a new meeting for a new host. It does not wait for the former host's provider or account."""
        leftover = mark_leftover(work.meeting)
        work.update(leftovers=(*work.lease.settlement.leftovers, leftover))
        work.set_meeting(next_generation(leftover))
        self._delete_leftover(work, leftover)

    def _delete_leftover(self, work: MeetingWork, leftover: Meeting) -> None:
        """Delete a former host's meeting. It stays a leftover if the deletion has to be continued later."""
        settlement = replace(work.lease.settlement, meeting=leftover)
        separate = MeetingWork(replace(work.lease, settlement=settlement), work.deadline)
        self._advance(separate, is_leftover=True)
        if separate.meeting.state is MeetingState.FAILED:
            log.warning(
                "former host's meeting left at its provider",
                workspace_id=work.lease.booking.workspace_id,
                booking_id=work.lease.booking.booking_id,
            )
        others = tuple(meeting for meeting in work.lease.settlement.leftovers if meeting is not leftover)
        work.update(leftovers=(*others, separate.meeting) if separate.meeting.is_under_way else others)

    def _access(self, booking: Booking, meeting: Meeting, *, is_wanted: bool) -> GrantAccess:
        """Return the access to the grant that has the meeting or that will create it."""
        eligibility = booking.eligibility
        if is_wanted and eligibility is not None:
            user_id, grant_id = booking.host.user_id, eligibility.grant_id
            connected_at = None if meeting.exists else eligibility.connected_at
        elif meeting.user_id is not None and meeting.grant_id is not None:
            user_id, grant_id, connected_at = meeting.user_id, meeting.grant_id, None
        else:
            return GrantAccess(AccessState.ENDED)
        connection, grant = self._connections.get_with_grant(booking.workspace_id, user_id, grant_id)
        return grant_access(connection, grant, grant_id, connected_at)
