"""The effect that sends the invitations of a booking. Each is marked before and after it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from chalicelib.domain.answers import partstat_of
from chalicelib.domain.booking import Booking
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.invitation import Invitation, InvitationState, Invite, Trouble, address_key
from chalicelib.domain.invitation_plan import DEFAULT_HOLD, announce, outstanding, release_at
from chalicelib.domain.meeting import Meeting
from chalicelib.domain.row_size import with_announcement, without_former
from chalicelib.domain.settlement import Settlement
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import MailRejected, MailUnavailable
from chalicelib.store.booking_leases import BookingLeases, Lease
from chalicelib.store.suppressions import SuppressionStore
from chalicelib.store.workspaces import RecentWorkspaces
from chalicelib.usecases.effects import EffectResult
from chalicelib.usecases.mail_allowance import MailAllowance, wait_for_allowance
from chalicelib.usecases.mail_circuit import GuardedMailer
from chalicelib.usecases.sending_shares import SendingShare, send_all

_RETRY_DELAY = timedelta(seconds=30)
SEND_SECONDS = 15.0
"""The longest that handing over an email takes."""
WRITE_SECONDS = 3.0
_HAND_OVER = timedelta(minutes=2)
"""When a booking is due whose emails were handed over: the schedule hands them over again if the message was lost."""


class Invitations:
    """Sends the outstanding invitations, from the workspace's own address or else from `mail_from`."""

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
        mail_from: str,
        share: SendingShare = send_all,
    ) -> None:
        self._leases = leases
        self._mailer = mailer
        self._workspaces = workspaces
        self._suppressions = suppressions
        self._clock = clock
        self._allowance = allowance
        self._add_links = add_links
        self._mail_from = mail_from
        self._share = share

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        """Send the invitations that are outstanding, unless they must wait for the meeting or for SES."""
        lease = _forget_former(_forget_wait(lease))
        workspace = self._workspaces.get(lease.booking.workspace_id)
        hold = timedelta(minutes=workspace.hold_minutes) if workspace else DEFAULT_HOLD
        send_at = release_at(lease.booking, lease.settlement.meeting, hold)
        if send_at is None:
            return EffectResult(lease)
        invites = self._outstanding(lease, workspace)
        if invites and send_at > self._clock():
            return EffectResult(lease, send_at)
        lease = _record_left_to_caller(lease, invites)
        invites = [invite for invite in invites if not invite.is_left_to_caller]
        if invites and (parked_until := self._mailer.check(invites[0].sender)):
            return EffectResult(lease, parked_until, is_mail_parked=True)
        if invites and (wait_until := self._allowance.check(lease.booking.workspace_id, len(invites))):
            return wait_for_allowance(lease, wait_until)
        share = self._share(lease.booking.workspace_id, len(invites)) if invites else 0
        if invites and share == 0:
            return self._hand_over(lease)
        return self._send(lease, invites, share, deadline)

    def _send(self, lease: Lease, invites: list[Invite], share: int, deadline: Deadline) -> EffectResult:
        """Send as many as the share allows, if the workspace's allowance is not used up."""
        # These are read before the first email: the mark that an email was sent is stored together with the mark that
        # the next one is being sent, and nothing that may fail must come between them.
        workspace_id, emails = lease.booking.workspace_id, [invite.recipient.email for invite in invites]
        suppressed = self._suppressions.find_suppressed(workspace_id, emails)
        personal = [self._add_links(lease.booking, lease.settlement.meeting, invite) for invite in invites]
        counted = min(share, len(invites) - len(suppressed))
        if wait_until := self._allowance.take(workspace_id, counted):
            return wait_for_allowance(lease, wait_until)
        result = self._send_each(lease, list(zip(invites, personal, strict=True)), suppressed, share, deadline)
        sent = _message_ids(result.lease.settlement) - _message_ids(lease.settlement)
        self._allowance.give_back(workspace_id, counted - len(sent))
        return result

    def _send_each(
        self,
        lease: Lease,
        invites: list[tuple[Invite, Invite]],
        suppressed: frozenset[str],
        share: int,
        deadline: Deadline,
    ) -> EffectResult:
        """Send each invite's personal form. Rejected emails do not count: each run tries them again."""
        revision, continue_at = lease.booking.revision, None
        for invite, email in invites:
            if invite.recipient.email in suppressed:
                lease = _record_suppressed(lease, invite)
                continue
            if share == 0:
                return EffectResult(lease, continue_at) if continue_at else self._hand_over(lease)
            if not deadline.allows(SEND_SECONDS + WRITE_SECONDS):
                return EffectResult(lease, self._clock())
            marked = self._leases.save(lease, _with_sending_mark(lease, invite), self._clock())
            if marked.booking.revision != revision:
                return EffectResult(replace(marked, settlement=lease.settlement))
            try:
                lease, is_counted = self._send_marked(marked, invite, email)
            except MailUnavailable as error:
                if error.retry_at is not None:
                    return EffectResult(marked, error.retry_at, is_mail_parked=True)
                lease, is_counted, continue_at = marked, True, self._clock() + _RETRY_DELAY
            share -= int(is_counted)
        return EffectResult(lease, continue_at)

    def _send_marked(self, lease: Lease, invite: Invite, email: Invite) -> tuple[Lease, bool]:
        """Send an email that is marked, and record the result. Return also whether it counts: a rejected one does not.

        Raises `MailUnavailable`.
        """
        lease.require(self._clock(), SEND_SECONDS)
        try:
            message_id = self._mailer.send(email)
        except MailRejected:
            return _record(lease, invite, InvitationState.SUPPRESSED, reason=Trouble.REJECTED), False
        return _record(lease, invite, InvitationState.SENT, sent_at=self._clock(), message_id=message_id), True

    def _hand_over(self, lease: Lease) -> EffectResult:
        """Leave the other emails to another run. A booking that was leased to verify it can only be leased when due."""
        now = self._clock()
        return EffectResult(lease, now if lease.is_settled else now + _HAND_OVER, is_handed_over=True)

    def _outstanding(self, lease: Lease, workspace: Workspace | None) -> list[Invite]:
        booking, settlement = lease.booking, lease.settlement
        sender = sender_of(settlement, workspace, self._mail_from)
        invites = outstanding(
            booking,
            settlement.meeting,
            settlement.invitations,
            leftovers=settlement.leftovers,
            announcements=settlement.announcements,
            uid=settlement.uid or uid_of(booking, sender),
            sequence=settlement.sequence + 1,
            now=self._clock(),
            settled_revision=lease.settled_revision,
        )
        invites = [replace(in_style(invite, workspace), sender=sender) for invite in invites]
        return [replace(i, partstat=partstat_of(booking, lease.answers, i.recipient.email)) for i in invites]


def in_style(invite: Invite, workspace: Workspace | None) -> Invite:
    """Return the invite with the workspace's brand and reminder."""
    if workspace is None:
        return invite
    return replace(invite, brand=workspace.brand, reminder_minutes=workspace.reminder_minutes)


def _forget_former(lease: Lease) -> Lease:
    """Drop the delivered cancellations of earlier changes. Those of the newest change stay visible until the next."""
    settlement = lease.settlement
    if lease.is_settled:
        return lease
    return replace(
        lease, settlement=replace(settlement, invitations=without_former(lease.booking, settlement.invitations))
    )


def _record_left_to_caller(lease: Lease, invites: list[Invite]) -> Lease:
    """Record what the caller emails. The settlement is stored with the next email, or after the last effect."""
    settlement, revision = lease.settlement, lease.booking.revision
    for invite in invites:
        if not invite.is_left_to_caller:
            continue
        last = _last_to(settlement, invite)
        if last is not None and last.sequence == invite.sequence and last.state is InvitationState.SENT:
            invitations = _put(settlement.invitations, replace(last, left_at_revision=revision))
            settlement = replace(settlement, invitations=invitations)
        else:
            invitation = replace(_invitation(invite, InvitationState.SENT), left_at_revision=revision)
            settlement = _with_invitation(settlement, lease.booking, invite, invitation)
    return replace(lease, settlement=settlement)


def _last_to(settlement: Settlement, invite: Invite) -> Invitation | None:
    key = address_key(invite.recipient.email)
    return next((i for i in settlement.invitations if address_key(i.email) == key), None)


def _forget_wait(lease: Lease) -> Lease:
    return replace(lease, settlement=replace(lease.settlement, emails_wait_until=None))


def _message_ids(settlement: Settlement) -> set[str]:
    return {invitation.message_id for invitation in settlement.invitations if invitation.message_id}


def _with_sending_mark(lease: Lease, invite: Invite) -> Settlement:
    return _with_invitation(lease.settlement, lease.booking, invite, _invitation(invite, InvitationState.SENDING))


def _with_invitation(settlement: Settlement, booking: Booking, invite: Invite, invitation: Invitation) -> Settlement:
    settlement = replace(
        settlement,
        uid=invite.uid,
        sender=invite.sender,
        sequence=max(settlement.sequence, invite.sequence),
        invitations=_put(settlement.invitations, invitation),
    )
    return with_announcement(settlement, announce(booking, settlement.meeting, invite.sequence))


def _record_suppressed(lease: Lease, invite: Invite) -> Lease:
    """Record an email that must not be sent. The state of an email that bounced is kept."""
    last = _last_to(lease.settlement, invite)
    if last is not None and last.content == invite.content and last.state is not InvitationState.SENDING:
        return lease
    return _record(lease, invite, InvitationState.SUPPRESSED, reason=Trouble.BLOCKED)


def _record(lease: Lease, invite: Invite, state: InvitationState, **fields: Any) -> Lease:
    invitation = replace(_invitation(invite, state), **fields)
    invitations = _put(lease.settlement.invitations, invitation)
    return replace(lease, settlement=replace(lease.settlement, invitations=invitations))


def _invitation(invite: Invite, state: InvitationState) -> Invitation:
    recipient = invite.recipient
    return Invitation(
        email=recipient.email,
        name=recipient.name,
        role=recipient.role,
        time_zone=recipient.time_zone,
        method=invite.method,
        sequence=invite.sequence,
        content=invite.content,
        state=state,
        language=recipient.language,
        title=invite.title,
        starts_at=invite.starts_at,
        ends_at=invite.ends_at,
        follows=invite.follows,
        entry_owner=invite.entry_owner,
        withdraws=invite.withdraws,
        resent_revision=invite.resent_revision,
    )


def _put(invitations: tuple[Invitation, ...], invitation: Invitation) -> tuple[Invitation, ...]:
    """Return `invitations` with `invitation` in place of the one to the same address, or at the end."""
    key = address_key(invitation.email)
    if any(address_key(other.email) == key for other in invitations):
        return tuple(invitation if address_key(other.email) == key else other for other in invitations)
    return (*invitations, invitation)


def sender_of(settlement: Settlement, workspace: Workspace | None, mail_from: str) -> str:
    """Return the organizer's address: that of the booking's first invitation, if there was one."""
    return settlement.sender or (workspace and workspace.brand.sender) or mail_from


def uid_of(booking: Booking, sender: str) -> str:
    """Return the UID of a booking without invitations. Afterwards the stored one counts."""
    # The ids may contain characters that calendars do not expect here, and guests do not need to see them.
    digest = hashlib.sha256(f"{booking.workspace_id}\0{booking.booking_id}".encode()).hexdigest()[:32]
    return f"{digest}@{sender.rpartition('@')[2] or 'localhost'}"
