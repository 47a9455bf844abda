"""What settling maintains outside the database. Each part is an effect, and all effects have the same signature."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from msgspec import Struct

from chalicelib.domain.deadline import Deadline
from chalicelib.store.booking_leases import Lease


class EffectResult(Struct, frozen=True):
    """The outcome of an effect for one booking."""

    lease: Lease
    """The lease with the effect's changes. They are stored after the last effect, if the effect did not store them."""
    continue_at: datetime | None = None
    """When to continue; None: nothing is left to do for this revision of the booking."""
    due_at: datetime | None = None
    """When to look at the booking again although nothing is left to do."""
    is_handed_over: bool = False
    """Whether another function continues, and has to be woken when the lease is released."""
    is_mail_parked: bool = False
    """Whether an email waits because SES refuses every email at the moment."""
    is_over_allowance: bool = False
    """Whether emails wait because the workspace's allowance is used up."""


class Effect(Protocol):
    """One part of the outside world that settling maintains, such as the meeting or the invitations.

    An effect compares the booking with the settlement, acts, and records in the settlement what it achieved. It is
    called again whenever the booking is due, and costs nothing if nothing is left to do.
    """

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        """Do what can be done now, starting nothing that might not finish before the deadline.

        If the booking changed meanwhile, the effect stops and returns the lease with the new booking. Failures outside
        are recorded in the settlement. Raises `StoreError`: `LostRace` if another settler took over.
        """
        ...
