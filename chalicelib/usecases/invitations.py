"""Mail the invitations that a booking owes, each marked before and after it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.invitation import (
    DEFAULT_HOLD,
    Invitation,
    InvitationState,
    Invite,
    Party,
    Trouble,
    address_key,
    host_invite,
    outstanding,
    release_at,
)
from chalicelib.domain.meeting import Meeting
from chalicelib.domain.settlement import Settlement
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import MailRejected, MailUnavailable
from chalicelib.store.booking_leases import BookingLeases, Lease
from chalicelib.store.bookings import Record

_RETRY = timedelta(seconds=30)
_SEND_SECONDS = 15.0
"""The longest that handing over a mail takes."""


class Mailer(Protocol):
    """Hands a mail over. Raises `MailUnavailable` (try again) or `MailRejected` (never).

    `check` says when to try again, if no mail may be sent now.
    """

    def check(self, sender: str | None = None) -> datetime | None: ...

    def send(self, invite: Invite) -> str: ...


class Delivery(Struct, frozen=True):
    """The claim after mailing, and when to look again (None: every mail that is owed was sent).

    `is_parked`: SES refuses every mail, and the booking waits for that to end.
    """

    lease: Lease
    again_at: datetime | None = None
    is_parked: bool = False


class Workspaces(Protocol):
    """Where a workspace's settings are found; they may be a minute old."""

    def get(self, workspace_id: str) -> Workspace | None: ...


class Suppressions(Protocol):
    """Addresses that must not be mailed."""

    def is_suppressed(self, workspace_id: str, email: str) -> bool: ...

    def find_suppressed(self, workspace_id: str, emails: Iterable[str]) -> frozenset[str]: ...


class Invitations:
    """Sends what `domain.invitation.outstanding` finds, from the workspace's own address or else from `mail_from`."""

    def __init__(
        self,
        leases: BookingLeases,
        mailer: Mailer,
        workspaces: Workspaces,
        suppressions: Suppressions,
        clock: Callable[[], datetime],
        *,
        personal_link: Callable[[Booking, Meeting, Party], str | None],
        mail_from: str,
    ) -> None:
        self._leases = leases
        self._mailer = mailer
        self._workspaces = workspaces
        self._suppressions = suppressions
        self._clock = clock
        self._personal_link = personal_link
        self._mail_from = mail_from

    def deliver(self, lease: Lease, deadline: Deadline) -> Delivery:
        """Mail what is owed for the claim's revision, as far as this Lambda certainly lives to write it down.

        Stops when the booking changed meanwhile: what is owed is then another question.
        """
        workspace = self._workspaces.get(lease.booking.workspace_id)
        hold = timedelta(minutes=workspace.hold_minutes) if workspace else DEFAULT_HOLD
        due = release_at(lease.booking, lease.settlement.meeting, hold)
        if due is None:
            return Delivery(lease)
        owed = self._owed(lease, workspace)
        if owed and due > self._clock():
            return Delivery(lease, due)
        if owed and (parked_until := self._mailer.check(owed[0].sender)):
            return Delivery(lease, parked_until, is_parked=True)
        revision, again_at = lease.booking.revision, None
        # All are asked for before the first mail: one mail's end is written down with the next one's beginning, and
        # nothing that may fail shall come between.
        barred = self._suppressions.find_suppressed(
            lease.booking.workspace_id, [invite.recipient.email for invite in owed]
        )
        letters = [self._with_personal_link(lease, invite) for invite in owed]
        for invite, letter in zip(owed, letters, strict=True):
            if invite.recipient.email in barred:
                lease = _held_back(lease, invite)
                continue
            if not deadline.allows(_SEND_SECONDS + 3):
                return Delivery(lease, self._clock())
            before = lease
            lease = self._leases.save(lease, self._marked(lease.settlement, invite), self._clock())
            if lease.booking.revision != revision:
                return Delivery(replace(lease, settlement=before.settlement))
            lease.require(self._clock(), _SEND_SECONDS)
            try:
                message_id = self._mailer.send(letter)
            except MailUnavailable as error:
                if error.retry_at is not None:
                    return Delivery(lease, error.retry_at, is_parked=True)
                again_at = self._clock() + _RETRY
            except MailRejected:
                lease = _with(lease, invite, InvitationState.SUPPRESSED, reason=Trouble.REJECTED)
            else:
                lease = _with(lease, invite, InvitationState.SENT, sent_at=self._clock(), message_id=message_id)
        return Delivery(lease, again_at)

    def _with_personal_link(self, lease: Lease, invite: Invite) -> Invite:
        """Put the recipient's own link into the mail. `Invite.content` leaves it out: a new link key mails no one."""
        link = self._personal_link(lease.booking, lease.settlement.meeting, invite.recipient)
        return replace(invite, join_url=link) if link and invite.join_url else invite

    def _owed(self, lease: Lease, workspace: Workspace | None) -> list[Invite]:
        booking, settlement = lease.booking, lease.settlement
        sender = settlement.sender or (workspace and workspace.brand.sender) or self._mail_from
        owed = outstanding(
            booking,
            settlement.meeting,
            settlement.invitations,
            uid=settlement.uid or _uid(booking.workspace_id, booking.booking_id, sender),
            sequence=settlement.sequence + 1,
            now=self._clock(),
        )
        return [in_style(replace(invite, sender=sender), workspace) for invite in owed]

    def _marked(self, settlement: Settlement, invite: Invite) -> Settlement:
        return replace(
            settlement,
            uid=invite.uid,
            sender=invite.sender,
            sequence=max(settlement.sequence, invite.sequence),
            invitations=_put(settlement.invitations, _invitation(invite, InvitationState.SENDING)),
        )


def current_invite(record: Record, mail_from: str, now: datetime) -> Invite:
    """The calendar entry of a booking as its host has it, or would get it now."""
    booking, settlement = record.booking, record.settlement
    sender = settlement.sender or mail_from
    uid = settlement.uid or _uid(booking.workspace_id, booking.booking_id, sender)
    invite = host_invite(booking, settlement.meeting, uid=uid, sequence=max(settlement.sequence, 0), now=now)
    return replace(invite, sender=sender)


def calendar_file(record: Record, workspace: Workspace | None, mail_from: str, now: datetime) -> bytes:
    """Return the booking's calendar object (RFC 5545), as the host last got it or would get it now."""
    from chalicelib.mail.icalendar_object import build_calendar_file

    sender = (workspace and workspace.brand.sender) or mail_from
    return build_calendar_file(in_style(current_invite(record, sender, now), workspace), sender)


def in_style(invite: Invite, workspace: Workspace | None) -> Invite:
    """`invite` as the workspace wants its mails."""
    if workspace is None:
        return invite
    return replace(invite, brand=workspace.brand, reminder_minutes=workspace.reminder_minutes)


def _held_back(lease: Lease, invite: Invite) -> Lease:
    """The claim with a mail that must not be sent; one that bounced keeps saying so."""
    key = address_key(invite.recipient.email)
    last = next((i for i in lease.settlement.invitations if address_key(i.email) == key), None)
    if last is not None and last.content == invite.content and last.state is not InvitationState.SENDING:
        return lease
    return _with(lease, invite, InvitationState.SUPPRESSED, reason=Trouble.BLOCKED)


def _with(lease: Lease, invite: Invite, state: InvitationState, **known: Any) -> Lease:
    done = replace(_invitation(invite, state), **known)
    return replace(lease, settlement=replace(lease.settlement, invitations=_put(lease.settlement.invitations, done)))


def _invitation(invite: Invite, state: InvitationState) -> Invitation:
    to = invite.recipient
    return Invitation(
        email=to.email,
        name=to.name,
        role=to.role,
        time_zone=to.time_zone,
        method=invite.method,
        sequence=invite.sequence,
        content=invite.content,
        state=state,
        language=to.language,
        title=invite.title,
        starts_at=invite.starts_at,
        ends_at=invite.ends_at,
    )


def _put(invitations: tuple[Invitation, ...], one: Invitation) -> tuple[Invitation, ...]:
    key = address_key(one.email)
    if any(address_key(known.email) == key for known in invitations):
        return tuple(one if address_key(known.email) == key else known for known in invitations)
    return (*invitations, one)


def _uid(workspace_id: str, booking_id: str, sender: str) -> str:
    # Workspace and booking ids may hold characters that no calendar expects here, and need not be told to guests.
    digest = hashlib.sha256(f"{workspace_id}\0{booking_id}".encode()).hexdigest()[:32]
    return f"{digest}@{sender.rpartition('@')[2] or 'localhost'}"
