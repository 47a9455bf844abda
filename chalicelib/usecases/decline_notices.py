"""The effect that emails the host when a guest declines: once for each guest and answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from chalicelib.domain.answers import Answer, DeclineNotice, answer_key, answer_of, declining_guests
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.invitation import InvitationState, Party, Role, is_emailed
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import MailUnavailable
from chalicelib.store.booking_leases import BookingLeases, Lease
from chalicelib.store.suppressions import SuppressionStore
from chalicelib.store.workspaces import RecentWorkspaces
from chalicelib.usecases.effects import EffectResult
from chalicelib.usecases.mail_allowance import MailAllowance, wait_for_allowance
from chalicelib.usecases.mail_circuit import GuardedMailer
from chalicelib.usecases.notices import send_notice

_RETRY_DELAY = timedelta(seconds=30)
_SEND_SECONDS = 18.0
"""The longest that handing over an email takes, with the writes before and after it."""


class DeclineNotices:
    """Like an invitation, a notice is marked before and after it is sent.

    It is sent twice only if a process is killed in between.
    """

    def __init__(
        self,
        leases: BookingLeases,
        mailer: GuardedMailer,
        workspaces: RecentWorkspaces,
        suppressions: SuppressionStore,
        clock: Callable[[], datetime],
        allowance: MailAllowance,
        product_name: str,
    ) -> None:
        self._leases = leases
        self._mailer = mailer
        self._workspaces = workspaces
        self._suppressions = suppressions
        self._clock = clock
        self._allowance = allowance
        self._product_name = product_name

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        """Send a notice for each guest who declined, if the host can still act on it."""
        booking = lease.booking
        if not _pending(lease, self._clock()):
            return EffectResult(lease)
        # Read before the marks: nothing that may fail comes between a mark and its email.
        if self._suppressions.is_suppressed(booking.workspace_id, booking.host.email):
            return EffectResult(lease)
        workspace = self._workspaces.get(booking.workspace_id)
        while pending := _pending(lease, self._clock()):
            if parked_until := self._mailer.check():
                return EffectResult(lease, parked_until, is_mail_parked=True)
            if not deadline.allows(_SEND_SECONDS):
                return EffectResult(lease, self._clock())
            if wait_until := self._allowance.take(booking.workspace_id, 1):
                return wait_for_allowance(lease, wait_until)
            guest, answer = pending[0]
            before = lease.settlement
            marked = _with_notice(lease, guest, answer, InvitationState.SENDING)
            lease = self._leases.save(lease, marked.settlement, self._clock())
            if lease.booking.revision != booking.revision:
                return EffectResult(replace(lease, settlement=before))
            lease.require(self._clock(), _SEND_SECONDS)
            try:
                lease = self._send(lease, guest, answer, workspace)
            except MailUnavailable as error:
                self._allowance.give_back(booking.workspace_id, 1)
                is_parked = error.retry_at is not None
                return EffectResult(lease, error.retry_at or self._clock() + _RETRY_DELAY, is_mail_parked=is_parked)
        return EffectResult(lease)

    def _send(self, lease: Lease, guest: Party, answer: Answer, workspace: Workspace | None) -> Lease:
        from chalicelib.mail.notice_templates import Letterhead, write_declined_notice

        booking = lease.booking
        notice = write_declined_notice(booking, guest, Letterhead(self._product_name, workspace))
        state = send_notice(self._mailer, booking.host.email, notice, workspace_id=booking.workspace_id)
        return _with_notice(lease, guest, answer, state)


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


def _with_notice(lease: Lease, guest: Party, answer: Answer, state: InvitationState) -> Lease:
    notice = DeclineNotice(answer_key(guest.email), answer.answered_at, state)
    others = tuple(other for other in lease.settlement.declines if other.key != notice.key)
    return replace(lease, settlement=replace(lease.settlement, declines=(*others, notice)))
