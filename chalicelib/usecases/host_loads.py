"""The effect that notes when a host has more meetings at a time than the account can run. It refuses nothing."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import MsgspecError
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.deadline import Deadline
from chalicelib.domain.host_load import HostLoad, find_overload
from chalicelib.errors import StoreError
from chalicelib.observability import log
from chalicelib.providers.base import Provider
from chalicelib.store.booking_leases import Lease
from chalicelib.store.bookings import BookingStore
from chalicelib.store.workspaces import RecentWorkspaces
from chalicelib.usecases.effects import EffectResult


class HostLoads:
    """Compares a booking with the others of its host, once for each revision."""

    def __init__(self, bookings: BookingStore, workspaces: RecentWorkspaces, providers: Mapping[str, Provider]) -> None:
        self._bookings = bookings
        self._workspaces = workspaces
        self._providers = providers

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        """Note the overload of the account. A booking that is settled already keeps its note."""
        if lease.is_settled:
            return EffectResult(lease)
        load = self._find(lease.booking) if lease.settlement.meeting.exists else None
        return EffectResult(replace(lease, settlement=replace(lease.settlement, host_load=load)))

    def _find(self, booking: Booking) -> HostLoad | None:
        limit = self._limit(booking)
        if limit is None:
            return None
        try:
            return find_overload(booking, self._bookings.around(booking), limit)
        except (StoreError, MsgspecError) as error:
            # The link and the emails must not wait for a note, also if another booking's row cannot be decoded.
            log.failure("the host's other bookings cannot be read", error, workspace_id=booking.workspace_id)
            return None

    def _limit(self, booking: Booking) -> int | None:
        """Return how many meetings the account can run at a time; None: any number."""
        provider = self._providers.get(booking.eligibility.provider) if booking.eligibility else None
        if provider is None or provider.meetings_at_once is None:
            return None
        workspace = self._workspaces.get(booking.workspace_id)
        return (workspace and workspace.meetings_at_once) or provider.meetings_at_once
