"""The history of a booking: what happened, as far as settlers notice it, for people who look for a reason.

An entry is appended when the newest entry of its subject says something else, in a write that settling makes anyway.
The newest entry of each subject is always kept, so that nothing is recorded twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import replace

from chalicelib.domain.answers import Answers
from chalicelib.domain.booking import Booking, content_digest
from chalicelib.domain.history_entry import HistoryEntry, HistoryKind, entry
from chalicelib.domain.invitation import Invitation, InvitationState, Method
from chalicelib.domain.settlement import Settlement, current_attendance

MAX_ENTRIES = 30
_REVISIONS = frozenset({HistoryKind.BOOKED, HistoryKind.CHANGED, HistoryKind.RETRIED, HistoryKind.CANCELLED})


def with_history(settlement: Settlement, booking: Booking, answers: Answers, now: datetime) -> Settlement:
    """Return the settlement with what happened since its last entry. `answers` are the booking's."""
    history = settlement.history
    for new in sorted(_current(settlement, booking, answers, now), key=lambda new: new.at_seconds):
        history = _append(history, new)
    return settlement if history == settlement.history else replace(settlement, history=_bounded(history))


def _current(settlement: Settlement, booking: Booking, answers: Answers, now: datetime) -> Iterator[HistoryEntry]:
    """Yield an entry for each subject as it is now."""
    yield _revision(settlement.history, booking)
    meeting = settlement.meeting
    if settlement.revision:
        yield entry(HistoryKind.MEETING, now, " ".join(filter(None, (meeting.state.value, meeting.reason))))
    yield from _emails(settlement, now)
    for progress in settlement.reminders:
        if progress.is_done and not progress.is_dropped:
            yield entry(HistoryKind.REMINDED, now, str(progress.minutes_before), len(progress.marks))
    for key, answer in answers.items():
        yield entry(HistoryKind.ANSWERED, answer.answered_at, f"{answer.choice.value} {key[:8]}")
    if settlement.looked_at is not None:
        yield entry(HistoryKind.LOOKED, settlement.looked_at)
    if settlement.attendance is not None:
        yield entry(HistoryKind.ATTENDANCE, now, current_attendance(booking, settlement).value)


def _revision(history: tuple[HistoryEntry, ...], booking: Booking) -> HistoryEntry:
    """Return the entry of the booking's newest revision. Its note, a digest, shows whether the content changed."""
    content, before = content_digest(booking.appointment)[:8], _newest(history, HistoryKind.BOOKED)
    if booking.is_cancelled:
        kind = HistoryKind.CANCELLED
    elif booking.revision == 1:
        kind = HistoryKind.BOOKED
    else:
        kind = HistoryKind.RETRIED if before is not None and before.note == content else HistoryKind.CHANGED
    return entry(kind, booking.updated_at, content, booking.revision)


def _emails(settlement: Settlement, now: datetime) -> Iterator[HistoryEntry]:
    emailed = [i for i in settlement.invitations if not i.is_left_to_caller]
    for method in Method:
        sent = [i for i in emailed if i.method is method and i.state is InvitationState.SENT]
        newest = max(((i.sequence, i.resent_revision or 0) for i in sent), default=None)
        if newest is not None:
            same = [i for i in sent if (i.sequence, i.resent_revision or 0) == newest]
            at = max((i.sent_at for i in same if i.sent_at), default=now)
            yield entry(HistoryKind.MAILED, at, " ".join((method.value, *map(str, newest))), len(same))
    if troubled := sum(_is_troubled(invitation) for invitation in emailed):
        yield entry(HistoryKind.UNDELIVERED, now, count=troubled)


def _is_troubled(invitation: Invitation) -> bool:
    return invitation.reason is not None and invitation.state is not InvitationState.SENT


def _append(history: tuple[HistoryEntry, ...], new: HistoryEntry) -> tuple[HistoryEntry, ...]:
    last = _newest(history, new.kind, new.note)
    if last is None:
        return (*history, new)
    match new.kind:
        case HistoryKind.ANSWERED | HistoryKind.LOOKED:
            is_recorded = new.at_seconds <= last.at_seconds
        case HistoryKind.MAILED if last.note == new.note:  # The same emails, to more recipients by now.
            grown = replace(last, count=max(last.count, new.count))
            return tuple(grown if past is last else past for past in history)
        case kind if kind in _REVISIONS:
            is_recorded = new.count <= last.count
        case _:
            is_recorded = (last.note, last.count) == (new.note, new.count)
    return history if is_recorded else (*history, new)


def _newest(history: tuple[HistoryEntry, ...], kind: str, note: str = "") -> HistoryEntry | None:
    subject = _subject(kind, note)
    return next((past for past in reversed(history) if _subject(past.kind, past.note) == subject), None)


def _subject(kind: str, note: str) -> str:
    """Return what an entry is about: revisions share a subject, and each method and each reminder has its own."""
    if kind in _REVISIONS:
        return "revision"
    return f"{kind} {note.partition(' ')[0]}" if kind in (HistoryKind.MAILED, HistoryKind.REMINDED) else kind


def _bounded(history: tuple[HistoryEntry, ...]) -> tuple[HistoryEntry, ...]:
    """Return the newest entries, and the newest of each subject."""
    excess = len(history) - MAX_ENTRIES
    if excess <= 0:
        return history
    newest = set({_subject(past.kind, past.note): number for number, past in enumerate(history)}.values())
    removed = set([number for number in range(len(history)) if number not in newest][:excess])
    return tuple(past for number, past in enumerate(history) if number not in removed)
