"""What settling must do about a booking's meeting: pure decisions from the desired and the observed state."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.calendar import LocationType
from chalicelib.domain.connection import Connection, Grant, Reason
from chalicelib.domain.meeting import Meeting, MeetingReason, MeetingRequest, MeetingState, ProviderMeeting

SETTLE_WINDOW = timedelta(seconds=60)
"""After an unanswered create: longer than the HTTP timeout, a late commit and the lag of a list together."""
FIRST_LOOK = timedelta(minutes=10)
"""After a create that was in doubt: a commit later than the settle window shows up as a second meeting."""
FINISH_AFTER = timedelta(minutes=1)
"""When an unfinished meeting is updated. Its people have the link meanwhile."""
LOOKS_BEFORE_START = (timedelta(days=1), timedelta(hours=1))
"""When each meeting is looked at again: somebody may have deleted it. Reading does not count against daily limits."""
LONGEST_BACKOFF = timedelta(minutes=15)
RECONNECT_POLL = timedelta(minutes=15)
"""How often a booking looks whether its account was reconnected. Reconnecting wakes it too; this is the net below."""
_LEAST_WAIT = timedelta(seconds=5)
_SHORT_WAIT = timedelta(seconds=20)
_PATIENT_TRIES = 2


class Action(Enum):
    """A call to the provider."""

    CREATE = auto()
    UPDATE = auto()
    DELETE = auto()
    LOOK_UP = auto()


class CreateSemantics(Struct, frozen=True):
    """What a provider's create does when it is sent twice under one tag."""

    idempotent: bool = False
    """A second create returns the first one's meeting."""
    keeps_tags: bool = False
    """The tag of a deleted meeting is never free again, so a create that arrives late makes nothing."""
    lookup_creates: bool = False
    """Looking a meeting up creates it if it is not there."""


UNKNOWN_SEMANTICS = CreateSemantics()
"""Of a provider that this deployment does not have: nothing is sent again before a look-up."""


class AccessState(Enum):
    """Whether a booking may use a grant: it may; it may when the account is reconnected; never again."""

    OPEN = auto()
    BROKEN = auto()
    ENDED = auto()


class GrantAccess(Struct, frozen=True):
    """What a booking can reach of a grant, and why not."""

    access: AccessState
    grant: Grant | None = None
    connection: Connection | None = None
    reason: MeetingReason = MeetingReason.DISCONNECTED


def reach(connection: Connection | None, grant: Grant | None, grant_id: str, since: datetime | None) -> GrantAccess:
    """The access that `connection` gives to the grant `grant_id`.

    `since` is when the connection must have been made, so that an older booking gets nothing from a later one; None
    where a meeting exists already and only its upkeep is asked.
    """
    if connection is None or connection.grant_id != grant_id:
        return GrantAccess(AccessState.ENDED)
    if connection.ended_reason == Reason.DEAUTHORIZED or (grant and grant.broken_reason == Reason.DEAUTHORIZED):
        return GrantAccess(AccessState.ENDED, reason=MeetingReason.DEAUTHORIZED)
    # A connection that is ending still serves to remove its meetings, and for nothing else.
    if since is not None and (connection.connected_at != since or connection.ended_reason):
        return GrantAccess(AccessState.ENDED)
    if grant is None or not grant.is_usable:
        return GrantAccess(AccessState.BROKEN, grant, connection)
    return GrantAccess(AccessState.OPEN, grant, connection)


def belongs_to_another(booking: Booking, meeting: Meeting) -> bool:
    """Whether the meeting was made, or is being made, for another host or account than the booking's."""
    if meeting.grant_id is None or booking.eligibility is None:
        return False
    return (meeting.user_id, meeting.grant_id) != (booking.host.user_id, booking.eligibility.grant_id)


def unwanted(booking: Booking, meeting: Meeting, held: GrantAccess, now: datetime) -> Meeting | Action:
    """The next step for a booking that wants no meeting (any more). `held` is the access to the one it may have."""
    over = booking.appointment.ends_at <= now
    if (meeting.exists or meeting.intent_at) and not over:
        if held.access is AccessState.OPEN:
            return Action.DELETE if meeting.exists else Action.LOOK_UP
        if held.access is AccessState.BROKEN:
            return reconnect_awaited(meeting, now, booking.appointment.starts_at)
    left = MeetingReason.LEFT_AT_PROVIDER if meeting.exists else None
    gone = Meeting(generation=meeting.generation, state=MeetingState.REMOVED, reason=left)
    if booking.location.type is not LocationType.VIDEO:
        return replace(gone, state=MeetingState.NONE, reason=MeetingReason.LOCATION_NOT_VIDEO)
    if booking.eligibility is None:
        return replace(gone, state=MeetingState.NONE, reason=MeetingReason.NOT_CONNECTED)
    return gone


def wanted(
    booking: Booking,
    meeting: Meeting,
    target: GrantAccess,
    request: MeetingRequest,
    now: datetime,
    create: CreateSemantics = UNKNOWN_SEMANTICS,
) -> Meeting | Action:
    """The next step for a booking that wants a meeting, given the access to the account that is to make it."""
    over = booking.appointment.starts_at <= now
    if meeting.exists:
        if meeting.fingerprint == request.fingerprint or over:
            to_look = meeting.look_at is not None and meeting.look_at <= now and not over
            return Action.LOOK_UP if to_look and target.access is AccessState.OPEN else _ready(meeting)
        if target.access is AccessState.OPEN:
            return Action.UPDATE
        if target.access is AccessState.BROKEN:
            return reconnect_awaited(meeting, now, booking.appointment.starts_at)
        return _ready(meeting, MeetingReason.NOT_UPDATABLE)
    if target.access is AccessState.ENDED:
        return Meeting(generation=meeting.generation, state=MeetingState.NONE, reason=target.reason)
    if over and not _may_be_there(booking, meeting, now):
        return has_begun(meeting)
    if target.access is AccessState.BROKEN:
        return reconnect_awaited(meeting, now, booking.appointment.starts_at)
    intent_at = meeting.intent_at
    return _resolve_doubt(meeting, intent_at, create, over=over, now=now) if intent_at else Action.CREATE


def _resolve_doubt(
    meeting: Meeting, intent_at: datetime, create: CreateSemantics, *, over: bool, now: datetime
) -> Meeting | Action:
    """What to do about a create that may have been sent: send it again where that is safe, else look the meeting up."""
    if over and create.lookup_creates:
        return has_begun(meeting)
    # Where a deleted meeting's tag becomes free again, the first create must be over before it is repeated: if it
    # arrived late, it would create a meeting that was cancelled by then.
    window_is_over = now >= intent_at + SETTLE_WINDOW
    repeatable = create.idempotent and (create.keeps_tags or window_is_over) and not over
    return Action.CREATE if repeatable else Action.LOOK_UP


def intended(meeting: Meeting, now: datetime) -> Meeting:
    """The meeting just before its create is sent; one that waits goes on waiting until the provider responds."""
    state = MeetingState.WAITING if meeting.state is MeetingState.WAITING else MeetingState.PENDING
    return replace(meeting, state=state, reason=meeting.reason if meeting.is_under_way else None, intent_at=now)


def made(meeting: Meeting, made: ProviderMeeting, request: MeetingRequest, now: datetime) -> Meeting:
    """The meeting as the provider confirmed it, to be looked at again."""
    finish_at = now + FINISH_AFTER if made.is_unfinished else None
    looks = (meeting.look_at, next_look(request.starts_at, now), finish_at)
    look_at = min((look for look in looks if look and now < look < request.starts_at), default=None)
    return replace(filled(meeting, made, request), look_at=look_at)


def filled(meeting: Meeting, made: ProviderMeeting, request: MeetingRequest) -> Meeting:
    """The meeting with what the provider tells of it."""
    return replace(
        meeting,
        state=MeetingState.READY,
        reason=None,
        detail=None,
        attempts=0,
        next_attempt_at=None,
        id=made.id,
        join_url=made.join_url,
        passcode=made.passcode,
        dial_in=made.dial_in,
        fingerprint=None if made.is_unfinished else request.fingerprint,
        intent_at=None,
    )


def postponed(
    meeting: Meeting, reason: str, retry_at: datetime | None, now: datetime, random: Random, *, starts_at: datetime
) -> Meeting:
    """After a definite 'not now': a short wait stays `pending`, a longer one is `waiting`; both name the reason.

    Without the provider's word, or if that is 'at once': 5 to 15 seconds at first, then full jitter on a doubling bound
    of at most 15 minutes, but not beyond the start. A provider that makes nothing before the start is not waited for.
    """
    attempts = meeting.attempts + 1
    if retry_at is not None and retry_at >= starts_at > now and not meeting.exists and meeting.intent_at is None:
        return failed(
            meeting, MeetingReason.START_PASSED, "The provider makes no more meetings before the booking starts."
        )
    if retry_at is not None and retry_at - now >= _LEAST_WAIT:
        at = retry_at
    else:
        at = _before_start(now + _backoff(attempts, random), starts_at, now)
    patient = attempts <= _PATIENT_TRIES and at - now <= _SHORT_WAIT
    state = MeetingState.PENDING if patient else MeetingState.WAITING
    return replace(meeting, state=state, reason=reason, attempts=attempts, next_attempt_at=at)


def put_off(meeting: Meeting, step: Action, now: datetime, *, doubt: datetime | None = None) -> Meeting:
    """Before a call for which this Lambda has no time: the next one goes on at once.

    `doubt` is the intent that a create leaves behind which was not sent: that of an earlier one, if any.
    """
    if step is Action.LOOK_UP and meeting.exists:
        return look_later(meeting, now)
    intent_at = doubt if step is Action.CREATE else meeting.intent_at
    return replace(meeting, state=MeetingState.PENDING, reason=None, intent_at=intent_at, next_attempt_at=now)


def look_later(meeting: Meeting, now: datetime) -> Meeting:
    """A look could not be had now; the meeting is as ready as before."""
    return replace(meeting, look_at=now + FIRST_LOOK)


def window_ends(meeting: Meeting) -> datetime | None:
    """When a create that may have been sent can be looked for; None if there is no such create."""
    return meeting.intent_at + SETTLE_WINDOW if meeting.intent_at else None


def in_doubt(meeting: Meeting) -> Meeting:
    """A create is without an answer: look when the settle window is over."""
    state = MeetingState.PENDING if meeting.attempts <= 1 else MeetingState.WAITING
    reason = MeetingReason.PROVIDER_UNAVAILABLE if meeting.attempts else None
    return replace(meeting, state=state, reason=reason, next_attempt_at=window_ends(meeting))


def outage(meeting: Meeting, until: datetime) -> Meeting:
    """Nobody is to be asked before `until`; that is not this booking's failure and does not count as its attempt."""
    at = max(until, window_ends(meeting) or until)
    state, reason = MeetingState.WAITING, MeetingReason.PROVIDER_UNAVAILABLE
    return replace(meeting, state=state, reason=reason, next_attempt_at=at)


def next_look(starts_at: datetime, now: datetime, *, in_doubt: bool = False) -> datetime | None:
    """When to look at a meeting again that was just made, changed or looked at; None when nothing comes of it."""
    looks = [now + FIRST_LOOK] if in_doubt else []
    looks += [starts_at - ahead for ahead in LOOKS_BEFORE_START]
    return min((look for look in looks if now < look < starts_at), default=None)


def reconnect_awaited(meeting: Meeting, now: datetime, starts_at: datetime) -> Meeting:
    """Parked until the account is reconnected."""
    at = _before_start(now + RECONNECT_POLL, starts_at, now)
    return replace(meeting, state=MeetingState.WAITING, reason=MeetingReason.RECONNECT_NEEDED, next_attempt_at=at)


def failed(meeting: Meeting, reason: MeetingReason, detail: str) -> Meeting:
    """Permanent; `detail` says what to do.

    What an earlier try may have left at the provider is not forgotten: a retry looks for it, a cancellation removes it.
    """
    return replace(meeting, state=MeetingState.FAILED, reason=reason, detail=detail, next_attempt_at=None)


def has_begun(meeting: Meeting) -> Meeting:
    """Nothing is made any more for a booking that has started."""
    return failed(meeting, MeetingReason.START_PASSED, "The booking has started; no meeting is made any more.")


def left_over(meeting: Meeting) -> Meeting:
    """The meeting as one that is to be removed, beginning now."""
    return replace(meeting, state=MeetingState.PENDING, reason=None, detail=None, attempts=0, next_attempt_at=None)


def broken_down(meeting: Meeting) -> Meeting:
    """An error of our own kept the booking from being settled."""
    detail = "An error on our side keeps this booking from being settled. It was reported; ask for a retry later."
    return failed(meeting, MeetingReason.INTERNAL_ERROR, detail)


def rests(meeting: Meeting, now: datetime) -> bool:
    """Whether the provider is to be left alone for now: it failed for good, or is to be asked again later.

    A reconnected account is noticed without asking the provider, so waiting for one is no rest.
    """
    if meeting.state is MeetingState.FAILED:
        return True
    if not meeting.is_under_way or meeting.next_attempt_at is None or meeting.reason == MeetingReason.RECONNECT_NEEDED:
        return False
    return meeting.next_attempt_at > now


def _may_be_there(booking: Booking, meeting: Meeting, now: datetime) -> bool:
    """Whether a look-up can still find a meeting that its people want to join."""
    return meeting.intent_at is not None and now < booking.appointment.ends_at


def _ready(meeting: Meeting, reason: MeetingReason | None = None) -> Meeting:
    return replace(
        meeting, state=MeetingState.READY, reason=reason, detail=None, attempts=0, next_attempt_at=None, intent_at=None
    )


def _before_start(at: datetime, starts_at: datetime, now: datetime) -> datetime:
    """`at`, but not after a start that lies ahead: then is the time to say that there is no meeting."""
    return min(at, starts_at) if now < starts_at else at


def _backoff(attempts: int, random: Random) -> timedelta:
    if attempts == 1:
        return timedelta(seconds=random.uniform(5, 15))
    bound = min(15.0 * 2 ** min(attempts, 10), LONGEST_BACKOFF.total_seconds())
    return timedelta(seconds=random.uniform(5, bound))
