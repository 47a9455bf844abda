"""Emails to hosts about guests who propose another time in their calendar. The booking stays as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import Party, Role, address_key, is_emailed
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import MailUnavailable
from chalicelib.store.ephemeral import Entry, EphemeralStore
from chalicelib.store.suppressions import SuppressionStore
from chalicelib.store.workspaces import WorkspaceStore
from chalicelib.usecases.mail_circuit import GuardedMailer
from chalicelib.usecases.notices import send_notice

_SENDING = timedelta(seconds=45)
"""How long a notice counts as being sent. Lambda repeats an invocation that failed after a minute."""
_MARK_LIFE = timedelta(days=30)
"""How long after a booking's end a notice is not repeated: an email may be delivered more than once."""


class ProposalNotices:
    """Sends one notice for each proposal."""

    def __init__(
        self,
        ephemeral: EphemeralStore,
        workspaces: WorkspaceStore,
        suppressions: SuppressionStore,
        mailer: GuardedMailer,
        clock: Callable[[], datetime],
        product_name: str,
    ) -> None:
        self._ephemeral = ephemeral
        self._workspaces = workspaces
        self._suppressions = suppressions
        self._mailer = mailer
        self._clock = clock
        self._product_name = product_name

    def forward(self, booking: Booking, guest: Party, starts_at: datetime) -> None:
        """Email the host, or the administrators of a workspace that emails its hosts itself, about a proposed start.

        The same proposal is sent twice only if a process is killed in between, or if SES accepts the email to one
        administrator and not to the next. Raises `StoreUnavailable` or `MailUnavailable`: try again later.
        """
        workspace = self._workspaces.get(booking.workspace_id)
        addresses = self._addresses(booking, workspace)
        if not addresses:
            return
        if parked_until := self._mailer.check():
            raise MailUnavailable("SES refuses every email", retry_at=parked_until)
        mark, now = _mark(booking, guest, starts_at), self._clock()
        if not self._ephemeral.acquire(mark, now + _SENDING, now):
            return
        self._send(addresses, booking, guest, starts_at, workspace)
        self._ephemeral.put_all([Entry(mark, "", booking.appointment.ends_at + _MARK_LIFE)])

    def _send(
        self, addresses: list[str], booking: Booking, guest: Party, starts_at: datetime, workspace: Workspace | None
    ) -> None:
        from chalicelib.mail.notice_templates import Letterhead, write_proposed_notice

        notice = write_proposed_notice(booking, guest, starts_at, Letterhead(self._product_name, workspace))
        for address in addresses:
            send_notice(self._mailer, address, notice, workspace_id=booking.workspace_id)

    def _addresses(self, booking: Booking, workspace: Workspace | None) -> list[str]:
        """Return the addresses to email, without suppressed ones."""
        if is_emailed(booking, Role.HOST):
            return self._suppressions.select_allowed(booking.workspace_id, [booking.host.email])
        return self._suppressions.select_allowed(booking.workspace_id, workspace.admin_emails) if workspace else []


def _mark(booking: Booking, guest: Party, starts_at: datetime) -> str:
    proposal = f"{address_key(guest.email)}\0{booking.revision}\0{starts_at.isoformat()}"
    digest = hashlib.sha256(proposal.encode()).hexdigest()[:32]
    return f"proposed#{booking.workspace_id}#{booking.booking_id}#{digest}"
