"""The effect that reminds of a booking. Each email is marked before and after it is sent, like an invitation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.invitation import Invite, Party
from chalicelib.domain.invitation_plan import reminder_invite
from chalicelib.domain.meeting import Meeting
from chalicelib.domain.reminder_plan import due_reminders, next_due_at, recipient_key, with_progress
from chalicelib.errors import MailRejected, MailUnavailable
from chalicelib.observability import count, log
from chalicelib.store.booking_leases import BookingLeases, Lease
from chalicelib.store.suppressions import SuppressionStore
from chalicelib.store.workspaces import RecentWorkspaces
from chalicelib.usecases.effects import EffectResult
from chalicelib.usecases.invitations import SEND_SECONDS, WRITE_SECONDS, in_style
from chalicelib.usecases.mail_allowance import MailAllowance
from chalicelib.usecases.mail_circuit import GuardedMailer
from chalicelib.usecases.sending_shares import SendingShare, send_all

_RETRY_DELAY = timedelta(seconds=30)


class _Email(NamedTuple):
    """An email of a reminder."""

    minutes_before: int
    invite: Invite

    @property
    def key(self) -> str:
        return recipient_key(self.invite.recipient.email)


class Reminders:
    """Sends the reminders that are due, from the address that sent the booking's invitations."""

    def __init__(
        self,
        leases: BookingLeases,
        mailer: GuardedMailer,
        workspaces: RecentWorkspaces,
        suppressions: SuppressionStore,
        clock: Callable[[], datetime],
        allowance: MailAllowance,
        *,
        add_links: Callable[[Booking, Meeting, Invite], Invite],
        share: SendingShare = send_all,
    ) -> None:
        self._leases = leases
        self._mailer = mailer
        self._workspaces = workspaces
        self._suppressions = suppressions
        self._clock = clock
        self._allowance = allowance
        self._add_links = add_links
        self._share = share

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        """Send what is due. A reminder never keeps a booking from being settled: it only makes it due again."""
        revision, lease = lease.booking.revision, self._record_due(lease)
        emails = self._emails(lease)
        result = self._send_share(lease, emails, deadline) if emails else EffectResult(lease)
        lease = result.lease
        if lease.booking.revision != revision:
            return result
        lease = self._record_due(lease) if emails else lease
        next_at = next_due_at(lease.booking, lease.settlement, self._clock())
        due_at = min((at for at in (result.due_at, next_at) if at is not None), default=None)
        return replace(result, lease=lease, due_at=due_at)

    def _record_due(self, lease: Lease) -> Lease:
        """Record which reminders came due, which is announced by webhook, and which of them are done."""
        booking = lease.booking
        for due in due_reminders(booking, lease.settlement, lease.answers, self._clock()):
            progress = due.progress
            if due.is_late:
                log.warning("reminder dropped", workspace_id=booking.workspace_id, booking_id=booking.booking_id)
                count("RemindersDropped", len(due.recipients) or 1)
            if due.is_late or not due.recipients:
                progress = replace(progress, marks={}, is_done=True, is_dropped=due.is_late)
            lease = replace(lease, settlement=with_progress(booking, lease.settlement, progress))
        return lease

    def _emails(self, lease: Lease) -> list[_Email]:
        due = due_reminders(lease.booking, lease.settlement, lease.answers, self._clock())
        workspace = self._workspaces.get(lease.booking.workspace_id) if due else None
        return [
            _Email(due_reminder.reminder.minutes_before, in_style(self._invite(lease, to), workspace))
            for due_reminder in due
            for to in due_reminder.recipients
        ]

    def _invite(self, lease: Lease, to: Party) -> Invite:
        booking, settlement = lease.booking, lease.settlement
        uid, sequence, now = settlement.uid or "", settlement.sequence, self._clock()
        invite = reminder_invite(booking, settlement.meeting, to, uid=uid, sequence=sequence, now=now)
        return replace(invite, sender=settlement.sender)

    def _send_share(self, lease: Lease, emails: list[_Email], deadline: Deadline) -> EffectResult:
        workspace_id = lease.booking.workspace_id
        if parked_until := self._mailer.check(emails[0].invite.sender):
            return EffectResult(lease, due_at=parked_until, is_mail_parked=True)
        if wait_until := self._allowance.check(workspace_id, len(emails)):
            return EffectResult(lease, due_at=wait_until, is_over_allowance=True)
        share = self._share(workspace_id, len(emails))
        return self._send(lease, emails, share, deadline) if share else self._hand_over(lease)

    def _send(self, lease: Lease, emails: list[_Email], share: int, deadline: Deadline) -> EffectResult:
        """Send as many as the share allows, if the workspace's allowance is not used up. The rest is due again."""
        # Everything that may fail comes before the first mark, as for invitations.
        workspace_id = lease.booking.workspace_id
        addresses = [email.invite.recipient.email for email in emails]
        suppressed = self._suppressions.find_suppressed(workspace_id, addresses)
        for email in emails:
            if email.invite.recipient.email in suppressed:
                lease = _mark(lease, email, is_sent=True)
        add_links = partial(self._add_links, lease.booking, lease.settlement.meeting)
        personal = [
            email._replace(invite=add_links(email.invite))
            for email in emails
            if email.invite.recipient.email not in suppressed
        ]
        if wait_until := self._allowance.take(workspace_id, min(share, len(personal))):
            return EffectResult(lease, due_at=wait_until, is_over_allowance=True)
        result, sent = self._send_each(lease, personal[:share], deadline)
        self._allowance.give_back(workspace_id, min(share, len(personal)) - sent)
        return result if result.due_at or len(personal) <= share else self._hand_over(result.lease)

    def _send_each(self, lease: Lease, emails: list[_Email], deadline: Deadline) -> tuple[EffectResult, int]:
        """Send the emails. Return also how many were sent."""
        revision, due_at, sent = lease.booking.revision, None, 0
        for email in emails:
            if not deadline.allows(SEND_SECONDS + WRITE_SECONDS):
                return EffectResult(lease, due_at=self._clock()), sent
            before = lease
            lease = self._leases.save(lease, _mark(lease, email, is_sent=False).settlement, self._clock())
            if lease.booking.revision != revision:
                return EffectResult(replace(lease, settlement=before.settlement)), sent
            lease.require(self._clock(), SEND_SECONDS)
            try:
                self._mailer.send(email.invite)
                sent += 1
            except MailUnavailable as error:
                if error.retry_at is not None:
                    return EffectResult(lease, due_at=error.retry_at, is_mail_parked=True), sent
                due_at = self._clock() + _RETRY_DELAY
                continue
            except MailRejected as error:
                log.failure("reminder rejected", error, workspace_id=lease.booking.workspace_id)
            lease = _mark(lease, email, is_sent=True)
        return EffectResult(lease, due_at=due_at), sent

    def _hand_over(self, lease: Lease) -> EffectResult:
        """Leave the other emails to another run: a settled booking can only be leased when it is due."""
        return EffectResult(lease, due_at=self._clock(), is_handed_over=True)


def _mark(lease: Lease, email: _Email, *, is_sent: bool) -> Lease:
    """Return the lease with the email's mark. `is_sent` is also true for an email that cannot be sent."""
    booking, settlement = lease.booking, lease.settlement
    progress = next(reminder for reminder in settlement.reminders if reminder.minutes_before == email.minutes_before)
    progress = replace(progress, marks=progress.marks | {email.key: is_sent})
    return replace(lease, settlement=with_progress(booking, settlement, progress))
