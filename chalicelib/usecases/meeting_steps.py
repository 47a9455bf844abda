"""The steps that change or find a booking's meeting at its provider: create, update, delete, look up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from msgspec.structs import replace

from chalicelib.domain import cohost_plan, meeting_plan
from chalicelib.domain.connection import LAST_MEETING_PRECISION
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.grant_access import GrantAccess
from chalicelib.domain.invitation import DEFAULT_LANGUAGE
from chalicelib.domain.meeting import Meeting, MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_plan import Action
from chalicelib.domain.meeting_settings import NO_SETTINGS, MeetingSettings
from chalicelib.domain.meeting_states import next_generation, record_created, record_intent
from chalicelib.errors import FailedCall, MeetingGone, MeetlinkError, ProviderError, ProviderUnavailable
from chalicelib.observability import log
from chalicelib.providers.cohost_changes import CohostChange
from chalicelib.store.booking_leases import BookingLeases
from chalicelib.store.connections import ConnectionStore
from chalicelib.usecases.join_tickets import JoinTickets
from chalicelib.usecases.meeting_work import MeetingWork
from chalicelib.usecases.provider_calls import CALL_SECONDS, ProviderCalls


class Superseded(MeetlinkError):
    """The booking changed before the create was sent, so it was not sent."""


class MeetingSteps:
    """Calls the provider for one step, and records in the work what came of it."""

    def __init__(
        self,
        leases: BookingLeases,
        connections: ConnectionStore,
        calls: ProviderCalls,
        tag_secret: Callable[[], bytes],
        tickets: JoinTickets,
        clock: Callable[[], datetime],
    ) -> None:
        self._leases = leases
        self._connections = connections
        self._calls = calls
        self._tag_secret = tag_secret
        self._tickets = tickets
        self._clock = clock
        self.by_action: Mapping[Action, Callable[[MeetingWork, GrantAccess], None]] = {
            Action.CREATE: self._create,
            Action.UPDATE: self._update,
            Action.DELETE: self._delete,
            Action.LOOK_UP: self._look_up,
        }
        """Each takes one step. Raises `OutOfTime`, `Superseded` or `ProviderError`; the work has what came before."""

    def _create(self, work: MeetingWork, access: GrantAccess) -> None:
        booking, meeting = work.lease.booking, work.meeting
        provider = self._calls.provider(access)
        account = {"user_id": booking.host.user_id, "grant_id": access.grant.id if access.grant else None}
        account["calendar_address"] = self._calls.calendar_address(access)
        started = replace(meeting, provider=provider.name, **account)
        request = self.request(work, access)
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

    def _update(self, work: MeetingWork, access: GrantAccess) -> None:
        meeting, provider = work.meeting, self._calls.provider(access)
        request = self.request(work, access)
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

    def _delete(self, work: MeetingWork, access: GrantAccess) -> None:
        self._delete_at_provider(work, access, str(work.meeting.id))
        work.set_meeting(next_generation(work.meeting))

    def _look_up(self, work: MeetingWork, access: GrantAccess) -> None:
        """Find the meetings with the booking's tag, keep one and delete the others."""
        meeting, now, booking = work.meeting, self._clock(), work.lease.booking
        provider, request = self._calls.provider(access), self.request(work, access)
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

    def request(self, work: MeetingWork, access: GrantAccess) -> MeetingRequest:
        """Return what the provider is asked for, with the settings and co-hosts that it can have."""
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

    def _prepare_create(self, work: MeetingWork, started: Meeting, *, is_local: bool) -> None:
        """Store, before the call, that a meeting may come to exist.

        Called just before the create, when the token is available: the settle window starts here. Raises `Superseded`
        if the booking changed meanwhile.
        """
        work.set_meeting(started)
        if is_local:
            return
        revision, now = work.lease.booking.revision, self._clock()
        work.set_meeting(record_intent(work.meeting, now))
        work.lease = self._leases.save(work.lease, work.lease.settlement, now)
        if work.lease.booking.revision != revision:
            raise Superseded
        work.deadline.require(CALL_SECONDS)
        work.lease.require(self._clock(), CALL_SECONDS)

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
        change = CohostChange(request.cohosts, former, partial(self._require_time, work))
        set_cohosts = partial(self._calls.provider(access).set_cohosts, meeting_id=details.id, change=change)
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

    def _delete_at_provider(self, work: MeetingWork, access: GrantAccess, meeting_id: str) -> None:
        delete = partial(self._calls.provider(access).delete, meeting_id=meeting_id)
        try:
            self._calls.call(access, delete, work.deadline)
        except MeetingGone:
            return

    def _require_time(self, work: MeetingWork) -> None:
        """Raise `OutOfTime` unless a call and the write after it can finish before the invocation and the lease end.

        What a run has created must be stored by that run.
        """
        work.deadline.require(CALL_SECONDS)
        if work.lease.held_until - self._clock() < timedelta(seconds=CALL_SECONDS):
            raise OutOfTime

    def _require_lease(self, work: MeetingWork) -> None:
        work.lease.require(self._clock(), CALL_SECONDS)

    def _note_meeting(self, access: GrantAccess) -> None:
        """Record on the connection when it last created a meeting; not each time, to save writes."""
        connection, now = access.connection, self._clock()
        last = connection.last_meeting_at if connection else None
        if connection and (last is None or now - last > LAST_MEETING_PRECISION):
            self._connections.set_last_meeting_at(connection, now)
