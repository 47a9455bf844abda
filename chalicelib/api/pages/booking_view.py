"""How the workspace's pages show bookings: rows of a list, and one booking with its emails and its history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.api.pages.shown_bookings import can_retry, show_guests, show_state, show_time
from chalicelib.api.pages.tones import DELIVERY_TONES, MEETING_TONES
from chalicelib.domain.answers import answer_key, answer_of
from chalicelib.domain.attendance import Attendance
from chalicelib.domain.booking import Booking
from chalicelib.domain.history_entry import HistoryEntry, HistoryKind
from chalicelib.domain.invitation import InvitationState, Method, address_key, parties
from chalicelib.domain.meeting import MeetingState
from chalicelib.store.booking_records import Record
from chalicelib.usecases.booking_timeline import Timeline
from chalicelib.webhooks.model import Delivery

if TYPE_CHECKING:
    from chalicelib.wording import Wording

_FINE = {InvitationState.SENT, InvitationState.NOT_SENT, InvitationState.SENDING}


class ListedBooking(Struct, frozen=True):
    """One booking of a list."""

    id: str
    title: str
    starts_at: str
    host: str
    guests: str
    state: str
    tone: str
    """good, bad or plain"""
    why: str
    """The reason of the state, or empty."""
    advice: str
    """What to do about it, or empty."""
    join_url: str | None
    can_retry: bool
    next_attempt_at: str


class EmailRow(Struct, frozen=True):
    """The email to one person."""

    email: str
    name: str
    state: str
    tone: str
    sent_at: str
    answer: str
    can_resend: bool


class TimelineRow(Struct, frozen=True):
    """One line of the history."""

    at: datetime
    shown_at: str
    text: str
    tone: str


def booking_row(record: Record, now: datetime, wording: Wording) -> ListedBooking:
    """Return what a list shows of a booking."""
    booking, meeting, state = record.booking, record.current_meeting, show_state(record, wording)
    advice = wording.workspace_pages.bookings.advice.get(meeting.reason or "", "")
    return ListedBooking(
        id=booking.booking_id,
        title=booking.appointment.title or wording.untitled,
        starts_at=show_time(booking.appointment.starts_at, booking, wording),
        host=booking.host.name,
        guests=show_guests(booking),
        state=state.text,
        tone=state.tone,
        why=state.why,
        advice=advice if state.why and booking.appointment.ends_at > now else "",
        join_url=meeting.join_url if meeting.state is MeetingState.READY else None,
        can_retry=can_retry(record, now),
        next_attempt_at=show_time(meeting.next_attempt_at, booking, wording) if meeting.next_attempt_at else "",
    )


def email_rows(record: Record, now: datetime, wording: Wording) -> Iterator[EmailRow]:
    """Yield the emails to the host, the guests, and former participants."""
    booking, texts = record.booking, wording.workspace_pages.bookings
    last_by_key = {address_key(invitation.email): invitation for invitation in record.settlement.invitations}
    people = {address_key(party.email): (party.email, party.name) for party in parties(booking)}
    former = {key: (i.email, i.name) for key, i in last_by_key.items() if key not in people}
    is_open = not booking.is_cancelled and booking.appointment.ends_at > now
    for key, (email, name) in (people | former).items():
        last, answer = last_by_key.get(key), answer_of(record.answers, email)
        state = last.shown_state if last else None
        yield EmailRow(
            email=email,
            name=name,
            state=texts.email_states[state] if state else texts.not_yet,
            tone="plain" if state is None or state in _FINE else "bad",
            sent_at=show_time(last.sent_at, booking, wording) if last and last.sent_at else "",
            answer=wording.answer_page.choices[answer.choice] if answer else texts.no_answer,
            can_resend=is_open and key in people and state is InvitationState.SENT,
        )


def timeline_rows(record: Record, timeline: Timeline, wording: Wording) -> list[TimelineRow]:
    """Return the history, newest first."""
    booking, texts = record.booking, wording.workspace_pages.bookings
    rows = [(entry.at, text, _tone(entry)) for entry in timeline.history if (text := _text(entry, booking, wording))]
    rows += [(report.at, texts.reports[report.kind.value], "plain") for report in timeline.reports]
    rows += [_delivery_row(delivery, wording) for delivery in timeline.deliveries]
    rows.sort(key=lambda row: row[0])
    return [TimelineRow(at, show_time(at, booking, wording), text, tone) for at, text, tone in reversed(rows)]


def _delivery_row(delivery: Delivery, wording: Wording) -> tuple[datetime, str, str]:
    texts = wording.workspace_pages.bookings
    state = texts.delivery_states[delivery.state.value]
    text = texts.webhook.format(event=delivery.type, endpoint=delivery.key.endpoint_id, state=state)
    return delivery.last_attempt_at or delivery.created_at, text, DELIVERY_TONES[delivery.state]


def _text(entry: HistoryEntry, booking: Booking, wording: Wording) -> str:
    """Return what an entry says; empty for a kind of a later release."""
    texts = wording.workspace_pages.bookings
    if entry.kind not in set(HistoryKind):
        return ""
    text, (first, *others) = texts.entries[HistoryKind(entry.kind)], entry.note.split(" ")
    match entry.kind:
        case HistoryKind.MEETING:
            state = wording.settings_page.states[MeetingState(first)]
            why = wording.reasons.get(others[0], "") if others else ""
            return text.format(state=f"{state} · {why}" if why else state)
        case HistoryKind.MAILED:
            is_again = len(others) > 1 and others[1] != "0"
            text = texts.mailed_cancellation if first == Method.CANCEL else texts.mailed_again if is_again else text
            return text.format(count=entry.count)
        case HistoryKind.ANSWERED:
            answer = next((label for choice, label in wording.answer_page.choices.items() if choice == first), "")
            return text.format(who=_name_of(others, booking) or texts.someone, answer=answer)
        case HistoryKind.ATTENDANCE:
            return text.format(verdict=texts.verdicts[Attendance(first)])
    return text.format(count=entry.count, minutes=first)


def _name_of(keys: list[str], booking: Booking) -> str | None:
    """Return the name of the person whose `answer_key` begins with the key."""
    key = keys[0] if keys else "-"
    return next((party.name for party in parties(booking) if answer_key(party.email).startswith(key)), None)


def _tone(entry: HistoryEntry) -> str:
    if entry.kind == HistoryKind.MEETING:
        return MEETING_TONES[MeetingState(entry.note.split(" ")[0])]
    return "bad" if entry.kind == HistoryKind.UNDELIVERED else "plain"
