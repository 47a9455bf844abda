"""The effect that stores which booking a calendar entry belongs to: an answer of a calendar names the entry only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from chalicelib.domain.deadline import Deadline
from chalicelib.domain.digest import digest, set_values
from chalicelib.domain.invitation import address_key
from chalicelib.errors import StoreUnavailable
from chalicelib.observability import log
from chalicelib.store.booking_leases import Lease
from chalicelib.store.references import ReferenceStore, uid_key
from chalicelib.store.workspaces import RecentWorkspaces
from chalicelib.usecases.effects import EffectResult
from chalicelib.usecases.invitations import sender_of, uid_of

_RETRY_AFTER = timedelta(minutes=1)


class ReplyReferences:
    """Stores a reference before the first email of a booking, and again when the booking's end moves.

    Only for invitations from `mail_from`: calendars answer to the organizer, and this deployment receives no email of
    other addresses.
    """

    def __init__(
        self,
        references: ReferenceStore,
        workspaces: RecentWorkspaces,
        retention: timedelta | None,
        clock: Callable[[], datetime],
        *,
        mail_from: str,
    ) -> None:
        """`retention`: as for `BookingLeases`."""
        self._references = references
        self._workspaces = workspaces
        self._retention = retention
        self._clock = clock
        self._mail_from = mail_from

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        """Store the reference if it is missing. After an outage of its table, the booking is due again soon."""
        booking, settlement, ends_at = lease.booking, lease.settlement, lease.booking.appointment.ends_at
        if booking.is_cancelled or ends_at <= self._clock():
            return EffectResult(lease)
        sender = sender_of(settlement, self._workspaces.get(booking.workspace_id), self._mail_from)
        uid = settlement.uid or uid_of(booking, sender)
        key = digest(set_values(uid=uid, ends_at=ends_at), length=16)
        if address_key(sender) != address_key(self._mail_from) or settlement.reply_key == key:
            return EffectResult(lease)
        expires_at = None if self._retention is None else ends_at + self._retention
        try:
            self._references.put(uid_key(uid), booking.workspace_id, booking.booking_id, expires_at)
        except StoreUnavailable as error:
            # The emails must not wait for it.
            log.failure("the invitation's reference was not stored", error, workspace_id=booking.workspace_id)
            return EffectResult(lease, continue_at=self._clock() + _RETRY_AFTER)
        return EffectResult(replace(lease, settlement=replace(settlement, reply_key=key)))
