"""Mails that did not arrive: the booking says so, the host is told once, and the address is spared if it must be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Invitation, InvitationState, address_key
from chalicelib.errors import LostRace, MailRejected, MailUnavailable
from chalicelib.observability import count, log
from chalicelib.store.bookings import BookingStore
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.suppressions import SuppressionStore
from chalicelib.store.workspaces import WorkspaceStore
from chalicelib.usecases.notices import NoticeMailer
from chalicelib.webhooks.outbox import Outbox

if TYPE_CHECKING:
    from chalicelib.mail.ses_events import MailReport

_REMEMBERED = timedelta(days=30)
"""How long after a booking's end nobody is told twice: events come late, and more than once."""


class Bounces:
    """Takes reports in any order, any number of times."""

    def __init__(
        self,
        bookings: BookingStore,
        suppressions: SuppressionStore,
        ephemeral: EphemeralStore,
        workspaces: WorkspaceStore,
        mailer: NoticeMailer,
        outbox: Outbox,
        clock: Callable[[], datetime],
    ) -> None:
        self._bookings = bookings
        self._suppressions = suppressions
        self._ephemeral = ephemeral
        self._workspaces = workspaces
        self._mailer = mailer
        self._outbox = outbox
        self._clock = clock

    def record(self, report: MailReport) -> None:
        """Act on a report. Raises `StoreUnavailable` or `MailUnavailable`: hand it in again."""
        count("MailsUndelivered")
        record = self._bookings.get(report.workspace_id, report.booking_id)
        if record is None:
            log.warning("a mail of an unknown booking is in trouble", workspace_id=report.workspace_id)
            return
        log.info(
            "a mail problem was reported",
            workspace_id=report.workspace_id,
            booking_id=report.booking_id,
            trouble=report.trouble.value,
        )
        self._bookings.add_mail_trouble(report.workspace_id, report.booking_id, report.message_id, report.trouble)
        mailed = _recipient(record.settlement.invitations, report)
        email = mailed.email if mailed else report.email
        if report.trouble.state is not InvitationState.SENT:
            self._outbox.enqueue_invitation_bounced(
                report.workspace_id,
                report.booking_id,
                email=email,
                role=mailed.role.value if mailed else "guest",
                state=report.trouble.state.value,
                message_id=report.message_id,
                at=self._clock(),
            )
        if report.trouble.lasts:
            self._suppressions.add(report.workspace_id, email, report.trouble, self._clock())
        if record.booking.appointment.ends_at > self._clock():
            self._tell_once(record.booking, email, report)

    def _tell_once(self, booking: Booking, email: str, report: MailReport) -> None:
        """A mail that is late and then does not arrive is told of twice: that is other news."""
        is_late = report.trouble.state is InvitationState.SENT
        digest = hashlib.sha256(address_key(email).encode()).hexdigest()[:32]
        listeners = self._listeners(booking, email)  # First: an outage here must not count as told.
        if listeners and (parked_until := self._mailer.check()):
            raise MailUnavailable("SES refuses every mail", retry_at=parked_until)
        told = f"told#{booking.workspace_id}#{booking.booking_id}#{digest}#{'late' if is_late else 'lost'}"
        try:
            self._ephemeral.put(told, report.trouble, booking.appointment.ends_at + _REMEMBERED)
        except LostRace:
            return
        try:
            self._tell(listeners, booking, email, report)
        except MailUnavailable:
            self._ephemeral.consume(told)
            raise

    def _tell(self, listeners: list[str], booking: Booking, email: str, report: MailReport) -> None:
        from chalicelib.mail.notice_templates import write_undelivered_notice

        for address in listeners:
            try:
                self._mailer.send_notice(address, *write_undelivered_notice(booking, email, report.trouble))
            except MailRejected as error:
                log.failure("a notice was refused", error, workspace_id=booking.workspace_id)

    def _listeners(self, booking: Booking, email: str) -> list[str]:
        """The host; the workspace's administrators where it is the host who cannot be reached."""
        host = booking.host.email
        if address_key(host) != address_key(email) and not self._suppressions.is_suppressed(booking.workspace_id, host):
            return [host]
        workspace = self._workspaces.get(booking.workspace_id)
        return list(workspace.admin_emails) if workspace else []


def _recipient(invitations: tuple[Invitation, ...], report: MailReport) -> Invitation | None:
    """Whom the booking knows under the address that SES reports, which is the one in ASCII."""
    from chalicelib.mail.addresses import is_same_mailbox

    found = [i for i in invitations if i.message_id == report.message_id]
    return next(iter(found or [i for i in invitations if is_same_mailbox(i.email, report.email)]), None)
