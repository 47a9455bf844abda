"""Every decision about a booking's meeting: pure functions of the desired and the observed state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.calendar import LocationType
from chalicelib.domain.grant_access import AccessState, GrantAccess
from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingRequest, MeetingState, ProviderMeeting, tag
from chalicelib.domain.meeting_settings import PossibleSettings, unsupported, without
from chalicelib.domain.meeting_states import (
    await_lookup,
    await_reconnect,
    defer,
    fail,
    fail_as_started,
    mark_ready,
    next_verification,
    pause_for_outage,
    retry_later,
    verify_later,
    window_ends_at,
    with_details,
)
from chalicelib.errors import CircuitOpen, ProviderError, ProviderUnavailable, ReconnectNeeded, Rejected


class Action(Enum):
    """A call to the provider."""

    CREATE = auto()
    UPDATE = auto()
    DELETE = auto()
    LOOK_UP = auto()


class CreateSemantics(Struct, frozen=True):
    """What a provider's create does when it is sent twice with the same tag."""

    idempotent: bool = False
    """The second create returns the first one's meeting."""
    keeps_tags: bool = False
    """A deleted meeting's tag is never free again, so a create that arrives late creates nothing."""
    lookup_creates: bool = False
    """Looking a meeting up creates it if it does not exist."""


UNKNOWN_SEMANTICS = CreateSemantics()
"""For a provider that this deployment does not offer: nothing is sent again before a lookup."""


def wants_meeting(booking: Booking) -> bool:
    """Return whether the booking is entitled to a meeting."""
    return booking.wants_video and booking.eligibility is not None


def build_request(
    booking: Booking,
    meeting: Meeting,
    tag_secret: bytes,
    *,
    guests_label: str = "",
    possible: PossibleSettings | None = None,
    adds_cohosts: bool = False,
) -> MeetingRequest:
    """Return the meeting that the booking wants. It names the guests if there is a label for them.

    `possible` are the settings that the provider supports; None: unknown, so that none is left out. `adds_cohosts`:
    whether the provider adds co-hosts to a meeting.
    """
    appointment, settings = booking.appointment, booking.meeting_settings
    ignored = unsupported(settings, possible) if possible is not None else []
    return MeetingRequest(
        tag=tag(tag_secret, booking.workspace_id, booking.booking_id, meeting.generation),
        title=appointment.title,
        description=appointment.description,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        time_zone=appointment.time_zone,
        guests=tuple(guest.name or guest.email for guest in appointment.guests) if guests_label else (),
        guests_label=guests_label,
        settings=without(settings, ignored),
        settings_ignored=tuple(ignored),
        cohosts=tuple(cohost.email for cohost in booking.cohosts) if adds_cohosts else (),
    )


def names_guests(booking: Booking, meeting: Meeting, settled_revision: int) -> bool:
    """Return whether an event in the host's calendar names the guests.

    Earlier releases wrote events without names. They stay as they are until the booking changes, so that an upgrade
    changes no event.
    """
    is_earlier = meeting.exists and meeting.calendar_address is None and meeting.fingerprint is not None
    return not is_earlier or settled_revision != booking.revision


def verify_at(booking: Booking, meeting: Meeting, now: datetime) -> datetime | None:
    """Return when to verify the meeting of a settled booking; None if that is not before the start."""
    is_ahead = meeting.verify_at is not None and now < meeting.verify_at < booking.appointment.starts_at
    return meeting.verify_at if is_ahead else None


def is_verification_due(meeting: Meeting, now: datetime) -> bool:
    """Return whether it is time to check that the meeting still exists and is the only one."""
    return meeting.verify_at is not None and meeting.verify_at <= now


def is_look_requested(requested_at: datetime | None, looked_at: datetime | None) -> bool:
    """Return whether the provider reported a change of the meeting since the last look, which served `looked_at`."""
    return requested_at is not None and (looked_at is None or requested_at > looked_at)


def verify_now(meeting: Meeting, now: datetime) -> Meeting:
    """Return the meeting to be verified at once, if there is one."""
    return replace(meeting, verify_at=now) if meeting.exists else meeting


def must_wait(meeting: Meeting, now: datetime) -> bool:
    """Return whether to leave the meeting alone for now: it failed for good, or its next attempt is due later.

    A meeting that waits for a reconnect must not wait: its account is checked without a call to the provider.
    """
    if meeting.state is MeetingState.FAILED:
        return True
    if not meeting.is_under_way or meeting.next_attempt_at is None or meeting.reason == MeetingReason.RECONNECT_NEEDED:
        return False
    return meeting.next_attempt_at > now


def belongs_to_another(booking: Booking, meeting: Meeting) -> bool:
    """Return whether the meeting was created, or is being created, for another host or account than the booking's."""
    if meeting.grant_id is None or booking.eligibility is None:
        return False
    return (meeting.user_id, meeting.grant_id) != (booking.host.user_id, booking.eligibility.grant_id)


def plan_removal(booking: Booking, meeting: Meeting, access: GrantAccess, now: datetime) -> Meeting | Action:
    """Return the next step for a booking that wants no meeting. `access` is to the account that has its meeting."""
    is_over = booking.appointment.ends_at <= now
    if (meeting.exists or meeting.intent_at) and not is_over:
        if access.state is AccessState.OPEN:
            return Action.DELETE if meeting.exists else _look_up_after_window(meeting, now)
        if access.state is AccessState.BROKEN:
            return await_reconnect(meeting, now, booking.appointment.starts_at)
    reason = MeetingReason.LEFT_AT_PROVIDER if meeting.exists else None
    removed = Meeting(generation=meeting.generation, state=MeetingState.REMOVED, reason=reason)
    if booking.location.type is not LocationType.VIDEO:
        return replace(removed, state=MeetingState.NONE, reason=MeetingReason.LOCATION_NOT_VIDEO)
    if booking.eligibility is None:
        return replace(removed, state=MeetingState.NONE, reason=MeetingReason.NOT_CONNECTED)
    return removed


def plan_wanted(
    booking: Booking,
    meeting: Meeting,
    access: GrantAccess,
    request: MeetingRequest,
    now: datetime,
    create: CreateSemantics = UNKNOWN_SEMANTICS,
) -> Meeting | Action:
    """Return the next step for a booking that wants a meeting. `access` is to the account that creates it."""
    starts_at = booking.appointment.starts_at
    has_started = starts_at <= now
    if meeting.is_fallback:
        return meeting
    if meeting.exists:
        return _plan_existing(meeting, access, request, now)
    if access.state is AccessState.ENDED:
        return Meeting(generation=meeting.generation, state=MeetingState.NONE, reason=access.reason)
    # After the start, a lookup is still useful while people may want to join.
    may_be_found = meeting.intent_at is not None and now < booking.appointment.ends_at
    if has_started and not may_be_found:
        return fail_as_started(meeting)
    if access.state is AccessState.BROKEN:
        return await_reconnect(meeting, now, starts_at)
    return _resolve_doubt(meeting, create, now, has_started=has_started) if meeting.intent_at else Action.CREATE


def _plan_existing(meeting: Meeting, access: GrantAccess, request: MeetingRequest, now: datetime) -> Meeting | Action:
    has_started = request.starts_at <= now
    if meeting.fingerprint == request.fingerprint or has_started:
        is_due = is_verification_due(meeting, now) and not has_started
        if is_due and access.state is AccessState.OPEN:
            return Action.LOOK_UP
        return replace(mark_ready(meeting), settings_ignored=request.settings_ignored)
    if access.state is AccessState.OPEN:
        return Action.UPDATE
    if access.state is AccessState.BROKEN:
        return await_reconnect(meeting, now, request.starts_at)
    return mark_ready(meeting, MeetingReason.NOT_UPDATABLE)


def _resolve_doubt(meeting: Meeting, create: CreateSemantics, now: datetime, *, has_started: bool) -> Meeting | Action:
    """Return what to do about a create that may have been sent: repeat it where that is safe, else look it up."""
    if has_started and create.lookup_creates:
        return fail_as_started(meeting)
    # Where a deleted meeting's tag becomes free again, the first create must be over before it is repeated: if it
    # arrived late, it would create a meeting that was cancelled by then.
    is_repeatable = create.idempotent and (create.keeps_tags or not _is_in_window(meeting, now))
    if is_repeatable and not has_started:
        return Action.CREATE
    return _look_up_after_window(meeting, now)


def _look_up_after_window(meeting: Meeting, now: datetime) -> Meeting | Action:
    return await_lookup(meeting) if _is_in_window(meeting, now) else Action.LOOK_UP


def _is_in_window(meeting: Meeting, now: datetime) -> bool:
    window_ends = window_ends_at(meeting)
    return window_ends is not None and now < window_ends


def choose_meeting(meeting: Meeting, candidates: Sequence[ProviderMeeting]) -> ProviderMeeting | None:
    """Return which of the meetings with the booking's tag to keep. The others are duplicates."""
    same = next((candidate for candidate in candidates if candidate.id == meeting.id), None)
    return same or (candidates[0] if candidates and not meeting.exists else None)


def after_lookup(meeting: Meeting, chosen: ProviderMeeting | None, request: MeetingRequest, now: datetime) -> Meeting:
    """Return the meeting after a lookup. `chosen` is the result of `choose_meeting`."""
    verify_at = next_verification(request.starts_at, now, was_in_doubt=meeting.intent_at is not None)
    verified = replace(meeting, verify_at=verify_at)
    if chosen is None:
        # It does not exist; or the list is incomplete, which the following update will show.
        return replace(verified, intent_at=None, fingerprint=None)
    if meeting.exists:
        return verified
    # It may have been created with older content. Without a fingerprint, an update follows.
    return replace(with_details(verified, chosen, request), fingerprint=None)


def adopt_passcode(meeting: Meeting, chosen: ProviderMeeting) -> Meeting:
    """Return the meeting with a passcode that its host changed at the provider: the earlier link no longer works."""
    if not meeting.exists or not chosen.join_url or chosen.passcode in (None, meeting.passcode):
        return meeting
    return replace(meeting, join_url=chosen.join_url, passcode=chosen.passcode, dial_in=chosen.dial_in)


def after_failure(
    meeting: Meeting,
    action: Action,
    error: ProviderError,
    create: CreateSemantics,
    now: datetime,
    random: Random,
    *,
    starts_at: datetime,
    earlier_intent_at: datetime | None,
) -> Meeting:
    """Return the meeting after a failed call. `earlier_intent_at`: of a create before this call, if one was sent."""
    if action is Action.LOOK_UP and meeting.exists:
        return verify_later(meeting, now)
    if action is Action.CREATE and not error.may_be_done:
        meeting = replace(meeting, intent_at=earlier_intent_at)
    match error:
        case ReconnectNeeded():
            return await_reconnect(meeting, now, starts_at)
        case Rejected():
            return fail(meeting, MeetingReason.PROVIDER_REJECTED, error.advice or _describe_refusal(error))
        case CircuitOpen():
            return pause_for_outage(meeting, error.until)
    is_repeatable = action is Action.CREATE and create.keeps_tags
    if _is_in_window(meeting, now) and not is_repeatable:
        return await_lookup(replace(meeting, attempts=meeting.attempts + 1))
    retry_at = error.retry_at if isinstance(error, ProviderUnavailable) else None
    return retry_later(meeting, error.reason, retry_at, now, random, starts_at=starts_at)


def _describe_refusal(error: Rejected) -> str:
    return f"{error.provider} refuses the meeting ({error.call.what}, code {error.code})."


def after_deadline(meeting: Meeting, action: Action, now: datetime, *, earlier_intent_at: datetime | None) -> Meeting:
    """Return the meeting when there was no time for a call. `earlier_intent_at`: as for `after_failure`."""
    if action is Action.LOOK_UP and meeting.exists:
        return verify_later(meeting, now)
    return defer(meeting, now, intent_at=earlier_intent_at if action is Action.CREATE else meeting.intent_at)
