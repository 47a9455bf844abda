"""The transitions between a meeting's states. Each function returns the meeting after one event."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from msgspec.structs import replace

from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingRequest, MeetingState, ProviderMeeting
from chalicelib.domain.meeting_settings import chosen, only
from chalicelib.domain.retry_delays import after_failed_attempt

SETTLE_WINDOW = timedelta(seconds=60)
"""How long to wait after an unanswered create before the meeting can be looked up: longer than the HTTP timeout, a late
commit and the lag of a list together."""
FIRST_VERIFICATION = timedelta(minutes=10)
"""After a create with an unknown outcome: a commit later than the settle window shows up as a second meeting."""
FINISH_AFTER = timedelta(minutes=1)
"""When an unfinished meeting is updated. Its link works meanwhile."""
VERIFICATIONS_BEFORE_START = (timedelta(days=1), timedelta(hours=1))
"""When each meeting is verified: it may have been deleted at the provider. Reads do not count against daily limits."""
RECONNECT_POLL = timedelta(minutes=15)
"""How often to check whether the account was reconnected. Reconnecting also wakes the booking; this is a safety net."""
_SHORTEST_DELAY = timedelta(seconds=5)
_SHORT_DELAY = timedelta(seconds=20)
_PENDING_ATTEMPTS = 2
"""After so many failed attempts the meeting is `waiting` and no longer `pending`."""


def record_intent(meeting: Meeting, now: datetime) -> Meeting:
    """Record that a create is about to be sent. A waiting meeting stays `waiting` until the provider responds."""
    state = MeetingState.WAITING if meeting.state is MeetingState.WAITING else MeetingState.PENDING
    return replace(meeting, state=state, reason=meeting.reason if meeting.is_under_way else None, intent_at=now)


def record_created(meeting: Meeting, created: ProviderMeeting, request: MeetingRequest, now: datetime) -> Meeting:
    """Record a meeting that the provider confirmed, and when to verify it."""
    finish_at = now + FINISH_AFTER if created.is_unfinished else None
    times = (meeting.verify_at, next_verification(request.starts_at, now), finish_at)
    verify_at = min((at for at in times if at and now < at < request.starts_at), default=None)
    return replace(with_details(meeting, created, request), verify_at=verify_at)


def with_details(meeting: Meeting, details: ProviderMeeting, request: MeetingRequest) -> Meeting:
    """Return the meeting as ready, with the provider's details."""
    return replace(
        meeting,
        state=MeetingState.READY,
        reason=None,
        detail=None,
        attempts=0,
        next_attempt_at=None,
        id=details.id,
        join_url=details.join_url,
        passcode=details.passcode,
        dial_in=details.dial_in,
        fingerprint=None if details.is_unfinished else request.fingerprint,
        intent_at=None,
        settings=only(details.settings, chosen(request.settings)),
        settings_ignored=request.settings_ignored,
        cohosts=details.cohosts,
    )


def mark_ready(meeting: Meeting, reason: MeetingReason | None = None) -> Meeting:
    """Return the meeting as ready: it is as the booking wants it, or as close as possible for the given reason."""
    return replace(
        meeting, state=MeetingState.READY, reason=reason, detail=None, attempts=0, next_attempt_at=None, intent_at=None
    )


def next_generation(meeting: Meeting) -> Meeting:
    """Return the start of a new meeting with a new tag: some providers never free a deleted meeting's tag."""
    return Meeting(generation=meeting.generation + 1)


def mark_leftover(meeting: Meeting) -> Meeting:
    """Return the meeting as one that has to be deleted, starting now."""
    return replace(meeting, state=MeetingState.PENDING, reason=None, detail=None, attempts=0, next_attempt_at=None)


def retry_later(
    meeting: Meeting, reason: str, retry_at: datetime | None, now: datetime, random: Random, *, starts_at: datetime
) -> Meeting:
    """Schedule a retry after a definite "not now".

    The meeting stays `pending` for a short delay and is `waiting` for a longer one. The delay is the provider's
    (`retry_at`) if it is 5 seconds or more. Otherwise it is 5 to 15 seconds at first, then full jitter on a bound that
    doubles up to 15 minutes, but not beyond the start of the booking. The meeting fails if the provider will create
    none before the start.
    """
    attempts = meeting.attempts + 1
    if retry_at is not None and retry_at >= starts_at > now and not meeting.exists and meeting.intent_at is None:
        detail = "The provider creates no more meetings before the booking starts."
        return fail(meeting, MeetingReason.START_PASSED, detail)
    if retry_at is not None and retry_at - now >= _SHORTEST_DELAY:
        at = retry_at
    else:
        at = _not_after_start(now + after_failed_attempt(attempts, random), starts_at, now)
    is_pending = attempts <= _PENDING_ATTEMPTS and at - now <= _SHORT_DELAY
    state = MeetingState.PENDING if is_pending else MeetingState.WAITING
    return replace(meeting, state=state, reason=reason, attempts=attempts, next_attempt_at=at)


def defer(meeting: Meeting, now: datetime, *, intent_at: datetime | None) -> Meeting:
    """Continue at once in another invocation: this one has no time for the next call.

    `intent_at` is the intent of an earlier create, if one was sent.
    """
    return replace(meeting, state=MeetingState.PENDING, reason=None, intent_at=intent_at, next_attempt_at=now)


def verify_later(meeting: Meeting, now: datetime) -> Meeting:
    """Schedule another verification. The meeting stays as ready as it was."""
    return replace(meeting, verify_at=now + FIRST_VERIFICATION)


def window_ends_at(meeting: Meeting) -> datetime | None:
    """Return when the outcome of an unanswered create can be looked up; None if there is no such create."""
    return meeting.intent_at + SETTLE_WINDOW if meeting.intent_at else None


def await_lookup(meeting: Meeting) -> Meeting:
    """Wait for the end of the settle window, after a create without a response."""
    state = MeetingState.PENDING if meeting.attempts <= 1 else MeetingState.WAITING
    reason = MeetingReason.PROVIDER_UNAVAILABLE if meeting.attempts else None
    return replace(meeting, state=state, reason=reason, next_attempt_at=window_ends_at(meeting))


def pause_for_outage(meeting: Meeting, until: datetime) -> Meeting:
    """Wait for the end of a provider's outage. That is not counted as an attempt of this booking."""
    at = max(until, window_ends_at(meeting) or until)
    state, reason = MeetingState.WAITING, MeetingReason.PROVIDER_UNAVAILABLE
    return replace(meeting, state=state, reason=reason, next_attempt_at=at)


def next_verification(starts_at: datetime, now: datetime, *, was_in_doubt: bool = False) -> datetime | None:
    """Return when to verify a meeting that was just created, changed or verified; None: not before it starts."""
    times = [now + FIRST_VERIFICATION] if was_in_doubt else []
    times += [starts_at - ahead for ahead in VERIFICATIONS_BEFORE_START]
    return min((at for at in times if now < at < starts_at), default=None)


def await_reconnect(meeting: Meeting, now: datetime, starts_at: datetime) -> Meeting:
    """Wait until the account is reconnected."""
    at = _not_after_start(now + RECONNECT_POLL, starts_at, now)
    return replace(meeting, state=MeetingState.WAITING, reason=MeetingReason.RECONNECT_NEEDED, next_attempt_at=at)


def fail(meeting: Meeting, reason: MeetingReason, detail: str) -> Meeting:
    """Mark the meeting as permanently failed. `detail` says what to do.

    An intent is kept: a retry looks the meeting up, and a cancellation deletes it.
    """
    return replace(meeting, state=MeetingState.FAILED, reason=reason, detail=detail, next_attempt_at=None)


def fail_as_started(meeting: Meeting) -> Meeting:
    """Mark the meeting as failed because the booking has started."""
    detail = "The booking has started, so no meeting is created any more."
    return fail(meeting, MeetingReason.START_PASSED, detail)


def fail_internal(meeting: Meeting) -> Meeting:
    """Mark the meeting as failed because of a bug."""
    detail = "An error on our side prevents this booking from being settled. It was reported. Request a retry later."
    return fail(meeting, MeetingReason.INTERNAL_ERROR, detail)


def _not_after_start(at: datetime, starts_at: datetime, now: datetime) -> datetime:
    """Limit `at` to a start in the future: that is the time to report that there is no meeting."""
    return min(at, starts_at) if now < starts_at else at
