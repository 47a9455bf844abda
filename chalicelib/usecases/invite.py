"""Mail the invitations that a booking owes, each marked before and after it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from chalicelib.domain.invitation import (
    Invitation,
    InvitationState,
    Invite,
    address_key,
    host_invite,
    outstanding,
    release_at,
)
from chalicelib.domain.settlement import Settlement
from chalicelib.errors import MailRejected, MailUnavailable
from chalicelib.store.bookings import BookingStore, Claim, Record

_RETRY = timedelta(seconds=30)


class Mailer(Protocol):
    """Hands a mail over. Raises `MailUnavailable` (try again) or `MailRejected` (never)."""

    def send(self, invite: Invite) -> str: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """The claim after mailing, and when to look again (None: every mail that is owed was sent)."""

    claim: Claim
    again_at: datetime | None = None


class Inviter:
    """Sends what `domain.invitation.outstanding` finds. `domain_name` is that of the sending address."""

    def __init__(
        self,
        bookings: BookingStore,
        mailer: Mailer,
        clock: Callable[[], datetime],
        *,
        domain_name: str,
        hold: timedelta,
    ) -> None:
        self._bookings = bookings
        self._mailer = mailer
        self._clock = clock
        self._domain_name = domain_name
        self._hold = hold

    def deliver(self, claim: Claim) -> Delivery:
        """Mail what is owed for the claim's revision.

        Stops when the booking changed meanwhile: what is owed is then another question.
        """
        due = release_at(claim.booking, claim.settlement.meeting, self._hold)
        if due is None:
            return Delivery(claim)
        owed = self._owed(claim)
        if owed and due > self._clock():
            return Delivery(claim, due)
        revision, again_at = claim.booking.revision, None
        for invite in owed:
            before = claim
            claim = self._bookings.save(claim, self._marked(claim.settlement, invite), self._clock())
            if claim.booking.revision != revision:
                return Delivery(replace(claim, settlement=before.settlement))
            try:
                message_id = self._mailer.send(invite)
            except MailUnavailable:
                again_at = self._clock() + _RETRY
            except MailRejected:
                claim = _with(claim, invite, InvitationState.SUPPRESSED, None, None)
            else:
                claim = _with(claim, invite, InvitationState.SENT, self._clock(), message_id)
        return Delivery(claim, again_at)

    def _owed(self, claim: Claim) -> list[Invite]:
        booking, settlement = claim.booking, claim.settlement
        return outstanding(
            booking,
            settlement.meeting,
            settlement.invitations,
            uid=settlement.uid or _uid(booking.workspace_id, booking.booking_id, self._domain_name),
            sequence=settlement.sequence + 1,
            now=self._clock(),
        )

    def _marked(self, settlement: Settlement, invite: Invite) -> Settlement:
        return replace(
            settlement,
            uid=invite.uid,
            sequence=max(settlement.sequence, invite.sequence),
            invitations=_put(settlement.invitations, _invitation(invite, InvitationState.SENDING)),
        )


def current_invite(record: Record, domain_name: str, now: datetime) -> Invite:
    """The calendar entry of a booking as its host has it, or would get it now."""
    booking, settlement = record.booking, record.settlement
    uid = settlement.uid or _uid(booking.workspace_id, booking.booking_id, domain_name)
    return host_invite(booking, settlement.meeting, uid=uid, sequence=max(settlement.sequence, 0), now=now)


def _with(claim: Claim, invite: Invite, state: InvitationState, at: datetime | None, message_id: str | None) -> Claim:
    done = replace(_invitation(invite, state), sent_at=at, message_id=message_id)
    return replace(claim, settlement=replace(claim.settlement, invitations=_put(claim.settlement.invitations, done)))


def _invitation(invite: Invite, state: InvitationState) -> Invitation:
    to = invite.recipient
    return Invitation(to.email, to.name, to.role, to.time_zone, invite.method, invite.sequence, invite.content, state)


def _put(invitations: tuple[Invitation, ...], one: Invitation) -> tuple[Invitation, ...]:
    key = address_key(one.email)
    if any(address_key(known.email) == key for known in invitations):
        return tuple(one if address_key(known.email) == key else known for known in invitations)
    return (*invitations, one)


def _uid(workspace_id: str, booking_id: str, domain_name: str) -> str:
    # Workspace and booking ids may hold characters that no calendar expects here, and need not be told to guests.
    digest = hashlib.sha256(f"{workspace_id}\0{booking_id}".encode()).hexdigest()[:32]
    return f"{digest}@{domain_name}"
