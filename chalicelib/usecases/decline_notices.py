"""The effect that emails the host when a guest declines: once for each guest and answer."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.answers import Answer, DeclineNotice, answer_key, answer_of, declining_guests
from chalicelib.domain.booking import Booking
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.invitation import InvitationState, Party, Role, is_emailed
from chalicelib.store.booking_leases import Lease
from chalicelib.usecases.effects import EffectResult
from chalicelib.usecases.notices import HostNotices, Notice

if TYPE_CHECKING:
    from chalicelib.mail.notice_templates import Letterhead


class DeclineNotices(HostNotices):
    """The effect that emails the host when a guest declines."""

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        """Send a notice for each guest who declined, if the host can still act on it."""
        booking, result = lease.booking, EffectResult(lease)
        if not _pending(lease, self._clock()) or self._is_suppressed(booking):
            return result
        while pending := _pending(result.lease, self._clock()):
            guest, answer = pending[0]
            mark = partial(_with_notice, guest=guest, answer=answer)
            result = self._deliver(result.lease, deadline, mark, partial(_write_notice, booking, guest))
            if result.continue_at or result.lease.booking.revision != booking.revision:
                return result
        return result


def _write_notice(booking: Booking, guest: Party, letterhead: Letterhead) -> Notice:
    from chalicelib.mail.notice_templates import write_declined_notice

    return write_declined_notice(booking, guest, letterhead)


def _pending(lease: Lease, now: datetime) -> list[tuple[Party, Answer]]:
    """Return the guests whose decline the host does not know yet. One with an unknown outcome is sent again."""
    booking = lease.booking
    if booking.is_cancelled or not is_emailed(booking, Role.HOST) or booking.appointment.ends_at <= now:
        return []
    done = {(n.key, n.answered_at) for n in lease.settlement.declines if n.state is not InvitationState.SENDING}
    answers = [(guest, answer_of(lease.answers, guest.email)) for guest in declining_guests(booking, lease.answers)]
    return [
        (guest, answer)
        for guest, answer in answers
        if answer is not None and (answer_key(guest.email), answer.answered_at) not in done
    ]


def _with_notice(lease: Lease, state: InvitationState, *, guest: Party, answer: Answer) -> Lease:
    notice = DeclineNotice(answer_key(guest.email), answer.answered_at, state)
    others = tuple(other for other in lease.settlement.declines if other.key != notice.key)
    return replace(lease, settlement=replace(lease.settlement, declines=(*others, notice)))
