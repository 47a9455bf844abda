"""Bring a booking's meeting at the provider in line with the booking: at most one meeting, never a lost one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain import meeting_plan
from chalicelib.domain.booking import Booking
from chalicelib.domain.connection import LAST_MEETING_PRECISION
from chalicelib.domain.deadline import Deadline, OutOfTime
from chalicelib.domain.meeting import (
    Meeting,
    MeetingReason,
    MeetingRequest,
    MeetingState,
    ProviderMeeting,
    tag,
)
from chalicelib.domain.meeting_plan import AccessState, Action, GrantAccess
from chalicelib.errors import (
    Ambiguous,
    FailedCall,
    MeetingGone,
    MeetlinkError,
    ProviderError,
    ProviderUnavailable,
    ReconnectNeeded,
    Rejected,
)
from chalicelib.observability import log
from chalicelib.providers.base import Provider
from chalicelib.store.booking_leases import BookingLeases, Lease
from chalicelib.store.connections import ConnectionStore
from chalicelib.usecases.join_links import JoinTickets
from chalicelib.usecases.provider_calls import CALL_SECONDS, ProviderCalls


class _Superseded(MeetlinkError):
    """The booking changed before the call was made; nothing was sent."""


class _Work(Struct):
    """The claim as it goes from step to step, so that a failed step loses nothing that was stored before it.

    Of the create that is under way, `doubt` is the intent of an earlier one that may have been done unseen, and
    `repeatable` that it can be sent again before it is known what became of it. `began_anew` says that a taken tag was
    given up for another one.
    """

    lease: Lease
    deadline: Deadline
    doubt: datetime | None = None
    repeatable: bool = False
    began_anew: bool = False

    @property
    def meeting(self) -> Meeting:
        return self.lease.settlement.meeting

    def put(self, meeting: Meeting) -> None:
        """The meeting as it is now; whether it is what the booking wants is still open."""
        self.settle(meeting=meeting)

    def settle(self, **changes: Any) -> None:
        self.lease = replace(self.lease, settlement=replace(self.lease.settlement, **changes))

    def judge(self, meeting: Meeting) -> None:
        """The meeting as far as it can be brought now for the booking's revision."""
        self.settle(meeting=meeting, revision=self.lease.booking.revision)


class Meetings:
    """Takes the steps that `domain.plan` decides."""

    def __init__(
        self,
        leases: BookingLeases,
        connections: ConnectionStore,
        caller: ProviderCalls,
        tag_secret: Callable[[], bytes],
        tickets: JoinTickets,
        clock: Callable[[], datetime],
        random: Random,
    ) -> None:
        self._leases = leases
        self._connections = connections
        self._caller = caller
        self._tag_secret = tag_secret
        self._tickets = tickets
        self._clock = clock
        self._random = random

    def advance(self, lease: Lease, deadline: Deadline) -> Lease:
        """The claim with its meeting judged for its booking's revision.

        The result is not stored yet, except for an intent. The booking in the answer may be newer than the one that
        the meeting was judged for (`settlement.revision`): then go on with it.
        """
        work = _Work(lease, deadline)
        if lease.booking.revision > lease.settlement.revision + 1:
            # A revision between may have been sent by somebody who died: what the provider has is not known.
            work.put(replace(work.meeting, fingerprint=None))
        if lease.booking.revision > lease.settlement.revision:
            self._renew_links(work)
        for former in work.lease.settlement.leftovers:
            self._remove_leftover(work, former)
        self._advance(work)
        return work.lease

    def _advance(self, work: _Work, *, leftover: bool = False) -> None:
        """Step by step until the meeting is judged. A `leftover` is one that nobody wants."""
        while True:
            booking, meeting = work.lease.booking, work.meeting
            if meeting_plan.rests(meeting, self._clock()) and work.lease.settlement.revision == booking.revision:
                return
            wanted = booking.wants_video and booking.eligibility is not None and not leftover
            if wanted and meeting_plan.belongs_to_another(booking, meeting):
                # The host changed. The new meeting does not wait for the old one's provider, nor for its account.
                former = meeting_plan.left_over(meeting)
                work.settle(leftovers=(*work.lease.settlement.leftovers, former))
                work.put(Meeting(generation=meeting.generation + 1))
                self._remove_leftover(work, former)
                continue
            reach = self._reach(booking, meeting, wanted=wanted)
            step = self._decide(booking, meeting, reach, wanted=wanted)
            if isinstance(step, Meeting):
                work.judge(step)
                return
            try:
                if self._take(step, work, reach):
                    return
            except OutOfTime:
                work.judge(meeting_plan.put_off(work.meeting, step, self._clock(), doubt=work.doubt))
                return
            except _Superseded:
                work.put(replace(work.meeting, intent_at=work.doubt))
            except ProviderError as error:
                work.judge(self._after(error, step, work))
                return

    def _renew_links(self, work: _Work) -> None:
        """Make our own links again: the deployment's link key or its address may have changed since."""
        links = self._tickets.renewed(work.lease.booking, work.meeting)
        if links is not None:
            work.put(replace(work.meeting, join_url=links[0], host_url=links[1]))

    def _remove_leftover(self, work: _Work, former: Meeting) -> None:
        """Remove a former host's meeting, apart from the booking's own; it stays a leftover if that is to go on."""
        apart = _Work(replace(work.lease, settlement=replace(work.lease.settlement, meeting=former)), work.deadline)
        self._advance(apart, leftover=True)
        after = apart.meeting
        if after.state is MeetingState.FAILED:
            booking = work.lease.booking
            log.warning(
                "a former host's meeting is left at its provider",
                workspace_id=booking.workspace_id,
                booking_id=booking.booking_id,
            )
        others = tuple(one for one in work.lease.settlement.leftovers if one is not former)
        work.settle(leftovers=(*others, after) if after.is_under_way else others)

    def _decide(self, booking: Booking, meeting: Meeting, reach: GrantAccess, *, wanted: bool) -> Meeting | Action:
        if not wanted:
            return meeting_plan.unwanted(booking, meeting, reach, self._clock())
        create = self._caller.create_semantics(reach)
        return meeting_plan.wanted(booking, meeting, reach, self._request(booking, meeting), self._clock(), create)

    def _reach(self, booking: Booking, meeting: Meeting, *, wanted: bool) -> GrantAccess:
        """The access to the grant that holds the meeting, or is to make it."""
        eligible = booking.eligibility
        if wanted and eligible is not None:
            since = None if meeting.exists else eligible.connected_at
            return self._ask(booking, booking.host.user_id, eligible.grant_id, since)
        if meeting.user_id is None or meeting.grant_id is None:
            return GrantAccess(AccessState.ENDED)
        return self._ask(booking, meeting.user_id, meeting.grant_id, None)

    def _ask(self, booking: Booking, user_id: str, grant_id: str, since: datetime | None) -> GrantAccess:
        connection, grant = self._connections.get_with_grant(booking.workspace_id, user_id, grant_id)
        return meeting_plan.reach(connection, grant, grant_id, since)

    def _take(self, step: Action, work: _Work, reach: GrantAccess) -> bool:
        """Take a step; True if the meeting is then as the booking wants it, False if there is more to decide."""
        match step:
            case Action.CREATE:
                return self._create(work, reach)
            case Action.UPDATE:
                return self._update(work, reach)
            case Action.DELETE:
                return self._delete(work, reach)
            case Action.LOOK_UP:
                return self._look_up(work, reach)

    def _create(self, work: _Work, reach: GrantAccess) -> bool:
        booking, meeting = work.lease.booking, work.meeting
        provider = self._caller.provider(reach)
        work.doubt, work.repeatable = meeting.intent_at, provider.create_semantics.keeps_tags
        grant_id = reach.grant.id if reach.grant else None
        started = replace(meeting, provider=provider.name, user_id=booking.host.user_id, grant_id=grant_id)
        request = self._request(booking, started)

        def create(token: str) -> ProviderMeeting:
            work.put(started)
            if not provider.is_local:
                self._intend(work)
                work.deadline.require(CALL_SECONDS)
                work.lease.require(self._clock(), CALL_SECONDS)
            return provider.create(token, request)

        try:
            made = self._caller.call(reach, create, work.deadline)
        except MeetingGone as error:
            # It was made by a try of ours without an answer, and deleted since: its tag stays taken.
            if work.began_anew:
                raise ProviderUnavailable(FailedCall(provider.name, "no tag is free", status=error.status)) from error
            work.began_anew = True
            work.put(Meeting(generation=meeting.generation + 1))
            return False
        made, host_url = self._links(reach, booking, made)
        work.judge(replace(meeting_plan.made(started, made, request, self._clock()), host_url=host_url))
        self._note(reach)
        return True

    def _links(self, reach: GrantAccess, booking: Booking, made: ProviderMeeting) -> tuple[ProviderMeeting, str | None]:
        """The meeting with a link, and the host's own one; ours if the provider's would be a secret."""
        if made.join_url is not None:
            return made, None
        base_url = (reach.connection and reach.connection.base_url) or ""
        shared = self._tickets.shared_link(base_url, booking)
        return replace(made, join_url=shared), self._tickets.host_link(base_url, booking)

    def _intend(self, work: _Work) -> None:
        """Write down, durably and before the call, that a meeting may come to exist.

        Just before the call, with the token at hand: the settle window counts from here. Raises `_Superseded` if the
        booking changed meanwhile.
        """
        revision, now = work.lease.booking.revision, self._clock()
        work.put(meeting_plan.intended(work.meeting, now))
        work.lease = self._leases.save(work.lease, work.lease.settlement, now)
        if work.lease.booking.revision != revision:
            raise _Superseded

    def _update(self, work: _Work, reach: GrantAccess) -> bool:
        meeting, provider = work.meeting, self._caller.provider(reach)
        request = self._request(work.lease.booking, meeting)
        work.put(replace(meeting, fingerprint=None))  # Until it is answered; taking the change back is a change too.

        def update(token: str) -> ProviderMeeting | None:
            work.lease.require(self._clock(), CALL_SECONDS)
            return provider.update(token, str(meeting.id), request)

        try:
            moved = self._caller.call(reach, update, work.deadline)
        except MeetingGone:
            # Somebody deleted it at the provider: the booking needs a new one, under a new tag.
            work.put(Meeting(generation=meeting.generation + 1))
            return False
        same = ProviderMeeting(str(meeting.id), meeting.join_url, meeting.passcode, meeting.dial_in)
        work.judge(meeting_plan.made(meeting, moved or same, request, self._clock()))
        return True

    def _delete(self, work: _Work, reach: GrantAccess) -> bool:
        self._remove(work, reach, self._caller.provider(reach), str(work.meeting.id))
        work.put(Meeting(generation=work.meeting.generation + 1))
        return False

    def _look_up(self, work: _Work, reach: GrantAccess) -> bool:
        """See what carries the booking's tag: after a create without an answer, and now and then before the start."""
        meeting, now = work.meeting, self._clock()
        window_ends = meeting_plan.window_ends(meeting)
        if window_ends is not None and now < window_ends:
            work.judge(meeting_plan.in_doubt(meeting))
            return True
        provider, request = self._caller.provider(reach), self._request(work.lease.booking, meeting)
        try:
            found = self._caller.call(reach, lambda token: provider.find(token, request), work.deadline)
        except Ambiguous:
            if provider.create_semantics.lookup_creates and not meeting.exists:
                work.put(replace(meeting, intent_at=self._clock()))  # It may still come to make one.
            raise
        kept = next((one for one in found if one.id == meeting.id), None)
        if kept is None and found and not meeting.exists:
            kept = found[0]
        for extra in found:
            if extra is not kept:
                self._remove(work, reach, provider, extra.id)
        looked = replace(
            meeting, look_at=meeting_plan.next_look(request.starts_at, now, in_doubt=meeting.intent_at is not None)
        )
        if meeting.exists and kept is not None:
            work.put(looked)
        elif kept is not None:
            # It may have been asked for with an older content: without a fingerprint it is brought up to date.
            kept, host_url = self._links(reach, work.lease.booking, kept)
            work.put(replace(meeting_plan.filled(looked, kept, request), host_url=host_url, fingerprint=None))
        else:
            # Nothing is there; or the list does not tell, which an update will find out.
            work.put(replace(looked, intent_at=None, fingerprint=None))
        return False

    def _remove(self, work: _Work, reach: GrantAccess, provider: Provider, meeting_id: str) -> None:
        try:
            self._caller.call(reach, lambda token: provider.delete(token, meeting_id), work.deadline)
        except MeetingGone:
            return

    def _after(self, error: ProviderError, step: Action, work: _Work) -> Meeting:
        """The meeting's state after a call that failed."""
        meeting, now = work.meeting, self._clock()
        if step is Action.LOOK_UP and meeting.exists:
            return meeting_plan.look_later(meeting, now)
        if step is Action.CREATE and not isinstance(error, Ambiguous):
            meeting = replace(meeting, intent_at=work.doubt)  # The error is definite: this call made nothing.
        if isinstance(error, ReconnectNeeded):
            return meeting_plan.reconnect_awaited(meeting, now, work.lease.booking.appointment.starts_at)
        if isinstance(error, Rejected):
            detail = error.advice or f"{error.provider} refuses the meeting ({error.call.what}, code {error.code})."
            return meeting_plan.failed(meeting, MeetingReason.PROVIDER_REJECTED, detail)
        if error.out_until is not None:
            return meeting_plan.outage(meeting, error.out_until)
        window_ends = meeting_plan.window_ends(meeting)
        if window_ends is not None and now < window_ends and not (step is Action.CREATE and work.repeatable):
            return meeting_plan.in_doubt(replace(meeting, attempts=meeting.attempts + 1))
        at = error.retry_at if isinstance(error, ProviderUnavailable) else None
        starts_at = work.lease.booking.appointment.starts_at
        return meeting_plan.postponed(meeting, error.reason, at, now, self._random, starts_at=starts_at)

    def _request(self, booking: Booking, meeting: Meeting) -> MeetingRequest:
        appointment = booking.appointment
        return MeetingRequest(
            tag=tag(self._tag_secret(), booking.workspace_id, booking.booking_id, meeting.generation),
            title=appointment.title,
            description=appointment.description,
            starts_at=appointment.starts_at,
            ends_at=appointment.ends_at,
            time_zone=appointment.time_zone,
        )

    def _note(self, reach: GrantAccess) -> None:
        connection, now = reach.connection, self._clock()
        last = connection.last_meeting_at if connection else None
        if connection and (last is None or now - last > LAST_MEETING_PRECISION):
            self._connections.set_last_meeting_at(connection, now)
