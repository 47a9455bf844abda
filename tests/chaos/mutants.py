"""The algorithm with one part missing: each must make the harness fail, or the harness would prove nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace
from pynamodb.expressions.condition import Condition

from chalicelib.domain.settlement import Settlement
from chalicelib.store.booking_leases import BookingLeases, Lease
from chalicelib.store.tables import BookingItem
from chalicelib.wiring import Services


def without_intent(services: Services) -> None:
    """A create that is not idempotent is sent without having been written down."""
    for provider in services.providers.values():
        provider.__dict__["is_local"] = True  # This object only, not its class.


def without_settle_window(services: Services) -> None:
    """A create in doubt is looked for at once: every reader of a booking takes the intent as long past."""

    class Impatient(BookingLeases):
        def acquire(self, workspace_id: str, booking_id: str, now: datetime) -> Lease | None:
            lease = super().acquire(workspace_id, booking_id, now)
            return lease and replace(lease, settlement=_aged(lease.settlement))

        def defer(self, lease: Lease, settlement: Settlement, until: datetime, now: datetime) -> Lease | None:
            hasty = min(until, now + timedelta(seconds=1)) if settlement.meeting.intent_at else until
            return super().defer(lease, settlement, hasty, now)

    services.__dict__["booking_leases"] = Impatient()


def without_lease(services: Services) -> None:
    """The lease of another settler is ignored."""
    services.__dict__["booking_leases"] = _Leaseless()


def without_fence(services: Services) -> None:
    """A settler's writes are taken even after another took over."""
    services.__dict__["booking_leases"] = _Fenceless()


def without_owner(services: Services) -> None:
    """Our invitation goes into a calendar that has the provider's event."""
    for provider in services.providers.values():
        provider.__dict__["writes_calendar_events"] = False


MUTANTS: dict[str, Callable[[Services], None]] = {
    "no intent": without_intent,
    "no settle window": without_settle_window,
    "no lease": without_lease,
    "no fence": without_fence,
}


class _Leaseless(BookingLeases):
    def acquire(self, workspace_id: str, booking_id: str, now: datetime) -> Lease | None:
        # To a clock that is days ahead every lease has ended; what the mutant writes is its own time again.
        ended = BookingItem(workspace_id, booking_id)
        exists = BookingItem.lease_until.exists() & (BookingItem.lease_until > now)
        _quietly(ended, [BookingItem.lease_until.set(datetime.fromtimestamp(0, UTC))], exists)
        return super().acquire(workspace_id, booking_id, now)


class _Fenceless(BookingLeases):
    def save(self, lease: Lease, settlement: Settlement, now: datetime) -> Lease:
        return super().save(_newest(lease), settlement, now)

    def _release(self, lease: Lease, settlement: Settlement, actions: list[Any], now: datetime) -> Lease | None:
        return super()._release(_newest(lease), settlement, actions, now)


def _newest(lease: Lease) -> Lease:
    item = BookingItem.get(lease.booking.workspace_id, lease.booking.booking_id, consistent_read=True)
    return replace(lease, fence=int(item.fence))


def _aged(settlement: Settlement) -> Settlement:
    meeting = settlement.meeting
    if meeting.intent_at is None:
        return settlement
    long_ago = meeting.intent_at - timedelta(hours=1)
    return replace(settlement, meeting=replace(meeting, intent_at=long_ago, next_attempt_at=None))


def _quietly(item: BookingItem, actions: list[Any], condition: Condition) -> None:
    from pynamodb.exceptions import UpdateError

    try:
        item.update(actions, condition=condition)
    except UpdateError:
        return
