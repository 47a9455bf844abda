"""Emails of the service itself: a meeting failed, or an account must be reconnected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.calendar import Host
from chalicelib.domain.connection import Connection, Grant
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.invitation import InvitationState, Role, address_key, is_emailed
from chalicelib.domain.meeting import Meeting, MeetingState
from chalicelib.domain.settlement import Settlement
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import MailRejected, MailUnavailable
from chalicelib.observability import log
from chalicelib.store.booking_leases import BookingLeases, Lease
from chalicelib.store.calendars import CalendarStore
from chalicelib.store.suppressions import SuppressionStore
from chalicelib.store.workspaces import RecentWorkspaces, WorkspaceStore
from chalicelib.usecases.connect_links import LONGEST_LINK_LIFE, Visitor
from chalicelib.usecases.effects import EffectResult
from chalicelib.usecases.mail_allowance import MailAllowance, wait_for_allowance
from chalicelib.usecases.mail_circuit import GuardedMailer

if TYPE_CHECKING:
    from chalicelib.mail.notice_templates import Letterhead

_RETRY_DELAY = timedelta(seconds=30)
_SEND_SECONDS = 18.0
"""The longest that handing over an email takes, with the writes before and after it."""
Notice = tuple[str, str, str]
"""Subject, text and HTML."""


def send_notice(mailer: GuardedMailer, to: str, notice: Notice, *, workspace_id: str) -> InvitationState:
    """Send a notice. Return whether it was sent, or suppressed because SES rejects it. Raises `MailUnavailable`."""
    try:
        mailer.send_notice(to, *notice)
    except MailRejected as error:
        log.failure("notice rejected", error, workspace_id=workspace_id)
        return InvitationState.SUPPRESSED
    return InvitationState.SENT


class HostNotices:
    """Sends notices about a booking to its host. Base of the effects that decide which are pending.

    Like an invitation, a notice is marked before and after it is sent. It is sent twice only if a process is killed in
    between.
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

    def _is_suppressed(self, booking: Booking) -> bool:
        return self._suppressions.is_suppressed(booking.workspace_id, booking.host.email)

    def _deliver(
        self,
        lease: Lease,
        deadline: Deadline,
        mark: Callable[[Lease, InvitationState], Lease],
        write: Callable[[Letterhead], Notice],
    ) -> EffectResult:
        """Send what `write` returns, if emails may be sent now. `mark` returns the lease with the notice's state."""
        booking, settlement = lease.booking, lease.settlement
        if parked_until := self._mailer.check():
            return EffectResult(lease, parked_until, is_mail_parked=True)
        if not deadline.allows(_SEND_SECONDS):
            return EffectResult(lease, self._clock())
        # Read before the mark: nothing that may fail comes between it and the email.
        workspace = self._workspaces.get(booking.workspace_id)
        if wait_until := self._allowance.take(booking.workspace_id, 1):
            return wait_for_allowance(lease, wait_until)
        lease = self._leases.save(lease, mark(lease, InvitationState.SENDING).settlement, self._clock())
        if lease.booking.revision != booking.revision:
            self._allowance.give_back(booking.workspace_id, 1)
            return EffectResult(replace(lease, settlement=settlement))
        lease.require(self._clock(), _SEND_SECONDS)
        try:
            state = self._send(booking, write, workspace)
        except MailUnavailable as error:
            self._allowance.give_back(booking.workspace_id, 1)
            is_parked = error.retry_at is not None
            return EffectResult(lease, error.retry_at or self._clock() + _RETRY_DELAY, is_mail_parked=is_parked)
        return EffectResult(mark(lease, state))

    def _send(
        self, booking: Booking, write: Callable[[Letterhead], Notice], workspace: Workspace | None
    ) -> InvitationState:
        from chalicelib.mail.notice_templates import Letterhead

        notice = write(Letterhead(self._product_name, workspace))
        return send_notice(self._mailer, booking.host.email, notice, workspace_id=booking.workspace_id)


class FailureNotices(HostNotices):
    """The effect that reports to a host, once, that a meeting could not be created, changed or deleted."""

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        """Send the notice if the meeting failed and the host can still act on it."""
        booking, meeting = lease.booking, lease.settlement.meeting
        if meeting.state is not MeetingState.FAILED:
            return EffectResult(_with_notice(lease, None))
        if not self._is_pending(lease) or self._is_suppressed(booking):
            return EffectResult(lease)
        return self._deliver(lease, deadline, _with_notice, partial(_write_failure, booking, meeting))

    def _is_pending(self, lease: Lease) -> bool:
        booking, settlement = lease.booking, lease.settlement
        if not is_emailed(booking, Role.HOST):
            return False
        if settlement.notice not in (None, InvitationState.SENDING):
            return False
        nothing_left = booking.is_cancelled and not settlement.meeting.exists
        return not nothing_left and self._clock() < booking.appointment.ends_at


def _write_failure(booking: Booking, meeting: Meeting, letterhead: Letterhead) -> Notice:
    from chalicelib.mail.notice_templates import write_failed_meeting_notice

    return write_failed_meeting_notice(booking, meeting, letterhead)


def _with_notice(lease: Lease, state: InvitationState | None) -> Lease:
    settlement: Settlement = replace(lease.settlement, notice=state)
    return replace(lease, settlement=settlement)


class ReconnectNotices:
    """Emails that ask users to reconnect. `make_link` creates a connect link that is valid for the given time."""

    def __init__(
        self,
        mailer: GuardedMailer,
        workspaces: WorkspaceStore,
        calendars: CalendarStore,
        suppressions: SuppressionStore,
        make_link: Callable[[Visitor, timedelta], str],
        provider_name: Callable[[str], str],
        product_name: str,
        public_base_url: str | None = None,
    ) -> None:
        self._mailer = mailer
        self._workspaces = workspaces
        self._calendars = calendars
        self._suppressions = suppressions
        self._make_link = make_link
        self._provider_name = provider_name
        self._product_name = product_name
        self._public_base_url = public_base_url

    def connection_broken(self, grant: Grant, users: Sequence[Connection]) -> None:
        """Email the users of a broken grant and the administrators of their workspaces, one email per address.

        Each of them can reconnect it for all, because the grant is shared. The language is that of the user's calendar
        that was changed last, else the workspace's. Raises `MailUnavailable`, after the other emails, if one of them
        has to be retried.
        """
        if parked_until := self._mailer.check():
            raise MailUnavailable("SES refuses every email", retry_at=parked_until)
        addressed: set[str] = set()
        failure: MailUnavailable | None = None
        for connection in users:
            host = self._calendars.find_newest_host(connection.workspace_id, connection.user_id)
            workspace = self._workspaces.get(connection.workspace_id)
            for address in self._addresses(connection, host, workspace):
                if address_key(address) in addressed:
                    continue
                addressed.add(address_key(address))
                try:
                    self._send(grant, connection, address, host, workspace)
                except MailUnavailable as error:
                    failure = error
        if not addressed:
            log.warning("broken connection without an address to notify", users=len(users))
        if failure is not None:
            raise failure

    def _send(
        self, grant: Grant, connection: Connection, address: str, host: Host | None, workspace: Workspace | None
    ) -> None:
        from chalicelib.mail.notice_templates import Letterhead, write_reconnect_notice

        link = self._make_link(_visitor(connection), LONGEST_LINK_LIFE)
        url = f"{self._public_base_url or connection.base_url}/connect/{link}"
        letterhead = Letterhead(self._product_name, workspace)
        provider, language = self._provider_name(grant.provider), host.language if host else None
        notice = write_reconnect_notice(provider, grant.account.label, url, language, letterhead)
        send_notice(self._mailer, address, notice, workspace_id=connection.workspace_id)

    def _addresses(self, connection: Connection, host: Host | None, workspace: Workspace | None) -> list[str]:
        """Return the user's address (from the connect link, else from a calendar) and the administrators' addresses.

        Suppressed addresses are left out.
        """
        own = connection.user_email or (host and host.email)
        addresses = [*([own] if own else []), *(workspace.admin_emails if workspace else ())]
        return self._suppressions.select_allowed(connection.workspace_id, addresses)


def _visitor(connection: Connection) -> Visitor:
    return Visitor(
        connection.workspace_id,
        connection.user_id,
        email=connection.user_email,
        name=connection.user_name,
        provider=connection.provider,
    )
