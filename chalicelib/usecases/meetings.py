"""The effect that keeps a booking's meeting at its provider: never two meetings, and none is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from random import Random

from msgspec.structs import replace

from chalicelib.domain import cohost_plan, meeting_plan
from chalicelib.domain.booking import Booking
from chalicelib.domain.connection import LAST_MEETING_PRECISION
from chalicelib.domain.daily_counts import note_outcome
from chalicelib.domain.deadline import Deadline, OutOfTime
from chalicelib.domain.fallback import fallback_at, is_fallback_due, is_outdated, use_fallback
from chalicelib.domain.grant_access import AccessState, GrantAccess, grant_access
from chalicelib.domain.invitation import DEFAULT_LANGUAGE
from chalicelib.domain.meeting import Meeting, MeetingRequest, MeetingState, ProviderMeeting
from chalicelib.domain.meeting_plan import Action, CreateSemantics
from chalicelib.domain.meeting_settings import NO_SETTINGS, MeetingSettings
from chalicelib.domain.meeting_states import mark_leftover, next_generation, record_created, record_intent
from chalicelib.errors import FailedCall, MeetingGone, MeetlinkError, ProviderError, ProviderUnavailable
from chalicelib.observability import count, log
from chalicelib.store.booking_leases import BookingLeases, Lease
from chalicelib.store.connections import ConnectionStore
from chalicelib.usecases.effects import EffectResult
from chalicelib.usecases.join_tickets import JoinTickets
from chalicelib.usecases.meeting_work import MeetingWork
from chalicelib.usecases.provider_calls import CALL_SECONDS, ProviderCalls


class _Superseded(MeetlinkError):
    """The booking changed before the create was sent, so it was not sent."""


class Meetings:
    """Takes the steps that `domain.meeting_plan` decides."""

    def __init__(
        self,
        leases: BookingLeases,
        connections: ConnectionStore,
        calls: ProviderCalls,
        tag_secret: Callable[[], bytes],
        tickets: JoinTickets,
        clock: Callable[[], datetime],
        random: Random,
    ) -> None:
        self._leases = leases
        self._connections = connections
        self._calls = calls
        self._tag_secret = tag_secret
        self._tickets = tickets
        self._clock = clock
        self._random = random
        self._steps = {
            Action.CREATE: self._create,
            Action.UPDATE: self._update,
            Action.DELETE: self._delete,
            Action.LOOK_UP: self._look_up,
        }

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
                self._steps[step](work, access)
            except OutOfTime:
                work.mark_current(
                    meeting_plan.after_deadline(work.meeting, step, self._clock(), earlier_intent_at=meeting.intent_at)
                )
            except _Superseded:
                work.set_meeting(replace(work.meeting, intent_at=meeting.intent_at))
            except ProviderError as error:
                self._record_failure(work, step, error, create, meeting.intent_at)

    def _plan(
        self, work: MeetingWork, access: GrantAccess, create: CreateSemantics, *, is_wanted: bool
    ) -> Meeting | Action:
        booking, meeting = work.lease.booking, work.meeting
        if not is_wanted:
            return meeting_plan.plan_removal(booking, meeting, access, self._clock())
        request = self._request(work, access)
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

    def _create(self, work: MeetingWork, access: GrantAccess) -> None:
        booking, meeting = work.lease.booking, work.meeting
        provider = self._calls.provider(access)
        account = {"user_id": booking.host.user_id, "grant_id": access.grant.id if access.grant else None}
        account["calendar_address"] = self._calls.calendar_address(access)
        started = replace(meeting, provider=provider.name, **account)
        request = self._request(work, access)
        prepare = partial(self._prepare_create, work, started, is_local=provider.is_local)
        create = partial(provider.create, request=request)
        try:
            created = self._calls.call(access, create, work.deadline, before_each_try=prepare)
        except MeetingGone as error:
            # An earlier create without a response did succeed, and that meeting was deleted since: its tag stays taken.
            if work.has_new_tag:
                call = FailedCall(provider.name, "no tag is free", status=error.status)
                raise ProviderUnavailable(call) from error
            work.has_new_tag = True
            work.set_meeting(next_generation(meeting))
            return
        created = self._with_cohosts(work, access, created, request)
        created, host_url = self._tickets.with_links(access, booking, created)
        work.mark_current(replace(record_created(started, created, request, self._clock()), host_url=host_url))
        self._note_meeting(access)

    def _prepare_create(self, work: MeetingWork, started: Meeting, *, is_local: bool) -> None:
        """Store, before the call, that a meeting may come to exist.

        Called just before the create, when the token is available: the settle window starts here. Raises `_Superseded`
        if the booking changed meanwhile.
        """
        work.set_meeting(started)
        if is_local:
            return
        revision, now = work.lease.booking.revision, self._clock()
        work.set_meeting(record_intent(work.meeting, now))
        work.lease = self._leases.save(work.lease, work.lease.settlement, now)
        if work.lease.booking.revision != revision:
            raise _Superseded
        work.deadline.require(CALL_SECONDS)
        work.lease.require(self._clock(), CALL_SECONDS)

    def _update(self, work: MeetingWork, access: GrantAccess) -> None:
        meeting, provider = work.meeting, self._calls.provider(access)
        request = self._request(work, access)
        # Unknown until the provider responds. Reverting the change is a change too.
        work.set_meeting(replace(meeting, fingerprint=None))
        update = partial(provider.update, meeting_id=str(meeting.id), request=request)
        require_lease = partial(self._require_lease, work)
        try:
            updated = self._calls.call(access, update, work.deadline, before_each_try=require_lease)
        except MeetingGone:
            # It was deleted at the provider. The booking needs a new meeting with a new tag.
            work.set_meeting(next_generation(meeting))
            return
        details = updated or ProviderMeeting(str(meeting.id), meeting.join_url, meeting.passcode, meeting.dial_in)
        details = replace(details, cohosts=meeting.cohosts)
        details = self._with_cohosts(work, access, details, request, is_known=meeting.fingerprint is not None)
        if request.settings != NO_SETTINGS and details.settings == NO_SETTINGS:
            details = replace(details, settings=self._read_settings(work, access))
        meeting = replace(meeting, calendar_address=self._calls.calendar_address(access))
        work.mark_current(record_created(meeting, details, request, self._clock()))

    def _with_cohosts(
        self,
        work: MeetingWork,
        access: GrantAccess,
        details: ProviderMeeting,
        request: MeetingRequest,
        *,
        is_known: bool = True,
    ) -> ProviderMeeting:
        """Return the meeting with the co-hosts of the request. If they cannot be added now, an update follows."""
        if cohost_plan.are_current(details.cohosts, request.cohosts, is_known=is_known):
            return details
        former = tuple(result.email for result in details.cohosts)
        set_cohosts = partial(
            self._calls.provider(access).set_cohosts,
            meeting_id=details.id,
            emails=request.cohosts,
            former=former,
            before_each_call=partial(self._require_time, work),
        )
        try:
            return replace(details, cohosts=self._calls.call(access, set_cohosts, work.deadline))
        except (OutOfTime, ProviderError) as error:
            log.info("the co-hosts of a meeting are not set yet", error=type(error).__name__)
            return replace(details, is_unfinished=True)

    def _read_settings(self, work: MeetingWork, access: GrantAccess) -> MeetingSettings:
        """Return the settings as the provider reports them; those of the last report if it does not respond."""
        read = partial(self._calls.provider(access).read_settings, meeting_id=str(work.meeting.id))
        try:
            return self._calls.call(access, read, work.deadline)
        except (OutOfTime, ProviderError) as error:
            log.info("the settings of a changed meeting are not reported", error=type(error).__name__)
            return work.meeting.settings

    def _require_time(self, work: MeetingWork) -> None:
        """Raise `OutOfTime` unless a call and the write after it can finish before the invocation and the lease end.

        What a run has created must be stored by that run.
        """
        work.deadline.require(CALL_SECONDS)
        if work.lease.held_until - self._clock() < timedelta(seconds=CALL_SECONDS):
            raise OutOfTime

    def _require_lease(self, work: MeetingWork) -> None:
        work.lease.require(self._clock(), CALL_SECONDS)

    def _delete(self, work: MeetingWork, access: GrantAccess) -> None:
        self._delete_at_provider(work, access, str(work.meeting.id))
        work.set_meeting(next_generation(work.meeting))

    def _look_up(self, work: MeetingWork, access: GrantAccess) -> None:
        """Find the meetings with the booking's tag, keep one and delete the others."""
        meeting, now, booking = work.meeting, self._clock(), work.lease.booking
        provider, request = self._calls.provider(access), self._request(work, access)
        try:
            candidates = self._calls.call(access, partial(provider.find, request=request), work.deadline)
        except ProviderError as error:
            if error.may_be_done and provider.create_semantics.lookup_creates and not meeting.exists:
                work.set_meeting(replace(meeting, intent_at=self._clock()))  # The lookup may still create a meeting.
            raise
        chosen = meeting_plan.choose_meeting(meeting, candidates)
        for candidate in candidates:
            if candidate is not chosen:
                self._delete_at_provider(work, access, candidate.id)
        if chosen is not None and not meeting.exists:
            chosen, host_url = self._tickets.with_links(access, booking, chosen)
            meeting = replace(meeting, host_url=host_url)
        if chosen is not None and work.is_look_requested:
            meeting = meeting_plan.adopt_passcode(meeting, chosen)
        work.set_meeting(meeting_plan.after_lookup(meeting, chosen, request, now))

    def _delete_at_provider(self, work: MeetingWork, access: GrantAccess, meeting_id: str) -> None:
        delete = partial(self._calls.provider(access).delete, meeting_id=meeting_id)
        try:
            self._calls.call(access, delete, work.deadline)
        except MeetingGone:
            return

    def _request(self, work: MeetingWork, access: GrantAccess) -> MeetingRequest:
        from chalicelib.wording import in_language

        booking, meeting = work.lease.booking, work.meeting
        is_event = bool(meeting.calendar_address or self._calls.calendar_address(access))
        names_guests = is_event and meeting_plan.names_guests(booking, meeting, work.lease.settlement.revision)
        label = in_language(booking.host.language or DEFAULT_LANGUAGE).guests if names_guests else ""
        possible = self._calls.possible_settings(access)
        return meeting_plan.build_request(
            booking,
            meeting,
            self._tag_secret(),
            guests_label=label,
            possible=possible,
            adds_cohosts=self._calls.adds_cohosts(access),
        )

    def _note_meeting(self, access: GrantAccess) -> None:
        """Record on the connection when it last created a meeting; not each time, to save writes."""
        connection, now = access.connection, self._clock()
        last = connection.last_meeting_at if connection else None
        if connection and (last is None or now - last > LAST_MEETING_PRECISION):
            self._connections.set_last_meeting_at(connection, now)
