"""Record emails that were not delivered: on the booking, in the suppression list, and in a notice to the host."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Invitation, InvitationState, Role, address_key, is_emailed
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import LostRace, MailUnavailable
from chalicelib.observability import count, log
from chalicelib.store.booking_records import Record
from chalicelib.store.bookings import BookingStore
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.suppressions import SuppressionStore
from chalicelib.store.workspaces import WorkspaceStore
from chalicelib.usecases.mail_circuit import GuardedMailer
from chalicelib.usecases.notices import send_notice
from chalicelib.webhooks.outbox import Outbox

if TYPE_CHECKING:
    from chalicelib.mail.ses_events import MailReport

_MARK_LIFE = timedelta(days=30)
"""How long after a booking's end a notice is not repeated: events come late, and more than once."""


class Bounces:
    """Accepts reports in any order, and repeated reports."""

    def __init__(
        self,
        bookings: BookingStore,
        suppressions: SuppressionStore,
        ephemeral: EphemeralStore,
        workspaces: WorkspaceStore,
        mailer: GuardedMailer,
        outbox: Outbox,
        clock: Callable[[], datetime],
        product_name: str,
    ) -> None:
        self._bookings = bookings
        self._suppressions = suppressions
        self._ephemeral = ephemeral
        self._workspaces = workspaces
        self._mailer = mailer
        self._outbox = outbox
        self._clock = clock
        self._product_name = product_name

    def record(self, report: MailReport) -> None:
        """Record a report. Raises `StoreUnavailable` or `MailUnavailable`: record it again later."""
        count("MailsUndelivered")
        record = self._bookings.get(report.workspace_id, report.booking_id)
        if record is None:
            log.warning("email problem reported for an unknown booking", workspace_id=report.workspace_id)
            return
        log.info(
            "email problem reported",
            workspace_id=report.workspace_id,
            booking_id=report.booking_id,
            trouble=report.trouble.value,
        )
        if _may_be_of_last_email(record, report):
            self._bookings.add_mail_trouble(report.workspace_id, report.booking_id, report.message_id, report.trouble)
        invitation = _invitation_of(record.settlement.invitations, report)
        email = invitation.email if invitation else report.email
        if report.trouble.state is not InvitationState.SENT:
            self._enqueue_event(report, invitation, email)
        if report.trouble.is_permanent:
            self._suppressions.add(report.workspace_id, email, report.trouble, self._clock())
        if record.booking.appointment.ends_at > self._clock():
            self._notify_once(record.booking, email, report)

    def _enqueue_event(self, report: MailReport, invitation: Invitation | None, email: str) -> None:
        self._outbox.enqueue_invitation_bounced(
            report.workspace_id,
            report.booking_id,
            email=email,
            role=invitation.role.value if invitation else "guest",
            state=report.trouble.state.value,
            message_id=report.message_id,
            at=self._clock(),
        )

    def _notify_once(self, booking: Booking, email: str, report: MailReport) -> None:
        """Send one notice for a delayed email, and one if it is then not delivered."""
        is_late = report.trouble.state is InvitationState.SENT
        digest = hashlib.sha256(address_key(email).encode()).hexdigest()[:32]
        # Before the mark: an outage here must not count as sent.
        workspace = self._workspaces.get(booking.workspace_id)
        addresses = self._notice_addresses(booking, email, workspace)
        if addresses and (parked_until := self._mailer.check()):
            raise MailUnavailable("SES refuses every email", retry_at=parked_until)
        mark = f"notified#{booking.workspace_id}#{booking.booking_id}#{digest}#{'late' if is_late else 'lost'}"
        try:
            self._ephemeral.put(mark, report.trouble, booking.appointment.ends_at + _MARK_LIFE)
        except LostRace:
            return
        try:
            self._notify(addresses, booking, email, report, workspace)
        except MailUnavailable:
            self._ephemeral.consume(mark)
            raise

    def _notify(
        self, addresses: list[str], booking: Booking, email: str, report: MailReport, workspace: Workspace | None
    ) -> None:
        from chalicelib.mail.notice_templates import Letterhead, write_undelivered_notice

        letterhead = Letterhead(self._product_name, workspace)
        notice = write_undelivered_notice(booking, email, report.trouble, letterhead)
        for address in addresses:
            send_notice(self._mailer, address, notice, workspace_id=booking.workspace_id)

    def _notice_addresses(self, booking: Booking, email: str, workspace: Workspace | None) -> list[str]:
        """Return the host's address, or the administrators' if the host cannot be reached or gets no emails.

        Suppressed addresses are left out.
        """
        host = booking.host.email
        is_other = is_emailed(booking, Role.HOST) and address_key(host) != address_key(email)
        if is_other and not self._suppressions.is_suppressed(booking.workspace_id, host):
            return [host]
        return self._suppressions.select_allowed(booking.workspace_id, workspace.admin_emails) if workspace else []


def _may_be_of_last_email(record: Record, report: MailReport) -> bool:
    """Return whether the booking shows the email, or may do so soon: a settler may still have to store its id.

    Reports about earlier emails would make the row grow and are shown nowhere.
    """
    invitations = record.settlement.invitations
    is_sending = any(i.state is InvitationState.SENDING for i in invitations)
    return is_sending or not record.is_settled or any(i.message_id == report.message_id for i in invitations)


def _invitation_of(invitations: tuple[Invitation, ...], report: MailReport) -> Invitation | None:
    """Return the invitation that the report is about. SES reports the address in ASCII."""
    from chalicelib.mail.addresses import is_same_mailbox

    by_message = [i for i in invitations if i.message_id == report.message_id]
    by_address = [i for i in invitations if is_same_mailbox(i.email, report.email)]
    return next(iter(by_message or by_address), None)
