"""Tell a host, once, that a booking's meeting could not be made, changed or deleted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from chalicelib.domain.invitation import InvitationState
from chalicelib.domain.meeting import MeetingState
from chalicelib.errors import MailRejected, MailUnavailable
from chalicelib.observability import log
from chalicelib.store.booking_leases import BookingLeases, Lease
from chalicelib.usecases.invitations import Delivery, Suppressions
from chalicelib.usecases.notices import NoticeMailer

_RETRY = timedelta(seconds=30)


class FailureNotices:
    """Marks a notice before and after sending it, as invitations are: it goes twice only if a process dies between."""

    def __init__(
        self,
        leases: BookingLeases,
        mailer: NoticeMailer,
        suppressions: Suppressions,
        clock: Callable[[], datetime],
    ) -> None:
        self._leases = leases
        self._mailer = mailer
        self._suppressions = suppressions
        self._clock = clock

    def tell(self, lease: Lease) -> Delivery:
        """The claim after telling, and when to try again (None: nobody needs to be told any more)."""
        booking, settlement = lease.booking, lease.settlement
        if settlement.meeting.state is not MeetingState.FAILED:
            return Delivery(replace(lease, settlement=replace(settlement, notice=None)))
        told = settlement.notice is not None and settlement.notice is not InvitationState.SENDING
        idle = booking.is_cancelled and not settlement.meeting.exists
        over = booking.appointment.ends_at <= self._clock()
        if told or idle or over or self._suppressions.is_suppressed(booking.workspace_id, booking.host.email):
            return Delivery(lease)
        if parked_until := self._mailer.check():
            return Delivery(lease, parked_until, is_parked=True)
        lease = self._leases.save(lease, replace(settlement, notice=InvitationState.SENDING), self._clock())
        if lease.booking.revision != booking.revision:
            return Delivery(replace(lease, settlement=settlement))
        return self._send(lease)

    def _send(self, lease: Lease) -> Delivery:
        from chalicelib.mail.notice_templates import write_failed_meeting_notice

        booking, state = lease.booking, InvitationState.SENT
        try:
            self._mailer.send_notice(
                booking.host.email, *write_failed_meeting_notice(booking, lease.settlement.meeting)
            )
        except MailUnavailable as error:
            return Delivery(lease, error.retry_at or self._clock() + _RETRY, is_parked=error.retry_at is not None)
        except MailRejected as error:
            log.failure("a notice was refused", error, workspace_id=booking.workspace_id)
            state = InvitationState.SUPPRESSED
        return Delivery(replace(lease, settlement=replace(lease.settlement, notice=state)))
